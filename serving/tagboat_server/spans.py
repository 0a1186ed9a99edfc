"""A span of OpenTelemetry's for every request: with the extra ``otel`` installed, where the environment asks for it.

It is asked for by OTEL_TRACES_EXPORTER (``otlp``, ``console``; ``none`` switches off), or by an endpoint in
OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. All else is configured by OpenTelemetry's own
variables too: headers, timeouts, sampler, resource. OTLP is spoken over HTTP.

Names and attributes are those of the HTTP semantic conventions; beside them stand ``tagboat.release``,
``tagboat.method`` and ``tagboat.rows``. Where nobody asks, nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Optional

from tagboat_server.logs import Log
from tagboat_server.spec import Identity
from tagboat_server.tracing import CURRENT, Trace

SIGNS = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

SPOKEN = "http/protobuf"

MISSING = "Add opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http, as tagboat-server[otel] does."

HEALTH = ("/health", "/health/live", "/health/ready", "/ping", "/v2/health/live", "/v2/health/ready")
QUIET = frozenset({*HEALTH, "/metrics"})
"""Paths without spans: what asks there every few seconds would drown the rest."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

CLOSING = 5.0
"""Seconds that the last spans may take to be sent when the server ends."""

FAILURE = 500

GONE = 499


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for spans."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return any(environment.get(name, "").strip() for name in SIGNS)


def spans_for(identity: Identity, environment: Mapping[str, str], log: Log) -> Optional[Spans]:
    """What makes spans, or None: nobody asks, or what they ask for cannot be had, which the log says."""
    if not wanted(environment):
        return None
    protocol = next(filter(None, map(environment.get, PROTOCOLS)), SPOKEN)
    if protocol != SPOKEN:
        log.event("spans-off", message=f"OTLP over {protocol} is not spoken", hint=f"Set {PROTOCOLS[1]}={SPOKEN}.")
        return None
    try:
        return Spans(identity, environment, log)
    except ImportError as error:
        log.event("spans-off", message=str(error), hint=MISSING)
    except Exception as error:  # noqa: BLE001 - a variable that OpenTelemetry cannot read must not take the server down
        log.event("spans-off", message=f"{type(error).__name__}: {error}", hint="See the variables OTEL_….")
    return None


class Spans:
    """Makes a span a request, and has them sent in a thread of its own: not to be made before a fork."""

    def __init__(self, identity: Identity, environment: Mapping[str, str], log: Log) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.provider = TracerProvider(
            resource=Resource.create(described(identity, environment)), shutdown_on_exit=False
        )
        for name in names_of(environment):
            exporter = exporter_of(name)
            if exporter is None:
                log.event(
                    "spans-off", message=f"no exporter {name!r}", hint="OTEL_TRACES_EXPORTER: otlp, console, none."
                )
            else:
                self.provider.add_span_processor(BatchSpanProcessor(exporter))
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            # So that spans of the model's own code go where ours go.
            trace.set_tracer_provider(self.provider)
        self.trace = trace
        self.tracer = self.provider.get_tracer("tagboat_server")
        self.release = identity.release

    def begin(self, scope: Mapping[str, Any], label: str, route: Optional[str], caller: Optional[Trace]) -> Any:
        """The span of a request that has arrived; it is current from now on. None for paths that have no spans.

        ``label``: the method of the model; ``route``: the path where something stands, which is no text of a client's.
        """
        if scope["path"] in QUIET:
            return None
        from opentelemetry.context import Context, attach

        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        known = {"http.route": route, "tagboat.release": self.release, "tagboat.method": label if route else None}
        span = self.tracer.start_span(
            f"{method} {route}" if route else "HTTP" if method == "_OTHER" else method,
            context=self.parent(caller) if caller is not None else Context(),
            kind=self.trace.SpanKind.SERVER,
            attributes={
                **{name: value for name, value in known.items() if value is not None},
                **of_request(scope, method),
            },
        )
        attach(self.trace.set_span_in_context(span))
        context = span.get_span_context()
        state = caller.state if caller is not None else ""
        CURRENT.set(Trace(f"{context.trace_id:032x}", f"{context.span_id:016x}", int(context.trace_flags), state))
        return span

    def parent(self, caller: Trace) -> Any:
        """The context of a caller's span."""
        trace = self.trace
        state = trace.TraceState.from_header([caller.state]) if caller.state else None
        context = trace.SpanContext(
            int(caller.trace, 16), int(caller.span, 16), True, trace.TraceFlags(caller.flags), state
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(context))

    def end(self, span: Any, status: int, rows: Optional[int]) -> None:
        """Note how a request was answered, and have the span sent."""
        span.set_attribute("http.response.status_code", status)
        if rows is not None:
            span.set_attribute("tagboat.rows", rows)
        if status >= FAILURE or status == GONE:
            span.set_attribute("error.type", str(status))
        if status >= FAILURE:
            span.set_status(self.trace.Status(self.trace.StatusCode.ERROR))
        span.end()

    def close(self) -> None:
        """Send what is left, within `CLOSING` seconds."""
        closing = threading.Thread(target=self.provider.shutdown, name="spans", daemon=True)
        closing.start()
        closing.join(CLOSING)


def described(identity: Identity, environment: Mapping[str, str]) -> dict[str, str]:
    """Which service this is; what OpenTelemetry's own variables say of that comes first."""
    given = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = bool(environment.get("OTEL_SERVICE_NAME")) or "service.name=" in given
    known = {
        "service.name": None if named else identity.artifact,
        "service.version": None if "service.version=" in given else identity.version,
        "deployment.environment.name": None if "deployment.environment.name=" in given else identity.stage,
        "tagboat.artifact": identity.artifact,
        "tagboat.release": identity.release,
    }
    return {name: value for name, value in known.items() if value}


def names_of(environment: Mapping[str, str]) -> list[str]:
    """The exporters that are asked for."""
    return [name.strip() for name in (environment.get("OTEL_TRACES_EXPORTER") or "otlp").split(",") if name.strip()]


def exporter_of(name: str) -> Any:
    """An exporter, or None where there is none of that name."""
    if name in {"otlp", "otlp_proto_http"}:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    return None


def of_request(scope: Mapping[str, Any], method: str) -> dict[str, Any]:
    """What the HTTP conventions want to know of a request."""
    found: dict[str, Any] = {
        "http.request.method": method,
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope["path"][:200],
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    if method == "_OTHER":
        found["http.request.method_original"] = scope["method"][:20]
    if scope.get("client"):
        found["client.address"] = scope["client"][0]
    if scope.get("server") and scope["server"][0]:
        found["server.address"] = scope["server"][0]
        if scope["server"][1]:
            found["server.port"] = scope["server"][1]
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), None)
    if agent is not None:
        found["user_agent.original"] = agent[:200].decode("latin-1")
    return found

"""The ASGI application: takes a request whole, finds what stands at its path, answers, counts and logs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, MutableMapping
from typing import Any, Callable, Optional

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from tagboat_server import protocols, tracing
from tagboat_server.errors import Rejection
from tagboat_server.execution import NeverBegunError
from tagboat_server.logs import Log
from tagboat_server.metrics import Metrics
from tagboat_server.protocols.base import COUNTED, Context, Request, Response, Route
from tagboat_server.protocols.pages import routes as page_routes
from tagboat_server.spans import Spans
from tagboat_server.tracing import CURRENT

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

GONE = 499
"""What is counted and logged for a request whose client has left; nginx's number."""

FAILURE = 500
"""From this status on it is the server's fault, also where a protocol answers all errors with 400."""


class Application:
    """Answers requests; while the process drains, every answer closes its connection.

    The release is put into every answer's headers by `server`, so that uvicorn's own answers have it too.
    """

    def __init__(self, context: Context, metrics: Metrics, log: Log, spans: Optional[Spans] = None) -> None:
        self.context = context
        self.state = context.state
        self.limit = context.settings.max_body
        self.metrics = metrics
        self.log = log
        self.spans = spans
        self.routes: dict[str, Route] = {**protocols.table(context), **page_routes(context, metrics)}
        self.nowhere = Nowhere(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        route = self.routes.get(scope["path"], self.nowhere)
        # The connection cancels it when its client is gone.
        scope["tagboat.task"] = asyncio.current_task()
        headers = dict(scope["headers"])
        trace = tracing.read(scope["headers"]) if b"traceparent" in headers else None
        CURRENT.set(trace)
        span = self.begin_span(scope, route, trace) if self.spans is not None else None
        status, rows, failed, label = FAILURE, None, 0, route.label
        try:
            response, failed = await self.response(route, scope, headers, receive)
            await self.respond(response, scope, send)
            status, rows, label = response.status, response.rows, response.label or label
        except (ClientGoneError, asyncio.CancelledError) as left:
            if isinstance(left, asyncio.CancelledError) and not is_gone(scope):
                raise
            status = GONE
            if isinstance(left, NeverBegunError):
                self.metrics.dropped.labels(route.label).inc()
        finally:
            if span is not None and self.spans is not None:
                self.spans.end(span, failed if failed >= FAILURE else status, rows)
        self.account(scope, label, status, started, rows, failed=failed)

    def begin_span(self, scope: Scope, route: Route, trace: Optional[tracing.Trace]) -> Any:
        """The request's span."""
        known = None if route is self.nowhere else scope["path"]
        return self.spans.begin(scope, route.label, known, trace) if self.spans is not None else None

    async def response(
        self, route: Route, scope: Scope, headers: dict[bytes, bytes], receive: Receive
    ) -> tuple[Response, int]:
        """The answer, and our own status where it is a refusal, else 0. Raises `ClientGoneError`."""
        try:
            if scope["method"] not in route.methods:
                allowed = ", ".join(route.methods)
                raise Rejection(405, f"{scope['method'][:20]} is not for this path", headers={"allow": allowed})
            body = b""
            if scope["method"] == "POST":
                body = arrived(scope.get("tagboat.cycle"), self.limit)
                if not body:
                    body = await read_body(headers, receive, self.limit)
            return await route(Request(scope["method"], scope["path"], scope["query_string"], headers, body)), 0
        except Rejection as rejection:
            return self.refused(route, scope, rejection), rejection.status

    def refused(self, route: Route, scope: Scope, rejection: Rejection) -> Response:
        """A refusal in the form of the protocol that was spoken; counted."""
        if rejection.status in COUNTED:
            call = getattr(route, "call", None)
            field = call.field_of(rejection.path) if call is not None else None
            self.metrics.refuse(rejection.label or route.label, rejection.reason, field)
        if route is self.nowhere:
            return protocols.refusal_at(scope["path"], rejection)
        response = route.refuse(rejection)
        return response if rejection.label is None else response._replace(label=rejection.label)

    async def respond(self, response: Response, scope: Scope, send: Send) -> None:
        """Send an answer."""
        connection = scope.get("tagboat.connection")
        cycle = scope.get("tagboat.cycle")
        last = self.state.draining and (connection is None or not connection.pipeline)
        headers = [(b"content-type", response.content_type), *response.headers]
        trace = CURRENT.get()
        if trace is not None:
            headers.append((b"traceparent", trace.parent.encode()))
        if cycle is not None and not cycle.flow.write_paused:
            if not cycle.disconnected:
                cycle.keep_alive = cycle.keep_alive and not last
                connection.answer(cycle, response.status, headers, response.body)
            return
        headers.append((b"content-length", str(len(response.body)).encode()))
        if last:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    def account(
        self, scope: Scope, label: str, status: int, started: float, rows: Optional[int], *, failed: int = 0
    ) -> None:
        """Count and log an answered request. ``failed``: our own status, where a protocol says it in another."""
        seconds = time.perf_counter() - started
        self.metrics.answered(label, failed if failed >= FAILURE else status, seconds)
        if self.log.access:
            self.log.request(scope, status, seconds, rows, self.context.identity.release, CURRENT.get())


class Nowhere(Route):
    """What stands at all other paths."""

    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
    label = "/*"

    def __init__(self, context: Context) -> None:
        names = ", ".join(protocols.method_paths(context))
        self.context = context
        self.hint = f"Methods of the model: {names}. See /docs."

    async def __call__(self, request: Request) -> Response:
        """Say what there is."""
        known = protocols.absence(self.context, request.path)
        raise known or Rejection(404, "there is nothing here", hint=self.hint)


class ClientGoneError(Exception):
    """The client left before its request was whole."""


def is_gone(scope: Scope) -> bool:
    """Whether the client has left."""
    cycle = scope.get("tagboat.cycle")
    return cycle is not None and bool(cycle.disconnected)


def arrived(cycle: Any, limit: int) -> bytes:
    """A body that is already here whole and so small that reading goes on behind it; else nothing."""
    if cycle is None or cycle.more_body or cycle.disconnected or len(cycle.body) > min(limit, HIGH_WATER_LIMIT):
        return b""
    return bytes(cycle.body)


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `Rejection` 413 as soon as it is known to be too large, announced or not."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit:
        raise too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise too_large(limit)
        return body
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise too_large(limit)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()


def too_large(limit: int) -> Rejection:
    """The answer to a body above the limit."""
    return Rejection(413, f"the body is larger than {limit} bytes", reason="size")

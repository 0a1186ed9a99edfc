"""A request keeps its caller's trace: in the answer, the access log, the model's code, and OpenTelemetry's spans."""

import gzip
import pickle
import re
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tagboat_server.tracing import Trace, read

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAID = f"00-{TRACE}-{PARENT}-01"


def headers(*parents, states=()):
    said = [(b"traceparent", value.encode()) for value in parents]
    return said + [(b"tracestate", value.encode()) for value in states]


@pytest.mark.parametrize(
    "value",
    [
        SAID,
        f" {SAID}\t",
        f"01-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01-what-a-later-version-adds",
    ],
)
def test_what_is_well_formed_is_taken(value):
    assert read(headers(value)) == Trace(TRACE, PARENT, 1)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01.",
        f"cc-{TRACE}-{PARENT}-01.later",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-0",
        f"00-{TRACE}-{PARENT}-0x",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"0-{TRACE}-{PARENT}-01",
        f"00_{TRACE}_{PARENT}_01",
        f"{SAID},{SAID}",
        f"{SAID}\n",
        "٠٠" + SAID[2:],
    ],
)
def test_what_is_malformed_is_no_trace(value):
    assert read(headers(value)) is None


def test_two_parents_are_none():
    assert read(headers(SAID, SAID)) is None
    assert read([]) is None


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["congo=t61rcWkgMzE"], "congo=t61rcWkgMzE"),
        (["rojo=1,, congo=2 ", "tenant@vendor=a b"], "rojo=1,congo=2,tenant@vendor=a b"),
        ([""], ""),
        (["no-value"], ""),
        (["UPPER=1"], ""),
        (["a=1,a=2"], ""),
        (["a=é"], ""),
        ([",".join(f"k{number}=1" for number in range(33))], ""),
        (["a=" + "x" * 256, "b=" + "x" * 256], ""),
        (["a=" + "x" * 100_000], ""),
    ],
)
def test_a_state_is_taken_whole_or_not_at_all(states, state):
    assert read(headers(SAID, states=states)).state == state
    assert read(headers("00", states=states)) is None


def test_a_further_request_belongs_to_the_trace():
    assert Trace(TRACE, PARENT, 1, "a=1").headers() == {"traceparent": SAID, "tracestate": "a=1"}
    assert Trace(TRACE, PARENT, 0).headers() == {"traceparent": f"00-{TRACE}-{PARENT}-00"}


MODEL = '''
import sys
import time

from tagboat_server.tracing import current


class Model:
    """Answers with the trace that it sees."""

    n_features_in_ = 1

    def predict(self, rows):
        told = float(rows[0][0])
        if told == -1:
            raise RuntimeError("broken")
        if told == -2:
            return [str("opentelemetry" in sys.modules)] * len(rows)
        time.sleep(max(0.0, told))
        return [str(current() and current().headers())] * len(rows)
'''


@pytest.fixture(scope="module")
def seeing_bundle(bundle_around, tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeing")
    module = types.ModuleType("seeing_model")
    exec(MODEL, module.__dict__)  # the class must be importable as seeing_model.Model while it is pickled
    sys.modules["seeing_model"] = module
    try:
        data = pickle.dumps(module.Model())
    finally:
        del sys.modules["seeing_model"]
    (folder / "model").mkdir()
    (folder / "model" / "seeing.pkl").write_bytes(data)
    return bundle_around(folder, "seeing.pkl", code={"seeing_model.py": MODEL})


@pytest.fixture(scope="module")
def server(serve_module, seeing_bundle):
    return serve_module(seeing_bundle, settings={"batching": "on"})


def ask(server, told=0.0, **said):
    return server.post("/predict", {"data": [[told]]}, **said)


def test_a_trace_is_in_the_answer_the_log_and_the_models_sight(server, wait_until):
    answer = ask(server, traceparent=SAID, tracestate="congo=1")
    assert answer.json["predictions"] == [str({"traceparent": SAID, "tracestate": "congo=1"})]
    assert answer.headers["traceparent"] == SAID
    wait_until(lambda: [event for event in server.events if event.get("trace_id") == TRACE])
    (line,) = [event for event in server.events if event.get("trace_id") == TRACE]
    assert (line["event"], line["span_id"], line["path"]) == ("request", PARENT, "/predict")


def test_a_refusal_keeps_the_trace_too_and_a_failure_names_it(server, wait_until):
    other = SAID.replace("4bf9", "aaaa")
    assert server.post("/predict", b"{", traceparent=other).headers["traceparent"] == other
    assert ask(server, -1, traceparent=other).status == 500
    failed = [event for event in server.events if event["event"] == "model-failed"]
    assert failed[-1]["trace_id"] == other.split("-")[1]


@pytest.mark.parametrize("value", ["00-<script>", f"{SAID}-x", "a" * 5000])
def test_what_is_malformed_is_never_given_back(server, value):
    answer = ask(server, traceparent=value, tracestate="congo=1")
    assert answer.status == 200
    assert "traceparent" not in answer.headers
    assert answer.json["predictions"] == ["None"]
    assert value not in server.log


def test_the_next_request_of_a_connection_is_not_in_the_trace_of_the_one_before(server):
    with server.socket() as client:
        body = b'{"data": [[0.0]]}'
        length = b"content-length: %d\r\n\r\n" % len(body)
        first = b"POST /predict HTTP/1.1\r\nhost: x\r\ntraceparent: " + SAID.encode() + b"\r\n" + length + body
        client.sendall(first + b"POST /predict HTTP/1.1\r\nhost: x\r\n" + length + body)
        received = b""
        while received.count(b"predictions") < 2:
            received += client.recv(65536)
    assert received.count(b"traceparent: ") == 1
    assert received.endswith(b'"None"],"release":"r1"}')


def test_requests_answered_together_see_no_trace_of_one_another(server):
    def trace_of(number):
        said = SAID.replace("4bf9", f"{number:04x}")
        answer = ask(server, 0.05, traceparent=said)
        assert answer.headers["traceparent"] == said
        return said, answer.json["predictions"][0]

    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(trace_of, range(1, 49)))
    assert all(found == "None" or said in found for said, found in seen)


def test_nothing_of_opentelemetry_is_imported_unless_asked_for(server):
    assert ask(server, -2).json["predictions"] == ["False"]


class Collector:
    """Takes OTLP over HTTP, as a collector does, and keeps the spans."""

    def __init__(self):
        self.requests = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                assert self.headers["content-type"] == "application/x-protobuf"
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                said = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()

    @property
    def environment(self):
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.http.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    @property
    def spans(self):
        resources = [part for request in list(self.requests) for part in request.resource_spans]
        return [span for part in resources for scope in part.scope_spans for span in scope.spans]

    @property
    def resource(self):
        return attributes(self.requests[0].resource_spans[0].resource)

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def attributes(holder):
    kinds = {"string_value": str, "int_value": int, "bool_value": bool}
    found = {}
    for pair in holder.attributes:
        kind = pair.value.WhichOneof("value")
        found[pair.key] = kinds.get(kind, str)(getattr(pair.value, kind))
    return found


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


def test_a_request_is_a_span_of_its_callers_trace(serve, seeing_bundle, collector, wait_until):
    server = serve(seeing_bundle, environment=collector.environment)
    answer = ask(server, traceparent=SAID, tracestate="congo=1", **{"user-agent": "probe/1"})
    wait_until(lambda: collector.spans)
    (span,) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert (span.name, span.kind, span.trace_state) == ("POST /predict", Span.SPAN_KIND_SERVER, "congo=1")
    found = attributes(span)
    assert found["client.address"] == "127.0.0.1"
    assert found["server.port"] == server.address[1]
    wanted = {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "url.path": "/predict",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "user_agent.original": "probe/1",
        "tagboat.method": "predict",
        "tagboat.release": "r1",
        "tagboat.rows": 1,
    }
    assert wanted.items() <= found.items()
    assert collector.resource["service.name"] == "iris"
    assert collector.resource["service.version"] == "v0.1.0"
    own = f"00-{TRACE}-{span.span_id.hex()}-01"
    assert answer.headers["traceparent"] == own
    assert own in answer.json["predictions"][0]
    wait_until(lambda: [event for event in server.events if event.get("span_id") == span.span_id.hex()])


def test_failures_are_errors_refusals_are_not_and_probes_have_no_span(serve, seeing_bundle, collector, wait_until):
    environment = {**collector.environment, "OTEL_SERVICE_NAME": "flowers", "OTEL_TRACES_EXPORTER": "otlp"}
    server = serve(seeing_bundle, environment=environment)
    ask(server, -1)
    for path in ("/health/ready", "/health", "/ping", "/v2/health/ready"):
        server.get(path)
    server.get("/metrics")
    server.post("/predict", b"{")
    server.get("/<script>")
    wait_until(lambda: len(collector.spans) >= 3)
    found = {span.name: span for span in collector.spans}
    by_status = {attributes(span)["http.response.status_code"]: span for span in collector.spans}
    assert sorted(by_status) == [400, 404, 500]
    assert by_status[500].status.code == Status.STATUS_CODE_ERROR
    assert attributes(by_status[500])["error.type"] == "500"
    assert by_status[400].status.code == Status.STATUS_CODE_UNSET
    assert set(found) == {"POST /predict", "GET"}
    assert by_status[500].parent_span_id == b""
    assert collector.resource["service.name"] == "flowers"


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_not_sent_yet_is_sent_at_the_end(serve, seeing_bundle, collector, workers):
    environment = {**collector.environment, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    server = serve(seeing_bundle, settings={"workers": workers}, environment=environment)
    with ThreadPoolExecutor(8) as pool:
        said = [answer.headers["traceparent"].split("-") for answer in pool.map(lambda _: ask(server), range(40))]
    server.terminate()
    assert server.wait() == 0
    sent = sorted((span.trace_id.hex(), span.span_id.hex()) for span in collector.spans)
    assert sent == sorted((trace, span) for _, trace, span, _ in said)
    assert len(set(sent)) == 40


def test_a_caller_that_does_not_sample_is_not_recorded(serve, seeing_bundle, collector):
    server = serve(seeing_bundle, environment=collector.environment)
    answer = ask(server, traceparent=SAID[:-1] + "0")
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-00", answer.headers["traceparent"])
    server.terminate()
    assert server.wait() == 0
    assert collector.spans == []


def test_a_collector_that_is_not_there_costs_no_request_and_no_end(serve, seeing_bundle, unused_port):
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{unused_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    server = serve(seeing_bundle, environment=environment)
    assert ask(server).status == 200
    server.terminate()
    assert server.wait(30) == 0
    assert all(line.startswith("{") for line in server.log.splitlines()), server.log


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_without_the_extra_the_log_says_what_to_add(serve, seeing_bundle, collector, tmp_path):
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").write_text("raise ImportError('there is no opentelemetry')\n")
    server = serve(seeing_bundle, environment={**collector.environment, "PYTHONPATH": str(tmp_path)})
    assert ask(server, traceparent=SAID).headers["traceparent"] == SAID
    (said,) = [event for event in server.events if event["event"] == "spans-off"]
    assert "tagboat-server[otel]" in said["hint"]


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_spans_can_be_switched_off(serve, seeing_bundle, collector, environment):
    server = serve(seeing_bundle, environment={**collector.environment, **environment})
    assert ask(server, -2).json["predictions"] == ["False"]
    assert bool([event for event in server.events if event["event"] == "spans-off"]) == (
        "OTEL_EXPORTER_OTLP_PROTOCOL" in environment
    )

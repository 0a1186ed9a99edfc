"""MLEM's own REST: the same questions to ``mlem serve fastapi`` and to us, side by side; and MLEM's own client."""

import json
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urljoin

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow

FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
ROW = list(FLOWER.values())


def without(name):
    return {key: value for key, value in FLOWER.items() if key != name}


def data(value):
    return {"data": value}


def values(*records):
    return data({"values": list(records)})


SAME = {
    "frame": [
        values(FLOWER),
        values(FLOWER, FLOWER),
        data({"values": {name: [value, value] for name, value in FLOWER.items()}}),
        values(dict(reversed(FLOWER.items()))),
        {},
        {"values": [FLOWER]},
        data(None),
        data([]),
        data(3),
        data({}),
        data([FLOWER]),
        values(),
        data({"values": None}),
        data({"values": 3}),
        values(3),
        values(ROW),
        values({**FLOWER, "age": 1}),
        values(FLOWER, {**FLOWER, "age": 1}),
        values(without("sepal_width")),
        values({**FLOWER, "sepal_width": "abc"}),
        values({**FLOWER, "sepal_width": [1]}),
        values({**FLOWER, "sepal_width": {"a": 1}}),
        b"",
        b"{",
        b"null",
        b"[]",
        b"3",
        b'"x"',
        b"\xff\xfe",
        b'{"data": "\xff"}',
        b'{"data": 1} x',
        b'{"data": {"values": [}}',
        b'{"data": {"values": [{"sepal_length": NaN}]}}',
        b'{"data": tru}',
    ],
    "array": [
        data([ROW]),
        data([ROW] * 3),
        data([ROW[:3]]),
        data(ROW),
        data([]),
        data([[]]),
        data("x"),
        data(None),
        data({"a": 1}),
        data([["a", 2, 3, 4]]),
        data([ROW, ROW[:3]]),
        data([[1, 2, 3, {}]]),
    ],
    "nested": [data([ROW] * 3), data([ROW] * 2), data([ROW, ROW, ROW[:2]]), data([ROW, ROW, 3]), data(3)],
    "scaler": [values(FLOWER), values(FLOWER, FLOWER)],
    "imputed": [values({**FLOWER, "sepal_width": None}), values(without("sepal_width")), values(FLOWER)],
    "text": [data("abcd"), data("odd"), data("")],
    "list": [data([1, 2, 3]), data([1, 2]), data("abc"), data(["a", 1, 2])],
    "mixed": [data([1, "a", 2.5]), data([1, "a"]), data({"a": 1}), data(["x", "a", 2.5])],
    "dict": [data({"a": 1, "b": [1, 2]}), data({"a": 1}), data({}), data([1]), data({"a": "x", "b": [1, 2]})],
    "number": [data(3), data(3.7), data(0.1), data("x")],
    "table": [values(FLOWER), values(FLOWER, FLOWER)],
}
"""Bodies that are answered in the same way, to the letter."""

STRICT = {
    "frame": [
        (values({**FLOWER, "sepal_width": "3.5"}), ["data", "values", 0, "sepal_width"], "type_error"),
        (values({**FLOWER, "sepal_width": None}), ["data", "values", 0, "sepal_width"], "type_error"),
        (values({**FLOWER, "sepal_width": True}), ["data", "values", 0, "sepal_width"], "type_error"),
        (values(FLOWER, without("petal_width")), ["data", "values", 1, "petal_width"], "value_error"),
        ({**values(FLOWER), "more": 1}, ["more"], "value_error"),
        (data({"values": [FLOWER], "more": 1}), ["data", "more"], "value_error"),
    ],
    "array": [
        (data([["1", 2, 3, 4]]), ["data", 0, 0], "type_error"),
        (data([ROW, [1, True, 3, 4]]), ["data", 1, 1], "type_error"),
        (data([[1, 2, 3, None]]), ["data", 0, 3], "type_error"),
    ],
    "text": [(data(3), ["data"], "type_error"), (data(None), ["data"], "type_error")],
    "imputed": [(values({**FLOWER, "sepal_width": "3"}), ["data", "values", 0, "sepal_width"], "type_error")],
    "list": [(data([1, 2.5, 3]), ["data", 1], "type_error"), (data([1, True, 3]), ["data", 1], "type_error")],
    "mixed": [(data([1, 2, 2.5]), ["data", 1], "type_error")],
    "dict": [(data({"a": "1", "b": [1, 2]}), ["data", "a"], "type_error")],
    "number": [(data("3"), ["data"], "type_error"), (data([1]), ["data"], "type_error")],
}
"""Bodies that MLEM converts and we refuse, in the form in which it refuses others: where, and the error's kind."""


class Peers:
    """Both servers for each model; ``mlem serve`` takes seconds to start, so all are started before one is awaited."""

    def __init__(self, mlem, models, quiet, serve, bundle_around):
        self.mlem, self.models, self.serve, self.bundle_around = mlem, models, serve, bundle_around
        self.quiet = quiet
        self.theirs, self.ours, self.processes = {}, {}, []

    def start(self, model, *options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [Path(self.mlem).parent / "mlem", "serve", "fastapi", "--model", f"model/{model}"]
        command += ["--host", "127.0.0.1", "--port", str(port), *options]
        log = (self.models / f"log-{model}").open("wb")
        process = subprocess.Popen(command, cwd=self.models, env=self.quiet(self.models), stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        self.theirs[model, options] = (process, port)

    def of(self, model, *options):
        """The ports of ``mlem serve`` and of our server."""
        process, port = self.theirs[model, options]
        for _ in range(900):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (self.models / f"log-{model}").read_text()
                time.sleep(0.1)
        if (model, options) not in self.ours:
            bundle = self.bundle_around(self.models, model, format="mlem")
            environment = {"PYTHONPATH": str(ROOT / "serving"), "PYTHONHASHSEED": "0"}
            settings = {"mlem-standardize": not options}
            server = self.serve(bundle, python=self.mlem, environment=environment, settings=settings)
            self.ours[model, options] = server
        return port, self.ours[model, options].address[1]


OWN = ("--standardize", "false")


@pytest.fixture(scope="module")
def peers(mlem, models, quiet, serve_module, bundle_around):
    both = Peers(mlem, models, quiet, serve_module, bundle_around)
    for model in (*SAME, "bytes"):
        both.start(model)
    for model in ("frame", "scaler", "several", "scaled"):
        both.start(model, *OWN)
    yield both
    for process in both.processes:
        process.kill()
    for process in both.processes:
        process.wait()


def ask(port, method, path, body=None, **headers):
    """Status, the headers that say something, and the body, as JSON where it is JSON."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection.request(method, path, body, {"content-type": "application/json", **headers} if body is not None else {})
    response = connection.getresponse()
    read = response.read()
    connection.close()
    location = response.getheader("location")
    told = {
        "allow": response.getheader("allow"),
        "location": urljoin("http://server/", location.replace(f"127.0.0.1:{port}", "server")) if location else None,
        "content-type": response.getheader("content-type") if read else None,
    }
    return response.status, told, json.loads(read) if read[:1] in b'{["' and read else read


def both_answer(peers, model, options, *question, **headers):
    theirs, ours = (ask(port, *question, **headers) for port in peers.of(model, *options))
    assert ours == theirs, question
    return ours


@pytest.mark.parametrize("model", SAME)
def test_every_answer_is_the_one_of_mlems_server(peers, model):
    assert both_answer(peers, model, (), "GET", "/interface.json")[0] == 200
    statuses = [both_answer(peers, model, (), "POST", "/predict", body)[0] for body in SAME[model]]
    assert statuses[0] == 200
    assert set(statuses) <= {200, 400, 422}


def test_both_of_the_methods_that_mlem_shows_stand(peers):
    both_answer(peers, "frame", (), "POST", "/predict_proba", values(FLOWER))
    both_answer(peers, "array", (), "POST", "/predict_proba", data([ROW]))


def test_the_authors_parameters_are_told(peers):
    assert both_answer(peers, "frame", (), "GET", "/interface.json")[2]["meta"] == {"owner": "botany"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/predict"),
        ("PUT", "/predict"),
        ("OPTIONS", "/predict"),
        ("POST", "/interface.json"),
        ("HEAD", "/interface.json"),
        ("POST", "/predict/"),
        ("POST", "/predict/?a=b"),
        ("GET", "/interface.json/"),
        ("GET", "/"),
    ],
)
def test_other_methods_and_redirections_are_the_same(peers, method, path):
    both_answer(peers, "frame", (), method, path)


@pytest.mark.parametrize(
    "content_type",
    ["text/csv", "application/x-www-form-urlencoded", "application/vnd.api+json", "application/json; charset=utf-8"],
)
def test_content_types_are_taken_and_refused_alike(peers, content_type):
    both_answer(peers, "frame", (), "POST", "/predict", values(FLOWER), **{"content-type": content_type})
    both_answer(peers, "frame", (), "POST", "/predict?a=b", b"", **{"content-type": content_type})


@pytest.mark.parametrize("model", STRICT)
def test_what_mlem_would_convert_is_refused_in_its_form(peers, model):
    for body, place, kind in STRICT[model]:
        status, told, answer = ask(peers.of(model)[1], "POST", "/predict", body)
        assert (status, told["content-type"]) == (422, "application/json"), body
        (detail,) = answer["detail"]
        assert (detail["loc"], detail["type"], set(detail)) == (["body", *place], kind, {"loc", "msg", "type"})
        assert detail["msg"]


def test_methods_stand_under_their_own_names_where_that_is_set(peers):
    both_answer(peers, "frame", OWN, "GET", "/interface.json")
    both_answer(peers, "frame", OWN, "POST", "/predict", {"X": {"values": [FLOWER]}})
    both_answer(peers, "frame", OWN, "POST", "/predict", values(FLOWER))
    both_answer(peers, "scaler", OWN, "GET", "/interface.json")
    both_answer(peers, "scaler", OWN, "POST", "/transform", {"X": {"values": [FLOWER]}})


def test_several_arguments_are_taken_by_name(peers):
    left, right = [[1, 2], [3, 4]], [[5.5, 6], [7, 8]]
    both_answer(peers, "several", OWN, "GET", "/interface.json")
    status, _, answer = both_answer(peers, "scaled", OWN, "POST", "/__call__", {"left": left, "factor": 3})
    assert (status, answer) == (200, [[3.0, 6.0], [9.0, 12.0]])
    for wrong in (
        {"left": left},
        {"factor": 3},
        {"left": left, "factor": "x"},
        {"left": [[1]], "factor": 1},
        {"left": [[1, "x"]], "factor": 1},
    ):
        assert both_answer(peers, "scaled", OWN, "POST", "/__call__", wrong)[0] in {400, 422}
    # MLEM fails where an argument is called `name`, and where an optional one is left out; we need not.
    ours = peers.of("several", *OWN)[1]
    assert ask(ours, "POST", "/__call__", {"left": left, "right": right, "name": 10})[2] == [[56, 62], [73, 84]]
    assert ask(ours, "POST", "/__call__", {"left": left, "right": right})[2] == [[12, 14], [17, 20]]


def test_several_arguments_are_shown_where_mlem_shows_the_first_alone(models, mlem, serve, bundle_around):
    bundle = bundle_around(models, "scaled", format="mlem")
    server = serve(bundle, python=mlem, environment={"PYTHONPATH": str(ROOT / "serving")})
    shown = server.get("/interface.json").json["methods"]
    assert [argument["name"] for argument in shown["predict"]["args"]] == ["left", "factor"]
    for path in ("/predict", "/__call__"):
        assert server.post(path, {"left": [[1, 2]], "factor": 3}).json == [[3.0, 6.0]]
    native = server.post("/methods/predict", {"data": {"left": [[1, 2]], "factor": 3}})
    assert native.json["predictions"] == [[3.0, 6.0]]
    for wrong, path in (
        ({"left": [[1, 2]]}, "data.factor"),
        ({"left": [[1, 2]], "factor": 1.5}, "data.factor"),
        ({"left": [[1, "2"]], "factor": 1}, "data.left[0][1]"),
        ({"left": [[1, 2]], "factor": 1, "more": 1}, "data.more"),
        ([[1, 2]], "data"),
    ):
        refused = server.post("/methods/predict", {"data": wrong})
        assert (refused.status, refused.json["error"]["path"]) == (422, path)


def test_a_models_failure_is_answered_as_mlem_does_and_counted_as_ours(peers):
    theirs, ours = (ask(port, "POST", "/predict", data("worse")) for port in peers.of("text"))
    assert (theirs[0], theirs[2]) == (400, {"error": "KeyError: 'a secret'"})
    assert (ours[0], set(ours[2])) == (400, {"error"})
    assert ours[2]["error"].startswith("KeyError: ")
    assert "a secret" not in ours[2]["error"]
    metrics = peers.ours["text", ()].get("/metrics").body.decode()
    assert 'tagboat_requests_total{method="__call__",status="500"} 1.0' in metrics


def test_bytes_travel_as_a_file(peers):
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\na\r\n--b\r\n\x00\xff\r\n--x--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    both_answer(peers, "bytes", (), "GET", "/interface.json")
    status, told, answer = both_answer(peers, "bytes", (), "POST", "/predict", form, **kind)
    assert (status, told["content-type"], answer) == (200, "application/octet-stream", b"\xff\x00\n\rb--\n\ra")
    both_answer(peers, "bytes", (), "POST", "/predict", b"abc")
    both_answer(peers, "bytes", (), "POST", "/predict", form.replace(b'"file"', b'"other"'), **kind)


def test_our_own_protocol_stands_beside_it(peers):
    _, ours = peers.of("frame")
    status, _, answer = ask(ours, "POST", "/methods/predict", data([FLOWER]))
    assert (status, answer) == (200, {"predictions": ["setosa"], "release": "r1"})


def test_a_model_without_sample_data_speaks_our_own_protocol(models, mlem, serve, bundle_around):
    bundle = bundle_around(models, "unknown", format="mlem")
    server = serve(bundle, python=mlem, environment={"PYTHONPATH": str(ROOT / "serving")})
    assert server.post("/predict", data([FLOWER])).json["predictions"] == ["setosa"]
    assert server.get("/interface.json").status == 404


CLIENT = """
import json, sys
import numpy, pandas
from mlem.runtime.client import HTTPClient
from mlem.runtime.interface import ExecutionError

flower = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}

def attempt(call, *arguments, **named):
    try:
        result = call(*arguments, **named)
    except Exception as error:
        return [type(error).__name__, str(error).split(" for url")[0]]
    if isinstance(result, pandas.DataFrame):
        return ["DataFrame", {name: str(dtype) for name, dtype in result.dtypes.items()}, result.to_dict("list")]
    if isinstance(result, (numpy.ndarray, numpy.number)):
        return [str(result.dtype), result.tolist()]
    return [type(result).__name__, repr(result)]

def client(model, **options):
    return HTTPClient(host="127.0.0.1", port=ports[model], **options)

ports = json.loads(sys.argv[1])
frame = pandas.DataFrame([flower, flower])
array = frame.to_numpy()
answers = {
    "frame": attempt(client("frame").predict, frame),
    "proba": attempt(client("frame").predict_proba, data=frame),
    "columns": attempt(client("frame").predict, frame.drop(columns="petal_width")),
    "no such method": attempt(lambda: client("frame").transform),
    "too many": attempt(client("frame").predict, frame, frame),
    "array": attempt(client("array").predict, array),
    "shape": attempt(client("array").predict, array[:, :2]),
    "raw": attempt(client("array", raw=True).predict, [[1, 2, 3]]),
    "raw text": attempt(client("array", raw=True).predict, "x"),
    "table": attempt(client("table").predict, frame),
    "text": attempt(client("text").predict, "abcd"),
    "odd": attempt(client("text").predict, "odd"),
    "list": attempt(client("list").predict, [1, 2, 3]),
    "number": attempt(client("number").predict, numpy.float32(0.1)),
    "bytes": attempt(client("bytes").predict, bytes(range(256)) + b"\\r\\n--\\r\\n"),
    "own names": attempt(client("own").predict, X=frame),
    "several": attempt(client("scaled"), array[:, :2], 3),
    "several by name": attempt(client("scaled"), left=array[:, :2], factor=3),
}
print(json.dumps(answers))
"""


def test_mlems_own_client_needs_no_change(peers, mlem, models, quiet):
    wanted = {model: peers.of(model) for model in ("frame", "array", "table", "text", "list", "number", "bytes")}
    wanted |= {"own": peers.of("frame", *OWN), "scaled": peers.of("scaled", *OWN)}
    answers = []
    for side in (0, 1):
        ports = json.dumps({model: both[side] for model, both in wanted.items()})
        command = [mlem, "-c", CLIENT, ports]
        done = subprocess.run(command, env=quiet(models), cwd=models, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    theirs, ours = answers
    assert ours == theirs
    assert ours["frame"] == ["object", ["setosa", "setosa"]]
    assert ours["odd"] == ["ExecutionError", "ValueError: an odd text\nis refused"]

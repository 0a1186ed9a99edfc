"""`/invocations` as clients meet it: every content type asks the same question and gets the same bits."""

import csv
import io
import json
import re
from pathlib import Path
from typing import get_args

import numpy
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from tagboat_server.errors import SettingsError
from tagboat_server.protocols import media
from tagboat_server.spec import DefaultAccept, read_settings

FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
NAMES = list(FLOWER)
ROW = list(FLOWER.values())
METHODS = ("predict", "predict_proba")
ARROW, PARQUET, NPY = "application/vnd.apache.arrow.stream", "application/x-parquet", "application/x-npy"


@pytest.fixture(scope="module")
def server(serve_module, forest_bundle):
    return serve_module(forest_bundle, settings={"max-body": 300_000})


@pytest.fixture(scope="module")
def matrix(serve_module, linear_bundle):
    """A server of a model without column names."""
    return serve_module(linear_bundle)


def ask(server, body, content_type="application/json", path="/invocations", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server.request("POST", path, body, {"content-type": content_type, **headers})


def as_npy(rows):
    out = io.BytesIO()
    numpy.save(out, numpy.array(rows))
    return out.getvalue()


def table(rows):
    return pyarrow.table({name: [row[place] for row in rows] for place, name in enumerate(NAMES)})


def as_stream(rows):
    sink = pyarrow.BufferOutputStream()
    with ipc.new_stream(sink, table(rows).schema) as writer:
        writer.write_table(table(rows))
    return bytes(sink.getvalue())


def as_parquet(rows):
    out = io.BytesIO()
    parquet.write_table(table(rows), out)
    return out.getvalue()


BODIES = {
    "application/json": lambda rows: json.dumps(rows).encode(),
    "application/jsonlines": lambda rows: "\n".join(map(json.dumps, rows)).encode(),
    "text/csv": lambda rows: "\r\n".join(",".join(map(repr, row)) for row in rows).encode(),
    "text/csv; header=present": lambda rows: "\n".join(
        [",".join(NAMES), *(",".join(map(repr, row)) for row in rows)]
    ).encode(),
    NPY: as_npy,
    ARROW: as_stream,
    PARQUET: as_parquet,
    "application/vnd.apache.parquet": as_parquet,
}

READERS = {
    "application/json": lambda body: json.loads(body)["predictions"],
    "application/jsonlines": lambda body: [json.loads(line) for line in body.splitlines()],
    "text/csv": lambda body: [[float(cell) for cell in row] for row in csv.reader(io.StringIO(body.decode()))],
    NPY: lambda body: numpy.load(io.BytesIO(body), allow_pickle=False).tolist(),
    ARROW: lambda body: [list(row.values()) for row in ipc.open_stream(body).read_all().to_pylist()],
    PARQUET: lambda body: [list(row.values()) for row in parquet.read_table(io.BytesIO(body)).to_pylist()],
}

ROWS = st.lists(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), min_size=1, max_size=30)


@given(ROWS)
@settings(deadline=None, max_examples=8)
def test_every_type_of_body_gets_the_bits_that_json_gets(server, rows):
    wanted = server.post("/predict_proba", {"data": rows}).json["predictions"]
    for content_type, write in BODIES.items():
        answer = ask(server, write(rows), content_type, "/invocations?method=predict_proba", accept="application/json")
        assert answer.status == 200, (content_type, answer.body)
        assert answer.json == {"predictions": wanted}, content_type


@given(ROWS)
@settings(deadline=None, max_examples=8)
def test_every_type_of_answer_has_the_bits_that_json_has(matrix, rows):
    wanted = matrix.post("/predict_proba", {"data": rows}).json["predictions"]
    for accept, read in READERS.items():
        answer = ask(matrix, rows, path="/invocations?method=predict_proba", accept=accept)
        assert answer.status == 200, (accept, answer.body)
        assert answer.headers["content-type"].startswith(accept)
        assert numpy.array(read(answer.body)).tobytes() == numpy.array(wanted).tobytes(), accept


@pytest.mark.parametrize(
    ("accept", "body", "content_type"),
    [
        ("application/jsonlines", b'"setosa"\n"setosa"\n', b"application/jsonlines"),
        ("text/csv", b"setosa\nsetosa\n", b"text/csv; charset=utf-8"),
        ("text/csv; header=present", b"predictions\nsetosa\nsetosa\n", b"text/csv; charset=utf-8; header=present"),
    ],
)
def test_text_is_answered_by_the_lines_that_were_asked_for(server, accept, body, content_type):
    answer = ask(server, [ROW, ROW], accept=accept)
    assert (answer.status, answer.body) == (200, body)
    assert answer.headers["content-type"].encode() == content_type


def test_text_is_answered_in_numpys_and_arrows_forms(server):
    assert numpy.load(io.BytesIO(ask(server, [ROW], accept=NPY).body)).tolist() == ["setosa"]
    answer = ask(server, [ROW], accept=ARROW)
    assert ipc.open_stream(answer.body).read_all().to_pydict() == {"predictions": ["setosa"]}
    answer = ask(server, [ROW], accept="application/vnd.apache.parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert parquet.read_table(io.BytesIO(answer.body)).to_pydict() == {"predictions": ["setosa"]}


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/*", "text/csv; charset=utf-8"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0.2, text/csv;q=0.9", "text/csv; charset=utf-8"),
        ("text/csv;q=0.5, application/json;q=0.5", "application/json"),
        ("application/json;q=0, */*", "application/jsonlines"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("TEXT/CSV", "text/csv; charset=utf-8"),
        ("nonsense", "application/json"),
    ],
)
def test_accept_is_honoured(server, accept, found):
    answer = ask(server, [ROW], **({"accept": accept} if accept else {}))
    assert (answer.status, answer.headers["content-type"]) == (200, found)


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*", "application/x-npz"])
def test_what_cannot_be_written_is_406_and_told_what_can(server, accept):
    answer = ask(server, [ROW], accept=accept)
    assert answer.status == 406
    assert "application/json" in answer.json["error"]["hint"]


def test_lines_are_answered_by_lines_so_that_batches_can_be_cut_and_joined(server):
    lines = json.dumps(FLOWER) + "\n" + json.dumps(FLOWER) + "\n"
    answer = ask(server, lines.encode(), "application/jsonlines", accept="*/*")
    assert (answer.headers["content-type"], answer.body) == ("application/jsonlines", b'"setosa"\n"setosa"\n')


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        ('[1, 2, 3, 4]\n[1, 2, "x", 4]\n', "line 2: [2]", "got text"),
        (json.dumps(FLOWER) + "\n" + json.dumps({**FLOWER, "age": 1}), "line 2: age", "unknown"),
        ("[1, 2, 3, 4]\n[1, 2, 3]\n", "line 2", "4 values"),
        ("[1, 2, 3, 4], [1, 2, 3, 4]\n", "line 1", "trailing"),
        ('[1, 2, 3, 4]], "data": [[1, 2, 3, 4]\n', "line 1", "trailing"),
        ("[1, 2,\n3, 4]\n", "line 1", "too early"),
        ("[1, 2, 3, 4]\n\n[1, 2, 3, 4]\n", "line 2", "empty"),
        ("[1, 2, 3, NaN]\n", "line 1: [3]", "NaN"),
        ("", None, "no rows"),
    ],
)
def test_a_wrong_line_is_told_by_its_number(server, lines, path, words):
    answer = ask(server, lines.encode(), "application/jsonlines")
    assert answer.status in {400, 422}
    assert answer.json["error"].get("path") == path
    assert words in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "path"),
    [
        (b"1,2,3,4\n1,2,x,4\n", "text/csv", 422, "csv line 2, column petal_length"),
        (as_npy([[1.0, 2.0, 3.0]]), NPY, 422, "npy"),
        (as_npy([[1.0, 2.0, 3.0, numpy.nan]]), NPY, 422, "npy[0][3]"),
        (as_npy([["a", "b", "c", "d"]]), NPY, 422, "npy"),
        (as_npy([[True, True, False, True]]), NPY, 422, "npy"),
        (as_stream([[1.0, 2.0, 3.0, None]]), ARROW, 422, "arrow.petal_width[0]"),
        (as_parquet([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, None, 4.0]]), PARQUET, 422, "parquet.petal_length[1]"),
        (b"PAR1", PARQUET, 400, "parquet"),
        (b"", ARROW, 400, "arrow"),
        (b"\x93NUMPY", NPY, 400, "npy"),
        (b"{}", "application/x-recordio-protobuf", 415, None),
        (b"1,2,3,4", "text/csv; header=maybe", 415, None),
        (b"[[1,2,3,4]]", "application/json; charset=latin-1", 415, None),
    ],
)
def test_a_refusal_names_the_place_in_the_senders_terms_and_counts_its_column(server, body, content_type, status, path):
    answer = ask(server, body, content_type)
    assert answer.status == status
    assert answer.json["error"].get("path") == path
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "tagboat-release=r1"


def test_the_columns_of_refusals_are_counted(server):
    ask(server, b"1,2,3,x\n", "text/csv")
    ask(server, {"dataframe_split": {"columns": NAMES, "data": [[1, 2, 3, "x"]]}})
    page = server.get("/metrics").body.decode()
    found = re.search(r'_failures_total\{field="petal_width",method="predict",reason="type"\} (\S+)', page)
    assert found is not None, page
    assert float(found[1]) >= 2


def test_requests_are_counted_under_the_method_that_they_ask(server):
    def counted(method, status):
        page = server.get("/metrics").body.decode()
        found = re.search(rf'^tagboat_requests_total{{method="{method}",status="{status}"}} (\S+)$', page, re.MULTILINE)
        return float(found[1]) if found else 0.0

    expected = {(method, status): counted(method, status) for method in METHODS for status in (200, 422)}
    for method in METHODS:
        assert ask(server, b"5.1,3.5,1.4,0.2\n", "text/csv", f"/invocations?method={method}").status == 200
        assert ask(server, b"5.1,3.5,1.4,x\n", "text/csv", f"/invocations?method={method}").status == 422
    assert {key: counted(*key) for key in expected} == {key: value + 1 for key, value in expected.items()}
    # Canaries are judged by what does not begin with a slash: pages and wrong paths are no work of the model's.
    server.get("/nowhere")
    assert counted(r"/\*", 404) >= 1


def test_a_compressed_body_is_refused_whatever_it_holds(server):
    assert ask(server, b"1,2,3,4", "text/csv", content_encoding="gzip").status == 415


def test_a_bomb_is_413_and_the_server_goes_on(server):
    out = io.BytesIO()
    parquet.write_table(pyarrow.table({name: numpy.zeros(2_000_000) for name in NAMES}), out, compression="gzip")
    assert len(out.getvalue()) < 300_000
    answer = ask(server, out.getvalue(), PARQUET)
    assert answer.status == 413
    assert ask(server, [ROW]).status == 200


@pytest.mark.parametrize(
    ("query", "attributes", "status"),
    [
        ("", None, "predict"),
        ("?method=predict_proba", None, "predict_proba"),
        ("", "method=predict_proba", "predict_proba"),
        ("", "trace=42;method=predict_proba", "predict_proba"),
        ("", "trace=42, method=predict_proba", "predict_proba"),
        ("", "trace=42", "predict"),
        ("", "some text of the sender's own", "predict"),
        ("?method=predict_proba", "method=predict_proba", "predict_proba"),
        ("?method=predict", "method=predict_proba", 400),
        ("?method=predict&method=apply", None, 400),
        ("?methode=predict", None, 400),
        ("?method=fit", None, 404),
        ("", "method=", 404),
        ("", "method=__init__", 404),
    ],
)
def test_a_method_is_named_by_the_query_or_the_attributes(server, query, attributes, status):
    headers = {"x-amzn-sagemaker-custom-attributes": attributes} if attributes is not None else {}
    answer = ask(server, [ROW], path=f"/invocations{query}", **headers)
    if isinstance(status, int):
        assert answer.status == status
    else:
        assert answer.json["predictions"] == server.post(f"/{status}", {"data": [ROW]}).json["predictions"]


def test_our_own_body_gets_our_own_answer_and_all_others_predictions_alone(server):
    assert ask(server, {"data": [FLOWER]}).json == {"predictions": ["setosa"], "release": "r1"}
    for body in ([FLOWER], {"inputs": [ROW]}, {"dataframe_records": [FLOWER]}):
        assert ask(server, body).json == {"predictions": ["setosa"]}


def test_every_answer_says_its_release_to_callers_of_invoke_endpoint(server):
    answers = [server.get(path) for path in ("/ping", "/health/live", "/metrics", "/nothing", "/invocations")]
    answers += [ask(server, [ROW]), ask(server, b"{"), ask(server, b" " * 400_000), ask(server, [ROW], "/predict")]
    for answer in answers:
        assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "tagboat-release=r1"
    with server.socket() as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert b"x-amzn-sagemaker-custom-attributes: tagboat-release=r1\r\n" in raw.recv(65536)


def test_ping_and_health_say_whether_it_is_ready(serve, forest_bundle, wait_until):
    server = serve(forest_bundle, settings={"drain-delay": 20})
    assert (server.get("/ping").status, server.get("/health").status) == (200, 200)
    assert server.request("HEAD", "/ping").status == 200
    server.terminate()
    wait_until(lambda: server.get("/ping").status == 503)
    assert server.get("/health").status == 503


def test_batch_transform_is_told_how_to_ask(server, matrix):
    assert server.get("/execution-parameters").json == {
        "MaxConcurrentTransforms": 1,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 1,
    }
    assert matrix.get("/execution-parameters").json["MaxPayloadInMB"] == 16


def test_every_type_that_is_written_can_be_the_default_one():
    assert get_args(DefaultAccept) == ("auto", *media.KINDS)


def test_the_default_type_of_answers_can_be_set(serve, forest_bundle):
    server = serve(forest_bundle, settings={"default-accept": "text/csv"})
    assert ask(server, [ROW]).body == b"setosa\n"
    assert ask(server, [ROW], accept="application/json").json == {"predictions": ["setosa"]}
    with pytest.raises(SettingsError, match="default-accept"):
        read_settings({"TAGBOAT_SETTINGS": '{"default-accept": "text/html"}'})


def test_what_has_no_form_in_the_wanted_type_is_406(serve, bundle_around, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "predictor.py").write_text("def predict(rows):\n    return {'a': [1], 'b': {'c': 2}}\n")
    server = serve(bundle_around(tmp_path, "predictor.py"))
    assert ask(server, {"inputs": [[1]]}).json == {"predictions": {"a": [1], "b": {"c": 2}}}
    for accept in ("text/csv", "application/jsonlines", NPY, ARROW, PARQUET):
        answer = ask(server, {"inputs": [[1]]}, accept=accept)
        assert answer.status == 406, accept
        assert "no form" in answer.json["error"]["message"]


@pytest.mark.slow
def test_without_pyarrow_the_answer_names_the_extra(environment_of, bundle_around, serve, tmp_path):
    python = environment_of("without-pyarrow", "3.11", "numpy", needs_server=True)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "predictor.py").write_text("def predict(rows):\n    return [len(rows)]\n")
    source = str(Path(__file__).parents[1])
    server = serve(bundle_around(tmp_path, "predictor.py"), python=python, environment={"PYTHONPATH": source})
    assert ask(server, {"inputs": [[1]]}).json == {"predictions": [1]}
    refused = [ask(server, as_stream([ROW]), ARROW), ask(server, as_parquet([ROW]), PARQUET)]
    refused.append(ask(server, {"inputs": [[1]]}, accept=ARROW))
    assert [answer.status for answer in refused] == [415, 415, 406]
    assert all("tagboat-server[arrow]" in answer.json["error"]["hint"] for answer in refused)

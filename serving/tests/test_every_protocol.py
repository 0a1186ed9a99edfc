"""SECURITY.md, P8, and the rules of validation: the same bad input by every protocol, refused in its own form."""

import json
import math
import socket

import pytest

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROW = [5.1, 3.5, 1.4, 0.2]
LIMIT = 100_000
"""Bytes of a body."""


class Way:
    """One way of asking. ``path``; ``body(rows)``: of rows of cells; ``refused(answer)``: what was said is in form."""

    def __init__(self, path, body, said, kind="application/json", headers=None):
        self.path = path
        self.body = body
        self.said = said
        self.headers = {"content-type": kind, **(headers or {})}

    def ask(self, server, body):
        return server.request("POST", self.path, body, self.headers)


def dumped(document):
    """JSON as a careless client writes it: NaN and Infinity too."""
    return json.dumps(document).encode()


def ours(answer):
    """``{"error": {"message", …}}``."""
    assert list(answer.json) == ["error"]
    error = answer.json["error"]
    assert set(error) <= {"message", "path", "hint", "type", "id"}
    return error["message"] + str(error.get("path"))


def oip(answer):
    """``{"error": "…"}``."""
    assert list(answer.json) == ["error"]
    assert isinstance(answer.json["error"], str)
    return answer.json["error"]


def records(rows):
    return [{**dict(zip(NAMES, row)), **{f"extra{at}": cell for at, cell in enumerate(row[4:])}} for row in rows]


def tensor(rows):
    """One tensor of all cells."""
    flat = [cell for row in rows for cell in row]
    shape = [len(rows), len(rows[0]) if rows else 4]
    return {"inputs": [{"name": "input", "datatype": "FP64", "shape": shape, "data": flat}]}


def tensors(rows):
    """A tensor a column."""
    columns = list(zip(*rows)) if rows else [()] * 4
    return {
        "inputs": [
            {"name": name, "datatype": "FP64", "shape": [len(rows)], "data": list(cells)}
            for name, cells in zip([*NAMES, "extra"], columns)
        ]
    }


def csv(rows):
    return "".join(",".join("" if cell is None else str(cell) for cell in row) + "\n" for row in rows).encode()


def lines(rows):
    return b"".join(dumped(row) + b"\n" for row in rows)


WAYS = {
    "ours": Way("/predict", lambda rows: dumped({"data": rows}), ours),
    "ours, records": Way("/methods/predict", lambda rows: dumped({"data": records(rows)}), ours),
    "invocations": Way("/invocations", lambda rows: dumped({"data": rows}), ours),
    "mlflow split": Way(
        "/invocations", lambda rows: dumped({"dataframe_split": {"columns": NAMES, "data": rows}}), ours
    ),
    "mlflow records": Way("/invocations", lambda rows: dumped({"dataframe_records": records(rows)}), ours),
    "mlflow instances": Way("/invocations", lambda rows: dumped({"instances": rows}), ours),
    "mlflow inputs": Way("/invocations", lambda rows: dumped({"inputs": rows}), ours),
    "csv": Way("/invocations", csv, ours, "text/csv"),
    "lines": Way("/invocations", lines, ours, "application/jsonlines"),
    "open inference, one tensor": Way("/v2/models/iris/infer", lambda rows: dumped(tensor(rows)), oip),
    "open inference, columns": Way("/v2/models/iris/infer", lambda rows: dumped(tensors(rows)), oip),
}


@pytest.fixture(scope="module")
def server(serve_module, forest_bundle):
    server = serve_module(
        forest_bundle, settings={"max-body": LIMIT, "header-timeout": 1, "body-timeout": 1.5, "keep-alive": 30}
    )
    yield server
    assert [event["traceback"] for event in server.events if event.get("traceback")] == []


@pytest.fixture(params=list(WAYS))
def way(request):
    return WAYS[request.param]


def test_a_good_question_is_answered(server, way):
    answer = way.ask(server, way.body([ROW, ROW]))
    assert answer.status == 200, answer.body
    assert answer.body.count(b"setosa") == 2


def with_cell(cell):
    return [ROW, [*ROW[:2], cell, ROW[3]]]


BAD = {
    "null": with_cell(None),
    "text": with_cell("1.4x"),
    "true": with_cell(True),
    "nan": with_cell(math.nan),
    "infinity": with_cell(math.inf),
    "a list": with_cell([1.4]),
    "an object": with_cell({"a": 1.4}),
    "narrow": [ROW[:3], ROW[:3]],
    "wide": [[*ROW, 1.0], [*ROW, 1.0]],
    "no rows": [],
}
SAYABLE = {"csv": {"null", "text", "true", "narrow", "wide", "no rows", "nan", "infinity"}}
"""What a format can say at all: CSV has no lists in a cell."""


@pytest.mark.parametrize("bad", list(BAD))
def test_rows_that_do_not_fit_are_refused_in_the_protocols_form(server, request, way, bad):
    name = request.node.callspec.params["way"]
    if bad not in SAYABLE.get(name, BAD):
        return
    answer = way.ask(server, way.body(BAD[bad]))
    assert answer.status in {400, 422}, (answer.status, answer.body)
    assert way.said(answer)
    assert answer.headers["x-tagboat-release"] == "r1"
    assert "Traceback" not in answer.body.decode()


MALFORMED = {
    "nothing": b"",
    "half": b'{"data": [[',
    "not utf-8": b"\xff\xfe\x00",
    "deep": b"[" * 5000,
    "a number": b"3",
    "null": b"null",
    "an empty object": b"{}",
    "an empty list": b"[]",
    "an unknown key": b'{"date": [[5.1, 3.5, 1.4, 0.2]]}',
    "zeros": b"\x00" * 100,
}


@pytest.mark.parametrize("bad", list(MALFORMED))
def test_what_is_no_question_is_refused_in_the_protocols_form(server, way, bad):
    answer = way.ask(server, MALFORMED[bad])
    assert answer.status in {400, 415, 422}, (answer.status, answer.body)
    assert way.said(answer)


@pytest.mark.parametrize("way", ["ours, records", "mlflow records", "open inference, columns"])
@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_columns_that_are_missing_or_unknown_are_named(server, way, change):
    way = WAYS[way]
    text = way.body([ROW]).decode()
    if change == "unknown":
        wrong = text.replace("petal_width", "petal_wodth").encode()
    else:
        document = json.loads(text)
        if "inputs" in document:
            document["inputs"].pop()
        else:
            for row in next(iter(document.values())):
                del row["petal_width"]
        wrong = dumped(document)
    answer = way.ask(server, wrong)
    assert answer.status in {400, 422}
    assert "petal_w" in way.said(answer)


def test_rows_of_different_lengths_are_refused(server, way):
    if way is WAYS["open inference, one tensor"] or way is WAYS["open inference, columns"]:
        document = json.loads(way.body([ROW, ROW]))
        document["inputs"][-1]["data"].pop()
        answer = way.ask(server, dumped(document))
    else:
        answer = way.ask(server, way.body([ROW, ROW[:3]]))
    assert answer.status in {400, 422}
    assert way.said(answer)


def test_a_body_beyond_the_limit_is_refused_announced_or_not(server, way):
    rows = 1000
    while len(large := way.body([ROW] * rows)) <= LIMIT:
        rows *= 2
    answer = way.ask(server, large)
    assert answer.status == 413
    assert way.said(answer)
    connection = server.connect()
    parts = (large[at : at + 20_000] for at in range(0, len(large), 20_000))
    connection.request("POST", way.path, parts, way.headers, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 413
    response.read()
    connection.close()


def raw(way, body, length=None):
    """A request as bytes."""
    lines = [f"POST {way.path} HTTP/1.1", "host: x", f"content-length: {len(body) if length is None else length}"]
    lines += [f"{name}: {value}" for name, value in way.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def everything(client):
    """What a server sends until it closes."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_body_that_does_not_arrive_is_ended(server, way):
    body = way.body([ROW])
    with server.socket() as client:
        client.sendall(raw(way, body)[:-3])
        assert everything(client).startswith(b"HTTP/1.1 408")
    assert way.ask(server, body).status == 200


def test_a_half_closed_client_gets_its_answer(server, way):
    with server.socket() as client:
        client.sendall(raw(way, way.body([ROW])))
        client.shutdown(socket.SHUT_WR)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"setosa" in answer


def test_pipelined_questions_are_answered_in_order_the_bad_between_the_good(server, way):
    good, bad = raw(way, way.body([ROW])), raw(way, b"{")
    with server.socket() as client:
        client.sendall(
            (good + bad) * 3 + raw(way, way.body([ROW])).replace(b"host: x", b"host: x\r\nconnection: close")
        )
        received = everything(client)
    assert [int(part[:3]) // 100 for part in received.split(b"HTTP/1.1 ")[1:]] == [2, 4, 2, 4, 2, 4, 2]


HIDDEN = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "content-length: 5\r\ncontent-length: 6",
        "transfer-encoding: xchunked",
    ],
)
def test_a_question_whose_end_is_in_doubt_hides_no_second_one(server, way, headers):
    kind = f"content-type: {way.headers['content-type']}"
    with server.socket() as client:
        client.sendall(f"POST {way.path} HTTP/1.1\r\nhost: x\r\n{kind}\r\n{headers}\r\n\r\n0\r\n\r\n".encode() + HIDDEN)
        client.shutdown(socket.SHUT_WR)
        answer = everything(client)
    assert b"tagboat_requests_total" not in answer
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_a_busy_server_and_a_late_model_are_told_of_in_the_protocols_form(serve, slow_bundle, wait_until):
    server = serve(slow_bundle, settings={"concurrency": 1, "request-timeout": 2})

    def single(seconds):
        return {"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 1], "data": [seconds]}]}

    ways = [
        (Way("/predict", lambda seconds: dumped({"data": [[seconds]]}), ours)),
        (Way("/invocations", lambda seconds: dumped({"instances": [[seconds]]}), ours)),
        (Way("/v2/models/iris/infer", lambda seconds: dumped(single(seconds)), oip)),
    ]
    for way in ways:
        with server.socket() as client:
            client.sendall(raw(way, way.body(3.0)))
            wait_until(lambda: b"tagboat_requests_in_work 1.0" in server.get("/metrics").body)
            busy = way.ask(server, way.body(0.0))
            assert (busy.status, busy.headers["retry-after"]) == (503, "1")
            assert "too many" in way.said(busy)
            late = client.recv(65536)
        assert late.startswith(b"HTTP/1.1 504")
        assert b"did not answer within 2 s" in late
        wait_until(lambda: b"tagboat_requests_in_work 0.0" in server.get("/metrics").body)

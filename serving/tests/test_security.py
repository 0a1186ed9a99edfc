"""SECURITY.md, P8: the server stays bounded, and serves the others, whatever a client does."""

import json
import socket
import time

import psutil
import pytest

BODY = json.dumps({"data": [[5.1, 3.5, 1.4, 0.2]]}).encode()
REQUEST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture(scope="module")
def server(serve_module, linear_bundle):
    settings = {
        "max-body": 100_000,
        "max-header": 8192,
        "header-timeout": 1,
        "body-timeout": 1.5,
        "keep-alive": 3,
        "max-connections": 200,
    }
    server = serve_module(linear_bundle, settings=settings)
    yield server
    assert [event["traceback"] for event in server.events if event.get("traceback")] == []


def everything(client):
    """What a server sends until it closes."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def still_serves(server):
    assert server.post("/predict", BODY).json["predictions"] == ["setosa"]


def test_P8_headers_without_end_are_refused(server):
    with server.socket() as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n")
        try:
            for number in range(5000):
                client.sendall(b"x-%d: %s\r\n" % (number, b"a" * 100))
        except OSError:
            pass
        assert everything(client)[:12] in (b"HTTP/1.1 431", b"")
    with server.socket() as client:
        client.sendall(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        assert everything(client).startswith(b"HTTP/1.1 431")
    still_serves(server)


def test_P8_a_large_body_before_a_request_is_not_taken_for_its_headers(server):
    large = b'{"data": [' + b" " * 60_000 + b"[5.1, 3.5, 1.4, 0.2]]}"
    request = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(large) + large
    with server.socket() as client:
        client.sendall(request + REQUEST[:30])
        time.sleep(0.2)  # the rest of the second request comes in a packet of its own
        client.sendall(REQUEST[30:])
        received = b""
        while received.count(b"setosa") < 2:
            received += client.recv(65536)
    assert received.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    "slow", [b"GET /health/live HTTP/1.1\r\nhost: x\r\n", REQUEST[:-5]], ids=["slow headers", "slow body"]
)
def test_P8_a_request_that_does_not_arrive_is_ended(server, slow):
    with server.socket() as client:
        client.sendall(slow)
        began = time.monotonic()
        answer = everything(client)
        assert answer.startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 10
    still_serves(server)


def test_P8_drops_of_a_request_do_not_prolong_its_time(server):
    with server.socket() as client:
        began = time.monotonic()
        try:
            for byte in REQUEST:
                client.sendall(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            pass
        assert time.monotonic() - began < 10
        assert everything(client)[:12] in (b"HTTP/1.1 408", b"")


def test_P8_a_connection_that_says_nothing_is_ended(server):
    with server.socket() as client:
        assert everything(client) == b""


def test_P8_a_half_closed_client_gets_its_answer(server):
    with server.socket() as client:
        client.sendall(REQUEST)
        client.shutdown(socket.SHUT_WR)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"setosa" in answer


def test_P8_pipelined_requests_are_answered_in_order(server):
    asked = 10
    with server.socket() as client:
        client.sendall((REQUEST + b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n") * asked)
        received = b""
        while received.count(b'"status":"ok"') < asked:
            received += client.recv(65536)
    order = [b"setosa" if b"predictions" in part else b"live" for part in received.split(b"HTTP/1.1 200")[1:]]
    assert order == [b"setosa", b"live"] * asked


def test_P8_a_flood_of_pipelined_requests_is_cut_off(server):
    with server.socket() as client:
        try:
            for _ in range(200):
                client.sendall(REQUEST * 100)
        except OSError:
            pass
    still_serves(server)


HIDDEN = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"content-length: 5\r\ntransfer-encoding: chunked", b"0\r\n\r\n"),
        (b"transfer-encoding: chunked\r\ntransfer-encoding: identity", b"0\r\n\r\n"),
        (b"content-length: 5\r\ncontent-length: 6", b"abcdef"),
        (b"transfer-encoding: xchunked", b"0\r\n\r\n"),
        (b"transfer-encoding: chunked", b"zz\r\n\r\n"),
        (b"content-length: -1", b""),
        (b"content-length : 5", b"abcde"),
    ],
    ids=["length and chunks", "two encodings", "two lengths", "odd encoding", "odd chunk", "negative", "space"],
)
def test_P8_a_request_whose_end_is_in_doubt_hides_no_second_one(server, headers, body):
    with server.socket() as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n\r\n" + body + HIDDEN)
        client.shutdown(socket.SHUT_WR)
        answer = everything(client)
    assert b"tagboat_requests_total" not in answer
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    still_serves(server)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
        b"\r\n" * 1000,
        b"GET\r\n\r\n",
        b"\x00" * 1000,
        "GET /ü HTTP/1.1\r\n\r\n".encode(),
        b"CONNECT x:80 HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["tls", "empty lines", "short", "zeros", "not ascii", "connect", "options *", "http/2"],
)
def test_P8_garbage_is_refused(server, garbage):
    with server.socket() as client:
        client.sendall(garbage)
        client.shutdown(socket.SHUT_WR)
        answer = everything(client)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    still_serves(server)


def test_P8_an_upgrade_is_not_followed(server):
    with server.socket() as client:
        client.sendall(
            b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n"
            b"upgrade: websocket\r\nsec-websocket-key: x\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


def test_P8_a_body_in_endless_chunks_is_cut_off(server):
    sent = 0
    with server.socket() as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            for _ in range(1000):
                client.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
                sent += 10_000
        except OSError:
            pass
    assert sent < 9_000_000
    still_serves(server)


def test_P8_a_client_that_reads_no_answer_is_cut_off(server):
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(server.address)
        client.settimeout(0.5)
        asked = b"GET /docs HTTP/1.1\r\nhost: x\r\n\r\n"
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 30:
                try:
                    client.sendall(asked * 20)
                except TimeoutError:
                    continue
        assert time.monotonic() - began < 30
    still_serves(server)


def test_P8_a_connection_too_many_is_told_to_come_again(serve, slow_bundle, wait_until):
    server = serve(slow_bundle, settings={"max-connections": 2})
    body = b'{"data": [[2.0]]}'
    asked = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with server.socket() as first, server.socket() as second:
        for client in (first, second):
            client.sendall(asked)
        with server.socket() as third:
            answer = everything(third).lower()
        assert answer.startswith(b"http/1.1 503")
        assert b"retry-after: 1" in answer
        for client in (first, second):
            assert client.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_P8_ten_thousand_idle_connections_take_bounded_memory_and_no_ones_place(server):
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    idle = []
    try:
        for number in range(10_000):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.address)
            idle.append(client)
            if len(idle) > 800:
                idle.pop(0).close()
            if number % 1000 == 999:
                answered = False
                for _ in range(100):
                    try:
                        answered = server.post("/predict", BODY).status == 200
                    except OSError:
                        answered = False
                    if answered:
                        break
                    time.sleep(0.1)
                assert answered
        assert process.num_fds() < 400
        assert process.memory_info().rss - before < 60_000_000
    finally:
        for client in idle:
            client.close()
    still_serves(server)

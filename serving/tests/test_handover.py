"""A release goes over another under load, and not one request is lost."""

import json
import socket
import threading
import time
from http.client import HTTPConnection

import pytest

BODY = json.dumps({"data": [[5.1, 3.5, 1.4, 0.2]]}).encode()
HEADERS = {"content-type": "application/json"}
PAUSE = 0.5
"""Seconds of load on one release alone."""
REST = 0.003
"""Seconds that a client rests between two requests, so that the next release can start on few cores."""


class Load:
    """Clients that count: some keep their connection, some make a new one for each request."""

    def __init__(self, address, *, keeping, making):
        self.address = address
        self.stop = threading.Event()
        self.answered = 0
        self.failures = []
        self.releases = set()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(True,)) for _ in range(keeping)]
        self.threads += [threading.Thread(target=self.run, args=(False,)) for _ in range(making)]

    def run(self, keep):
        connection = None
        answered, releases = 0, set()
        while not self.stop.wait(REST):
            try:
                if connection is None:
                    connection = HTTPConnection(*self.address, timeout=20)
                connection.request("POST", "/predict", BODY, HEADERS if keep else {**HEADERS, "connection": "close"})
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or json.loads(body)["predictions"] != ["setosa"]:
                    raise AssertionError(f"{response.status} {body[:200]}")
                answered += 1
                releases.add(response.headers["x-tagboat-release"])
                if not keep or response.headers.get("connection") == "close":
                    connection.close()
                    connection = None
            except Exception as error:  # noqa: BLE001 - whatever a client meets is a lost request
                self.failures.append(repr(error))
                connection = None
        if connection is not None:
            connection.close()
        with self.lock:
            self.answered += answered
            self.releases |= releases

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)


@pytest.mark.slow
@pytest.mark.parametrize(("loop", "swaps"), [("uvloop", 3), ("asyncio", 2)])
def test_no_request_is_lost_while_releases_replace_one_another_under_load(serve, linear_bundle, loop, swaps):
    environment = {"TAGBOAT_UVLOOP": "off" if loop == "asyncio" else "on"}
    quiet = {"access-log": False}
    old = serve(linear_bundle, release="r0", settings=quiet, environment=environment)
    with Load(old.address, keeping=6, making=6) as load:
        for number in range(1, swaps + 1):
            new = serve(linear_bundle, release=f"r{number}", port=None, settings=quiet, environment=environment)
            listener = old.share()
            assert new.control({"op": "listen"}, listener)["ok"]
            socket.close(listener)
            assert old.control({"op": "drain", "grace": 20})["ok"]
            assert old.wait() == 0
            time.sleep(PAUSE)  # load on the new one alone, which is what is measured
            old = new
    print(f"{load.answered} requests, {len(load.failures)} lost, {swaps} swaps")
    assert load.failures == []
    assert load.answered > 1000
    assert load.releases == {f"r{number}" for number in range(swaps + 1)}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_told_to_end_under_load_answers_everything_it_accepted(serve, linear_bundle, wait_until, workers):
    server = serve(linear_bundle, settings={"access-log": False, "workers": workers})
    lost, answered = [], []
    ended = threading.Event()

    def run():
        """New connections until none is accepted any more; what is accepted must be answered."""
        while not ended.is_set():
            try:
                client = socket.create_connection(server.address, timeout=20)
            except OSError:
                return
            with client:
                try:
                    client.sendall(
                        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY
                    )
                    answer = client.recv(65536)
                except OSError as error:
                    lost.append(repr(error))
                    return
                (answered if answer.startswith(b"HTTP/1.1 200") else lost).append(answer[:100])

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answered) > 100)
    server.terminate()
    assert server.wait() == 0
    ended.set()
    for thread in threads:
        thread.join(60)
    assert lost == []
    assert len(answered) > 100


def test_what_is_in_work_is_answered_before_the_server_ends(serve, slow_bundle, wait_until):
    server = serve(slow_bundle, settings={"drain": 20})
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(server.post("/predict", {"data": [[1.5]]})))
    waiting.start()
    wait_until(lambda: "tagboat_requests_in_work 1" in server.get("/metrics").body.decode())
    server.terminate()
    wait_until(lambda: server.control({"op": "status"})["draining"])
    assert server.control({"op": "status"})["ready"] is False
    waiting.join(30)
    assert answers[0].status == 200
    assert answers[0].headers["connection"] == "close"
    assert server.wait() == 0


def test_a_grace_that_is_over_ends_the_server_though_the_model_still_computes(serve, slow_bundle, wait_until):
    server = serve(slow_bundle)
    with server.socket() as client:
        body = b'{"data": [[60.0]]}'
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: "tagboat_requests_in_work 1" in server.get("/metrics").body.decode())
        server.control({"op": "drain", "grace": 0.2})
        assert server.wait(20) == 0


def test_a_draining_server_says_not_ready_and_answers_on_open_connections_once_more(serve, forest_bundle, wait_until):
    server = serve(forest_bundle)
    first, second = server.connect(), server.connect()
    for connection in (first, second):
        connection.request("GET", "/health/ready")
        assert connection.getresponse().read()
    server.control({"op": "drain", "grace": 20})
    wait_until(lambda: not server.control({"op": "status"})["listening"])
    first.request("GET", "/health/ready")
    answer = first.getresponse()
    assert (answer.status, json.loads(answer.read())["status"], answer.headers["connection"]) == (
        503,
        "draining",
        "close",
    )
    second.request("POST", "/predict", json.dumps({"data": [[5.1, 3.5, 1.4, 0.2]]}), HEADERS)
    answer = second.getresponse()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert answer.read()
    assert server.wait(20) == 0
    with pytest.raises(OSError):
        server.get("/health/live")


def test_readiness_flips_before_anything_else_does(serve, forest_bundle, wait_until):
    server = serve(forest_bundle, settings={"drain-delay": 60, "drain": 60})
    server.terminate()
    wait_until(lambda: server.get("/health/ready").status == 503)
    assert server.get("/health/ready").json["status"] == "draining"
    assert server.get("/health/live").status == 200
    for _ in range(3):  # on new connections
        assert server.post("/predict", BODY).status == 200
    server.control({"op": "drain", "grace": 0})
    assert server.wait(20) == 0


def test_health_is_answered_while_the_model_computes(serve, slow_bundle, wait_until):
    server = serve(slow_bundle)
    waiting = threading.Thread(target=lambda: server.post("/predict", {"data": [[2.0]]}))
    waiting.start()
    wait_until(lambda: "tagboat_requests_in_work 1" in server.get("/metrics").body.decode())
    assert server.get("/health/ready").status == 200
    assert waiting.is_alive()
    waiting.join(30)


def test_more_requests_than_may_wait_are_told_to_come_again(serve, slow_bundle, wait_until):
    server = serve(slow_bundle, settings={"concurrency": 1})
    waiting = threading.Thread(target=lambda: server.post("/predict", {"data": [[2.0]]}))
    waiting.start()
    wait_until(lambda: "tagboat_requests_in_work 1" in server.get("/metrics").body.decode())
    answer = server.post("/predict", {"data": [[0.0]]})
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    waiting.join(30)


def test_a_model_that_takes_too_long_is_answered_for(serve, slow_bundle, wait_until):
    server = serve(slow_bundle, settings={"request-timeout": 0.3})
    answer = server.post("/predict", {"data": [[1.0]]})
    assert answer.status == 504
    assert "0.3 s" in answer.json["error"]["message"]

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
@pytest.mark.parametrize(("loop", "swaps"), [("uvloop", 4), ("asyncio", 3)])
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

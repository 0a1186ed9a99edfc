"""Several workers: one that ends costs its own requests alone, and none outlives whoever started it."""

import collections
import contextlib
import json
import os
import pickle
import signal
import socket
import sys
import types
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

MODEL = '''
import ctypes
import os
import signal
import threading
import time

import numpy


class Model:
    """Answers with its process id; what it is told to do, it does first."""

    n_features_in_ = 1

    def __init__(self, megabytes=0, *, thread=False, load=0):
        self.weights = numpy.ones(megabytes * 125_000)
        self.thread = thread
        self.load = load

    def __setstate__(self, state):
        self.__dict__.update(state)
        if self.thread:
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        if self.load:
            os.kill(os.getpid(), self.load)

    def predict(self, rows):
        told = float(rows[0][0])
        if told == -1:
            ctypes.string_at(0)
        if told == -2:
            os.abort()
        if told == -3:
            os.kill(os.getpid(), signal.SIGKILL)
        if told == -4:
            os._exit(7)
        if told == -5:
            numpy.ones(10**15)
        time.sleep(told)
        return [float(os.getpid())] * len(rows)
'''

QUIET = {"access-log": False}


@pytest.fixture(scope="session")
def bundle_with(bundle_around, tmp_path_factory):
    """Makes a bundle of the model above."""

    def make(*arguments, **named):
        folder = tmp_path_factory.mktemp("told")
        module = types.ModuleType("told_model")
        exec(MODEL, module.__dict__)  # the class must be importable as told_model.Model while it is pickled
        sys.modules["told_model"] = module
        try:
            data = pickle.dumps(module.Model(*arguments, **named))
        finally:
            del sys.modules["told_model"]
        (folder / "model").mkdir()
        (folder / "model" / "told.pkl").write_bytes(data)
        return bundle_around(folder, "told.pkl", code={"told_model.py": MODEL})

    return make


@pytest.fixture(scope="session")
def told_bundle(bundle_with):
    return bundle_with()


def ask(server, told=0.0):
    """The process id of the worker that answered."""
    answer = server.post("/predict", {"data": [[told]]})
    assert answer.status == 200, answer.body
    return int(answer.json["predictions"][0])


def workers(server):
    return {worker["pid"] for worker in server.control({"op": "status"})["workers"] if worker["ready"]}


def events(server, name):
    return [event for event in server.events if event["event"] == name]


def test_the_workers_are_told_of_and_answer_under_one_address(serve, told_bundle):
    server = serve(told_bundle, settings={**QUIET, "workers": 2})
    status = server.control({"op": "status"})
    assert (status["ready"], status["pid"]) == (True, server.process.pid)
    assert status["listening"] == [f"http://127.0.0.1:{server.address[1]}"]
    assert [worker["worker"] for worker in status["workers"]] == [0, 1]
    assert server.process.pid not in workers(server)
    assert ask(server) in workers(server)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_connections_opened_together_are_shared_out_evenly(serve, told_bundle, loop):
    environment = {"TAGBOAT_UVLOOP": "off" if loop == "asyncio" else "on"}
    server = serve(told_bundle, settings={**QUIET, "workers": 2}, environment=environment)
    connections = [server.connect() for _ in range(64)]
    for connection in connections:
        connection.request("POST", "/predict", b'{"data": [[0.0]]}', {"content-type": "application/json"})
    answered = collections.Counter(
        json.loads(connection.getresponse().read())["predictions"][0] for connection in connections
    )
    for connection in connections:
        connection.close()
    assert len(answered) == 2
    assert min(answered.values()) >= 24


@pytest.mark.parametrize(
    ("told", "manner"),
    [(-1, {"signal": "SIGSEGV"}), (-2, {"signal": "SIGABRT"}), (-3, {"signal": "SIGKILL"}), (-4, {"code": 7})],
    ids=["segmentation fault", "abort", "out of memory", "exit"],
)
def test_a_worker_that_dies_costs_its_own_requests_and_is_replaced(serve, told_bundle, wait_until, told, manner):
    server = serve(told_bundle, settings={**QUIET, "workers": 2})
    before = workers(server)
    others = {}
    for _ in range(100):
        # A connection to each worker, kept over the other one's death.
        connection = server.connect()
        pid = ask_on(connection)
        if others.setdefault(pid, connection) is not connection:
            connection.close()
        if len(others) == 2:
            break
    with pytest.raises(OSError):
        ask(server, told)
    wait_until(lambda: len(workers(server)) == 2 and workers(server) != before)
    (died,) = events(server, "worker-died")
    assert manner.items() <= died.items()
    assert workers(server) & before == before - {died["pid"]}
    survivor = next(pid for pid in before if pid != died["pid"])
    assert ask_on(others[survivor]) == survivor
    with pytest.raises(OSError):
        ask_on(others[died["pid"]])
    for connection in others.values():
        connection.close()


def test_an_array_that_does_not_fit_into_memory_fails_its_request_alone(serve, told_bundle):
    server = serve(told_bundle, settings=QUIET)
    answer = server.post("/predict", {"data": [[-5.0]]})
    assert (answer.status, answer.json["error"]["type"]) == (500, "MemoryError")
    assert ask(server) == server.process.pid


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: this is Linux' own")
def test_where_memory_is_short_the_kernel_takes_a_worker_first(serve, told_bundle):
    def score(pid):
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    server = serve(told_bundle, settings={**QUIET, "workers": 2})
    assert all(score(pid) > score(server.process.pid) for pid in workers(server))


def test_one_process_starts_no_other(serve, told_bundle):
    server = serve(told_bundle, settings={**QUIET, "workers": 1})
    ask(server)
    assert psutil.Process(server.process.pid).children(recursive=True) == []


def ask_on(connection):
    """As `ask`, on a connection that stays."""
    connection.auto_open = 0
    if connection.sock is None:
        connection.connect()
    connection.request("POST", "/predict", b'{"data": [[0.0]]}', {"content-type": "application/json"})
    return int(json.loads(connection.getresponse().read())["predictions"][0])


def test_who_connects_while_the_only_worker_is_replaced_is_answered(serve, told_bundle, wait_until):
    server = serve(told_bundle, settings={**QUIET, "workers": "auto"}, environment={"OMP_NUM_THREADS": "1000"})
    (before,) = workers(server)
    os.kill(before, signal.SIGKILL)
    assert ask(server) != before
    wait_until(lambda: server.control({"op": "status"})["ready"])


def test_counts_are_those_of_all_workers_and_outlive_one(serve, told_bundle, wait_until):
    server = serve(told_bundle, settings={**QUIET, "workers": 2})
    answered = collections.Counter(ask(server) for _ in range(100))
    assert len(answered) == 2

    def counted():
        page = server.get("/metrics").body.decode()
        return 'tagboat_requests_total{method="predict",status="200"} 100.0' in page

    wait_until(counted)
    os.kill(answered.most_common()[0][0], signal.SIGKILL)
    wait_until(lambda: len(workers(server) - set(answered)) == 1)
    assert counted()
    page = server.get("/metrics").body.decode()
    assert "tagboat_ready 1.0" in page
    assert page.count("tagboat_release_info{") == 1
    with server.socket(), server.socket():
        wait_until(lambda: "tagboat_connections 3.0" in server.get("/metrics").body.decode())


def test_no_child_outlives_a_supervisor_that_is_killed(serve, told_bundle, wait_until):
    server = serve(told_bundle, settings={**QUIET, "workers": 2})
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert len(children) == 3
    assert workers(server) < {child.pid for child in children}
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children))


def test_no_child_is_left_of_a_server_that_ends(serve, told_bundle):
    server = serve(told_bundle, settings={**QUIET, "workers": 2}, environment={"TMPDIR": "/tmp"})
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.terminate()
    assert server.wait(30) == 0
    assert not any(child.is_running() for child in children)
    assert [event["event"] for event in server.events if "worker" not in event][-2:] == ["draining", "ended"]


def test_workers_outlive_the_process_that_has_loaded_the_model(serve, told_bundle, wait_until):
    server = serve(told_bundle, settings={**QUIET, "workers": 2})
    before = workers(server)
    (template,) = {child.pid for child in psutil.Process(server.process.pid).children()} - before
    os.kill(template, signal.SIGKILL)
    wait_until(lambda: events(server, "loader-ended"))
    assert ask(server) in before
    assert workers(server) == before
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len(workers(server) - before) == 1)


def test_a_signal_to_a_worker_is_none_of_its_business(serve, told_bundle):
    server = serve(told_bundle, settings={**QUIET, "workers": 2})
    before = workers(server)
    for pid in before:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    assert [ask(server) in before for _ in range(20)] == [True] * 20
    assert workers(server) == before


def test_the_models_memory_is_shared(serve, bundle_with):
    server = serve(bundle_with(100), settings={**QUIET, "workers": 2})
    for pid in workers(server):
        memory = psutil.Process(pid).memory_full_info()
        assert memory.rss > 100e6
        assert memory.uss < 50e6


def test_the_memory_of_a_model_that_takes_dataframes_is_shared_though_pyarrow_would_start_a_thread(
    serve, forest_bundle
):
    server = serve(forest_bundle, settings={**QUIET, "workers": 2})
    assert events(server, "workers-share-no-memory") == []
    assert len(psutil.Process(server.process.pid).children()) == 3


def test_a_model_that_leaves_threads_running_is_loaded_by_each_worker(serve, bundle_with, wait_until):
    server = serve(bundle_with(thread=True), settings={**QUIET, "workers": 2})
    assert "2 threads" in events(server, "workers-share-no-memory")[0]["reason"]
    before = workers(server)
    assert {ask(server) for _ in range(50)} == before
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len(workers(server) - before) == 1)
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert len(children) == 2


def test_a_candidate_of_workers_takes_a_socket_and_shares_it(serve, told_bundle):
    server = serve(told_bundle, settings={**QUIET, "workers": 2}, port=None)
    assert server.control({"op": "status"})["listening"] == []
    assert server.control({"op": "share"})["ok"] is False
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        for _ in range(2):
            assert server.control({"op": "listen"}, bound.fileno())["ok"]
        server.address = bound.getsockname()
    assert {ask(server) for _ in range(50)} == workers(server)
    with socket.socket(fileno=server.share()) as shared:
        assert shared.getsockname() == server.address
    with Path(os.devnull).open() as file:
        assert server.control({"op": "listen"}, file.fileno())["ok"] is False


def test_a_model_that_cannot_be_loaded_is_said_as_by_one_process(serve, bundle_with, bundle_around, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "broken.pkl").write_bytes(b"\x80\x04.")
    server = serve(bundle_around(tmp_path, "broken.pkl"), ready=False, settings={"workers": 2})
    assert server.wait(60) == 2
    assert server.events[-1]["error"]["message"]
    assert "Traceback" not in server.log
    server = serve(bundle_with(load=signal.SIGSEGV), ready=False, settings={"workers": 2})
    assert server.wait(60) == 2
    assert "SIGSEGV" in server.events[-1]["error"]["message"]


def test_a_server_that_is_told_to_end_while_it_loads_ends(serve, bundle_with, wait_until):
    server = serve(bundle_with(load=signal.SIGSTOP), ready=False, settings={"workers": 2})
    wait_until(lambda: server.control_path.exists() and not server.control({"op": "status"})["ready"])
    wait_until(lambda: [child.status() for child in psutil.Process(server.process.pid).children()] == ["stopped"])
    server.terminate()
    assert server.wait(30) == 0


@pytest.mark.slow
def test_workers_that_die_again_and_again_are_started_ever_more_slowly(serve, told_bundle, wait_until):
    server = serve(told_bundle, settings={**QUIET, "workers": 2})
    while not events(server, "workers-crash-again-and-again"):
        for pid in workers(server):
            with contextlib.suppress(ProcessLookupError):  # it may be dead, and the supervisor not know it yet
                os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not workers(server))
    status = server.control({"op": "status"})
    assert (status["ready"], status["status"]) == (False, "crashing")
    assert len(events(server, "worker-died")) >= 9
    # It keeps trying: whoever waits in the queue is answered in the end.
    assert ask(server) in workers(server)


def test_a_stuck_model_flips_readiness_then_liveness_and_comes_back(serve, told_bundle, wait_until):
    server = serve(told_bundle, settings={"request-timeout": 0.5})
    assert server.post("/predict", {"data": [[4.0]]}).status == 504
    wait_until(lambda: server.get("/health/ready").status == 503)
    assert server.get("/health/ready").json["status"] == "stuck"
    status = server.control({"op": "status"})
    assert (status["ready"], status["status"]) == (False, "stuck")
    wait_until(lambda: server.get("/health/live").status == 503)
    wait_until(lambda: server.get("/health/ready").status == 200)
    assert server.get("/health/live").status == 200
    assert ask(server) == server.process.pid


def test_a_model_with_a_free_thread_is_not_stuck(serve, told_bundle):
    server = serve(told_bundle, settings={"request-timeout": 0.3, "threads": 2})
    assert server.post("/predict", {"data": [[3.0]]}).status == 504
    assert server.get("/health/ready").status == 200
    assert ask(server) == server.process.pid


def test_a_stuck_worker_is_replaced(serve, told_bundle, wait_until):
    server = serve(told_bundle, settings={**QUIET, "workers": 2, "request-timeout": 0.5, "drain": 1})
    before = workers(server)
    assert server.post("/predict", {"data": [[1000.0]]}).status == 504
    wait_until(lambda: events(server, "worker-ended"))
    assert events(server, "worker-stuck")[0]["pid"] == events(server, "worker-ended")[0]["pid"]
    wait_until(lambda: len(workers(server)) == 2)
    assert len(workers(server) & before) == 1
    assert ask(server) in workers(server)


def test_open_connections_are_answered_once_more_while_workers_drain(serve, told_bundle, wait_until):
    server = serve(told_bundle, settings={**QUIET, "workers": 2, "drain-delay": 0.5})
    connections = [HTTPConnection(*server.address, timeout=20) for _ in range(10)]
    for connection in connections:
        ask_on(connection)
    server.terminate()
    wait_until(lambda: not server.control({"op": "status"})["ready"])
    for connection in connections:
        ask_on(connection)
        connection.close()
    assert server.wait(20) == 0

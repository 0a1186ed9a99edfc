"""The command line and the control socket."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SERVE = [sys.executable, "-P", "-m", "tagboat_server", "serve"]


def failed(*arguments, environment=None):
    done = subprocess.run(
        [*SERVE, *map(str, arguments)],
        capture_output=True,
        timeout=60,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    lines = [json.loads(line) for line in done.stderr.decode().splitlines()]
    assert done.returncode == 2, done
    return lines[-1]["error"]


def test_the_control_socket_is_its_owners_alone_and_tells_the_standing(serve, forest_bundle):
    server = serve(forest_bundle, uds=True)
    for path in (server.control_path, server.uds):
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    status = server.control({"op": "status"})
    assert status["release"] == "r1"
    assert status["stage"] == "dev"
    assert status["pid"] == server.process.pid
    assert (status["ready"], status["draining"]) == (True, False)
    assert status["listening"] == [f"http://127.0.0.1:{server.address[1]}", f"unix:{server.uds}"]
    assert status["since"] > 0


def test_a_candidate_listens_nowhere_until_it_is_given_a_socket(serve, forest_bundle):
    server = serve(forest_bundle, port=None)
    assert server.control({"op": "status"})["listening"] == []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = server.control({"op": "listen"}, listener.fileno())
        assert answer["ok"]
        assert answer["address"] == f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.address = listener.getsockname()
        assert server.get("/health/ready").status == 200
        assert server.control({"op": "listen"}, listener.fileno())["ok"]
        assert len(server.control({"op": "status"})["listening"]) == 1


def test_a_bound_socket_that_does_not_listen_yet_is_taken_too(serve, forest_bundle):
    server = serve(forest_bundle, port=None)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert server.control({"op": "listen"}, bound.fileno())["ok"]
        server.address = bound.getsockname()
    assert server.get("/health/ready").status == 200


def test_what_the_control_socket_cannot_do_is_an_answer(serve, forest_bundle):
    server = serve(forest_bundle, port=None)
    for asked in ({"op": "share"}, {"op": "listen"}, {"op": "fly"}, {}, {"op": "drain", "grace": "long"}):
        answer = server.control(asked)
        assert answer["ok"] is False
        assert answer["error"]
    with Path("/dev/null").open() as file:
        assert server.control({"op": "listen"}, file.fileno())["ok"] is False
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.control_path))
        client.sendall(b"no json\n" + b'{"op": "status"}\n')
        lines = client.makefile()
        assert json.loads(lines.readline())["ok"] is False
        assert json.loads(lines.readline())["ready"] is True


def test_paths_too_long_for_the_kernel_work(serve, forest_bundle, tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    server = serve(forest_bundle, ready=False, port=None)
    server.end()
    command = [*SERVE, str(forest_bundle), "--control", str(folder / "control"), "--uds", str(folder / "serve")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd="/")
    try:
        for line in process.stderr:
            if json.loads(line)["event"] == "ready":
                break
        here = Path.cwd()
        os.chdir(folder)
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect("control")
                client.sendall(b'{"op": "status"}\n')
                assert json.loads(client.recv(65536))["ready"]
        finally:
            os.chdir(here)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert list(folder.iterdir()) == []
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_sockets_left_by_a_killed_server_are_replaced_and_those_of_a_living_one_are_not(serve, forest_bundle):
    first = serve(forest_bundle, uds=True)
    error = failed(forest_bundle, "--control", first.control_path, "--control-only")
    assert "another server" in error["message"]
    assert first.control({"op": "status"})["ready"]
    first.process.kill()
    first.process.wait()
    command = [*SERVE, str(forest_bundle), "--control", str(first.control_path), "--uds", str(first.uds)]
    first.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    first.wait_ready()


def test_a_taken_port_fails_before_the_model_is_loaded(forest_bundle):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        error = failed(forest_bundle, "--port", taken.getsockname()[1])
    assert "cannot be bound" in error["message"]
    assert error["where"] == f"127.0.0.1:{taken.getsockname()[1]}" if taken.fileno() >= 0 else error["where"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('{"max-bodey": 1}', "max-bodey"),
        ('{"max-body": "1"}', "max-body"),
        ('{"max-body": 0}', "max-body"),
        ('{"drain": -1}', "drain"),
        ("[", ""),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings, words, forest_bundle):
    error = failed(forest_bundle, "--port", 0, environment={"TAGBOAT_SETTINGS": settings})
    assert error["where"] == "TAGBOAT_SETTINGS"
    assert words in error["message"]


@pytest.mark.parametrize("arguments", [[], ["--control-only"]])
def test_a_server_with_nowhere_to_listen_does_not_start(arguments, forest_bundle):
    assert failed(forest_bundle, *arguments)["message"]


def test_a_folder_that_is_no_bundle_is_told_so(tmp_path):
    assert "no bundle" in failed(tmp_path, "--port", 0)["message"]
    (tmp_path / "model.json").write_text('{"schema": 1, "name": "m", "model": "../../etc/passwd"}')
    assert "leaves the bundle" in failed(tmp_path, "--port", 0)["message"]
    (tmp_path / "model.json").write_text('{"schema": 99, "name": "m", "model": "m"}')
    assert "schema 99" in failed(tmp_path, "--port", 0)["message"]


def test_a_release_id_that_would_break_a_header_is_refused(forest_bundle):
    error = failed(forest_bundle, "--port", 0, environment={"TAGBOAT_RELEASE": "r1\r\nx-evil: 1"})
    assert error["where"] == "TAGBOAT_RELEASE"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_at_once_with_success(number, serve, forest_bundle):
    server = serve(forest_bundle, uds=True)
    server.process.send_signal(number)
    assert server.wait(20) == 0
    assert not server.control_path.exists()
    assert not server.uds.exists()
    assert [event["event"] for event in server.events][-3:] == ["draining", "drained", "ended"]

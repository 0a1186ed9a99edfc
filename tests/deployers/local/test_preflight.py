"""A bundle's server for a moment: asked on a private socket, gone afterwards whatever happens."""

import multiprocessing
import os
from pathlib import Path

import pytest

from deployers.base import Request
from deployers.errors import ReleaseFailedError, UnreachableError
from deployers.local import processes
from deployers.local.preflight import Preflight
from tests.deployers.local.models import doubling, flowers
from tests.deployers.local.subjects import StandinPrograms

READY = Request(method="GET", path="/health/ready", headers={})


def standin(machine, **behaviour):
    return Preflight(machine.bundle("v1", **behaviour), machine.surroundings, programs=StandinPrograms())


def test_a_model_is_asked_without_a_port_and_gone_afterwards(real):
    with Preflight(doubling(real.shared, 2), real.surroundings) as trial:
        trial.wait_until_ready()
        answer = trial.call(Request(body=b'{"data": [[1.0, 2.5]]}'))
        assert answer.status == 200
        assert b"[[2.0,5.0]]" in answer.body
        assert trial.call(READY).headers["x-tagboat-release"] == trial.release_id
        folder = trial._running.folder
        assert processes.is_alive(folder)
    assert not processes.is_alive(folder)
    assert not folder.parent.exists()
    assert not real.state.exists()


@pytest.mark.slow
def test_a_scikit_learn_model_is_asked_the_same_way(real):
    with Preflight(flowers(real.shared), real.surroundings) as trial:
        trial.wait_until_ready()
        assert trial.call(Request(body=b'{"data": [[5.1, 3.5, 1.4, 0.2]]}')).status == 200


def test_it_works_inside_the_action(machine):
    machine.in_action = True
    with standin(machine) as trial:
        trial.wait_until_ready()
        assert trial.call(READY).status == 200


def test_an_error_in_the_block_takes_it_down_too(machine):
    trial = standin(machine)
    with pytest.raises(ZeroDivisionError), trial:
        raise ZeroDivisionError
    assert not trial._running.alive


def test_a_server_that_ends_is_told_with_its_last_words(machine):
    with (
        pytest.raises(ReleaseFailedError, match=r"exit code 3.*a library that is not there"),
        standin(machine, fault="exit") as trial,
    ):
        trial.wait_until_ready()


def test_a_server_that_is_not_ready_in_time_is_an_error(machine):
    with pytest.raises(ReleaseFailedError, match="not ready within"), standin(machine, fault="never-ready") as trial:
        trial.wait_until_ready(1.0)


def test_nothing_answers_before_it_is_up(machine):
    with standin(machine, fault="exit") as trial, pytest.raises(UnreachableError):
        trial.call(READY)


def test_it_dies_with_the_command_that_is_killed(machine):
    here, there = multiprocessing.get_context("spawn").Pipe()
    command = multiprocessing.get_context("spawn").Process(target=_hold, args=(machine, there))
    command.start()
    folder = Path(here.recv())
    assert processes.is_alive(folder)
    command.kill()
    command.join()
    assert any(not processes.is_alive(folder) for _ in processes.waiting(30))


def test_what_was_never_written_down_never_runs(tmp_path):
    def fail(pid):
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        processes.start(tmp_path, ["/bin/touch", str(tmp_path / "ran")], dict(os.environ), fail)
    assert any(not processes.is_alive(tmp_path) for _ in processes.waiting(30))
    assert not (tmp_path / "ran").exists()


def _hold(machine, told):
    with standin(machine) as trial:
        trial.wait_until_ready()
        told.send(str(trial._running.folder))
        told.poll(None)

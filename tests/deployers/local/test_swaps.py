"""No request is refused and none fails, however often releases change places, and whoever is killed meanwhile."""

import multiprocessing
import random
import time

import pytest

from deployers.conformance.subject import deploy
from tests.deployers.local.clients import Clients
from tests.deployers.local.subjects import LocalSubject

pytestmark = pytest.mark.slow


def port_of(subject, slot):
    return int(subject.deployer().observe(slot).url.rpartition(":")[2])


def test_swaps_under_load_lose_no_request(real):
    subject = LocalSubject(real)
    slot = subject.slot()
    releases = [deploy(subject, slot, "v0")]
    with Clients(port_of(subject, slot)) as clients:
        for number in range(1, 5):
            releases.append(deploy(subject, slot, f"v{number}"))
        releases.append(deploy(subject, slot, "v0"))
    assert clients.failures == []
    assert set(clients.answers) == {release.id for release in releases}
    assert clients.total > 500


def test_a_rollback_under_load_loses_no_request(real):
    subject = LocalSubject(real)
    slot = subject.slot()
    old, new = deploy(subject, slot, "v1"), deploy(subject, slot, "v2")
    with Clients(port_of(subject, slot)) as clients:
        deployer = subject.deployer()
        deployer.mark_failed(slot, new, "wrong answers")
        list(deployer.rollback(slot))
        assert subject.served(slot) == old.id
    assert clients.failures == []


def test_a_command_killed_at_any_moment_loses_no_request_and_the_next_one_finishes(real):
    subject = LocalSubject(real)
    slot = subject.slot()
    moments = random.Random(20)
    deploy(subject, slot, "v0")
    killed = 0
    with Clients(port_of(subject, slot)) as clients:
        begun = time.monotonic()
        whole = _command(subject, slot, "v1")
        whole.join()
        took = time.monotonic() - begun
        for number in range(2, 8):
            version = f"v{number}"
            command = _command(subject, slot, version)
            command.join(moments.uniform(0.1, 0.95) * took)
            if command.is_alive():
                command.kill()
                killed += 1
            command.join()
            release = deploy(subject, slot, version)
            assert subject.served(slot) == release.id
    assert clients.failures == []
    assert killed > 0
    assert len(real.all_servers()) == 1


def _command(subject, slot, version):
    """A process that deploys, begun."""
    command = multiprocessing.get_context("spawn").Process(target=_deploy, args=(subject, slot, version))
    command.start()
    return command


def _deploy(subject, slot, version):
    deploy(subject, slot, version)

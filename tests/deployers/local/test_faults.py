"""Servers that misbehave, ports that are taken, records that lie: the slot serves on, or says why it does not."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from deployers.base import Health, Hold, Request, Revision
from deployers.errors import ConfigurationError, ReleaseFailedError, UnreachableError
from deployers.local.layout import TargetFolder
from tests.deployers.local.subjects import CANARY, Machine, served


def deploy(machine: Machine, version: str, **behaviour):
    """As the pipeline does; returns the steps."""
    slot = machine.slot()
    release, bundle = machine.release(slot, version, **behaviour)
    deployer = machine.deployer()
    steps = list(deployer.apply(deployer.plan(release, bundle)))
    assert served(deployer.observe(slot).url) == release.id
    deployer.mark_verified(slot, release)
    return steps


def detail(steps, name):
    return next(step.detail for step in steps if step.name == name)


def only_server(machine: Machine):
    (server,) = machine.servers(machine.slot())
    return server


def record_file(machine: Machine) -> Path:
    return TargetFolder(machine.state, machine.target).slot(machine.slot()).record


# Servers that do not come up


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(machine):
    with pytest.raises(ReleaseFailedError, match=r"exit code 3.*a library that is not there"):
        deploy(machine, "v1", fault="exit")
    assert machine.all_servers() == []
    assert any("a library that is not there" in line for line in machine.deployer().diagnose(machine.slot()))


def test_a_server_that_is_never_ready_is_ended_when_its_time_is_over(machine):
    machine.settings = msgspec.structs.replace(machine.settings, start_timeout=1.0)
    with pytest.raises(ReleaseFailedError, match="not ready within 1 seconds"):
        deploy(machine, "v1", fault="never-ready")
    assert machine.all_servers() == []


def test_a_candidate_that_refuses_the_port_leaves_the_old_one_serving(machine):
    deploy(machine, "v1")
    with pytest.raises(ReleaseFailedError, match="did not take the port"):
        deploy(machine, "v2", fault="refuses-port")
    seen = machine.deployer().observe(machine.slot())
    assert seen.release.version == "v1"
    assert seen.health is Health.READY
    assert not seen.unfinished
    assert len(machine.all_servers()) == 1


# Servers that fail later


def test_a_dead_server_is_replaced_on_the_same_port_and_the_step_says_so(machine):
    deploy(machine, "v1")
    url = machine.deployer().observe(machine.slot()).url
    only_server(machine).kill()
    assert machine.deployer().observe(machine.slot()).reasons[0] == "the server's process has ended"
    assert "afresh: the server before this one had ended" in detail(deploy(machine, "v2"), "listen")
    assert machine.deployer().observe(machine.slot()).url == url


def test_a_hung_server_is_given_its_grace_and_then_replaced(machine):
    deploy(machine, "v1")
    hung = only_server(machine)
    os.kill(hung.record.pid, signal.SIGSTOP)
    assert "afresh" in detail(deploy(machine, "v2"), "listen")
    assert not hung.alive


def test_a_server_that_drains_for_ever_is_ended_once_its_time_is_over(machine):
    deploy(machine, "v1", fault="undying")
    undying = only_server(machine)
    deploy(machine, "v2")
    assert undying.alive
    deploy(machine, "v3")
    assert undying.alive, "ended before its time"
    record = msgspec.json.decode((undying.folder / "server.json").read_bytes())
    record["retired"] -= 3600
    (undying.folder / "server.json").write_bytes(msgspec.json.encode(record))
    deploy(machine, "v4")
    assert not undying.alive


def test_the_log_is_bounded_whatever_the_model_prints(machine):
    deploy(machine, "v1", fault="chatty")
    folder = only_server(machine).folder
    assert (folder / "log.1").stat().st_size <= 1_000_000
    assert (folder / "log").stat().st_size <= 1_000_000
    assert "standin up" in machine.deployer().diagnose(machine.slot())[-1]


# Records that are out of date


def test_a_restart_of_the_machine_is_recognised(machine):
    deploy(machine, "v1")
    server = only_server(machine)
    server.kill()
    record = msgspec.structs.replace(server.record, boot="another boot")
    (server.folder / "server.json").write_bytes(msgspec.json.encode(record))
    seen = machine.deployer().observe(machine.slot())
    assert seen.health is Health.FAILING
    assert "restarted" in seen.reasons[0]
    deploy(machine, "v1")


def test_a_process_id_that_somebody_else_has_by_now_is_left_alone(machine):
    deploy(machine, "v1")
    server = only_server(machine)
    server.kill()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as bystander:
        record = msgspec.structs.replace(server.record, pid=bystander.pid)
        (server.folder / "server.json").write_bytes(msgspec.json.encode(record))
        assert machine.deployer().observe(machine.slot()).health is Health.FAILING
        deploy(machine, "v2")
        list(machine.deployer().remove(machine.slot()))
        assert bystander.poll() is None
        bystander.kill()


def test_a_damaged_record_is_named_and_never_guessed_at(machine):
    deploy(machine, "v1")
    record_file(machine).write_text('{"schema": 1, "slot"')
    with pytest.raises(ConfigurationError, match=r"slot\.json: the record is damaged"):
        machine.deployer().observe(machine.slot())


def test_a_record_of_a_later_version_is_refused(machine):
    deploy(machine, "v1")
    record_file(machine).write_text('{"schema": 2}')
    with pytest.raises(ConfigurationError, match="newer Tagboat"):
        machine.deployer().slots()


def test_five_verified_releases_are_kept_with_their_bundles_and_no_more(machine):
    for number in range(7):
        deploy(machine, f"v{number}")
    verified = machine.deployer().observe(machine.slot()).verified
    assert [kept.release.version for kept in verified] == ["v6", "v5", "v4", "v3", "v2"]
    bundles = TargetFolder(machine.state, machine.target).slot(machine.slot()).bundles
    kept = {release.release.bundle_digest.removeprefix("sha256:") for release in verified}
    assert {folder.name for folder in bundles.iterdir()} == kept


def test_a_rollback_whose_bundle_is_gone_says_so_and_changes_nothing(machine):
    deploy(machine, "v1")
    deploy(machine, "v2")
    oldest = machine.deployer().observe(machine.slot()).verified[1]
    bundle = TargetFolder(machine.state, machine.target).slot(machine.slot()).bundle(oldest.release.bundle_digest)
    bundle.rename(bundle.with_name("elsewhere"))
    with pytest.raises(ReleaseFailedError, match="not stored here any more"):
        list(machine.deployer().rollback(machine.slot(), oldest))
    assert machine.deployer().observe(machine.slot()).release.version == "v2"


# Ports


def test_the_configured_port_is_used(machine):
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    machine.settings = msgspec.structs.replace(machine.settings, ports={"model#prod": port})
    deploy(machine, "v1")
    assert machine.deployer().observe(machine.slot()).url == f"http://127.0.0.1:{port}"


def test_a_changed_port_is_served_and_the_old_one_given_up(machine):
    deploy(machine, "v1")
    old = machine.deployer().observe(machine.slot()).url
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    machine.settings = msgspec.structs.replace(machine.settings, port=port)
    slot = machine.slot()
    assert not machine.deployer().plan(*machine.release(slot, "v1")).unchanged
    deploy(machine, "v2")
    assert machine.deployer().observe(slot).url == f"http://127.0.0.1:{port}"
    assert served(old) is None


def test_a_change_of_port_that_fails_leaves_the_old_one_serving(machine):
    deploy(machine, "v1")
    old = machine.deployer().observe(machine.slot())
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    machine.settings = msgspec.structs.replace(machine.settings, port=port)
    with pytest.raises(ReleaseFailedError):
        deploy(machine, "v2", fault="exit")
    seen = machine.deployer().observe(machine.slot())
    assert (seen.url, seen.health, seen.release_id) == (old.url, Health.READY, old.release_id)


def test_a_port_that_another_process_has_is_refused_by_the_plan(machine):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        machine.settings = msgspec.structs.replace(machine.settings, port=stranger.getsockname()[1])
        with pytest.raises(ConfigurationError, match="taken by a process that is not ours"):
            machine.deployer().plan(*machine.release(machine.slot(), "v1"))


def test_a_port_that_is_taken_meanwhile_fails_the_release_and_leaves_nothing(machine):
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    machine.settings = msgspec.structs.replace(machine.settings, port=port)
    deployer = machine.deployer()
    steps = deployer.apply(deployer.plan(*machine.release(machine.slot(), "v1")))
    next(step for step in steps if step.candidate)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(ReleaseFailedError, match="taken by a process that is not ours"),
    ):
        next(steps)
    assert machine.all_servers() == []


def test_two_slots_cannot_have_one_port(machine):
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    machine.settings = msgspec.structs.replace(machine.settings, port=port)
    deploy(machine, "v1")
    with pytest.raises(ConfigurationError, match="belongs to model#prod on here"):
        machine.deployer().plan(*machine.release(machine.slot("other"), "v1"))


def test_what_else_answers_on_the_port_is_not_taken_for_ours(machine):
    deploy(machine, "v1")
    url = machine.deployer().observe(machine.slot()).url
    only_server(machine).kill()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(machine.folder)]
    command.append(url.rpartition(":")[2])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONUNBUFFERED": "1"}) as stranger:
        assert "Serving HTTP" in stranger.stdout.readline()
        seen = machine.deployer().observe(machine.slot())
        assert seen.release_id is None
        assert seen.health is Health.FAILING
        stranger.kill()


# Secrets


def test_variables_of_the_target_reach_the_server_and_nothing_else_does(machine):
    deploy(machine, "v1")
    environment = Path(f"/proc/{only_server(machine).record.pid}/environ").read_bytes().split(b"\0")
    assert f"CANARY={CANARY}".encode() in environment
    assert not [value for value in environment if b"not for models" in value]


def test_secret_values_are_nowhere_in_the_state_and_struck_out_of_the_log(machine):
    deploy(machine, "v1")
    shown = machine.deployer().diagnose(machine.slot())
    assert "standin up ***" in shown[-1]
    quiet = {"log", "log.1", "control", "http"}
    files = [path for path in machine.state.rglob("*") if path.is_file() and path.name not in quiet]
    assert files
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]


def test_a_variable_that_is_not_set_is_named_before_anything_starts(machine):
    machine.settings = msgspec.structs.replace(machine.settings, env={"TOKEN": "${env:NOWHERE_SET}"})
    with pytest.raises(ConfigurationError, match="NOWHERE_SET is not set"):
        deploy(machine, "v1")
    assert machine.all_servers() == []


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "TAGBOAT_RELEASE", "A=B", "", "a\nb"])
def test_variables_that_would_make_it_another_server_are_refused(machine, name):
    machine.settings = msgspec.structs.replace(machine.settings, env={name: "x"})
    with pytest.raises(ConfigurationError, match="can't be set"):
        deploy(machine, "v1")


@pytest.mark.parametrize("name", ["TAGBOAT_EXACT", "TAGBOAT_OPTIMIZE", "TAGBOAT_UVLOOP"])
def test_what_makes_the_server_quicker_can_be_turned_off(machine, name):
    settings = msgspec.structs.replace(machine.settings, env={name: "off"})
    assert settings.variables({}, target="here") == {name: "off"}


# Where it runs


def test_inside_the_action_every_verb_is_refused_with_the_reason(machine):
    machine.in_action = True
    deployer, slot = machine.deployer(), machine.slot()
    release, bundle = machine.release(slot, "v1")
    verbs = [
        lambda: deployer.plan(release, bundle),
        lambda: deployer.observe(slot),
        lambda: deployer.slots(),
        lambda: deployer.lease(slot),
        lambda: deployer.diagnose(slot),
        lambda: deployer.call(slot, Request()),
        lambda: list(deployer.rollback(slot)),
        lambda: list(deployer.remove(slot)),
    ]
    for verb in verbs:
        with pytest.raises(ConfigurationError, match="end with the step") as caught:
            verb()
        assert caught.value.exit_code == 2
    assert not machine.state.exists()


def test_a_state_folder_with_a_long_path_serves(tmp_path):
    machine = Machine(tmp_path / ("a" * 100) / ("b" * 100))
    try:
        deploy(machine, "v1")
        assert "took over port" in detail(deploy(machine, "v2"), "listen")
    finally:
        machine.shut_down()


def test_names_of_any_kind_are_safe_and_never_meet(machine):
    names = ["a/b", "a-b", "a:b", "x" * 300, "x" * 301, "../../etc", "Model", "model"]
    deployer = machine.deployer()
    for name in names:
        deployer.hold(machine.slot(name), Hold(reason="test", by="a test", at=0.0))
    assert sorted(slot.artifact for slot in deployer.slots()) == sorted(names)
    folders = list(deployer.state.slots.iterdir())
    assert len(folders) == len(names)
    assert all(len(folder.name) < 64 for folder in folders)


def test_state_is_for_nobody_else(machine):
    deploy(machine, "v1")
    open_ones = [path for path in machine.state.rglob("*") if path.is_dir() and path.stat().st_mode & 0o077]
    bundles = TargetFolder(machine.state, machine.target).slot(machine.slot()).bundles
    assert [path for path in open_ones if bundles not in path.parents] == []
    for name in ("control", "http", "log"):
        assert not (only_server(machine).folder / name).stat().st_mode & 0o077


def test_a_call_to_a_dead_candidate_is_unreachable(machine):
    deployer = machine.deployer()
    steps = deployer.apply(deployer.plan(*machine.release(machine.slot(), "v1")))
    next(step for step in steps if step.candidate)
    only_server(machine).kill()
    with pytest.raises(UnreachableError):
        deployer.call(machine.slot(), Request(method="GET", path="/"), Revision.CANDIDATE)
    with pytest.raises(ReleaseFailedError):
        next(steps)


def test_sigterm_to_a_server_from_outside_is_noticed(machine):
    deploy(machine, "v1")
    server = only_server(machine)
    os.kill(server.record.pid, signal.SIGTERM)
    assert server.await_exit(30)
    assert machine.deployer().observe(machine.slot()).health is Health.FAILING


def test_records_are_readable_json_with_a_schema(machine):
    deploy(machine, "v1")
    assert json.loads(record_file(machine).read_text())["schema"] == 1

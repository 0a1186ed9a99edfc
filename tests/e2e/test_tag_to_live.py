"""The main job: a registry tag, and the model answers over HTTP; whatever happens on the way."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter

import pytest

from tests.e2e.world import FLOWER, World, ask

pytestmark = pytest.mark.slow


def test_a_pushed_assignment_becomes_a_model_that_answers(world: World):
    commit = world.register("v0.1.0", seed=1, stage="dev")
    done = world.tagboat("deploy", "iris#dev#1")
    assert done.code == 0, done.errors
    (slot,) = done.out["slots"]
    assert done.out["status"] == slot["status"] == "live"
    assert (slot["artifact"], slot["version"], slot["stage"], slot["target"]) == ("iris", "v0.1.0", "dev", "here")
    assert slot["changed"] is True
    assert slot["commit"] == commit
    assert slot["proved_by"] == "server"
    status, headers, answer = ask(slot["url"])
    assert status == 200
    assert headers["x-tagboat-release"] == slot["release"]
    assert answer["predictions"] == ["virginica"]


def test_deploying_what_is_live_changes_nothing_and_says_so(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    first = world.tagboat("deploy", "iris#dev").out["slots"][0]
    before = world.slot()
    again = world.tagboat("deploy", "iris#dev")
    assert again.code == 0
    assert again.out["slots"][0]["status"] == "unchanged"
    assert again.out["slots"][0]["changed"] is False
    assert again.out["slots"][0]["release"] == first["release"]
    assert world.slot()["since"] == before["since"]


def test_plan_says_what_would_change_and_changes_nothing(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    planned = world.tagboat("plan", "iris#dev")
    assert planned.code == 0
    assert planned.out["dry_run"] is True
    assert planned.out["slots"][0]["changes"]
    assert world.slot()["health"] == "absent"


def test_P6_a_saved_plan_is_carried_out_as_it_was_looked_at_or_refused(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    saved = world.folder / "plan.json"
    assert world.tagboat("plan", "iris#dev", "--out", str(saved)).code == 0
    assert world.tagboat("deploy", "iris#dev", "--plan", str(saved)).out["slots"][0]["status"] == "live"
    # What it planned is live: there is nothing left to refuse.
    assert world.tagboat("deploy", "iris#dev", "--plan", str(saved)).out["slots"][0]["status"] == "unchanged"
    world.register("v0.2.0", seed=2, stage="dev")
    stale = world.tagboat("deploy", "iris#dev", "--plan", str(saved))
    assert stale.code == 3
    assert "another release" in stale.out["slots"][0]["reason"]
    assert world.slot()["served"] == "v0.1.0"
    other = world.tagboat("deploy", "iris#prod", "--plan", str(saved))
    assert other.code == 2


def test_the_next_version_goes_over_the_first_while_requests_run_and_none_is_lost(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    url = world.tagboat("deploy", "iris#dev").out["slots"][0]["url"]
    world.register("v0.2.0", seed=2, stage="dev")
    done = threading.Event()
    outcomes: list[Counter[str]] = [Counter(), Counter()]

    def client(counts: Counter[str]) -> None:
        while not done.is_set():
            try:
                status, headers, _ = ask(url)
                counts[headers["x-tagboat-release"] if status == 200 else f"status {status}"] += 1
            except OSError as error:
                counts[f"lost: {error}"] += 1
            done.wait(0.002)

    clients = [threading.Thread(target=client, args=(counts,)) for counts in outcomes]
    for thread in clients:
        thread.start()
    swapped = world.tagboat("deploy", "iris#dev")
    done.set()
    for thread in clients:
        thread.join()
    assert swapped.out["slots"][0]["status"] == "live"
    assert swapped.out["slots"][0]["url"] == url
    assert swapped.out["slots"][0]["previous"] == "v0.1.0"
    seen = outcomes[0] + outcomes[1]
    assert len(seen) == 2, seen
    assert all(len(release) == 32 for release in seen), seen


def test_a_release_that_fails_its_smoke_requests_leaves_the_old_one_serving(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    first = world.tagboat("deploy", "iris#dev").out["slots"][0]
    world.register("v0.2.0", seed=2, stage="dev", columns=2)
    failed = world.tagboat("deploy", "iris#dev")
    assert failed.code == 1
    (slot,) = failed.out["slots"]
    assert slot["status"] == "rolled-back"
    assert "petal_length" in slot["reason"]
    assert ask(first["url"])[1]["x-tagboat-release"] == first["release"]
    assert world.slot()["failed"][0]["version"] == "v0.2.0"


def test_a_first_release_that_fails_is_taken_down(world: World):
    world.register("v0.1.0", seed=1, stage="dev", columns=2)
    failed = world.tagboat("deploy", "iris#dev")
    assert failed.code == 1
    assert failed.out["slots"][0]["status"] == "failed"
    assert world.slot()["health"] == "absent"


def test_reconcile_does_not_try_a_failed_release_again_without_retry(world: World):
    world.register("v0.1.0", seed=1, stage="dev", columns=2)
    world.tagboat("deploy", "iris#dev")
    again = world.tagboat("reconcile")
    assert again.code == 1
    assert "failed before" in again.out["slots"][0]["reason"]
    assert not any(step["name"].startswith("verify") for step in again.out["slots"][0]["steps"])
    retried = world.tagboat("reconcile", "--retry")
    assert any(step["name"].startswith("download") for step in retried.out["slots"][0]["steps"])


def test_a_late_older_event_never_replaces_a_newer_release(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    world.register("v0.2.0", seed=2, stage="dev")
    assert world.tagboat("deploy", "iris#dev#2").out["slots"][0]["version"] == "v0.2.0"
    late = world.tagboat("deploy", "iris#dev#1")
    assert late.code == 0
    assert late.out["slots"][0]["status"] == "superseded"
    assert world.slot()["served"] == "v0.2.0"


def test_an_unassignment_brings_the_version_before_back(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    world.tagboat("deploy", "iris#dev")
    world.register("v0.2.0", seed=2, stage="dev")
    world.tagboat("deploy", "iris#dev")
    world.tag("iris#dev!#3", "iris@v0.2.0^{commit}")
    done = world.tagboat("deploy", "iris#dev!#3")
    assert done.out["slots"][0]["status"] == "live"
    assert world.slot()["served"] == "v0.1.0"


def test_nothing_assigned_any_more_is_reported_or_pruned_as_the_target_says(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    world.tagboat("deploy", "iris#dev")
    world.tag("iris#dev!#2", "iris@v0.1.0^{commit}")
    kept = world.tagboat("deploy", "iris#dev!#2")
    assert kept.out["slots"][0]["status"] == "unchanged"
    assert any("prune" in warning for warning in kept.out["slots"][0]["warnings"])
    assert world.slot()["orphan"] is True
    world.write("tagboat.yaml", (world.work / "tagboat.yaml").read_text().replace("local}", "local, prune: true}"))
    pruned = world.tagboat("reconcile")
    assert pruned.out["slots"][0]["status"] == "removed"
    assert world.tagboat("status").out["slots"] == []


def test_a_registration_is_a_preflight_and_deploys_nothing(world: World):
    world.register("v0.1.0", seed=1)
    done = world.tagboat("deploy", "iris@v0.1.0")
    assert done.code == 0, done.errors
    assert done.out["slots"] == []
    assert done.out["preflights"][0]["passed"] is True
    assert world.tagboat("status").out["slots"] == []


def test_a_broken_model_is_known_the_minute_it_is_registered(world: World):
    world.register("v0.1.0", seed=1, columns=2)
    done = world.tagboat("deploy", "iris@v0.1.0")
    assert done.code == 1
    assert done.out["status"] == "failed"
    assert "petal_length" in done.out["preflights"][0]["failure"]["message"]


def test_a_registration_can_assign_a_stage_that_is_then_deployed(world: World):
    world.write("tagboat.yaml", (world.work / "tagboat.yaml").read_text() + "registration: {assign: dev}\n")
    world.register("v0.1.0", seed=1)
    done = world.tagboat("deploy", "iris@v0.1.0")
    assert done.code == 0, done.errors
    assert done.out["slots"][0]["status"] == "live"
    assert "iris#dev#1" in world.run("git", "ls-remote", "--tags", "origin")
    assert world.tagboat("show").out["artifacts"][0]["stages"] == {"dev": "v0.1.0"}


def test_rollback_writes_the_tag_and_serves_the_stored_release_again(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    first = world.tagboat("deploy", "iris#dev").out["slots"][0]
    world.register("v0.2.0", seed=2, stage="dev")
    world.tagboat("deploy", "iris#dev")
    back = world.tagboat("rollback", "iris#dev")
    assert back.code == 0, back.errors
    assert back.out["slots"][0]["release"] == first["release"]
    assert ask(first["url"])[1]["x-tagboat-release"] == first["release"]
    assert world.tagboat("show").out["artifacts"][0]["stages"] == {"dev": "v0.1.0"}
    assert world.tagboat("reconcile").out["slots"][0]["status"] == "unchanged"


def test_rollback_without_a_tag_holds_the_slot_until_it_is_released(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    world.tagboat("deploy", "iris#dev")
    world.register("v0.2.0", seed=2, stage="dev")
    world.tagboat("deploy", "iris#dev")
    world.tagboat("rollback", "iris#dev", "--no-tag")
    assert world.slot()["served"] == "v0.1.0"
    assert world.slot()["held"]["reason"] == "rolled back to v0.1.0"
    assert world.tagboat("reconcile").out["slots"][0]["status"] == "held"
    assert world.tagboat("deploy", "iris#dev").out["slots"][0]["status"] == "held"
    assert world.slot()["served"] == "v0.1.0"
    world.tagboat("release-hold", "iris#dev")
    assert world.tagboat("reconcile").out["slots"][0]["status"] == "live"
    assert world.slot()["served"] == "v0.2.0"


def test_remove_writes_the_unassignment_and_takes_the_slot_down(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    url = world.tagboat("deploy", "iris#dev").out["slots"][0]["url"]
    removed = world.tagboat("remove", "iris#dev", "--yes")
    assert removed.code == 0, removed.errors
    assert removed.out["slots"][0]["status"] == "removed"
    with pytest.raises(OSError, match="refused"):
        ask(url)
    assert world.tagboat("show").out["artifacts"][0]["stages"] == {}
    assert world.tagboat("status").out["slots"] == []


def test_remove_leaves_no_earlier_version_to_come_back(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    world.register("v0.2.0", seed=2, stage="dev")
    world.tagboat("deploy", "iris#dev")
    assert world.tagboat("remove", "iris#dev", "--yes").code == 0
    assert world.tagboat("show").out["artifacts"][0]["stages"] == {}
    assert world.tagboat("reconcile").out["slots"] == []


def test_remove_without_a_tag_holds_the_slot_down(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    world.tagboat("deploy", "iris#dev")
    world.tagboat("remove", "iris#dev", "--no-tag", "--yes")
    assert world.tagboat("reconcile").out["slots"][0]["status"] == "held"
    assert world.slot()["health"] == "absent"


def test_a_moved_tag_is_refused(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    world.tagboat("deploy", "iris#dev")
    world.register("v0.2.0", seed=2)
    world.run("git", "tag", "-a", "-f", "-m", "moved", "iris#dev#1", "iris@v0.2.0^{commit}")
    world.run("git", "push", "-q", "--force", "origin", "refs/tags/iris#dev#1")
    for command in (["deploy", "iris#dev#1"], ["reconcile"]):
        refused = world.tagboat(*command)
        assert refused.code == 3
        assert "moved" in refused.out["slots"][0]["reason"]
    assert world.slot()["served"] == "v0.1.0"


def test_a_server_that_died_is_served_again_by_reconcile(world: World):
    world.register("v0.1.0", seed=1, stage="dev")
    first = world.tagboat("deploy", "iris#dev").out["slots"][0]
    for process in world.servers():
        os.kill(process, signal.SIGKILL)
    assert world.slot()["health"] != "ready"
    done = world.tagboat("reconcile")
    assert done.code == 0, done.errors
    assert done.out["slots"][0]["url"] == first["url"]
    assert ask(first["url"])[0] == 200


@pytest.mark.parametrize("after", ["download", "wrap", "candidate", "verify candidate", "verify live"])
def test_a_run_killed_at_any_step_is_finished_by_the_next(world: World, after: str):
    world.register("v0.1.0", seed=1, stage="dev")
    url = world.tagboat("deploy", "iris#dev").out["slots"][0]["url"]
    world.register("v0.2.0", seed=2, stage="dev")
    world.killed("deploy", "iris#dev", after=after)
    assert ask(url)[0] == 200
    done = world.tagboat("deploy", "iris#dev")
    assert done.code == 0, done.errors
    assert world.slot()["served"] == "v0.2.0"
    assert world.slot()["unfinished"] is False
    assert len(world.servers()) == 1
    assert ask(url, [FLOWER])[1]["x-tagboat-release"] == done.out["slots"][0]["release"]


def test_a_target_that_cannot_be_deployed_to_fails_alone(world: World):
    text = (world.work / "tagboat.yaml").read_text().replace("[here]", "[here, there]")
    there = '  there: {deployer: local, env: {KEY: "${env:NOT_SET_HERE}"}}\n'
    world.write("tagboat.yaml", text.replace("stages:", f"{there}stages:"))
    world.register("v0.1.0", seed=1, stage="dev")
    for command, fared in ((["deploy", "iris#dev"], "live"), (["reconcile"], "unchanged")):
        done = world.tagboat(*command)
        assert done.code == 2
        ended = {slot["target"]: slot for slot in done.out["slots"]}
        assert ended["here"]["status"] == fared
        assert ended["there"]["status"] == "failed"
        assert "NOT_SET_HERE" in ended["there"]["reason"]


def test_a_stage_that_goes_nowhere_is_no_error(world: World):
    world.register("v0.1.0", seed=1, stage="qa")
    done = world.tagboat("deploy", "iris#qa")
    assert done.code == 0
    assert "no target" in done.out["note"]


def test_a_wrong_byte_in_the_remote_stops_the_run_before_anything_is_touched(world: World):
    world.register("v0.1.0", seed=4711, stage="dev")  # a model that no other test has put into the shared cache
    (stored,) = [path for path in (world.folder / "storage").rglob("*") if path.is_file()]
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes()[:-1] + b"X")
    done = world.tagboat("deploy", "iris#dev")
    assert done.code == 3
    assert "iris.joblib" in done.out["slots"][0]["reason"]
    assert world.slot()["health"] == "absent"

"""A version is promoted exactly when it has earned it, by one tag, which the registry then agrees with."""

from __future__ import annotations

import threading

import pytest

from deployers.base import Hold, Slot
from entrypoint.promotion.outcome import PromotionStatus
from entrypoint.promotion.promoting import Attempt
from entrypoint.registry.trailers import trailers
from tests.registry.gto import by_gto

STAGING = [Slot("churn", "staging", "one"), Slot("churn", "staging", "two")]


def test_what_is_verified_on_all_targets_of_its_stage_is_promoted_by_gtos_tag(make):
    world = make("promotion: {staging: {from: dev, gates: [accuracy >= 0.9]}}")
    world.register("v1.0.0", accuracy=0.93)
    world.assign("dev", "v1.0.0")
    verdict = world.promote(
        "staging", variables={"GITHUB_RUN_ID": "1"}, run_url="https://github.com/o/r/actions/runs/1"
    )
    assert (verdict.status, verdict.tag, verdict.created) == ("promoted", "churn#staging#2", True)
    assert world.stages() == {"dev": "v1.0.0", "staging": "v1.0.0"}
    found = trailers(world.message("churn#staging#2"))
    assert found["Gate"] == ["verified in dev: pass (on one)", "accuracy >= 0.9: pass (accuracy = 0.93)"]
    assert found["Promoted-From"] == ["dev"]
    assert found["Run"] == ["https://github.com/o/r/actions/runs/1"]


def test_a_version_that_was_meant_and_is_not_there_is_not_replaced_by_another(world):
    verdict = world.promote("staging", version="v2.0.0")
    assert (verdict.status, "v2.0.0 was asked for" in verdict.reason) == ("blocked", True)
    assert world.promote("staging", version="v1.0.0").status == "promoted"


def test_gto_reads_the_promotion_as_we_do(world):
    world.promote("staging")
    assert by_gto(world.git.path)["churn"]["stages"] == {"dev": "v1.0.0", "staging": "v1.0.0"}


def test_a_stage_that_is_not_verified_on_every_target_promotes_nothing(world):
    world.promote("staging")
    shelf = world.workspace().deployer("two")
    for _ in shelf.remove(STAGING[1]):
        pass
    verdict = world.promote("prod")
    assert verdict.status == "blocked"
    assert (verdict.gates[0].outcome, verdict.gates[0].detail) == ("fail", "two serves nothing")
    assert "prod" not in world.stages()


def test_every_gate_is_evaluated_and_shown_whatever_the_others_say(make):
    world = make("""
        promotion:
          staging: {from: dev, gates: [accuracy >= 0.9, nothing > 1, accuracy < 0.5, {gate: soak, time: 1h}, f1 > 0]}
        """)
    world.register("v1.0.0", accuracy=0.8, f1=0.5)
    world.assign("dev", "v1.0.0")
    verdict = world.promote("staging")
    assert verdict.status == "blocked"
    assert [gate.outcome for gate in verdict.gates] == ["pass", "fail", "inconclusive", "fail", "fail", "pass"]
    assert "nothing is missing" in verdict.reason
    assert "staging" not in world.stages()


def test_a_dry_run_evaluates_everything_and_writes_nothing(world):
    before = world.tags()
    assert world.promote("staging", dry_run=True).status == "ready"
    assert world.tags() == before
    assert world.git.git("tag", "--list").split() == before


def test_the_tag_is_newer_than_the_newest_event_of_the_artifact_even_in_the_future(world):
    world.git.assign("churn", "elsewhere", time=int(world.now) + 5000)
    world.push()
    verdict = world.promote("staging")
    assert verdict.status == "promoted"
    event = world.registry().event(verdict.tag)
    assert event.time == int(world.now) + 5001
    assert world.stages()["staging"] == "v1.0.0"


def test_what_is_there_already_is_no_promotion_and_no_error(world):
    world.promote("staging")
    again = world.promote("staging", asked=True)
    assert (again.status, again.exit_code) == ("current", 0)


def test_a_version_older_than_what_the_stage_has_is_not_put_there(world):
    world.register("v2.0.0")
    world.assign("staging", "v2.0.0")
    verdict = world.promote("staging", asked=True)
    assert (verdict.status, verdict.exit_code) == ("older", 3)
    assert "v2.0.0, which is newer" in verdict.reason
    assert world.stages()["staging"] == "v2.0.0"


def test_P3_of_two_runs_that_promote_at_once_one_writes_the_tag_and_the_other_sees_it(world):
    clones = [world.clone("first"), world.clone("second")]
    both = threading.Barrier(2)
    verdicts = {}

    class Slow(Attempt):
        """Both runs have evaluated the gates, and read the registry, before either writes."""

        def _write(self, candidate, there):
            read = self.workspace.read_registry

            def once():
                registry = read()
                self.workspace.read_registry = read
                both.wait(20)
                return registry

            self.workspace.read_registry = once
            return super()._write(candidate, there)

    def run(number):
        workspace = world.workspace(clones[number], run_url=f"https://github.com/o/r/actions/runs/{number}")
        attempt = Slow(workspace, "churn", "staging", workspace.configuration.promotion["staging"])
        verdicts[number] = attempt.make(workspace.read_registry())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {verdict.status for verdict in verdicts.values()} == {PromotionStatus.PROMOTED}
    assert sorted(verdict.created for verdict in verdicts.values()) == [False, True]
    assert {verdict.tag for verdict in verdicts.values()} == {"churn#staging#2"}
    (loser,) = [verdict for verdict in verdicts.values() if not verdict.created]
    assert "another run" in loser.reason
    assert [tag for tag in world.tags() if "staging" in tag] == ["churn#staging#2"]


class Between(Attempt):
    """Something happens after the gates, before the tag."""

    def _write(self, candidate, there):
        self.workspace.between()
        return super()._write(candidate, there)


def between(world, happens):
    workspace = world.workspace(world.clone("run"))
    workspace.between = happens
    attempt = Between(workspace, "churn", "staging", workspace.configuration.promotion["staging"])
    return attempt.make(workspace.read_registry())


def test_a_stage_that_somebody_else_changed_meanwhile_is_left_to_them(world):
    world.register("v2.0.0")
    verdict = between(world, lambda: world.assign("staging", "v2.0.0", live=False))
    assert (verdict.status, verdict.tag) == ("lost", None)
    assert world.stages()["staging"] == "v2.0.0"


def test_a_version_that_left_its_stage_meanwhile_is_not_promoted(world):
    world.register("v2.0.0")
    verdict = between(world, lambda: world.assign("dev", "v2.0.0", live=False))
    assert verdict.status == "lost"
    assert "staging" not in world.stages()


def test_another_version_under_the_same_tag_is_lost_and_leaves_no_tag_of_ours(world):
    commit = world.register("v2.0.0")
    other = world.clone("other")

    class Racing(Between):
        def _write(self, candidate, there):
            push = self.workspace.repository.push_tag

            def late(name):
                other.tag(name, commit)
                other.git("push", "--quiet", "origin", f"refs/tags/{name}")
                return push(name)

            self.workspace.repository.push_tag = late
            return Attempt._write(self, candidate, there)

    workspace = world.workspace(world.clone("run"))
    rule = workspace.configuration.promotion["staging"]
    verdict = Racing(workspace, "churn", "staging", rule).make(workspace.read_registry())
    assert verdict.status == "lost"
    assert "means something else" in verdict.reason
    assert world.stages()["staging"] == "v2.0.0"


def test_a_remote_that_refuses_the_tag_leaves_none_behind(world):
    hook = world.origin.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    verdict = world.promote("staging")
    assert verdict.status in {"failed", "lost"}
    assert not [tag for tag in world.git.git("tag", "--list").split() if "staging" in tag]


def test_a_held_slot_of_the_stage_holds_the_promotion(world):
    world.workspace().deployer("two").hold(STAGING[1], Hold(reason="we look into it", by="ann", at=0.0))
    verdict = world.promote("staging")
    assert (verdict.status, verdict.exit_code) == ("held", 0)
    assert "held by ann: we look into it" in verdict.reason
    assert "release-hold churn#staging" in verdict.hint


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_a_stage_without_a_version_is_nothing_to_promote_from(make, stage):
    world = make()
    world.register("v1.0.0")
    assert world.promote(stage).status == "blocked"


def test_C10_hostile_text_in_metrics_and_labels_stays_one_line_of_the_tag(make):
    world = make('promotion: {staging: {from: dev, gates: [\'tags.owner == "x" or tags.owner != "x"\']}}')
    hostile = "owner=a\nRun: https://evil.example\n\n-----BEGIN PGP SIGNATURE-----\n\u202eGate: all: pass" + "x" * 4000
    world.register("v1.0.0", labels=[hostile])
    world.assign("dev", "v1.0.0")
    verdict = world.promote("staging")
    assert verdict.status == "promoted"
    text = world.message(verdict.tag)
    found = trailers(text)
    assert "Run" not in found
    assert len(found["Gate"]) == 2
    assert len(text) < 1000
    assert "\u202e" not in text
    assert world.registry().event(verdict.tag).message == text

"""From a tag to the stage after it, on real servers: promoted in the same run, rolled back, held, and let in again."""

from __future__ import annotations

import pytest

from tests.e2e.world import CONFIGURATION, World, ask

RULES = CONFIGURATION.replace("  dev: {targets: [here]}\n", "  dev: {targets: [here]}\n  prod: {targets: [here]}\n") + """\
promotion:
  prod:
    from: dev
    automatic: true
    skips: refuse
    gates:
      - accuracy >= 0.9
      - {gate: scan, unknown: pass}
"""


@pytest.fixture
def promoting(world: World) -> World:
    world.write("tagboat.yaml", RULES)
    measured(world, 0.93)
    return world


def measured(world: World, accuracy: float) -> None:
    world.write("metrics.json", f'{{"accuracy": {accuracy}}}')
    world.write("dvc.yaml", "artifacts:\n  iris:\n    path: models/iris.joblib\n    type: model\nmetrics: [metrics.json]\n")


@pytest.mark.slow
def test_a_version_earns_its_way_and_what_was_rolled_back_stays_out_until_a_person_lets_it_in(promoting: World) -> None:
    world = promoting
    world.register("v1.0.0", 1)
    skipped = world.tagboat("deploy", world.assign("v1.0.0", "prod"))
    assert skipped.code == 3
    assert "v1.0.0 skips dev" in skipped.out["slots"][0]["reason"]
    world.run("git", "push", "-q", "--delete", "origin", "iris#prod#1")
    world.run("git", "tag", "-d", "iris#prod#1")

    first = world.tagboat("deploy", world.assign("v1.0.0", "dev"))
    assert first.code == 0, first.errors
    assert [(slot["stage"], slot["status"]) for slot in first.out["slots"]] == [("dev", "live"), ("prod", "live")]
    assert [(one["to"], one["status"]) for one in first.out["promotions"]] == [("prod", "promoted")]
    assert ask(world.slot("prod")["url"])[0] == 200

    measured(world, 0.5)
    world.register("v2.0.0", 2)
    worse = world.tagboat("deploy", world.assign("v2.0.0", "dev"))
    assert worse.code == 0
    (blocked,) = worse.out["promotions"]
    assert [gate["outcome"] for gate in blocked["gates"]] == ["pass", "fail", "pass"]
    assert world.slot("prod")["served"] == "v1.0.0"

    measured(world, 0.97)
    world.register("v3.0.0", 3)
    better = world.tagboat("deploy", world.assign("v3.0.0", "dev"))
    assert [one["status"] for one in better.out["promotions"]] == ["promoted"]
    assert world.tagboat("rollback", "iris#prod").code == 0
    assert world.tagboat("reconcile").out["promotions"][0]["status"] == "held"
    slot = world.slot("prod")
    assert (slot["served"], slot["promotion_hold"]["version"]) == ("v1.0.0", "v3.0.0")

    assert world.tagboat("release-hold", "iris#prod").code == 0
    again = world.tagboat("reconcile")
    assert [one["status"] for one in again.out["promotions"]] == ["promoted"]
    assert {slot["stage"]: slot["status"] for slot in again.out["slots"]} == {"dev": "unchanged", "prod": "live"}
    assert world.slot("prod")["served"] == "v3.0.0"

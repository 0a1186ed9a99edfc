"""From a tag to the stage after it, on real servers: promoted in the same run, rolled back, held, and let in again."""

from __future__ import annotations

import pytest

from tests.e2e.world import CONFIGURATION, World, ask

RULES = (
    CONFIGURATION.replace("  dev: {targets: [here]}\n", "  dev: {targets: [here]}\n  prod: {targets: [here]}\n")
    + """\
promotion:
  prod:
    from: dev
    automatic: true
    skips: refuse
    gates:
      - accuracy >= 0.9
      - {gate: scan, unknown: pass}
"""
)


def measured(world: World, accuracy: float) -> None:
    world.write("metrics.json", f'{{"accuracy": {accuracy}}}')
    world.write(
        "dvc.yaml", "artifacts:\n  iris:\n    path: models/iris.joblib\n    type: model\nmetrics: [metrics.json]\n"
    )


@pytest.mark.slow
def test_a_version_earns_its_way_and_what_was_taken_out_stays_out_until_a_person_lets_it_in(world: World) -> None:
    world.write("tagboat.yaml", RULES)
    measured(world, 0.93)
    world.register("v1.0.0", 1)
    skipped = world.inside("deploy", world.assign("v1.0.0", "prod"))
    assert skipped["exit_code"] == 3
    assert "v1.0.0 skips dev" in skipped["slots"][0]["reason"]
    world.run("git", "push", "-q", "--delete", "origin", "iris#prod#1")
    world.run("git", "tag", "-d", "iris#prod#1")

    first = world.inside("deploy", world.assign("v1.0.0", "dev"))
    assert [(slot["stage"], slot["status"]) for slot in first["slots"]] == [("dev", "live"), ("prod", "live")]
    assert [gate["outcome"] for gate in first["promotions"][0]["gates"]] == ["pass", "pass", "pass"]
    assert ask(first["slots"][1]["url"])[0] == 200

    assert world.inside("remove", "iris#prod", "--yes")["exit_code"] == 0
    assert world.inside("reconcile")["promotions"][0]["status"] == "held"
    (slot,) = world.inside("status", "--stage", "prod")["slots"]
    assert (slot["served"], slot["promotion_hold"]["version"]) == (None, "v1.0.0")

    assert world.inside("release-hold", "iris#prod")["exit_code"] == 0
    again = world.inside("reconcile")
    assert [one["status"] for one in again["promotions"]] == ["promoted"]
    assert {slot["stage"]: slot["status"] for slot in again["slots"]} == {"dev": "unchanged", "prod": "live"}
    assert ask(again["slots"][-1]["url"])[0] == 200

"""A pull request's model, wrapped and planned on real parts before anybody registers it."""

from __future__ import annotations

import pytest

from tests.e2e.world import World

PIPELINE = "artifacts:\n  iris:\n    path: models/iris.joblib\n    type: model\nmetrics: [metrics.json]\n"


@pytest.mark.slow
def test_the_plan_of_a_change_is_what_registering_and_assigning_it_would_do(world: World) -> None:
    world.write("dvc.yaml", PIPELINE)
    world.write("metrics.json", '{"accuracy": 0.9}')
    world.register("v1.0.0", seed=1, stage="dev")
    assert world.tagboat("deploy", "iris#dev").code == 0
    before = world.slot()
    world.run("git", "checkout", "-q", "-b", "change")
    world.write("metrics.json", '{"accuracy": 0.95}')
    head = world.train(2)
    done = world.tagboat("report")
    assert done.code == 0, done.errors
    found = done.out
    assert found["head"] == head
    assert found["artifacts"] == ["iris"]
    (planned,) = found["planned"]
    assert (planned["stage"], planned["target"], planned["live"], planned["version"]) == (
        "dev",
        "here",
        "v1.0.0",
        "v1.0.1",
    )
    assert (planned["how"], planned["note"]) == ("planned", "")
    (change,) = planned["changes"]
    assert change["action"] == "update"
    assert "v1.0.1" in change["diff"]
    assert [row["after"] for row in found["stages"][0]["metrics"]] == [0.95]
    assert world.slot() == before, "a report changed what is served"

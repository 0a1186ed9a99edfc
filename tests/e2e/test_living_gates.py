"""Promotion from what really serves: two models answer, are asked the same rows, and the gates decide."""

from __future__ import annotations

import json

import pytest

from tests.e2e.world import CONFIGURATION, FLOWER, World, ask

pytestmark = pytest.mark.slow

SMALL = {**FLOWER, "sepal_length": 5.0, "petal_length": 1.4, "petal_width": 0.2}

GATES = """\
promotion:
  prod:
    from: dev
    gates:
      - {gate: smoke}
      - {gate: agreement, sample: rows.json}
      - {gate: agreement, name: probabilities, sample: rows.json, method: predict_proba, atol: 0.000001}
"""


def test_a_version_is_promoted_when_it_answers_as_prod_expects_and_as_the_incumbent_does(world: World):
    rows = json.dumps({"data": [FLOWER, SMALL]})
    world.write("rows.json", rows)
    both = CONFIGURATION.replace("  dev: {targets: [here]}", "  dev: {targets: [here]}\n  prod: {targets: [here]}")
    world.write("tagboat.yaml", both + GATES)
    world.register("v0.1.0", seed=1, stage="prod")
    assert world.inside("deploy", "iris#prod")["exit_code"] == 0
    world.register("v0.2.0", seed=2, stage="dev")
    assert world.inside("deploy", "iris#dev")["exit_code"] == 0
    (promotion,) = world.inside("promote", "iris", "--to", "prod", "--dry-run")["promotions"]
    gates = {gate["name"]: gate for gate in promotion["gates"]}
    assert (gates["smoke"]["outcome"], gates["agreement"]["outcome"]) == ("pass", "pass")
    assert gates["agreement"]["figures"] == {"rows": 2, "different": 0, "share": 0.0}
    assert gates["probabilities"]["outcome"] == "fail", "other weights have other probabilities"
    assert "row 0: [" in gates["probabilities"]["detail"]

    world.write("tagboat.yaml", both + GATES.replace("0.000001", "0.5"))
    done = world.inside("promote", "iris", "--to", "prod")
    assert done["promotions"][0]["status"] == "promoted", done
    (slot,) = done["slots"]
    assert (slot["stage"], slot["version"], slot["status"]) == ("prod", "v0.2.0", "live")
    assert ask(slot["url"])[2]["predictions"] == ["virginica"]
    found = world.inside("audit", "iris", "--stage", "prod")["entries"]
    tags = [one for one in found if one["source"] == "tag"]
    assert [gate.partition(" (")[0] for gate in tags[0]["gates"]] == [
        "verified in dev: pass", "smoke: pass", "agreement: pass", "probabilities: pass"
    ]  # fmt: skip
    assert {one["event"] for one in found if one["source"] == "target"} == {"verified"}

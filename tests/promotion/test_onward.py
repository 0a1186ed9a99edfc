"""What follows a promotion: deployed in the same run, on to the next stage, and never round and round."""

from __future__ import annotations

import msgspec

from deployers.base import Slot

CHAIN = """
promotion:
  staging: {from: dev, automatic: true}
  prod: {from: staging, automatic: true}
"""


def started(make, configuration=CHAIN):
    world = make(configuration)
    world.register("v1.0.0", accuracy=0.9)
    world.assign("dev", "v1.0.0")
    return world


def test_a_deployed_version_goes_on_through_every_automatic_stage_in_the_same_run(make):
    world = started(make)
    world.brought.clear()
    onward = world.onward(automatic=True)
    onward.after([("churn", "dev")])
    assert [(one.stage, one.status) for one in onward.promotions] == [("staging", "promoted"), ("prod", "promoted")]
    assert world.brought == [
        (Slot("churn", "staging", "one"), "churn#staging#2"),
        (Slot("churn", "staging", "two"), "churn#staging#2"),
        (Slot("churn", "prod", "one"), "churn#prod#3"),
    ]
    assert [slot.stage for slot in onward.slots] == ["staging", "staging", "prod"]


def test_a_stage_that_fails_to_come_up_promotes_no_further(make):
    world = started(make)
    world.failing.add(Slot("churn", "staging", "two"))
    onward = world.onward(automatic=True)
    onward.after([("churn", "dev")])
    assert [one.stage for one in onward.promotions] == ["staging"]
    assert "prod" not in world.stages()


def test_a_rule_that_is_not_automatic_waits_for_somebody_to_ask(make):
    world = started(make, CHAIN.replace("staging, automatic: true", "staging"))
    onward = world.onward(automatic=True)
    onward.after([("churn", "dev")])
    assert [one.stage for one in onward.promotions] == ["staging"]
    assert world.promote("prod").status == "promoted"


def test_what_the_tag_alone_is_to_bring_is_not_deployed_here(make):
    world = started(make, "promotion: {staging: {from: dev, automatic: true, deploy: none}}")
    world.brought.clear()
    onward = world.onward(automatic=True)
    onward.after([("churn", "dev")])
    assert onward.promotions[0].status == "promoted"
    assert world.brought == []


def test_a_promotions_own_tag_starts_nothing_but_the_next_stage(make):
    world = started(make)
    onward = world.onward(automatic=True)
    onward.after([("churn", "dev")])
    tags = world.tags()
    for place in [("churn", "dev"), ("churn", "staging"), ("churn", "prod")]:
        again = world.onward(automatic=True)
        again.after([place])
        assert {one.status for one in again.promotions} <= {"current"}
    assert world.tags() == tags


def test_a_run_goes_into_a_stage_once_even_where_a_circle_got_past_the_check(make):
    world = started(make)
    rules = dict(world.workspace().configuration.promotion)
    workspace = world.workspace()
    circle = {**rules, "dev": type(rules["prod"])(source="prod", automatic=True)}
    workspace.configuration = msgspec.structs.replace(workspace.configuration, promotion=circle)
    onward = type(world.onward())(workspace, world.bring(workspace))
    onward.after([("churn", "dev")])
    assert [one.stage for one in onward.promotions] == ["staging", "prod", "dev"]
    assert onward.promotions[-1].status == "current"

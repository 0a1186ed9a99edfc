"""What follows a promotion: deployed in the same run, on to the next stage, and never round and round."""

from __future__ import annotations

import msgspec
import pytest

from deployers.base import Slot
from entrypoint.promotion.onward import every_place

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


def test_P4_a_promotions_own_tag_starts_nothing_but_the_next_stage(make):
    world = started(make)
    onward = world.onward(automatic=True)
    onward.after([("churn", "dev")])
    tags = world.tags()
    for place in [("churn", "dev"), ("churn", "staging"), ("churn", "prod")]:
        again = world.onward(automatic=True)
        again.after([place])
        assert {one.status for one in again.promotions} <= {"current"}
    assert world.tags() == tags


def test_a_run_that_was_killed_between_the_tag_and_the_deployment_is_finished_by_the_next(make):
    world = started(make)
    killed = world.onward(automatic=True)
    killed.bring = interrupted
    with pytest.raises(KeyboardInterrupt):
        killed.after([("churn", "dev")])
    assert world.stages()["staging"] == "v1.0.0"
    world.brought.clear()
    again = world.onward(automatic=True)
    again.after([("churn", "dev")])
    assert {(slot.stage, slot.target) for slot, _ in world.brought} == {
        ("staging", "one"), ("staging", "two"), ("prod", "one"),
    }  # fmt: skip
    assert [(one.stage, one.status) for one in again.promotions] == [("prod", "promoted")]
    world.brought.clear()
    world.onward(automatic=True).after([("churn", "dev")])
    assert world.brought == []


def interrupted(slots, tag):
    raise KeyboardInterrupt


def test_what_failed_in_the_next_stage_is_not_tried_again_by_each_deployment_before_it(make):
    world = started(make)
    world.failing.add(Slot("churn", "staging", "two"))
    world.onward(automatic=True).after([("churn", "dev")])
    world.brought.clear()
    world.onward(automatic=True).after([("churn", "dev")])
    assert world.brought == []


def test_what_a_person_assigned_is_no_promotion_to_be_finished(make):
    world = started(make)
    world.assign("staging", "v1.0.0", live=False)
    world.brought.clear()
    world.onward(automatic=True).after([("churn", "dev")])
    assert world.brought == []


def test_the_registry_is_read_once_for_all_that_has_nothing_to_do(make):
    world = started(make)
    onward = world.onward(automatic=True)
    onward.after([("churn", "dev")])
    again = world.onward(automatic=True)
    read, reads = again.workspace.read_registry, []
    again.workspace.read_registry = lambda: reads.append(1) or read()
    for artifact, stage in every_place(again.workspace, ["churn", "fraud", "ltv"]):
        again.into(artifact, stage)
    assert (len(reads), again.promotions) == (1, [])


def test_P4_a_run_goes_into_a_stage_once_even_where_a_circle_got_past_the_check(make):
    world = started(make)
    rules = dict(world.workspace().configuration.promotion)
    workspace = world.workspace()
    circle = {**rules, "dev": type(rules["prod"])(source="prod", automatic=True)}
    workspace.configuration = msgspec.structs.replace(workspace.configuration, promotion=circle)
    onward = type(world.onward())(workspace, world.bring(workspace))
    onward.after([("churn", "dev")])
    assert [one.stage for one in onward.promotions] == ["staging", "prod"]

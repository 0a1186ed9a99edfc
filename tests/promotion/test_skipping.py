"""A stage tag that skips the graph is deployed or refused, as the rule says."""

from __future__ import annotations

import pytest

from entrypoint.errors import RefusedError
from entrypoint.registry.policy import check_way
from entrypoint.registry.resolve import current

RULES = "promotion: {staging: {from: dev, skips: refuse}, prod: {from: staging}}"


def check(world, stage="staging"):
    workspace = world.workspace()
    registry = workspace.read_registry()
    resolution = current(workspace.repository, registry, "churn", stage)
    (slot, *_) = workspace.slots_of([("churn", stage)])
    if source := workspace.only_from(slot):
        check_way(registry, resolution, source)


@pytest.fixture
def rules(make):
    world = make(RULES)
    world.register("v1.0.0")
    return world


def test_a_version_that_skips_a_stage_is_refused(rules):
    rules.assign("staging", "v1.0.0", live=False)
    with pytest.raises(RefusedError, match=r"v1\.0\.0 skips dev") as caught:
        check(rules)
    assert caught.value.where == "churn#staging#1"
    assert "Assign it to dev first" in caught.value.hint


def test_a_version_that_was_there_before_is_let_in_though_it_has_left(rules):
    rules.assign("dev", "v1.0.0", live=False)
    rules.register("v2.0.0")
    rules.assign("dev", "v2.0.0", live=False)
    rules.assign("staging", "v1.0.0", live=False)
    check(rules)


def test_the_stage_before_must_have_come_first(rules):
    rules.assign("staging", "v1.0.0", live=False)
    rules.assign("dev", "v1.0.0", live=False)
    with pytest.raises(RefusedError):
        check(rules)
    rules.assign("staging", "v1.0.0", live=False)
    check(rules)


def test_another_versions_way_is_not_this_ones(rules):
    rules.assign("dev", "v1.0.0", live=False)
    rules.register("v2.0.0")
    rules.assign("staging", "v2.0.0", live=False)
    with pytest.raises(RefusedError, match=r"v2\.0\.0 skips dev"):
        check(rules)


def test_without_the_policy_any_stage_takes_any_version(rules):
    rules.assign("prod", "v1.0.0", live=False)
    check(rules, "prod")


def test_a_promotion_keeps_to_the_way(rules):
    rules.assign("dev", "v1.0.0")
    assert rules.promote("staging").status == "promoted"
    check(rules)

"""What was taken out of a stage comes back by a person's word alone."""

from __future__ import annotations

import pytest

from entrypoint.promotion import holds as holding
from entrypoint.registry.state import read
from tests.registry.gto import by_gto


@pytest.fixture(scope="module")
def went_back(begun, tmp_path_factory):
    world = begun.copied(tmp_path_factory.mktemp("back"))
    world.promote("staging")
    world.register("v2.0.0")
    world.assign("dev", "v2.0.0")
    assert world.promote("staging").status == "promoted"
    world.git.time = int(world.now) + 100
    world.assign("staging", "v1.0.0")
    world.now += 200
    return world


@pytest.fixture
def back(went_back, tmp_path):
    """v2.0.0 was promoted from dev into staging, and staging was rolled back to v1.0.0."""
    return went_back.copied(tmp_path)


def lift(world, at=None):
    workspace = world.workspace(at)
    registry = workspace.read_registry()
    (hold,) = holding.holds(workspace, registry)
    return holding.lift(workspace, registry, hold)


def test_a_version_that_was_rolled_back_is_not_promoted_again(back):
    verdict = back.promote("staging")
    assert verdict.status == "held"
    assert "v2.0.0 was in staging and was taken out by churn#staging#5 (Tagger, " in verdict.reason
    assert back.stages()["staging"] == "v1.0.0"


def test_the_hold_is_the_same_in_every_clone(back):
    assert back.promote("staging", at=back.clone("another")).status == "held"


def test_the_next_version_is_not_held(back):
    back.register("v2.0.1")
    back.assign("dev", "v2.0.1")
    assert back.promote("staging").status == "promoted"


def test_a_version_that_was_replaced_by_a_newer_one_is_no_hold_but_older(back):
    back.git.time = int(back.now) + 100
    back.register("v3.0.0")
    back.assign("staging", "v3.0.0")
    workspace = back.workspace()
    assert list(holding.holds(workspace, workspace.read_registry())) == []
    assert back.promote("staging").status == "older"


def test_an_unassigned_version_is_held_as_well(world):
    world.promote("staging")
    world.git.time = int(world.now) + 100
    world.git.tag("churn#staging!#3", "churn@v1.0.0^{commit}")
    world.push()
    assert "staging" not in world.stages()
    verdict = world.promote("staging")
    assert (verdict.status, "churn#staging!#3" in verdict.reason) == ("held", True)


def test_a_person_who_assigns_it_again_needs_no_promotion(back):
    back.git.time = int(back.now) + 100
    back.assign("staging", "v2.0.0")
    assert back.promote("staging").status == "current"


def test_a_person_lifts_the_hold_for_everybody_by_a_tag_that_gto_does_not_know(back):
    name = lift(back)
    assert name == "tagboat/lifted/churn+staging+v2.0.0/1"
    assert name in back.tags()
    assert "v2.0.0 was in staging" in back.message(name)
    before = by_gto(back.git.path)
    assert before["churn"]["stages"] == {"dev": "v2.0.0", "staging": "v1.0.0"}
    assert not read(back.workspace().repository).problems
    assert back.promote("staging", at=back.clone("another")).status == "promoted"


def test_a_lifted_version_that_is_rolled_back_again_is_held_again(back):
    lift(back)
    assert back.promote("staging").status == "promoted"
    back.git.time = int(back.now) + 100
    back.assign("staging", "v1.0.0")
    back.now += 300
    assert back.promote("staging").status == "held"
    assert lift(back) == "tagboat/lifted/churn+staging+v2.0.0/2"
    assert back.promote("staging").status == "promoted"


def test_a_lift_that_is_older_than_what_took_the_version_out_lifts_nothing(world):
    world.register("v2.0.0")
    world.git.tag("tagboat/lifted/churn+staging+v1.0.0/1", "churn@v1.0.0^{commit}")
    world.assign("staging", "v1.0.0")
    world.git.unassign("churn", "staging", "churn@v1.0.0^{commit}", time=world.git.time + 5)
    world.push()
    assert world.promote("staging").status == "held"


@pytest.mark.parametrize("how", ["another commit", "lightweight", "another version", "no number"])
def test_a_tag_that_only_looks_like_a_lift_lifts_nothing(back, how):
    back.git.time = int(back.now) + 100
    if how == "another commit":
        back.git.tag("tagboat/lifted/churn+staging+v2.0.0/1", "churn@v1.0.0^{commit}")
    elif how == "lightweight":
        back.git.lightweight("tagboat/lifted/churn+staging+v2.0.0/1", "churn@v2.0.0^{commit}")
    elif how == "another version":
        back.git.tag("tagboat/lifted/churn+staging+v1.0.0/1", "churn@v2.0.0^{commit}")
    else:
        back.git.tag("tagboat/lifted/churn+staging+v2.0.0/x", "churn@v2.0.0^{commit}")
    back.push()
    assert back.promote("staging").status == "held"


def test_two_people_who_lift_at_once_both_succeed(back):
    clones = [back.clone("first"), back.clone("second")]
    workspaces = [back.workspace(clone, actor=name) for clone, name in zip(clones, ("ann", "bob"), strict=True)]
    registries = [workspace.read_registry() for workspace in workspaces]
    names = set()
    for workspace, registry in zip(workspaces, registries, strict=True):
        (hold,) = holding.holds(workspace, registry)
        names.add(holding.lift(workspace, registry, hold))
    assert names == {"tagboat/lifted/churn+staging+v2.0.0/1"}
    assert "ann lets" in back.message("tagboat/lifted/churn+staging+v2.0.0/1")
    assert back.promote("staging").status == "promoted"

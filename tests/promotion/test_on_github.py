"""What a promotion asks of GitHub: a tag where nothing can be pushed, another run, and who may ask for one."""

from __future__ import annotations

import dataclasses

import pytest

from entrypoint.errors import RefusedError
from entrypoint.github.tags import ApiTags
from entrypoint.promotion import dispatching
from entrypoint.promotion.approvals import check_asker
from entrypoint.promotion.outcome import PromotionStatus, PromotionVerdict
from entrypoint.registry.remote import TagTakenError
from entrypoint.registry.repository import Identity
from tests.fakes.github import when
from tests.fakes.github.fixtures import client, connected, description, github
from tests.promotion.conftest import World

__all__ = ["client", "connected", "description", "github"]

ME = Identity("Ann", "ann@example.com")
API = "promotion: {staging: {from: dev, tag-by: api}}"


@pytest.fixture
def world(tmp_path, github):
    """The remote is what GitHub serves; pushes of tags are refused from the moment that v1.0.0 is live in dev."""
    made = World(tmp_path, API, github.store.git.folder)
    made.register("v1.0.0", accuracy=0.9)
    made.assign("dev", "v1.0.0")
    hook = made.origin.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    return made


def test_a_tag_comes_to_be_by_the_api_where_nothing_can_be_pushed(world, github):
    verdict = world.promote("staging", variables=github.environment, token=github.token)
    assert (verdict.status, verdict.created, verdict.reason) == ("promoted", True, "")
    assert world.stages() == {"dev": "v1.0.0", "staging": "v1.0.0"}
    event = world.registry().event("churn#staging#2")
    assert event.time == int(world.now)
    assert event.message == world.message("churn#staging#2").strip()
    assert "Gate: verified in dev: pass (on one)" in event.message


def test_who_says_no_push_gets_the_tag_here_alone(world, github):
    verdict = world.promote("staging", variables=github.environment, token=github.token, push=False)
    assert (verdict.status, verdict.created) == ("promoted", True)
    assert "churn#staging#2" not in world.tags()
    assert "churn#staging#2" in world.git.git("tag", "--list").split()


def test_without_a_token_nothing_is_written_and_the_error_says_what_to_give(world):
    verdict = world.promote("staging")
    assert (verdict.status, verdict.exit_code) == ("failed", 2)
    assert "`token`" in verdict.hint


def test_P3_of_two_tags_by_the_api_the_second_is_told_that_the_name_is_taken(world, client):
    first = world.git.git("rev-parse", "churn@v1.0.0^{commit}")
    tags = ApiTags(client)
    made = tags.create("churn#staging#2", first, "one", time=1_700_000_000, tagger=ME)
    with pytest.raises(TagTakenError):
        tags.create("churn#staging#2", first, "another", time=1_700_000_001, tagger=ME)
    assert world.origin.git("rev-parse", "refs/tags/churn#staging#2") == made
    assert tags.create("churn#staging#2", first, "one", time=1_700_000_000, tagger=ME) == made


@pytest.mark.parametrize("path", ["/git/tags", "/git/refs"])
def test_an_answer_that_was_lost_makes_no_second_tag(world, client, github, path):
    github.fail(when("POST", path), status=502, after_write=True)
    commit = world.git.git("rev-parse", "churn@v1.0.0^{commit}")
    made = ApiTags(client).create("models/nlp=bert#staging#2", commit, "text", time=1_700_000_000, tagger=ME)
    assert world.origin.git("rev-parse", "refs/tags/models/nlp=bert#staging#2") == made


def test_a_tag_is_taken_back_only_while_it_is_ours(world, client):
    commit = world.git.git("rev-parse", "churn@v1.0.0^{commit}")
    tags = ApiTags(client)
    made = tags.create("churn#staging#2", commit, "text", time=1_700_000_000, tagger=ME)
    tags.delete("churn#staging#2", "0" * 40)
    assert "churn#staging#2" in world.tags()
    tags.delete("churn#staging#2", made)
    assert "churn#staging#2" not in world.tags()


def test_a_tag_that_another_event_beats_is_taken_back(world, github, monkeypatch):
    create = ApiTags.create

    def beaten(self, name, commit, message, *, time, tagger):
        stronger = world.git.tag("churn#staging!#9", commit, time=time + 50)
        world.origin.git(
            "fetch", "--quiet", str(world.git.path), "refs/tags/churn#staging!#9:refs/tags/churn#staging!#9"
        )
        assert stronger
        return create(self, name, commit, message, time=time, tagger=tagger)

    monkeypatch.setattr(ApiTags, "create", beaten)
    verdict = world.promote("staging", variables=github.environment, token=github.token)
    assert verdict.status == "lost"
    assert "churn#staging#2" not in world.tags()


# --- another run -------------------------------------------------------------------------------------------------


def promoted(**more):
    return PromotionVerdict(artifact="churn", source="dev", stage="staging", status=PromotionStatus.PROMOTED,
                            tag="churn#staging#2", created=True, **more)  # fmt: skip


def rule(world, text):
    world.configuration = world.configuration.replace("tag-by: api", text)
    return world.workspace().configuration.promotion["staging"]


def test_a_run_is_dispatched_by_an_event_of_the_repository(world, client, github):
    said = dispatching.start(client, rule(world, "deploy: dispatch"), promoted())
    assert "churn#staging#2" in said
    assert github.store.dispatched == [{"event_type": "tagboat", "client_payload": {"ref": "churn#staging#2"}}]


def test_a_run_of_a_workflow_is_started_with_the_tag_as_its_input(world, client, github):
    github.store.workflows["tagboat.yml"] = {"id": 1, "name": "Deploy", "path": ".github/workflows/tagboat.yml"}
    said = dispatching.start(client, rule(world, "deploy: dispatch, workflow: tagboat.yml"), promoted())
    assert said == "tagboat.yml was started for churn#staging#2"
    assert github.store.dispatched == [{"ref": "main", "inputs": {"ref": "churn#staging#2"}, "workflow": "tagboat.yml"}]


def test_a_dispatch_that_is_refused_fails_the_promotion_and_keeps_its_tag(world, github):
    world.configuration = world.configuration.replace("tag-by: api", "tag-by: api, deploy: dispatch, workflow: no.yml")
    verdict = world.promote("staging", variables=github.environment, token=github.token)
    assert (verdict.status, verdict.tag) == ("failed", "churn#staging#2")
    assert "churn#staging#2 was written, and no run was started that deploys it" in verdict.reason
    assert world.stages()["staging"] == "v1.0.0"
    assert verdict.exit_code != 0


# --- who may ask -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "allowed"), [("admin", True), ("write", True), ("read", False), (None, False)])
def test_a_comment_promotes_only_for_somebody_who_may_write(world, github, role, allowed):
    if role:
        github.store.roles["ann"] = role
    request = world.workspace(variables=github.environment, token=github.token, asked_by="ann").request
    if allowed:
        check_asker(request)
    else:
        with pytest.raises(RefusedError, match="ann may not write"):
            check_asker(request)
    check_asker(dataclasses.replace(request, asked_by=None))

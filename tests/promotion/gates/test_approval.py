"""An approval counts when GitHub vouches for who gave it, and when there was something to approve."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from entrypoint.promotion.gates import GateResult, Outcome
from tests.fakes.github import GitHub, Holder
from tests.fakes.github.fixtures import description, github

__all__ = ["description", "github"]

ANN, BOB = Holder("ann"), Holder("bob")
BY_COMMENT = "{gate: approval, by: comment}"


@pytest.fixture
def approved(case, github: GitHub) -> Callable[..., GateResult]:
    """Evaluate a gate about the version that pull request 7 of mona's brought, asking the fake GitHub.

    GitHub's clock stands after the tags.
    """
    made: list = []

    def evaluate(gate: str = BY_COMMENT, **environment: str) -> GateResult:
        if not made:
            made.append(case(gate, **github.environment, GITHUB_TOKEN=github.token))
            git = made[0].git
            git.git("push", "--quiet", str(github.store.git.folder), "HEAD:refs/heads/main", "HEAD:refs/heads/topic-7")
            github.store.seconds = max(github.store.seconds, int(made[0].now))
            github.store.open_pull(7, head=made[0].new, author="mona")
            github.store.pulls[7]["base"]["sha"] = made[0].old
            github.store.roles |= {"ann": "write", "bob": "maintain", "mona": "admin", "eve": "read"}
        made[0].environment.update(environment)
        return made[0].evaluate()

    evaluate.case = made  # type: ignore[attr-defined]
    return evaluate


def test_nobody_has_said_yes_yet(approved):
    result = approved()
    assert (result.outcome, result.detail) == (Outcome.FAIL, "no approval by comment yet")


def test_a_comment_of_somebody_who_may_approves(approved, github):
    approved()
    github.store.comment(7, "/promote", ANN)
    result = approved()
    assert (result.outcome, result.detail) == (Outcome.PASS, "approved by ann (comment on #7)")


def test_a_comment_after_the_merge_approves_too(approved, github):
    approved()
    github.store.merge_pull(7, github.store.pulls[7]["head"]["sha"])
    github.store.comment(7, "/promote churn@v1.1.0 to prod", ANN)
    assert approved().outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("who", "body", "said"),
    [
        (Holder("eve"), "/promote", "eve (comment on #7): without the permission write"),
        (Holder("stranger"), "/promote", "stranger (comment on #7): without the permission write"),
        (Holder("mona"), "/promote", "mona (comment on #7): it is the author's own"),
        (Holder("robot[bot]", "Bot"), "/promote", "robot[bot] (comment on #7): it is a program's"),
        (ANN, "/promote churn to qa", "no approval by comment yet"),
        (ANN, "/promote churn@v1.0.0", "no approval by comment yet"),
        (ANN, "> /promote", "no approval by comment yet"),
    ],
)
def test_what_does_not_count_is_said_with_the_reason(approved, github, who, body, said):
    approved()
    github.store.roles["robot[bot]"] = "admin"
    github.store.comment(7, body, who)
    result = approved()
    assert result.outcome is Outcome.FAIL
    assert said in result.detail


def test_the_association_that_a_comment_carries_is_not_believed(approved, github):
    approved()
    github.store.comment(7, "/promote", Holder("eve"))["author_association"] = "OWNER"
    assert approved().outcome is Outcome.FAIL


def test_an_edited_comment_does_not_count(approved, github):
    approved()
    comment = github.store.comment(7, "Looks fine", Holder("eve"))
    comment |= {"body": "/promote", "updated_at": github.store.now(), "user": github.store.user("ann")}
    result = approved()
    assert (result.outcome, "the comment was edited" in result.detail) == (Outcome.FAIL, True)


def test_an_approval_from_before_the_tag_does_not_count(approved, github):
    approved()
    made = approved.case[0]
    github.store.seconds = made.git.time - 60
    github.store.comment(7, "/promote", ANN)
    result = approved()
    assert (result.outcome, "older than what is to be approved" in result.detail) == (Outcome.FAIL, True)


def test_an_approval_from_before_the_merge_does_not_count(approved, github):
    approved()
    github.store.comment(7, "/promote", ANN)
    github.store.merge_pull(7, github.store.pulls[7]["head"]["sha"])
    assert approved().outcome is Outcome.FAIL


def test_a_pull_request_that_has_moved_on_approves_nothing(approved, github):
    approved()
    head = github.store.git.commit("More", branch="topic-7")
    github.store.pulls[7]["head"]["sha"] = head
    github.store.comment(7, "/promote", ANN)
    assert approved().outcome is Outcome.FAIL


def test_as_many_people_are_needed_as_it_says_and_each_counts_once(approved, github):
    gate = "{gate: approval, by: comment, approvals: 2, own: true}"
    approved(gate)
    github.store.comment(7, "/promote", ANN)
    github.store.comment(7, "/promote", ANN)
    result = approved(gate)
    assert (result.outcome, result.detail) == (Outcome.FAIL, "approved by ann (comment on #7), 1 more needed")
    github.store.comment(7, "/promote", Holder("mona"))
    assert approved(gate).outcome is Outcome.PASS


def test_only_those_who_are_named_and_may_enough(approved, github):
    gate = "{gate: approval, by: comment, people: [Bob], permission: maintain}"
    approved(gate)
    github.store.comment(7, "/promote", ANN)
    result = approved(gate)
    assert (result.outcome, "not one of those who may" in result.detail) == (Outcome.FAIL, True)
    github.store.comment(7, "/promote", BOB)
    assert approved(gate).outcome is Outcome.PASS
    github.store.roles["bob"] = "write"
    assert approved(gate).outcome is Outcome.FAIL


def test_a_label_counts_by_whoever_put_it_last_and_while_it_is_there(approved, github):
    gate = "{gate: approval, by: label, label: to-prod}"
    approved(gate)

    def label(login: str, method: str = "POST", path: str = "", **body: object) -> None:
        url = f"{github.api}/repos/{github.store.name}/issues/7/labels{path}"
        headers = {"Authorization": f"token {github.holder(login)}", "Content-Type": "application/json"}
        assert requests.request(method, url, json=body or None, headers=headers, timeout=10).ok

    label("eve", labels=["to-prod"])
    assert "without the permission write" in approved(gate).detail
    label("ann", "DELETE", "/to-prod")
    assert approved(gate).detail == "no approval by label yet"
    label("ann", labels=["to-prod", "other"])
    assert approved(gate).detail == "approved by ann (label on #7)"


def test_a_reviewer_of_the_runs_environment_approves(approved, github):
    gate = "{gate: approval, by: environment, environment: prod}"
    github.store.runs[4711] = {"id": 4711}
    assert approved(gate).outcome is Outcome.FAIL
    other = {"environments": [{"name": "dev"}], "state": "approved", "user": github.store.user("ann"), "comment": ""}
    rejected = {
        "environments": [{"name": "prod"}],
        "state": "rejected",
        "user": github.store.user("ann"),
        "comment": "",
    }
    github.store.approvals[4711] += [other, rejected]
    assert approved(gate).outcome is Outcome.FAIL
    github.store.approvals[4711].append({**rejected, "state": "approved"})
    assert approved(gate).detail == "approved by ann (review of prod)"


def test_without_a_run_or_a_token_or_github_nothing_is_approved(approved, github, case):
    gate = "{gate: approval, by: environment, environment: prod}"
    result = approved(gate, GITHUB_RUN_ID="")
    assert (result.outcome, "GITHUB_RUN_ID" in result.detail) == (Outcome.INCONCLUSIVE, True)
    result = approved(gate, GITHUB_RUN_ID="4711", GITHUB_TOKEN="")
    assert (result.outcome, "no token" in result.detail) == (Outcome.INCONCLUSIVE, True)
    result = approved(gate, GITHUB_TOKEN=github.holder("x", "Bot", actions=None))
    assert (result.outcome, "actions: read" in result.detail) == (Outcome.INCONCLUSIVE, True)

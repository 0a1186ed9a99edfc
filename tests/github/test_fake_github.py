"""The fake itself: it answers as GitHub's description says, and notices what GitHub would not take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from github import GithubException, InputGitAuthor

from entrypoint.github.client import GitHub as Client
from tests.fakes.github import TOKEN, Description, GitHub


def ask(github: GitHub, method: str, path: str, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {TOKEN}", **more.pop("headers", {})}
    return requests.request(method, f"{github.api}{path}", headers=headers, timeout=10, **more)


HOME = "/repos/octo-org/models"


@pytest.fixture
def loose(description: Description, tmp_path: Path) -> Iterator[GitHub]:
    """A fake whose violations a test looks at itself."""
    with GitHub(tmp_path, description) as fake:
        yield fake


@pytest.mark.parametrize(
    ("path", "body", "part"),
    [
        ("/check-runs", {"name": "x"}, "head_sha"),
        ("/deployments", {"ref": "main", "automerge": False}, "automerge"),
        ("/deployments", {"ref": "main", "auto_merge": "no"}, "auto_merge"),
        ("/git/refs", {"ref": "refs/tags/x"}, "sha"),
    ],
)
def test_a_request_that_github_does_not_describe_is_noticed(
    loose: GitHub, path: str, body: dict[str, Any], part: str
) -> None:
    assert ask(loose, "POST", HOME + path, json=body).status_code == 418
    assert part in loose.violations[0]


def test_a_query_that_github_does_not_know_is_noticed(loose: GitHub) -> None:
    ask(loose, "GET", f"{HOME}/deployments?env=prod")
    assert "env" in loose.violations[0]


def test_an_answer_that_is_not_as_described_is_noticed(loose: GitHub) -> None:
    loose.store.labels["x"] = {"name": 7}
    ask(loose, "GET", f"{HOME}/labels")
    assert "name" in loose.violations[0]


def test_a_page_links_to_the_next_one(github: GitHub) -> None:
    commit = github.store.git.commit()
    github.store.open_pull(1, head=commit)
    for number in range(5):
        ask(github, "POST", f"{HOME}/issues/1/comments", json={"body": str(number)})
    answer = ask(github, "GET", f"{HOME}/issues/1/comments?per_page=2&page=2")
    assert [each["body"] for each in answer.json()] == ["2", "3"]
    assert {name: link["url"][-1] for name, link in answer.links.items()} == {
        "next": "3", "last": "3", "prev": "1", "first": "1"}  # fmt: skip


def test_what_has_not_changed_is_304_and_costs_nothing(github: GitHub) -> None:
    first = ask(github, "GET", f"{HOME}/labels")
    left = github.left
    again = ask(github, "GET", f"{HOME}/labels", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content, github.left) == (304, b"", left)
    ask(github, "POST", f"{HOME}/labels", json={"name": "blue"})
    assert ask(github, "GET", f"{HOME}/labels", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_a_completed_check_needs_a_conclusion_though_the_description_does_not_say_so(
    client: Client, github: GitHub
) -> None:
    commit = github.store.git.commit()
    with pytest.raises(GithubException, match="conclusion"):
        client.repository.create_check_run("tagboat", commit, status="completed")


def test_a_deployment_that_asks_for_no_exceptions_meets_githubs_defaults(client: Client, github: GitHub) -> None:
    old, _ = github.store.git.commit("one"), github.store.git.commit("two")
    with pytest.raises(GithubException) as merged:
        client.repository.create_deployment(old, required_contexts=[])
    with pytest.raises(GithubException) as checked:
        client.repository.create_deployment("main")
    assert (merged.value.status, checked.value.status) == (409, 409)


def test_a_tag_by_the_api_is_a_tag_in_the_repository(client: Client, github: GitHub) -> None:
    commit = github.store.git.commit()
    tagger = InputGitAuthor("Mona", "mona@example.com", "2026-01-31T12:00:00Z")
    made = client.repository.create_git_tag("churn#prod#3", "by gates\n\nauc: pass", commit, "commit", tagger)
    assert (
        client.repository.create_git_tag("churn#prod#3", "by gates\n\nauc: pass", commit, "commit", tagger).sha
        == made.sha
    )
    client.repository.create_git_ref("refs/tags/churn#prod#3", made.sha)
    with pytest.raises(GithubException, match="already exists") as caught:
        client.repository.create_git_ref("refs/tags/churn#prod#3", made.sha)
    assert caught.value.status == 422
    listed = github.store.git("for-each-ref", "--format=%(refname:short) %(taggerdate:unix) %(subject)", "refs/tags")
    assert listed == "churn#prod#3 1769860800 by gates\n"
    assert client.repository.get_git_ref("tags/churn#prod#3").object.sha == made.sha
    assert [each.ref for each in client.repository.get_git_matching_refs("tags/churn")] == ["refs/tags/churn#prod#3"]
    client.repository.get_git_matching_refs("tags/churn")[0].delete()
    assert github.store.git("tag", "-l") == ""


def test_files_commits_and_pull_requests_of_a_commit(client: Client, github: GitHub) -> None:
    base = github.store.git.commit("base", files={"ml/metrics.json": '{"auc": 0.9}'})
    github.store.git("update-ref", "refs/heads/topic", base)
    head = github.store.git.commit("better", branch="topic", files={"ml/metrics.json": '{"auc": 0.95}'})
    github.store.open_pull(3, head=head)
    assert client.repository.get_contents("ml/metrics.json", ref=head).decoded_content == b'{"auc": 0.95}'  # type: ignore[union-attr]
    assert client.repository.get_commit(head).commit.message == "better"
    assert [each.number for each in client.repository.get_commit(head).get_pulls()] == [3]
    assert list(client.repository.get_commit(base).get_pulls()) == []
    assert [(each.filename, each.status) for each in client.repository.get_pull(3).get_files()] == [
        ("ml/metrics.json", "modified")
    ]
    github.store.merge_pull(3, base)
    assert [each.merged for each in client.repository.get_commit(base).get_pulls()] == [True]


def test_labels_reactions_roles_and_dispatches(connected: Callable[[str], Client], github: GitHub) -> None:
    client = connected(github.holder("hubot"))
    github.store.open_pull(1, head=github.store.git.commit())
    github.store.roles["mona"] = "maintain"
    issue = client.repository.get_issue(1)
    issue.add_to_labels("promote")
    assert [each.name for each in issue.get_labels()] == ["promote"]
    assert [each.name for each in client.repository.get_pull(1).labels] == ["promote"]
    issue.create_comment("/promote").create_reaction("eyes")
    assert [each.content for each in next(iter(issue.get_comments())).get_reactions()] == ["eyes"]
    assert client.repository.get_collaborator_permission("mona") == "write"
    assert client.repository.create_repository_dispatch("tagboat", {"ref": "churn#prod"})
    github.store.workflows["deploy.yml"] = {"id": 1, "name": "Deploy", "path": ".github/workflows/deploy.yml"}
    assert client.repository.get_workflow("deploy.yml").create_dispatch("main", {"ref": "churn#prod"})
    assert [each["inputs" if "inputs" in each else "client_payload"] for each in github.store.dispatched] == [
        {"ref": "churn#prod"}
    ] * 2

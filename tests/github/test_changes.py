"""Which pull request an event is about, and whether whoever opened it may be trusted with secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from entrypoint.errors import UsageError
from entrypoint.github.changes import FinishedRun, PullRequest, Stranger, asked
from entrypoint.github.events import Nothing
from tests.github import payloads


def told(
    folder: Path, name: str, payload: Any, actor: str = "octocat"
) -> PullRequest | FinishedRun | Stranger | Nothing:
    return asked(payloads.event(folder, name, payload))


def test_a_pull_request_of_the_repositorys_own_is_trusted(tmp_path: Path) -> None:
    found = told(tmp_path, "pull_request", payloads.pull_request())
    assert found == PullRequest(
        number=7, head=payloads.COMMIT, base=payloads.TAG_OBJECT, base_branch="main", trusted=True
    )


def test_P1_a_forks_is_not_nor_dependabots_nor_one_whose_repository_is_gone(tmp_path: Path) -> None:
    gone, bots = payloads.pull_request(), payloads.pull_request()
    gone["pull_request"]["head"]["repo"] = None
    bots["pull_request"]["head"]["ref"] = "dependabot/pip/numpy-2.0"
    for payload in (payloads.pull_request(source="mallory/models"), gone, bots):
        found = told(tmp_path, "pull_request", payload)
        assert isinstance(found, PullRequest)
        assert not found.trusted


def test_a_closed_one_gets_no_report(tmp_path: Path) -> None:
    assert isinstance(told(tmp_path, "pull_request", payloads.pull_request(action="closed")), Nothing)


def test_a_run_that_ended_names_its_commit_and_where_that_is_from(tmp_path: Path) -> None:
    found = told(tmp_path, "workflow_run", payloads.workflow_run())
    assert found == FinishedRun(head=payloads.COMMIT, repository="mallory/models")


@pytest.mark.parametrize("more", [{"event": "push"}, {"conclusion": "failure"}, {"event": "pull_request_target"}])
def test_other_runs_and_failed_ones_leave_nothing_to_show(tmp_path: Path, more: dict[str, str]) -> None:
    assert isinstance(told(tmp_path, "workflow_run", payloads.workflow_run(**more)), Nothing)


def test_pull_request_target_is_told_apart(tmp_path: Path) -> None:
    found = told(tmp_path, "pull_request_target", payloads.pull_request())
    assert found == Stranger(commits=(payloads.COMMIT,))


@pytest.mark.parametrize("head", ["main", "-x", "a" * 39, "a" * 40 + "\n", ""])
def test_what_is_no_commit_is_refused(tmp_path: Path, head: str) -> None:
    for name, payload in (
        ("pull_request", payloads.pull_request(head=head)),
        ("workflow_run", payloads.workflow_run(head=head)),
    ):
        with pytest.raises(UsageError):
            told(tmp_path, name, payload)

"""What GitHub says of pull requests: the events that a report answers.

A pull request of a fork runs without secrets and with a token that only reads; what it gathers is shown by a second
workflow, which GitHub starts when the first has ended (``workflow_run``). Dependabot's pull requests are treated like a
fork's, by GitHub and so here. Shapes: https://docs.github.com/webhooks/webhook-events-and-payloads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from entrypoint.errors import UsageError
from entrypoint.github.events import Nothing, payload_of
from entrypoint.report.escaping import plain

DEPENDABOT: Final = "dependabot/"
"""How the branches begin that Dependabot makes; who started a run could be anybody that starts it again."""


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Report on this. ``head``, ``base``: commits; ``trusted``: from somebody who may push to this repository."""

    number: int
    head: str
    base: str
    base_branch: str
    trusted: bool


class FinishedRun(msgspec.Struct, frozen=True, kw_only=True):
    """Show what that run gathered. ``head``: its commit; ``repository``: where that is from, as OWNER/NAME."""

    head: str
    repository: str


class Stranger(msgspec.Struct, frozen=True, kw_only=True):
    """``pull_request_target``: a stranger's pull request, with this repository's secrets. ``commits``: theirs."""

    commits: tuple[str, ...]


class _Repository(msgspec.Struct, frozen=True):
    full_name: str = ""


class _Branch(msgspec.Struct, frozen=True):
    sha: str
    ref: str = ""
    repo: _Repository | None = None


class _Pull(msgspec.Struct, frozen=True):
    head: _Branch
    base: _Branch
    merge_commit_sha: str | None = None


class _PullRequestEvent(msgspec.Struct, frozen=True):
    action: str
    number: int
    pull_request: _Pull


class _Run(msgspec.Struct, frozen=True):
    event: str
    head_sha: str
    conclusion: str | None = None
    head_repository: _Repository | None = None


class _WorkflowRunEvent(msgspec.Struct, frozen=True):
    workflow_run: _Run


def asked(environment: Mapping[str, str]) -> PullRequest | FinishedRun | Stranger | Nothing:
    """What an event of `events.REPORTED` asks for. Raises `UsageError` for a payload that is not GitHub's."""
    event = environment.get("GITHUB_EVENT_NAME", "")
    if event == "workflow_run":
        return _finished(payload_of(environment, _WorkflowRunEvent).workflow_run)
    told = payload_of(environment, _PullRequestEvent)
    pull = told.pull_request
    for commit in (pull.head.sha, pull.base.sha):
        _check(commit)
    if event == "pull_request_target":
        return Stranger(commits=tuple(sha for sha in (pull.head.sha, pull.merge_commit_sha) if sha))
    if told.action == "closed":
        return Nothing(why="the pull request is closed")
    own = pull.head.repo is not None and pull.base.repo is not None and pull.head.repo == pull.base.repo
    return PullRequest(
        number=told.number,
        head=pull.head.sha,
        base=pull.base.sha,
        base_branch=pull.base.ref,
        trusted=own and not pull.head.ref.startswith(DEPENDABOT),
    )


def _finished(run: _Run) -> FinishedRun | Nothing:
    if run.event != "pull_request":
        return Nothing(why=f"the run that ended was one of {plain(run.event)[:60]!r}, and of no pull request")
    if run.conclusion != "success":
        return Nothing(why="the run that ended left no report, since it did not succeed")
    _check(run.head_sha)
    return FinishedRun(head=run.head_sha, repository=run.head_repository.full_name if run.head_repository else "")


def _check(commit: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise UsageError("the event names no commit", where="GITHUB_EVENT_PATH", hint="GitHub's runner writes it.")

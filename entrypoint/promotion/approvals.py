"""Who has approved a promotion on GitHub: by a comment, by a label, or as a reviewer of the run's environment.

All of it is anybody's to write, so nothing counts that GitHub does not vouch for: the author's permission is asked of
the API (the association that a comment carries says less), times are GitHub's own, and a comment that was edited could
have been anything when it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from entrypoint.errors import RefusedError, UsageError
from entrypoint.github.client import GitHub, connect
from entrypoint.github.failures import NothingThereError
from entrypoint.promotion.context import Candidate, Context
from entrypoint.promotion.spoken import asked
from entrypoint.request import Request

if TYPE_CHECKING:
    from github.PullRequest import PullRequest

RANKS: Final = {"none": 0, "read": 1, "triage": 1, "write": 2, "maintain": 3, "admin": 4}
"""GitHub's permissions, from small to great."""


@dataclass(frozen=True)
class Approval:
    """Somebody's yes. ``at``: Unix seconds, by GitHub's clock. ``objection``: why it does not count, or nothing."""

    by: str
    at: float
    how: str
    bot: bool = False
    objection: str = ""


def by_comment(github: GitHub, context: Context) -> Iterator[Approval]:
    """Every ``/promote`` about the candidate on the pull requests that it came from."""
    candidate = context.candidate
    for pull in pulls(github, candidate):
        since = _since(context, pull)
        with github.asking(f"read the comments of #{pull.number}"):
            comments = list(github.repository.get_issue(pull.number).get_comments())
        for comment in comments:
            wanted = asked(comment.body or "")
            if wanted is None or comment.user is None:
                continue
            if not wanted.covers(candidate.artifact, candidate.version, candidate.stage):
                continue
            written = _seconds(comment.created_at)
            objection = "the comment was edited" if comment.updated_at != comment.created_at else ""
            yield _judged(comment.user, written, f"comment on #{pull.number}", since, pull, objection)


def by_label(github: GitHub, context: Context, label: str) -> Iterator[Approval]:
    """Whoever put the label, last, on the pull requests that the candidate came from and that have it now."""
    for pull in pulls(github, context.candidate):
        if label not in {each.name for each in pull.labels}:
            continue
        with github.asking(f"read the events of #{pull.number}"):
            events = list(github.repository.get_issue(pull.number).get_events())
        put = [
            each for each in events if each.event == "labeled" and each.label is not None and each.label.name == label
        ]
        if put and put[-1].actor is not None:
            how = f"label on #{pull.number}"
            yield _judged(put[-1].actor, _seconds(put[-1].created_at), how, _since(context, pull), pull, "")


def by_environment(github: GitHub, run: str, environment: str) -> Iterator[Approval]:
    """Whoever let this run's job into the environment: its required reviewers, whom GitHub holds to the rules."""
    with github.asking("read who approved this run") as repository:
        _, reviews = repository.requester.requestJsonAndCheck(
            "GET", f"/repos/{github.name}/actions/runs/{run}/approvals"
        )
    for review in reviews:
        about = {str(each.get("name", "")) for each in review.get("environments") or ()}
        user = review.get("user") or {}
        if review.get("state") == "approved" and environment in about and user.get("login"):
            yield Approval(str(user["login"]), 0.0, f"review of {environment}", bot=user.get("type") == "Bot")


def pulls(github: GitHub, candidate: Candidate) -> list[PullRequest]:
    """The pull requests that brought the candidate's commit: merged into this repository, or still open at it."""
    with github.asking(f"find the pull request of {candidate.commit[:12]}") as repository:
        found = list(repository.get_commit(candidate.commit).get_pulls())
        return [pull for pull in found if pull.merged_at is not None or pull.head.sha == candidate.commit]


def rank(github: GitHub, login: str) -> int:
    """How much somebody may do in the repository (`RANKS`); 0 for a stranger."""
    path = f"/repos/{github.name}/collaborators/{quote(login, safe='')}/permission"
    try:
        with github.asking(f"ask what {login} may do") as repository:
            _, answer = repository.requester.requestJsonAndCheck("GET", path)
    except NothingThereError:
        return 0
    # A role of an organisation's own counts as what it is based on, which is what `permission` tells.
    return max(RANKS.get(str(answer.get(key, "none")), 0) for key in ("permission", "role_name"))


def check_asker(request: Request) -> None:
    """Raise `RefusedError` where a comment asks for a promotion whose author may not write to the repository."""
    login, token = request.asked_by, request.api_token
    if login is None:
        return
    if token is None:
        raise UsageError(
            "there is no token to ask GitHub with who may promote",
            where="input 'token'",
            hint="Give the input `token`.",
        )
    with closing(connect(request.environment, token)) as github:
        if rank(github, login) < RANKS["write"]:
            raise RefusedError(
                f"{login} may not write to this repository, and so not promote by a comment", where="comment"
            )


def _since(context: Context, pull: PullRequest) -> float:
    """Before this nobody can have known what was to be approved: the tags behind the candidate, its commit, its merge.

    Tags' and commits' dates are their authors' own word, and may be too early; a merge's is GitHub's.
    """
    version = context.version
    times: list[float] = [happened.time for happened in version.behind] if version is not None else []
    times += context.workspace.repository.commit_times([context.candidate.commit]).values()
    if pull.merged_at is not None:
        times.append(_seconds(pull.merged_at))
    return max(times, default=0.0)


def _judged(user: Any, at: float, how: str, since: float, pull: PullRequest, objection: str) -> Approval:
    if not objection and at < since:
        objection = "it is older than what is to be approved"
    if not objection and user.login == pull.user.login:
        objection = OWN
    return Approval(str(user.login), at, how, bot=user.type == "Bot", objection=objection)


OWN: Final = "it is the author's own"


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

"""Where a commit came from: its pull requests, and what is said there of a deployment that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from entrypoint.github.client import GitHub
from entrypoint.github.comments import ROOM, put, replace
from entrypoint.report.escaping import Markdown
from entrypoint.report.summary import SIGNS
from entrypoint.report.templating import render
from entrypoint.report.verdict import Preflight, SlotVerdict

if TYPE_CHECKING:
    from github.PullRequest import PullRequest

MOST: Final = 3
"""Pull requests of one commit that are told; a long-lived branch's merge can hold any number of commits."""


def sources(github: GitHub, commit: str) -> Sequence[int]:
    """The pull requests that a commit came from: whose merge it is, else those merged with it, else those at it now."""
    with github.asking("look for the commit's pull requests"):
        found = list(github.repository.get_commit(commit).get_pulls())
    merged = [each for each in found if each.merged_at is not None]
    return [each.number for each in _merges(merged, commit) or merged or _heads(found, commit)][:MOST]


def tell_of(github: GitHub, numbers: Sequence[int], slot: SlotVerdict, run: str | None) -> None:
    """Say on the pull requests how the deployment ended: where it failed in any case, else only after a failure."""
    body = render("comments/deployment.md.j2", slot=slot, sign=Markdown(SIGNS[slot.status]), run_url=run)
    for number in numbers:
        if slot.status.good:
            replace(github, number, marker(slot), body[:ROOM])
        else:
            put(github, number, marker(slot), body[:ROOM])


def tell_of_preflight(github: GitHub, numbers: Sequence[int], preflight: Preflight, run: str | None) -> None:
    """The same of a version's preflight: a version that does not pass it would fail in every stage."""
    body = render("comments/preflight.md.j2", preflight=preflight, run_url=run)
    for number in numbers:
        if preflight.passed:
            replace(github, number, f"preflight of {preflight.artifact}", body[:ROOM])
        else:
            put(github, number, f"preflight of {preflight.artifact}", body[:ROOM])


def marker(slot: SlotVerdict) -> str:
    """One comment for each slot."""
    return f"deployment of {slot}"


def _merges(found: Sequence[PullRequest], commit: str) -> Sequence[PullRequest]:
    return [each for each in found if each.merge_commit_sha == commit]


def _heads(found: Sequence[PullRequest], commit: str) -> Sequence[PullRequest]:
    return [each for each in found if each.state == "open" and each.head.sha == commit]

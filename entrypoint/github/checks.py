"""What became of a commit's releases, as check runs on the commit: the same story as the step summary, and annotations.

GitHub takes check runs from apps only, which a workflow's own token is one of.
https://docs.github.com/rest/checks/runs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from entrypoint.github.client import GitHub
from entrypoint.report.annotations import Annotation, Kind, remarks
from entrypoint.report.escaping import plain, shortened
from entrypoint.report.summary import headline, summary
from entrypoint.report.verdict import SlotVerdict, Status, Verdict

if TYPE_CHECKING:
    from github.CheckRun import CheckRun

ROOM: Final = 60_000
"""Bytes of a summary; GitHub takes 65,535 characters."""

ANNOTATIONS: Final = 50
"""Of one request; GitHub refuses more."""

LEVELS: Final[Mapping[Kind, str]] = {Kind.ERROR: "failure", Kind.WARNING: "warning", Kind.NOTICE: "notice"}


def put_check(
    github: GitHub, commit: str, name: str, verdict: Verdict, *, config: str, run: str | None, key: str
) -> str:
    """Show a verdict on a commit, and return the check run's address.

    ``verdict``: the part that the check is about. ``config``: the file that remarks stand at which name no other.
    ``key`` tells this run's check from an earlier run's of the same name.
    """
    output: dict[str, Any] = {
        "title": headline(verdict),
        "summary": summary(verdict, run_url=run, room=ROOM),
        "annotations": [annotation(each, config) for each in remarks(verdict, config)[:ANNOTATIONS]],
    }
    more: dict[str, Any] = {"details_url": run} if run else {}

    def made_before() -> CheckRun | None:
        found = github.repository.get_commit(commit).get_check_runs(check_name=name)
        return next((each for each in found if each.external_id == key), None)

    def make() -> CheckRun:
        return github.repository.create_check_run(name, commit, external_id=key, status="completed",
                                                  conclusion=conclusion(verdict), output=output, **more)  # fmt: skip

    return github.write_once("write a check", find=made_before, create=make).html_url


def conclusion(verdict: Verdict) -> str:
    """GitHub's word: neutral where nothing was done because somebody else is in charge."""
    if not verdict.status.good:
        return "failure"
    waiting = verdict.status in {Status.HELD, Status.SUPERSEDED, Status.REMOVED} and not verdict.changed
    return "neutral" if waiting else "success"


def parts(verdict: Verdict) -> Sequence[tuple[str, str, Verdict]]:
    """What a run has to say on commits: (commit, name, the verdict's part), one for each artifact in a stage.

    A scheduled reconcile says only what is news.
    """
    found: dict[tuple[str, str], list[SlotVerdict]] = {}
    for slot in verdict.slots:
        if slot.commit and news(slot, verdict):
            found.setdefault((slot.commit, f"Tagboat: {slot.artifact}#{slot.stage}"), []).append(slot)
    listed = [(commit, name, Verdict(slots=tuple(slots), trigger=verdict.trigger))
              for (commit, name), slots in found.items()]  # fmt: skip
    for one in verdict.preflights:
        if one.commit:
            part = Verdict(preflights=(one,), trigger=verdict.trigger)
            listed.append((one.commit, f"Tagboat: preflight of {one.artifact}", part))
    return listed


def news(slot: SlotVerdict, verdict: Verdict) -> bool:
    """Whether a slot's end is worth telling: asked for, changed, or failed for the first time."""
    if slot.known_before:
        return False
    return verdict.trigger.event != "reconcile" or slot.changed or not slot.status.good


def annotation(remark: Annotation, config: str) -> dict[str, Any]:
    """A remark as the API takes it, which needs a file and a line for each."""
    line = remark.line or 1
    return {
        "path": remark.file or config,
        "start_line": line,
        "end_line": line,
        "annotation_level": LEVELS[remark.kind],
        "title": plain(remark.title)[:250],
        "message": shortened(plain(remark.message, lines=True), 8_000),
    }

"""The verdict as annotations: one remark for each thing that a person should look at, the gravest first."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence

import msgspec

from entrypoint.report.verdict import Failure, Preflight, SlotVerdict, Status, Verdict


class Kind(enum.StrEnum):
    """The kinds of annotation that GitHub knows."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """A remark that GitHub shows at the top of the run; ``file`` is relative to the repository's root."""

    kind: Kind
    title: str
    message: str
    file: str | None = None
    line: int | None = None


def remarks(verdict: Verdict, config: str | None = None) -> Sequence[Annotation]:
    """Errors, then warnings. ``config``: the configuration's path, so that an error in it points at its line."""
    return [*_errors(verdict, config), *_warnings(verdict)]


def _errors(verdict: Verdict, config: str | None) -> Iterator[Annotation]:
    if verdict.failure:
        yield _located(verdict.failure, config)
    for slot in sorted(verdict.slots, key=lambda slot: -slot.status.badness):
        if not slot.status.good:
            yield Annotation(kind=Kind.ERROR, title=f"{slot}: {slot.status}", message=_why(slot))
    for preflight in verdict.preflights:
        if not preflight.passed:
            title = f"{preflight.artifact} {preflight.version}: the preflight failed"
            yield Annotation(kind=Kind.ERROR, title=title, message=_preflight(preflight))


def _warnings(verdict: Verdict) -> Iterator[Annotation]:
    for warning in verdict.warnings:
        yield Annotation(kind=Kind.WARNING, title="Tagboat", message=warning)
    for slot in verdict.slots:
        if slot.status is Status.HELD:
            yield Annotation(
                kind=Kind.WARNING, title=f"{slot}: held", message=slot.reason or "A person holds this slot."
            )
        for warning in slot.warnings:
            yield Annotation(kind=Kind.WARNING, title=str(slot), message=warning)
    for preflight in verdict.preflights:
        for warning in preflight.warnings:
            title = f"{preflight.artifact} {preflight.version}"
            yield Annotation(kind=Kind.WARNING, title=title, message=warning)
    if verdict.problems:
        listed = "\n".join(f"{problem.tag}: {problem.reason}" for problem in verdict.problems)
        yield Annotation(kind=Kind.WARNING, title=f"{len(verdict.problems)} tags were skipped", message=listed)


def _why(slot: SlotVerdict) -> str:
    parts = [slot.reason, str(slot.failure) if slot.failure else "", (slot.failure and slot.failure.hint) or ""]
    return "\n".join(dict.fromkeys(part for part in parts if part)) or f"The slot ended {slot.status}."


def _preflight(preflight: Preflight) -> str:
    if preflight.failure is None:
        return "The model did not pass."
    return "\n".join(part for part in (str(preflight.failure), preflight.failure.hint) if part)


def _located(failure: Failure, config: str | None) -> Annotation:
    """Where an error says ``tagboat.yaml:12``, GitHub shows it beside that line."""
    message = "\n".join(part for part in (str(failure), failure.hint) if part)
    where = re.fullmatch(re.escape(config) + r":(\d{1,6})(:.*)?", failure.where or "") if config else None
    if where is None:
        return Annotation(kind=Kind.ERROR, title="Tagboat", message=message)
    return Annotation(kind=Kind.ERROR, title="Tagboat", message=message, file=config, line=int(where[1]))

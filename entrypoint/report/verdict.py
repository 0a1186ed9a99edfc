"""The verdict: the one structure that a run ends in.

The pipeline writes it; every face (console, step summary, outputs, annotations, JSON) is made from it and from nothing
else, so that they cannot disagree.

What a registration ends in: it touches no slot, so ``slots`` is empty and the status is ``unchanged``; how its model
fared is a `Preflight`, and a broken one makes the whole verdict ``failed``. A dry run changes nothing, so each of its
slots is ``unchanged`` and carries the ``changes`` that would have been made.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from deployers.base import Change
from deployers.errors import DegradedError, TagboatError
from entrypoint.promotion.outcome import PromotionStatus, PromotionVerdict

SEVERITY_OF_EXIT_CODES: Final = (0, 4, 3, 2, 1, 5)
"""From good to bad. 4 (try again) weighs least: whatever else went wrong, trying again does not mend it."""


class Status(enum.StrEnum):
    """How a slot, or the whole run, ended; written from good to bad."""

    UNCHANGED = "unchanged"
    """What the registry says is live already, or there was nothing to deploy."""
    LIVE = "live"
    """Live, and proved to be."""
    REMOVED = "removed"
    """Taken down, because the registry assigns nothing there any more."""
    SUPERSEDED = "superseded"
    """A newer event has won; this run stood down."""
    HELD = "held"
    """A person holds the slot; nothing was touched."""
    ROLLED_BACK = "rolled-back"
    """The release did not pass; the last verified one serves again."""
    FAILED = "failed"
    """The release is not live; what served before still does, or nothing did."""
    DEGRADED = "degraded"
    """The release failed, and so did the way back."""

    @property
    def badness(self) -> int:
        """0 for the best; the higher the worse."""
        return list(Status).index(self)

    @property
    def good(self) -> bool:
        """Whether the run may end green."""
        return self.badness < Status.ROLLED_BACK.badness

    @property
    def exit_code(self) -> int:
        """The process's exit code where no error says it more precisely (DESIGN, Errors)."""
        if self.good:
            return 0
        return DegradedError.exit_code if self is Status.DEGRADED else TagboatError.exit_code


def worst(statuses: Sequence[Status]) -> Status:
    """The worst of several; ``unchanged`` where there is none."""
    return max(statuses, key=lambda status: status.badness, default=Status.UNCHANGED)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """One finished step of the pipeline or of a deployer, and how long it took."""

    name: str
    seconds: float
    detail: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error as data: what was wrong, where, what to do, and the exit code that stands for it."""

    message: str
    where: str | None = None
    hint: str | None = None
    exit_code: int = TagboatError.exit_code

    @classmethod
    def of(cls, error: TagboatError) -> Failure:
        """The error that was raised, as data."""
        return cls(message=error.message, where=error.where, hint=error.hint, exit_code=error.exit_code)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A tag of the registry that was skipped, and why."""

    tag: str
    reason: str


class SlotVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """How one slot ended.

    ``release``: the release id, None where it came to none. ``version``: the one that was to be live; ``previous``: the
    one that was before this run, where known. ``changed``: whether this run changed what is served. ``proved_by``:
    ``server`` or ``configuration`` (`deployers.base.Observation`). ``tag``: the event that won, full name.
    ``changes``: what a dry run would do; ``fingerprint``: the live state that it saw. ``failure``: the error that ended
    it; its exit code counts. ``known_before``: nothing was tried, since an earlier run failed in the same way.
    ``previous_commit``: what ``previous`` was registered at. ``story``: Markdown of ours about what the release brings.
    """

    artifact: str
    stage: str
    target: str
    status: Status
    version: str | None = None
    release: str | None = None
    reason: str = ""
    url: str | None = None
    changed: bool = False
    seconds: float = 0.0
    previous: str | None = None
    commit: str | None = None
    tag: str | None = None
    proved_by: str | None = None
    steps: Sequence[Timing] = ()
    warnings: Sequence[str] = ()
    changes: Sequence[Change] = ()
    fingerprint: str | None = None
    failure: Failure | None = None
    known_before: bool = False
    previous_commit: str | None = None
    story: str = ""

    def __str__(self) -> str:
        return f"{self.artifact}#{self.stage} on {self.target}"

    @property
    def exit_code(self) -> int:
        """The status's, but a refusal (3) or an unreachable target (4) is ``failed`` with a code of its own."""
        if self.status is Status.FAILED and self.failure is not None:
            return self.failure.exit_code
        return self.status.exit_code

    def to_document(self) -> dict[str, Any]:
        """As in ``deploy --json``."""
        return {
            "release": self.release,
            "artifact": self.artifact,
            "version": self.version,
            "stage": self.stage,
            "target": self.target,
            "status": self.status.value,
            "reason": self.reason,
            "url": self.url,
            "changed": self.changed,
            "seconds": round(self.seconds, 3),
            "previous": self.previous,
            "commit": self.commit,
            "tag": self.tag,
            "proved_by": self.proved_by,
            "steps": msgspec.to_builtins(self.steps),
            "warnings": list(self.warnings),
            "changes": msgspec.to_builtins(self.changes),
            "failure": msgspec.to_builtins(self.failure),
        }


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """How the model of a registration fared: downloaded, scanned, wrapped, started, smoke-tested, taken down."""

    artifact: str
    version: str
    passed: bool
    commit: str | None = None
    bundle_digest: str | None = None
    seconds: float = 0.0
    steps: Sequence[Timing] = ()
    warnings: Sequence[str] = ()
    failure: Failure | None = None

    @property
    def status(self) -> Status:
        """A preflight changes nothing; a broken one fails the run."""
        return Status.UNCHANGED if self.passed else Status.FAILED


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """What the run was about: the registry's event, and what it names, where it names it.

    ``event``: registration, deregistration, assignment, unassignment, deprecation (GTO's words), or reconcile,
    rollback, remove; ``none`` where nothing was to be done.
    """

    event: str = "none"
    tag: str | None = None
    artifact: str | None = None
    version: str | None = None
    stage: str | None = None
    commit: str | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How the whole run ended.

    ``note``: one sentence for a run in which there was nothing to do. ``problems``: tags that were skipped.
    ``failure``: an error that belongs to no slot, such as one in tagboat.yaml.
    """

    slots: Sequence[SlotVerdict] = ()
    trigger: Trigger = msgspec.field(default_factory=Trigger)
    preflights: Sequence[Preflight] = ()
    promotions: Sequence[PromotionVerdict] = ()
    problems: Sequence[Problem] = ()
    warnings: Sequence[str] = ()
    note: str = ""
    dry_run: bool = False
    failure: Failure | None = None
    seconds: float = 0.0

    @property
    def status(self) -> Status:
        """The worst of all that happened."""
        statuses = [slot.status for slot in self.slots] + [preflight.status for preflight in self.preflights]
        broken = self.failure or any(promotion.status is PromotionStatus.FAILED for promotion in self.promotions)
        return worst([*statuses, Status.FAILED] if broken else statuses)

    @property
    def changed(self) -> bool:
        """Whether anything that is served changed."""
        return any(slot.changed for slot in self.slots)

    @property
    def exit_code(self) -> int:
        """0 to 5, as in DESIGN; the gravest of all slots, preflights and the run's own failure."""
        codes = [slot.exit_code for slot in self.slots]
        codes += [preflight.failure.exit_code if preflight.failure else 1 for preflight in self._broken]
        codes += [promotion.exit_code for promotion in self.promotions]
        codes += [self.failure.exit_code] if self.failure else []
        return _worst_code(codes)

    @property
    def _broken(self) -> Sequence[Preflight]:
        return [preflight for preflight in self.preflights if not preflight.passed]

    def to_document(self) -> dict[str, Any]:
        """The JSON document of ``deploy --json`` (docs/action.md gives its shape)."""
        return {
            "status": self.status.value,
            "slots": [slot.to_document() for slot in self.slots],
            "changed": self.changed,
            "dry_run": self.dry_run,
            "exit_code": self.exit_code,
            "event": msgspec.to_builtins(self.trigger),
            "preflights": msgspec.to_builtins(self.preflights),
            "promotions": [promotion.to_document() for promotion in self.promotions],
            "problems": msgspec.to_builtins(self.problems),
            "warnings": list(self.warnings),
            "note": self.note,
            "failure": msgspec.to_builtins(self.failure),
            "seconds": round(self.seconds, 3),
        }

    def to_json(self) -> bytes:
        """The same, encoded."""
        return msgspec.json.encode(self.to_document())


def _worst_code(codes: Sequence[int]) -> int:
    """The gravest of several exit codes; an unknown one (a signal's) is graver than any."""
    known = SEVERITY_OF_EXIT_CODES
    return max(codes, key=lambda code: known.index(code) if code in known else len(known), default=0)

"""How a promotion ended, as data: what every face of a run shows of it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from entrypoint.promotion.gates import GateResult

REFUSED: Final = 3
"""The exit code of a promotion that was asked for by name and not made: the rules say no."""


class PromotionStatus(enum.StrEnum):
    """How it ended."""

    PROMOTED = "promoted"
    """The version is in the stage, by a tag of this run or, where ``created`` is false, of another one."""
    READY = "ready"
    """Every gate passes; a dry run writes no tag."""
    CURRENT = "current"
    """The stage has the version already."""
    BLOCKED = "blocked"
    """A gate failed or could not tell."""
    HELD = "held"
    """The version was in the stage and was taken out, or a person holds a slot of the stage."""
    OLDER = "older"
    """The stage has a newer version; nothing is put back by a promotion."""
    LOST = "lost"
    """Something else happened to the stage, or to the version, meanwhile."""
    FAILED = "failed"
    """An error: the tag could not be written, or the other workflow not be dispatched."""


class PromotionVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One version on its way from a stage to the next.

    ``previous``: the version that the stage had before. ``tag``: the one that says so; ``created``: by this run.
    ``asked``: somebody named artifact and stage. ``deploy``: how it gets live (`PromotionRule.deploy`).
    ``exit_code``: of the error of a FAILED one.
    """

    artifact: str
    source: str
    stage: str
    status: PromotionStatus
    version: str | None = None
    commit: str | None = None
    previous: str | None = None
    reason: str = ""
    hint: str | None = None
    gates: Sequence[GateResult] = ()
    tag: str | None = None
    created: bool = False
    asked: bool = False
    deploy: str = "same-run"
    error_code: int = 0

    def __str__(self) -> str:
        return f"{self.artifact} {self.version or ''} {self.source} → {self.stage}".replace("  ", " ")

    @property
    def exit_code(self) -> int:
        """0 unless it failed, or was asked for by name and not made."""
        if self.status is PromotionStatus.FAILED:
            return self.error_code or 1
        made = {PromotionStatus.PROMOTED, PromotionStatus.READY, PromotionStatus.CURRENT}
        return REFUSED if self.asked and self.status not in made else 0

    def to_document(self) -> dict[str, Any]:
        """One element of ``promotions`` in JSON."""
        return {
            "artifact": self.artifact,
            "version": self.version,
            "commit": self.commit,
            "from": self.source,
            "to": self.stage,
            "previous": self.previous,
            "status": self.status.value,
            "reason": self.reason,
            "hint": self.hint,
            "gates": [{**msgspec.to_builtins(gate), "figures": dict(gate.figures)} for gate in self.gates],
            "tag": self.tag,
            "created": self.created,
            "deploy": self.deploy,
        }

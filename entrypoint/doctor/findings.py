"""What a check says."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from entrypoint.doctor.patient import Patient


class Severity(enum.StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Something does not work, or will not."""
    WARNING = "warning"
    """It works, and not as somebody thinks, or not safely."""
    NOTE = "note"
    """Worth knowing."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. ``check``: which check found it. ``where``: the tag, file:line or program."""

    severity: Severity
    check: str
    where: str
    message: str
    mend: str


class Unchecked(msgspec.Struct, frozen=True, kw_only=True):
    """A check that could not be done, and why; ``mend`` says what would make it possible."""

    check: str
    reason: str
    mend: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; findings stand with the worst first."""

    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many findings of each severity."""
        return {severity.value: sum(finding.severity is severity for finding in self.findings) for severity in Severity}

    def document(self) -> dict[str, object]:
        """The answer of ``tagboat doctor --json``."""
        return {
            "findings": msgspec.to_builtins(self.findings),
            "unchecked": msgspec.to_builtins(self.unchecked),
            "counts": self.counts,
        }

    def exit_code(self, *, strict: bool) -> int:
        """0, or 2 where there are errors (with ``strict`` also where there are warnings)."""
        counts = self.counts
        return 2 if counts["error"] or (strict and counts["warning"]) else 0


Check = Callable[["Patient"], Iterator[Finding | Unchecked]]

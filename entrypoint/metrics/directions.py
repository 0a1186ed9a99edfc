"""Which way a metric gets better, by ``report.directions`` of tagboat.yaml; nothing is guessed from a name."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from fnmatch import fnmatchcase

from entrypoint.metrics.figures import Value


class Direction(enum.StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"
    UNKNOWN = "unknown"

    def better(self, before: Value, after: Value) -> bool | None:
        """Whether ``after`` is better than ``before``; None where they are equal or it cannot be told."""
        if self is Direction.UNKNOWN or not is_number(before) or not is_number(after) or before == after:
            return None
        return (after > before) is (self is Direction.HIGHER)  # type: ignore[operator]


class Directions:
    """The configured directions. ``configured``: name or pattern → ``higher`` or ``lower``."""

    def __init__(self, configured: Mapping[str, str]) -> None:
        self._exact = {name: Direction(way) for name, way in configured.items() if not _is_pattern(name)}
        self._patterns = [(name, Direction(way)) for name, way in configured.items() if _is_pattern(name)]

    def of(self, name: str) -> Direction:
        """The direction of a metric, by its dotted name (``file:`` before it is left out).

        The whole name counts before its last part, a name before a pattern, and an earlier pattern before a later one.
        """
        whole = name.rpartition(":")[2]
        last = whole.rpartition(".")[2]
        for spelled in (whole, last):
            if spelled in self._exact:
                return self._exact[spelled]
        for pattern, way in self._patterns:
            if fnmatchcase(whole, pattern) or fnmatchcase(last, pattern):
                return way
        return Direction.UNKNOWN


def is_number(value: object) -> bool:
    """Whether a value can be compared: a finite number; no bool, no text, no NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_pattern(name: str) -> bool:
    return any(character in name for character in "*?[")

"""Two commits' values side by side: what is new, gone, changed, and whether that is better."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from entrypoint.metrics.directions import Direction, Directions, is_number
from entrypoint.metrics.figures import Value


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One name on both sides. ``present``: whether each side has it (a value may itself be null).

    What JSON has no number for is text here: ``NaN``, ``Infinity``, ``-Infinity``. ``change``: after minus before,
    where both are numbers. ``better``: None where it cannot be told.
    """

    name: str
    before: Value = None
    after: Value = None
    present: tuple[bool, bool] = (True, True)
    change: float | None = None
    direction: Direction = Direction.UNKNOWN
    better: bool | None = None

    @property
    def changed(self) -> bool:
        """Whether the sides differ."""
        return self.present != (True, True) or not same(self.before, self.after)


def differences(
    before: Mapping[str, Value], after: Mapping[str, Value], directions: Directions | None = None
) -> list[Difference]:
    """Every name of both sides: the changed ones first, each group in the order of ``after``'s files."""
    names = list(dict.fromkeys((*after, *before)))
    found = [_difference(name, before, after, directions) for name in names]
    return sorted(found, key=lambda one: not one.changed)


def same(before: Value, after: Value) -> bool:
    """Whether two values are the same to a reader: 1 is no True."""
    return type(before) is type(after) and before == after


def _told(value: Value) -> Value:
    """A value as JSON can hold it."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _difference(
    name: str, before: Mapping[str, Value], after: Mapping[str, Value], directions: Directions | None
) -> Difference:
    old, new = before.get(name), after.get(name)
    direction = directions.of(name) if directions else Direction.UNKNOWN
    change = None
    if is_number(old) and is_number(new):
        change = float(new) - float(old)  # type: ignore[arg-type]
    return Difference(
        name=name,
        before=_told(old),
        after=_told(new),
        present=(name in before, name in after),
        change=change,
        direction=direction,
        better=direction.better(old, new),
    )

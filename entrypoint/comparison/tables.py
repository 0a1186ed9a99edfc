"""A comparison as tables of plain text: what the terminal, Markdown and HTML all show, each in its own dress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from entrypoint.comparison.compare import Comparison
from entrypoint.comparison.files import FileChange
from entrypoint.metrics import Difference, Value

ABSENT = "–"
FEWEST_CHANGED = 3
"""Unchanged rows are left out of a table of parameters that has this many changed ones or more."""


@dataclass(frozen=True)
class Cell:
    """One cell. ``name``: text that is copied as it stands. ``good``: a judgement to be seen, or None for none."""

    text: str
    name: bool = False
    good: bool | None = None


@dataclass(frozen=True)
class Table:
    """``columns``: headings; one that begins with ``>`` is aligned to the right. ``more``: rows that were left out."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)
    more: int = 0

    def shortened(self, rows: int) -> Table:
        """The first rows only."""
        left = max(0, len(self.rows) - rows)
        return Table(self.title, self.columns, self.rows[:rows], self.more + left)


def tables(comparison: Comparison) -> list[Table]:
    """Every table that has a row."""
    before, after = comparison.before.label, comparison.after.label
    found = [
        figures("Metrics", [before], after, [comparison.metrics]),
        params(comparison),
        Table("Data and models", ["", "file", f">{before}", f">{after}", ">change", "kept by"],
              [_file(change) for change in comparison.files]),
        Table("Requirements", ["package", before, after, "file"],
              [[Cell(one.package, name=True), _name(one.before), _name(one.after), Cell(one.file, name=True)]
               for one in comparison.requirements]),
    ]  # fmt: skip
    return [table for table in found if table.rows]


def figures(title: str, before: Sequence[str], after: str, columns: Sequence[Sequence[Difference]]) -> Table:
    """Metrics of ``after`` against one or several others, each with its arrow.

    ``before``: the others' labels; ``columns``: for each its differences. Rows that changed against the first one
    come first.
    """
    by_name = [{one.name: one for one in column} for column in columns]
    names = list(dict.fromkeys(name for column in by_name for name in column))
    headings = ["metric"]
    for label in before:
        headings += [f">{label}", ">change"]
    headings.insert(2, f">{after}")
    rows = []
    for name in names:
        newest = next(column[name] for column in by_name if name in column)
        row = [Cell(name, name=True)]
        for column in by_name:
            one = column.get(name)
            row += [Cell(ABSENT), Cell("")] if one is None else [_before(one), moved(one)]
        row.insert(2, Cell(shown(newest.after) if newest.present[1] else ABSENT))
        rows.append(row)
    return Table(title, headings, rows)


def params(comparison: Comparison, others: Sequence[tuple[str, Sequence[Difference]]] = ()) -> Table:
    """Parameters; the unchanged ones only where few changed.

    ``others``: further sides by their label, each against the same ``after``; what differs from that is marked.
    """
    columns = [(label, {one.name: one for one in side}) for label, side in others]
    names = list(dict.fromkeys((*(one.name for one in comparison.params), *(n for _, side in columns for n in side))))
    against = {one.name: one for one in comparison.params}
    sides = [against, *(side for _, side in columns)]
    changed = [name for name in names if any(name in side and side[name].changed for side in sides)]
    kept = changed if len(changed) >= FEWEST_CHANGED else names
    rows = []
    for name in kept:
        found = [side.get(name) for side in sides]
        newest = next(one for one in found if one is not None)
        row = [Cell(name, name=True), _older(found[0]), Cell(shown(newest.after) if newest.present[1] else ABSENT)]
        row.append(Cell("changed" if found[0] is not None and found[0].changed else ""))
        row += [_older(one, mark=" ≠") for one in found[1:]]
        rows.append(row)
    headings = ["parameter", comparison.before.label, comparison.after.label, "", *(label for label, _ in columns)]
    return Table("Parameters", headings, rows, len(names) - len(kept))


def moved(one: Difference) -> Cell:
    """How a value moved: arrow and amount, judged where its direction is known."""
    if not one.changed:
        return Cell("")
    if one.present != (True, True):
        return Cell("new" if one.present[1] else "gone")
    if one.change is None or one.change == 0:
        return Cell("changed")
    arrow = "↑" if one.change > 0 else "↓"
    return Cell(f"{arrow} {one.change:+.3g}", good=one.better)


def shown(value: Value) -> str:
    """A value in as many digits as tell it apart."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def size(value: int | None) -> str:
    """Bytes for a person."""
    if value is None:
        return ABSENT
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(amount) < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


def _before(one: Difference) -> Cell:
    return Cell(shown(one.before) if one.present[0] else ABSENT)


def _older(one: Difference | None, mark: str = "") -> Cell:
    """A value that stands beside the newest one, marked where it differs."""
    if one is None:
        return Cell(ABSENT)
    before = _before(one)
    return Cell(before.text + mark) if one.changed else before


def _name(text: str | None) -> Cell:
    return Cell(ABSENT) if text is None else Cell(text, name=True)


def _file(change: FileChange) -> list[Cell]:
    grown = ""
    if change.before is not None and change.after is not None:
        by = change.after - change.before
        grown = "same size" if by == 0 else f"{'+' if by > 0 else '-'}{size(abs(by))}"
    return [
        Cell(change.kind), Cell(change.path, name=True), Cell(size(change.before)), Cell(size(change.after)),
        Cell(grown or change.what.value), Cell(change.kept_by),
    ]  # fmt: skip

"""What a method answers, as a distribution: how often which class, or which decile of the sample's answers.

Counted in bins, so that two distributions can be compared by nothing but their bins' shares (a population stability
index, say). Only methods that give one value a row are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional

import numpy

MOST_CLASSES = 50
"""Distinct classes that get a bin of their own; the others are counted as `OTHER`."""

OTHER = "other"

WAITING_ANSWERS = 256
WAITING_ROWS = 4096
"""Answers that are kept before they are counted, all together: counting one by one would cost more than some models."""

Count = Callable[[str, int], None]


class Predictions:
    """Counts one method's answers. ``count`` is given a bin and how many answers fell into it."""

    def __init__(self, count: Count) -> None:
        self.count = count
        self.edges: Optional[numpy.ndarray[Any, Any]] = None
        self.classes: set[str] = set()
        self.waiting: list[numpy.ndarray[Any, Any]] = []
        self.rows = 0

    def expect(self, answers: Any) -> dict[str, float]:
        """Take the bins from the sample's answers, and give each one's share of them."""
        values = values_of(answers)
        if values is None or not len(values):
            return {}
        if values.dtype.kind == "f":
            finite = values[numpy.isfinite(values)].astype(numpy.float64)
            if len(finite):
                self.edges = numpy.unique(numpy.quantile(finite, numpy.linspace(0.1, 0.9, 9)))
        return {name: count / len(values) for name, count in self.binned(values).items()}

    def note(self, answers: Any) -> None:
        """Count the answers of a call, soon."""
        values = values_of(answers)
        if values is None:
            return
        self.waiting.append(values)
        self.rows += len(values)
        if len(self.waiting) >= WAITING_ANSWERS or self.rows >= WAITING_ROWS:
            self.fold()

    def fold(self) -> None:
        """Count what waits."""
        waiting, self.waiting, self.rows = self.waiting, [], 0
        kinds: dict[str, list[numpy.ndarray[Any, Any]]] = {}
        for values in waiting:
            kinds.setdefault(values.dtype.kind, []).append(values)
        for parts in kinds.values():
            for name, count in self.binned(numpy.concatenate(parts)).items():
                self.count(name, count)

    def binned(self, values: numpy.ndarray[Any, Any]) -> dict[str, int]:
        """How many values fall into which bin; numbers of which no sample has told the bins fall into none."""
        if values.dtype.kind == "f":
            return {} if self.edges is None else in_intervals(values.astype(numpy.float64), self.edges)
        found: dict[str, int] = {}
        listed = values.tolist()
        for value in set(listed):
            name = self.class_of(value)
            found[name] = found.get(name, 0) + listed.count(value)
        return found

    def class_of(self, value: Any) -> str:
        """The bin of a class."""
        name = str(value)[:100]
        if name not in self.classes:
            if len(self.classes) >= MOST_CLASSES:
                return OTHER
            self.classes.add(name)
        return name


def values_of(answers: Any) -> Optional[numpy.ndarray[Any, Any]]:
    """One value a row, or None where the answers are anything else."""
    if type(answers) is not numpy.ndarray:
        if not isinstance(answers, (list, tuple)) or not all(isinstance(each, (str, int, float)) for each in answers):
            return None
        answers = numpy.array(answers, dtype=object if any(isinstance(each, str) for each in answers) else None)
    if answers.ndim == 2 and answers.shape[1] == 1:
        answers = answers[:, 0]
    if answers.ndim != 1 or answers.dtype.kind not in "biufUO":
        return None
    return answers


def in_intervals(values: numpy.ndarray[Any, Any], edges: Sequence[float]) -> dict[str, int]:
    """How many numbers lie up to each edge and above the one before."""
    counts = numpy.bincount(numpy.searchsorted(edges, values[~numpy.isnan(values)]), minlength=len(edges) + 1)
    names = [f"{edge:.6g}" for edge in edges]
    intervals = [f"<={names[0]}", *(f"<={name}" for name in names[1:]), f">{names[-1]}"]
    return {name: int(count) for name, count in zip(intervals, counts)}

"""What was asked for, and what the comparison of a graph with its model has found: ``optimized`` of ``model.json``."""

from __future__ import annotations

from typing import Optional

import msgspec


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """How far a graph may be from its model: |graph - model| <= atol + rtol * |model| for every number.

    ``labels``: the share of rows, 0 to 1, whose label may differ.
    """

    rtol: float = 1e-5
    atol: float = 1e-6
    labels: float = 0.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One method's comparison. ``differing``: rows with another label, or with a number out of tolerance.

    ``largest_difference``: of all numbers, absolute; None where labels were compared. ``passed``: within the tolerance.
    """

    rows: int
    differing: int
    largest_difference: Optional[float] = None
    passed: bool = False

    @property
    def rank(self) -> tuple[int, float]:
        """The smaller, the nearer."""
        return self.differing, self.largest_difference or 0.0

    def told(self) -> str:
        """In words."""
        if self.largest_difference is None:
            return f"{self.differing} of {self.rows} labels differ"
        far = f"{self.differing} of {self.rows} rows are out of tolerance"
        return f"{far}, the largest difference is {self.largest_difference:.3g}"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversion and its comparison.

    ``graph``: the file's path in the bundle, and its ``sha256``; absent where no method passed. ``numbers``: how the
    graph takes numbers, see `converting`. ``methods``: every method that the graph can answer. ``alone``: a row's
    answer did not depend on its neighbours, to the bit. ``microseconds``: what one row takes the ``graph`` and the
    ``model``, measured where it was wrapped. ``of_sample``: how many of the ``rows`` came from the sample.
    ``guessed``: columns whose range nothing told. ``reason``: why there is no graph at all.
    """

    to: str
    methods: dict[str, Figures] = {}
    graph: Optional[str] = None
    sha256: Optional[str] = None
    numbers: str = ""
    rows: int = 0
    of_sample: int = 0
    alone: bool = False
    tolerance: Tolerance = Tolerance()
    guessed: tuple[str, ...] = ()
    microseconds: dict[str, float] = {}
    converters: dict[str, str] = {}
    reason: Optional[str] = None

    @property
    def passed(self) -> list[str]:
        """The methods that the graph may answer."""
        return [name for name, figures in self.methods.items() if figures.passed]

    @property
    def differing_labels(self) -> int:
        """Rows whose label differs."""
        return sum(each.differing for each in self.methods.values() if each.largest_difference is None)

    @property
    def largest_difference(self) -> float:
        """Of all numbers of all methods."""
        return max((each.largest_difference or 0.0 for each in self.methods.values()), default=0.0)

    def rank(self) -> tuple[int, int, float]:
        """The smaller, the nearer to the model: methods that fail, rows that differ, the largest difference."""
        figures = self.methods.values()
        failed = sum(not each.passed for each in figures)
        return failed, sum(each.differing for each in figures), self.largest_difference

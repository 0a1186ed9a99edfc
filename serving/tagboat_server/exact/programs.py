"""What a fast path is made of, and the two ways in which it steps aside.

    Unsupported   at load: this estimator is not ours to speed up; the public method is used, and the reason is told
    PassOn        in a call: this batch is not plainly fine; the public method gets it, and answers or refuses

A program takes what the estimator's method takes, already known to be plain (see `inputs`), and gives what the method
gives, bit for bit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Callable, Optional

import numpy

Array = numpy.ndarray
Bind = Callable[..., Callable[[Any], Any]]


class Unsupported(Exception):  # noqa: N818 - no error: the public method serves
    """This estimator has no exact fast path; the text says why."""


class PassOn(Exception):  # noqa: N818 - no error: the public method serves
    """This batch goes to the public method."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled method of one fitted estimator.

    ``run`` takes a two-dimensional numeric array, or a selection of a dataframe where ``frames`` is set.
    ``candidates``: for each input column the values worth trying when the program is proved: thresholds, categories.
    ``missing``: whether NaN is worth trying too. ``parts``: the programs inside, proved one by one.
    ``dense``: the answer is the method's sparse one made dense, for a caller that does that anyway.
    ``alone``: a row's bits do not depend on the rows beside it, so that requests may share a batch. Never said of a
    product by BLAS, nor of functions like exp that numpy computes by several routines, depending on place and layout.
    ``bind``: makes, for one shape of tables, what runs on those instead of dataframes (see `tables`).
    """

    estimator: Any
    method: str
    run: Callable[[Any], Any]
    candidates: Sequence[Array]
    parts: tuple[Program, ...] = ()
    missing: bool = False
    frames: bool = False
    dense: bool = False
    bind: Optional[Bind] = None
    alone: bool = False

    @property
    def width(self) -> int:
        """The number of input columns."""
        return len(self.candidates)


def around(values: Any) -> Array:
    """The values of a column that a split or a scale makes interesting, and their neighbours in both float widths."""
    exact = numpy.unique(numpy.asarray(values, dtype=numpy.float64))
    exact = exact[numpy.isfinite(exact) & (abs(exact) < 1e37)][:500]
    single = exact.astype(numpy.float32)
    found = [
        exact,
        numpy.nextafter(exact, numpy.inf),
        numpy.nextafter(exact, -numpy.inf),
        single.astype(numpy.float64),
        numpy.nextafter(single, numpy.float32(numpy.inf)).astype(numpy.float64),
        numpy.nextafter(single, numpy.float32(-numpy.inf)).astype(numpy.float64),
        numpy.array([0.0, -0.0, 1.0, -1.5]),
    ]
    return numpy.concatenate(found)


def any_infinite(values: Array) -> bool:
    """Whether a cell is infinite; NaN is not."""
    return not squares_are_finite(values) and bool(numpy.logical_or.reduce(numpy.isinf(values), axis=None))


def all_finite(values: Array) -> bool:
    """Whether no cell is NaN or infinite."""
    return squares_are_finite(values) or bool(numpy.logical_and.reduce(numpy.isfinite(values), axis=None))


def squares_are_finite(values: Array) -> bool:
    """Whether the sum of all squares is finite: then every cell is, and most often that is all there is to ask."""
    flat = values.ravel(order="K")
    return math.isfinite(flat.dot(flat))

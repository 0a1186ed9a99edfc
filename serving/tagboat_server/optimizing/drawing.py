"""Seeded rows to compare a graph with its model on: the sample's, and random ones where a difference is likely.

Of the random rows about a third lies anywhere in the columns' ranges, a third exactly at the values worth trying and
their neighbours in both float widths, and the rest beyond the ranges or a breath beside rows of the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy

from tagboat_server.codecs.cells import family
from tagboat_server.codecs.frames import import_pandas
from tagboat_server.exact import Table
from tagboat_server.optimizing.domain import Place
from tagboat_server.optimizing.graphs import LARGEST
from tagboat_server.signature import Frame, Signature

SEED = 20260531

ANYWHERE, AT, BEYOND, BESIDE = 0, 1, 2, 3
"""How a random row is drawn."""

SHARES = (0.35, 0.35, 0.1, 0.2)


@dataclass(frozen=True)
class Rows:
    """Columns in the order of the signature. ``of_sample``: how many rows, the first ones, are the sample's.

    ``guessed``: the columns whose range neither the model nor the sample tells.
    """

    columns: list[Any]
    of_sample: int
    guessed: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns[0])

    def part(self, begin: int, end: int) -> Rows:
        """Some of the rows."""
        return replace(self, columns=[column[begin:end] for column in self.columns])


def draw(places: Sequence[Place], sample: Optional[Sequence[Any]], count: int, *, seed: int = SEED) -> Rows:
    """So many rows; at most half of them the sample's, given column by column."""
    generator = numpy.random.default_rng(seed)
    given = min(len(sample[0]), count // 2) if sample is not None else 0
    how = generator.choice(len(SHARES), count - given, p=SHARES)
    guessed = []
    columns = []
    for place in places:
        known = None if sample is None else sample[place.number]
        column, told = drawn(place, known, how, generator)
        columns.append(column if known is None else numpy.concatenate([typed(known[:given], place), column]))
        if place.used and not told:
            guessed.append(place.name)
    return Rows(columns, given, tuple(guessed))


def drawn(place: Place, known: Optional[Any], how: Any, generator: Any) -> tuple[Any, bool]:
    """One column of random rows, and whether anything told its range."""
    count = len(how)
    if not place.used:
        return numpy.full(count, None, dtype=object), True
    if place.categories is not None:
        listed = sorted(place.categories, key=str)
        chosen = generator.integers(0, len(listed), count)
        return typed(numpy.array(listed, dtype=object)[chosen], place), True
    numbers = numpy.concatenate([numpy.empty(0), *place.values])
    if known is not None:
        present = numpy.asarray(known, dtype=float)
        numbers = numpy.concatenate([numbers, present[numpy.isfinite(present)]])
    told = len(numbers) > 0
    at = numbers if told else numpy.array([-1.0, 0.0, 1.0])
    low, high = (float(at.min()), float(at.max())) if told else (-3.0, 3.0)
    if low == high:
        low, high = low - 1.0, high + 1.0
    middle, half = (low + high) / 2, (high - low) / 2
    ways = [
        generator.uniform(low, high, count),
        generator.choice(at, count),
        middle + half * generator.uniform(-10, 10, count),
        generator.choice(at, count) * (1 + generator.normal(0, 1e-6, count)),
    ]
    values = numpy.clip(numpy.choose(how, ways), -LARGEST, LARGEST)
    if place.nullable:
        values[generator.random(count) < 0.05] = numpy.nan
    return typed(values, place), told


def typed(values: Any, place: Place) -> Any:
    """Values in the dtype that a request's have."""
    if place.text or not place.used:
        return numpy.asarray(values, dtype=object)
    numbers = numpy.asarray(values, dtype=float)
    if family(place.dtype) == "float":
        return numbers.astype(place.dtype)
    return numpy.rint(numpy.clip(numpy.nan_to_num(numbers), -(2**31), 2**31 - 1)).astype(place.dtype)


def as_request(rows: Rows, signature: Signature) -> Any:
    """The rows as a request brings them to a fast path: a matrix, or a table."""
    if not isinstance(signature, Frame):
        return numpy.column_stack(rows.columns)
    if all(column.dtype == "float64" and not column.optional for column in signature.columns):
        return Table(numpy.ascontiguousarray(numpy.column_stack(rows.columns)))
    return Table(rows.columns)


def for_model(batch: Any, signature: Signature) -> Any:
    """The same as the model's own method takes them: a dataframe, or the matrix where there is no pandas."""
    if type(batch) is not Table or not isinstance(signature, Frame):
        return batch
    if batch.matrix is not None and import_pandas() is None:
        return batch.matrix
    return batch.frame([column.name for column in signature.columns])


def columns_in(value: Any) -> list[Any]:
    """The columns of a matrix, a table or a dataframe."""
    if type(value) is Table:
        return [value.column(place) for place in range(value.width)]
    if isinstance(value, numpy.ndarray):
        return [value[:, place] for place in range(value.shape[1])]
    return [value.iloc[:, place].to_numpy() for place in range(value.shape[1])]

"""Encoders of categories: a look-up a cell, in place of scikit-learn's searches through each column.

(scikit-learn ``preprocessing/_encoders.py``, 1.3 to 1.9.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy

from tagboat_server.exact.inputs import PLAIN, is_frame
from tagboat_server.exact.programs import Array, PassOn, Program, Unsupported
from tagboat_server.exact.tables import Run, Shape, Table

EXACT = 2.0**53
"""Whole numbers up to here are the same number in every dtype they may come in."""


class Column:
    """The known categories of one column, each with the number it is encoded as."""

    def __init__(self, categories: Any, codes: Sequence[int], *, unknown: Optional[int]) -> None:
        values = categories.tolist()
        self.text = bool(values) and all(type(value) is str for value in values)
        if not self.text and not (
            categories.dtype.kind in "fiu" and numpy.isfinite(categories).all() and (abs(categories) < EXACT).all()
        ):
            raise Unsupported("categories that are neither text nor finite numbers")
        self.codes: Mapping[Any, int] = dict(zip(values, codes))
        self.unknown = unknown

    def encode(self, values: Array) -> list[int]:
        """The code of each value. Raises `PassOn` for an unknown one, unless there is a code for those."""
        cells = values.tolist()
        if self.text:
            if not all(type(cell) is str for cell in cells):
                raise PassOn
        elif values.dtype not in PLAIN or not (abs(values) < EXACT).all():
            raise PassOn
        try:
            if self.unknown is None:
                return [self.codes[cell] for cell in cells]
            return [self.codes.get(cell, self.unknown) for cell in cells]
        except KeyError:
            raise PassOn from None


class Encoder:
    """What both encoders share: the columns of a batch, an array or a dataframe."""

    def __init__(self, estimator: Any) -> None:
        if getattr(estimator, "_infrequent_enabled", False):
            raise Unsupported("infrequent categories")
        self.width = len(estimator.categories_)
        names = getattr(estimator, "feature_names_in_", None)
        self.names: Optional[list[Any]] = None if names is None else list(names)
        if self.names is not None and len(set(self.names)) != self.width:
            raise Unsupported("columns of the same name")

    def columns(self, batch: Any) -> list[Array]:
        """The values of each column."""
        if type(batch) is Table:
            return list(batch.columns)
        if is_frame(batch):
            return [batch[name].to_numpy() for name in batch.columns]
        return list(batch.T)

    def bind(self, take: Any, shape: Shape, places: Sequence[int]) -> Run:  # noqa: ARG002 - layout does not matter
        """What runs on tables: their columns, one by one."""
        return lambda table: self.transform(Table([table.column(place) for place in places]))

    def transform(self, batch: Any) -> Array:
        """As the estimator's."""
        raise NotImplementedError


class OneHot(Encoder):
    """OneHotEncoder: a row of zeros with a one for each column's category."""

    def __init__(self, estimator: Any) -> None:
        super().__init__(estimator)
        if estimator.handle_unknown not in ("error", "ignore"):
            raise Unsupported(f"handle_unknown={estimator.handle_unknown!r}")
        unknown = None if estimator.handle_unknown == "error" else -1
        dropped = estimator.drop_idx_ if estimator.drop_idx_ is not None else [None] * self.width
        self.known = []
        total = 0
        for categories, drop in zip(estimator.categories_, dropped):
            kept = [place for place in range(len(categories)) if place != drop]
            codes = {place: total + code for code, place in enumerate(kept)}
            self.known.append(
                Column(categories, [codes.get(place, -1) for place in range(len(categories))], unknown=unknown)
            )
            total += len(kept)
        self.total = total
        self.dtype = estimator.dtype

    def transform(self, batch: Any) -> Array:
        """As a dense array, which is what ``sparse_output=False`` gives and a dense ColumnTransformer makes of it."""
        out = numpy.zeros((len(batch), self.total), dtype=self.dtype)
        cells = out.reshape(-1)
        ones = [
            row * self.total + code
            for column, values in zip(self.known, self.columns(batch))
            for row, code in enumerate(column.encode(values))
            if code >= 0
        ]
        cells[ones] = 1
        return out


class Ordinal(Encoder):
    """OrdinalEncoder: each category's number."""

    def __init__(self, estimator: Any) -> None:
        super().__init__(estimator)
        if getattr(estimator, "_missing_indices", None):
            raise Unsupported("missing values as a category")
        self.known = [Column(found, range(len(found)), unknown=None) for found in estimator.categories_]
        self.dtype = estimator.dtype

    def transform(self, batch: Any) -> Array:
        """As the estimator's."""
        out = numpy.zeros((len(batch), self.width), dtype=self.dtype)
        for place, (column, values) in enumerate(zip(self.known, self.columns(batch))):
            out[:, place] = column.encode(values)
        return out


def one_hot(estimator: Any, methods: Sequence[str], dense: bool = False) -> dict[str, Program]:
    """The program of a OneHotEncoder; ``dense``: whoever calls makes a dense array of the answer."""
    if not dense and estimator.sparse_output:
        raise Unsupported("a sparse answer")
    return program(OneHot(estimator), estimator, methods, dense)


def ordinal(estimator: Any, methods: Sequence[str]) -> dict[str, Program]:
    """The program of an OrdinalEncoder."""
    return program(Ordinal(estimator), estimator, methods, dense=False)


def program(compiled: Any, estimator: Any, methods: Sequence[str], dense: bool) -> dict[str, Program]:
    """A program for ``transform``, the only method there is one for."""
    if "transform" not in methods:
        return {}
    candidates = [numpy.asarray(categories) for categories in estimator.categories_]
    run, bind = compiled.transform, compiled.bind
    made = Program(estimator, "transform", run, candidates, frames=True, dense=dense, bind=bind, alone=True)
    return {"transform": made}

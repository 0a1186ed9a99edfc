"""What the boosting libraries take: one matrix of numbers, text as the number of its category, NaN for what is missing.

Their own dataframe paths cost ten times the prediction; the numbers that they come to are these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy

from tagboat_server.exact import Table
from tagboat_server.signature import Column, Frame, Signature, Tensor

Matrix = numpy.ndarray


class Features:
    """The columns of a model. ``names``: None where it was fitted without.

    ``categories``: for the places of categorical columns the values that the model was fitted on, in the order of their
    codes. ``unknown``: what the library takes for a category that it has not seen; None where it takes none.
    """

    def __init__(
        self,
        width: int,
        names: Optional[Sequence[str]],
        categories: Mapping[int, Sequence[Any]],
        *,
        flags: Sequence[int] = (),
        unknown: Optional[float] = numpy.nan,
    ) -> None:
        self.width = width
        self.names = names
        self.categories = categories
        self.flags = frozenset(flags)
        self.codes = {
            place: {value: float(code) for code, value in enumerate(values)} for place, values in categories.items()
        }
        self.unknown = unknown

    @property
    def signature(self) -> Signature:
        """Names and types; whatever is missing may be null, since the libraries were made for it."""
        if self.names is None:
            return Tensor("float64", (None, self.width), nullable=True)
        return Frame(
            tuple(Column(str(name), self.dtype(place), nullable=True) for place, name in enumerate(self.names))
        )

    def dtype(self, place: int) -> str:
        """The dtype of a column."""
        if place in self.categories:
            return dtype_of(self.categories[place])
        return "bool" if place in self.flags else "float64"

    def matrix(self, value: Any) -> Matrix:
        """An array, a table or a dataframe as the model's matrix. An array's categories are codes already."""
        if isinstance(value, numpy.ndarray):
            return value
        if isinstance(value, Table) and value.matrix is not None:
            return value.matrix
        columns = columns_of(value)
        made = numpy.empty((len(columns[0]), len(columns)))
        for place, column in enumerate(columns):
            made[:, place] = self.coded(place, column) if place in self.codes else numbers(column)
        return made

    def coded(self, place: int, column: Any) -> list[float]:
        """A categorical column as codes. Raises `ValueError` for a category that the library would not take."""
        codes = self.codes[place]
        return [codes[cell] if cell in codes else self.unseen(place, cell) for cell in column]

    def unseen(self, place: int, cell: Any) -> float:
        """The code of what is no category of the training's."""
        if is_missing(cell):
            return numpy.nan
        if self.unknown is None:
            name = self.names[place] if self.names is not None else place
            raise ValueError(f"{name} had no {str(cell)[:50]!r} when the model was trained")
        return self.unknown


def columns_of(value: Any) -> list[Any]:
    """The columns of a table or a dataframe."""
    if isinstance(value, Table):
        return [value.column(place) for place in range(value.width)]
    return [value.iloc[:, place].to_numpy() for place in range(value.shape[1])]


def numbers(column: Any) -> Matrix:
    """A column of numbers or flags; None is NaN."""
    return numpy.asarray(column, dtype=object if column.dtype == object else None).astype(numpy.float64)


def is_missing(cell: Any) -> bool:
    """Whether a cell is None or NaN."""
    return bool(cell is None or cell != cell)


def dtype_of(categories: Sequence[Any]) -> str:
    """The dtype of a categorical column."""
    kinds = {type(value) for value in categories}
    if kinds == {str}:
        return "str"
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int64"
    return "float64" if kinds and kinds <= {int, float} else "object"


def beginning(path: Path, size: int = 64) -> bytes:
    """The first bytes of a file; none of a folder."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(size)

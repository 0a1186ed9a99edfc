"""Tables: records, columns or rows, and the dataframe that a model is given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, Optional, Union

import msgspec
import numpy

from tagboat_server import exact
from tagboat_server.codecs.cells import UNSET, family, json_type, to_array
from tagboat_server.codecs.decoding import Body, Input
from tagboat_server.codecs.matrices import MatrixReader
from tagboat_server.errors import MissingLibraryError, Rejection
from tagboat_server.signature import Column, Frame

ODD = re.compile(r'[\x00-\x1f"\\]')
"""Characters of a column's name that msgspec's structs do not take; such tables are parsed twice."""

WIDEST = 4000
"""Columns that a row given as a list is checked for one by one; wider rows are checked by length and family."""


class Table:
    """Parses a table and hands it back column by column, or as one matrix where every column is of float64."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.names = tuple(str(column.name) for column in columns)
        self.matrix = is_matrix(columns)
        plain = self.matrix and not any(column.nullable for column in columns)
        self.quick = MatrixReader(len(self.columns)) if plain and self.columns else None
        cells = [json_type(column.dtype, nullable=column.nullable) for column in columns]
        fields = [f"c{place}" for place in range(len(columns))]
        odd = {name: f"\ue000{place}\ue001" for place, name in enumerate(self.names) if ODD.search(name)}
        rename = {field: odd.get(name, name) for field, name in zip(fields, self.names)}
        self.record = msgspec.defstruct(
            "Record",
            [field_of(name, cell, column) for name, cell, column in zip(fields, cells, columns)],
            rename=rename,
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )
        by_column = msgspec.defstruct(
            "Columns",
            [field_of(name, list[cell], column) for name, cell, column in zip(fields, cells, columns)],  # type: ignore[valid-type]
            rename=rename,
            forbid_unknown_fields=True,
            kw_only=True,
        )
        row: Any = tuple[tuple(cells)] if len(cells) <= WIDEST else list[Union[tuple(dict.fromkeys(cells))]]
        self.body = Body(Union[list[Union[self.record, row]], by_column], self.names, odd)

    def __call__(self, body: bytes) -> tuple[Any, int]:
        """A matrix, or a list of arrays in the order of the columns; and the number of rows."""
        if self.quick is not None:
            matrix = self.quick(body)
            if matrix is not None:
                return matrix, len(matrix)
        data = self.body(body)
        if not isinstance(data, list):
            return self.from_columns(msgspec.structs.astuple(data))
        if not data:
            raise Rejection(422, "there are no rows", path="data", reason="empty")
        first = type(data[0])
        if any(type(row) is not first for row in data):
            place = next(place for place, row in enumerate(data) if type(row) is not first)
            raise Rejection(422, "records and rows are mixed", path=f"data[{place}]", reason="layout")
        records = first is self.record
        rows = [msgspec.structs.astuple(row) for row in data] if records else data
        if len(self.columns) > WIDEST and not records:
            self.check_widths(rows)
        if self.matrix:
            return self.as_matrix(rows), len(rows)
        paths = [f"data[{{}}].{braced(name)}" if records else f"data[{{}}][{at}]" for at, name in enumerate(self.names)]
        return [
            self.as_array(values, column, path) for values, column, path in zip(zip(*rows), self.columns, paths)
        ], len(rows)

    def as_matrix(self, rows: Sequence[Sequence[Any]]) -> numpy.ndarray[Any, Any]:
        """Rows of numbers as one array; null becomes NaN."""
        width = len(self.columns)
        try:
            flat = numpy.fromiter(chain.from_iterable(rows), dtype=numpy.float64, count=len(rows) * width)
        except TypeError:
            return numpy.array([tuple(row) for row in rows], dtype=object).astype(numpy.float64)
        return flat.reshape(len(rows), width)

    def from_columns(self, lists: Sequence[Any]) -> tuple[Any, int]:
        """Columns as they come, which must be of one length."""
        lengths = {len(values) for values in lists if values is not UNSET}
        rows = max(lengths, default=0)
        if not rows:
            raise Rejection(422, "there are no rows", path="data", reason="empty")
        for values, name in zip(lists, self.names):
            if values is not UNSET and len(values) != rows:
                message = f"the column has {len(values)} values, the longest has {rows}"
                raise Rejection(422, message, path=f"data.{name}", reason="ragged")
        if self.matrix:
            return self.as_matrix(list(zip(*lists))), rows
        paths = [f"data.{braced(name)}[{{}}]" for name in self.names]
        return [
            self.as_array([UNSET] * rows if values is UNSET else values, column, path)
            for values, column, path in zip(lists, self.columns, paths)
        ], rows

    def as_array(self, values: Sequence[Any], column: Column, path: str) -> Any:
        """One column; what was left out of an optional one is missing."""
        if column.optional:
            values = [None if value is UNSET else value for value in values]
        return to_array(values, column.dtype, path)

    def check_widths(self, rows: Sequence[Sequence[Any]]) -> None:
        """Refuse rows of another width."""
        for place, row in enumerate(rows):
            if len(row) != len(self.columns):
                message = f"expected a list of {len(self.columns)} values, got {len(row)}"
                raise Rejection(422, message, path=f"data[{place}]", reason="width")


class Frames:
    """Makes the dataframes of a signature; without pandas matrices, where the model can do with them."""

    def __init__(self, signature: Frame) -> None:
        self.labels: list[Any] = [column.name for column in signature.columns]
        self.index: list[Any] = list(signature.index)
        self.pandas = import_pandas()
        if self.pandas is None and (self.index or not is_matrix(signature.columns)):
            kinds = sorted({family(column.dtype) for column in signature.columns} - {"float"})
            raise MissingLibraryError(
                "pandas", reason=f"the model takes a dataframe with columns of {', '.join(kinds)}"
            )

    def __call__(self, columns: Any, rows: int) -> Input:
        """The dataframe of a matrix, or of a list of arrays in the order of the columns."""
        if self.pandas is None:
            return Input(columns, rows)
        if isinstance(columns, numpy.ndarray):
            frame = self.pandas.DataFrame(columns, columns=self.labels)
        else:
            by_place: dict[int, Any] = dict(enumerate(columns))
            frame = self.pandas.DataFrame(by_place)
            frame.columns = self.labels
        return Input(frame.set_index(self.index) if self.index else frame, rows)


class FrameDecoder:
    """From a body to a pandas dataframe; without pandas to a matrix, where the model can do with one."""

    def __init__(self, signature: Frame) -> None:
        self.table = Table(signature.columns)
        self.frames = Frames(signature)

    def __call__(self, body: bytes) -> Input:
        """The checked dataframe."""
        return self.frames(*self.table(body))


class TableDecoder:
    """From a body to a table that never becomes a dataframe, for models that can do without."""

    def __init__(self, signature: Frame) -> None:
        self.table = Table(signature.columns)

    def __call__(self, body: bytes) -> Input:
        """The checked table."""
        columns, rows = self.table(body)
        return Input(exact.Table(columns), rows)


def is_matrix(columns: Sequence[Column]) -> bool:
    """Whether a table of these columns is kept as one matrix."""
    return all(column.dtype == "float64" and not column.optional for column in columns)


def field_of(name: str, cell: Any, column: Column) -> Any:
    """The field of a column in a record, or in the object of columns."""
    if column.optional:
        return (name, Union[cell, msgspec.UnsetType], UNSET) if cell is not Any else (name, Any, UNSET)
    return (name, cell)


def braced(name: str) -> str:
    """A column's name inside a format string."""
    return name.replace("{", "{{").replace("}", "}}")


def import_pandas() -> Optional[Any]:
    """Pandas, or None where the model's environment has none."""
    try:
        import pandas
    except ModuleNotFoundError:
        return None
    return pandas

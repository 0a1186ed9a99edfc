"""Tables that never become dataframes.

A model fitted on dataframes is asked with dataframes, and making one costs more than most models. A `Table` holds what
the dataframe would have been made of; a fast path takes it and answers as the public method answers that dataframe.

What scikit-learn takes out of a dataframe has a memory layout that depends on how pandas keeps and copies its columns,
version by version, and the last bits of a linear model depend on the layout. So at load real dataframes are asked for
theirs (`layout_of`), and a table is only taken where the layout can be made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional

import numpy

from tagboat_server.exact.inputs import PLAIN, array_of
from tagboat_server.exact.programs import Array, PassOn, Program, Unsupported

Layout = Callable[["Table", Sequence[int]], Array]
Run = Callable[["Table"], Any]


class Table:
    """Rows as one matrix of float64, or as columns of one length: what a dataframe is to be made of."""

    __slots__ = ("columns", "matrix", "rows")

    def __init__(self, values: Any) -> None:
        self.matrix: Optional[Array] = values if type(values) is numpy.ndarray else None
        self.columns: Sequence[Array] = () if self.matrix is not None else list(values)
        self.rows = len(values) if self.matrix is not None else len(self.columns[0])

    def __len__(self) -> int:
        return self.rows

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.columns) if self.matrix is None else int(self.matrix.shape[1])

    def column(self, place: int) -> Array:
        """The values of one column."""
        return self.columns[place] if self.matrix is None else self.matrix[:, place]

    def frame(self, names: Sequence[Any]) -> Any:
        """The dataframe."""
        import pandas

        if self.matrix is not None:
            return pandas.DataFrame(self.matrix, columns=list(names))
        made = pandas.DataFrame(dict(enumerate(self.columns)))
        made.columns = list(names)
        return made


def in_rows(table: Table, places: Sequence[int]) -> Array:
    """A view of neighbouring columns of the matrix. Raises `PassOn` where there is none, or they are none."""
    if table.matrix is None or list(places) != list(range(places[0], places[-1] + 1)):
        raise PassOn
    return table.matrix[:, places[0] : places[-1] + 1]


def in_new_rows(table: Table, places: Sequence[int]) -> Array:
    """Some columns of a matrix, row by row, as pandas 2 takes them. Raises `PassOn` where there is no matrix."""
    if table.matrix is None:
        raise PassOn
    return table.matrix.take(places, axis=1)


def in_columns(table: Table, places: Sequence[int]) -> Array:
    """Column by column in memory, as pandas keeps them and as it puts columns of several dtypes together."""
    if table.matrix is not None and list(places) == list(range(table.width)):
        return table.matrix.T.copy(order="C").T
    return numpy.stack(plain(table, places)).T


def in_columns_apart(table: Table, places: Sequence[int]) -> Array:
    """The same with room between the columns: pandas makes a view of columns at equal distances."""
    step = places[1] - places[0] if len(places) > 1 else 0
    if step < 2 or list(places) != list(range(places[0], places[-1] + 1, step)):
        raise PassOn
    columns = plain(table, places)
    block = numpy.empty((step * len(columns), len(table)), numpy.result_type(*columns))[::step]
    for line, column in zip(block, columns):
        line[...] = column
    return block.T


def plain(table: Table, places: Sequence[int]) -> list[Array]:
    """Columns of plain numbers. Raises `PassOn` for others."""
    columns = [table.column(place) for place in places]
    if any(column.dtype not in PLAIN for column in columns):
        raise PassOn
    return columns


LAYOUTS = (in_rows, in_columns, in_columns_apart, in_new_rows)


class Shape:
    """The tables of one signature: names, and the dtype of each column, or None where they come as a matrix.

    Where a dtype is none of numpy's numbers the column holds text.
    """

    def __init__(self, names: Sequence[Any], dtypes: Optional[Sequence[Any]]) -> None:
        self.names = list(names)
        self.dtypes = None if dtypes is None else [numpy.dtype(dtype) for dtype in dtypes]

    def example(self, rows: int) -> Table:
        """A table of so many rows, every number of it different."""
        cells = numpy.arange(rows * len(self.names), dtype=numpy.float64).reshape(rows, -1)
        return self.table([cells[:, place] % 120 for place in range(len(self.names))])

    def table(self, columns: Sequence[Array]) -> Table:
        """A table of these values, in our dtypes."""
        if self.dtypes is None:
            return Table(numpy.column_stack(columns).astype(numpy.float64))
        return Table(
            [
                column.astype(dtype if dtype in PLAIN else str).astype(dtype)
                for column, dtype in zip(columns, self.dtypes)
            ]
        )

    def check(self, table: Table) -> None:
        """Raise `PassOn` for a table of another shape, or without rows."""
        if not table.rows or table.width != len(self.names):
            raise PassOn
        if table.matrix is not None:
            if self.dtypes is not None or table.matrix.dtype != numpy.float64 or not table.matrix.flags.c_contiguous:
                raise PassOn
        elif self.dtypes is None or [column.dtype for column in table.columns] != self.dtypes:
            raise PassOn


def bind(program: Optional[Program], take: Callable[[Any], Any], shape: Shape, places: Sequence[int]) -> Run:
    """What runs on tables of this shape as the program runs on what ``take`` takes out of a dataframe made of them.

    ``places``: which columns those are. No program passes them through. Raises `Unsupported`.
    """
    if program is not None and program.frames:
        if program.bind is None:
            raise Unsupported("a step that asks for a dataframe")
        return program.bind(take, shape, places)
    layout = layout_of(take, shape, places)
    if layout is None:
        raise Unsupported("columns in a memory layout that is not known here")
    if program is None:
        return lambda table: layout(table, places)
    run = program.run
    return lambda table: run(layout(table, places))


def layout_of(take: Callable[[Any], Any], shape: Shape, places: Sequence[int]) -> Optional[Layout]:
    """How to make what ``take`` takes out of a dataframe made of a table, or None where we cannot.

    The examples that tell layouts apart have one row, two, and several.
    """
    for layout in LAYOUTS:
        if all(fits(layout, take, shape.example(rows), shape.names, places) for rows in (1, 2, 5)):
            return layout
    return None


def fits(layout: Layout, take: Callable[[Any], Any], table: Table, names: Sequence[Any], places: Sequence[int]) -> bool:
    """Whether a layout gives the array that comes out of the dataframe: values, dtype, strides where they matter."""
    try:
        found = layout(table, places)
        wanted = array_of(take(table.frame(names)))
    except PassOn:
        return False
    if found.dtype != wanted.dtype or found.shape != wanted.shape or not (found == wanted).all():
        return False
    steps = zip(found.shape, found.strides, wanted.strides)
    return all(ours == theirs for size, ours, theirs in steps if size > 1)

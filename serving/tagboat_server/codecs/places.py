"""Where in an array something is, in words that a sender of arrays understands.

Each function gives a `Place`: from a value's place in the flattened array, or None for all of it, to its path and to
what a message says of it behind its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, Optional

import numpy

Place = Callable[[Optional[int]], tuple[str, str]]


def cell(path: str, names: Sequence[str]) -> Place:
    """The cells of a matrix, by row and column."""

    def place(at: Optional[int]) -> tuple[str, str]:
        if at is None:
            return path, ""
        row, column = divmod(at, len(names))
        return f"{path}[{row}][{column}]", f" (column {names[column]!r})"

    return place


def in_rows(path: str, column: int, name: str) -> Place:
    """The cells of one column of a matrix, by row and column."""
    about = f" (column {name!r})"
    return lambda at: (path if at is None else f"{path}[{at}][{column}]", about)


def in_column(path: str, name: str) -> Place:
    """The cells of a column that has come by its name."""
    return lambda at: (f"{path}.{name}" if at is None else f"{path}.{name}[{at}]", "")


def element(path: str, shape: Sequence[int]) -> Place:
    """The elements of an array, by every dimension."""

    def place(at: Optional[int]) -> tuple[str, str]:
        if at is None:
            return path, ""
        return path + "".join(f"[{each}]" for each in numpy.unravel_index(at, tuple(shape))), ""

    return place


def shown(shape: Sequence[Optional[int]]) -> str:
    """A shape as people write it, with -1 for any length."""
    return "[" + ", ".join(str(-1 if size is None else size) for size in shape) + "]"

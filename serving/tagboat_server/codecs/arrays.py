"""Arrays that have arrived by any other way than our JSON, checked against a signature as strictly as JSON is.

`Fitting` is made once a method (`calling.Call.fitting`). A protocol that has read a body into arrays gives it

- ``fitting.matrix(array)`` for one array without names: an ``.npy`` file, a CSV without a header, a tensor;
- ``fitting.columns({name: array})`` for arrays by name, in any order: Arrow, Parquet, a CSV with a header, several
  tensors.

and takes the `Input` that it gets to ``call.run``. What does not fit is a `Rejection` 422 whose path begins with
``path`` (``data`` where nothing else is given): ``data[3][1]`` for a row and column of a matrix, ``data.age[3]`` for a
named one.

Text is text: a protocol that reads numbers from text, as CSV is, parses them first. Text comes as arrays of ``str`` or
of UTF-8 ``bytes`` (dtype object, ``U`` or ``S``), a missing value as None in an array of objects, as NaN, or as NaT.
Where dtype and layout fit already, nothing is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy

from tagboat_server import exact
from tagboat_server.codecs.casting import cast
from tagboat_server.codecs.cells import to_array
from tagboat_server.codecs.decoding import Input
from tagboat_server.codecs.frames import Frames, import_pandas, is_matrix
from tagboat_server.codecs.places import cell, element, in_column, in_rows, shown
from tagboat_server.errors import Rejection
from tagboat_server.signature import Anything, Column, Frame, Signature, Tensor, Tensors

Array = Any
"""A NumPy array."""


class Fitting:
    """From arrays to what one method takes.

    ``tables``: it takes an `exact.Table` for a dataframe. ``writable``: it may write into what it is given, so that
    memory which is not ours to change is copied.
    """

    def __init__(self, signature: Signature, *, tables: bool = False, writable: bool = True) -> None:
        self.signature = signature
        self.writable = writable
        self.columns_of: tuple[Column, ...] = ()
        self.frames: Optional[Frames] = None
        self.pandas = import_pandas() if isinstance(signature, Anything) else None
        if isinstance(signature, Frame):
            self.columns_of = signature.columns
            self.frames = None if tables else Frames(signature)
        elif isinstance(signature, Tensors) and signature.columnar:
            self.columns_of = tuple(Column(tensor.name, tensor.dtype) for tensor in signature.inputs)
        self.names = tuple(str(column.name) for column in self.columns_of)
        self.known = set(self.names)
        self.uniform = is_matrix(self.columns_of)
        self.whole = self.uniform and len({column.nullable for column in self.columns_of}) == 1

    def matrix(self, array: Array, path: str = "data") -> Input:
        """One array without names. Fields of a structured array are its columns. Raises `Rejection`."""
        if array.dtype.names:
            return self.columns({name: array[name] for name in array.dtype.names}, path)
        signature = self.signature
        if isinstance(signature, Anything):
            return Input(self.owned(numpy.ascontiguousarray(array)), rows_of(array))
        if isinstance(signature, Tensor):
            fitted = self.tensor(array, signature.dtype, signature.shape, signature.nullable, path)
            return Input(fitted, len(fitted) if signature.shape else 1)
        if isinstance(signature, Tensors) and len(signature.inputs) == 1:
            only = signature.inputs[0]
            if array.ndim == len(only.shape) or not signature.columnar:
                return self.columns({only.name: array}, path)
        if not self.columns_of:
            names = ", ".join(tensor.name for tensor in signature.inputs) if isinstance(signature, Tensors) else ""
            raise Rejection(422, f"the model takes several arrays by name: {names}", path=path, reason="layout")
        check_width(array, len(self.names), path)
        if self.whole:
            nullable = self.columns_of[0].nullable
            fitted = cast(array, "float64", nullable=nullable, place=cell(path, self.names))
            return self.made(numpy.ascontiguousarray(fitted), len(array))
        parts = [
            cast(
                numpy.ascontiguousarray(array[:, at]),
                column.dtype,
                nullable=column.nullable,
                place=in_rows(path, at, self.names[at]),
            )
            for at, column in enumerate(self.columns_of)
        ]
        return self.made(parts, len(array))

    def columns(self, arrays: Mapping[str, Array], path: str = "data") -> Input:
        """Arrays by name, each of ``(rows,)`` or ``(rows, 1)`` where a column is meant. Raises `Rejection`.

        A signature of one array has no names: it takes columns in their order, or the only one as it is.
        """
        signature = self.signature
        if isinstance(signature, Anything):
            return self.anything(arrays, path)
        if isinstance(signature, Tensor):
            return self.nameless(arrays, signature, path)
        if isinstance(signature, Tensors) and not signature.columnar:
            return self.tensors(arrays, signature, path)
        for name in arrays:
            if name not in self.known:
                raise Rejection(
                    422, f"the column {name[:100]!r} is unknown", path=f"{path}.{name}"[:300], reason="unknown-column"
                )
        given = {name: flat(array, f"{path}.{name}") for name, array in arrays.items()}
        rows = equal_length(given, path)
        parts = []
        for name, column in zip(self.names, self.columns_of):
            array = given.get(name)
            if array is None:
                if not column.optional:
                    raise Rejection(
                        422, f"the column {name!r} is missing", path=f"{path}.{name}", reason="missing-column"
                    )
                parts.append(to_array([None] * rows, column.dtype, f"{path}.{name}"))
            else:
                parts.append(cast(array, column.dtype, nullable=column.nullable, place=in_column(path, name)))
        return self.made(parts, rows)

    def made(self, parts: Any, rows: int) -> Input:
        """A matrix, or the columns in their order, as the method takes them."""
        if self.uniform and isinstance(parts, list):
            matrix = numpy.empty((rows, len(parts)))
            for at, part in enumerate(parts):
                matrix[:, at] = part
            parts = matrix
        signature = self.signature
        if isinstance(signature, Tensors):
            columns = [parts[:, at] for at in range(len(self.names))] if self.uniform else parts
            named = {
                tensor.name: self.owned(numpy.ascontiguousarray(column).reshape(rows, *tensor.shape[1:]))
                for tensor, column in zip(signature.inputs, columns)
            }
            return Input(named, rows)
        parts = self.owned(parts) if isinstance(parts, numpy.ndarray) else [self.owned(part) for part in parts]
        return Input(exact.Table(parts), rows) if self.frames is None else self.frames(parts, rows)

    def nameless(self, arrays: Mapping[str, Array], signature: Tensor, path: str) -> Input:
        """Columns, in their order, as the one array of a signature without names."""
        parts = list(arrays.values())
        names = list(arrays)
        if len(parts) == 1 and parts[0].ndim == len(signature.shape):
            return self.matrix(parts[0], f"{path}.{names[0]}")
        if len(signature.shape) != 2:
            raise Rejection(422, f"expected one array, got {len(parts)}", path=path, reason="layout")
        width = signature.shape[1]
        if not parts or (width is not None and len(parts) != width):
            raise Rejection(422, f"expected {width} columns, got {len(parts)}", path=path, reason="width")
        given = {name: flat(array, f"{path}.{name}") for name, array in arrays.items()}
        rows = equal_length(given, path)
        if not rows:
            raise no_rows(path)
        columns = [
            cast(array, signature.dtype, nullable=signature.nullable, place=in_column(path, name))
            for name, array in given.items()
        ]
        return Input(numpy.ascontiguousarray(numpy.stack(columns, axis=1)), rows)

    def tensors(self, arrays: Mapping[str, Array], signature: Tensors, path: str) -> Input:
        """Arrays by name, each of its own shape; those with rows have equally many."""
        known = [tensor.name for tensor in signature.inputs]
        for name in arrays:
            if name not in known:
                raise Rejection(
                    422, f"the input {name[:100]!r} is unknown", path=f"{path}.{name}"[:300], reason="unknown-column"
                )
        named: dict[str, Any] = {}
        rows: Optional[int] = None
        for tensor in signature.inputs:
            where = f"{path}.{tensor.name}"
            if tensor.name not in arrays:
                raise Rejection(422, f"the input {tensor.name!r} is missing", path=where, reason="missing-column")
            array = self.tensor(arrays[tensor.name], tensor.dtype, tensor.shape, nullable=False, path=where)
            named[tensor.name] = array
            if tensor.shape and tensor.shape[0] is None:
                if rows is not None and len(array) != rows:
                    message = f"this input has {len(array)} rows, another has {rows}"
                    raise Rejection(422, message, path=where, reason="ragged")
                rows = len(array)
        return Input(named, rows or 1)

    def tensor(self, array: Array, dtype: str, shape: Sequence[Optional[int]], nullable: bool, path: str) -> Array:
        """One array of a shape and a dtype."""
        if array.ndim != len(shape) or any(want not in {None, have} for want, have in zip(shape, array.shape)):
            raise Rejection(
                422, f"expected the shape {shown(shape)}, got {shown(array.shape)}", path=path, reason="width"
            )
        if 0 in array.shape and 0 not in shape:
            raise no_rows(path)
        fitted = cast(array, dtype, nullable=nullable, place=element(path, array.shape))
        return self.owned(numpy.ascontiguousarray(fitted).reshape(array.shape))

    def anything(self, arrays: Mapping[str, Array], path: str) -> Input:
        """A dataframe where every array is a column and there is pandas, else the arrays by name."""
        if not arrays:
            raise no_rows(path)
        rows = {array.shape[0] if array.ndim else 1 for array in arrays.values()}
        column = all(array.ndim == 1 or array.shape[1:] == (1,) for array in arrays.values())
        if column and len(rows) == 1 and self.pandas is not None:
            flattened = {name: self.owned(array.reshape(-1)) for name, array in arrays.items()}
            return Input(self.pandas.DataFrame(flattened), rows.pop())
        return Input({name: self.owned(array) for name, array in arrays.items()}, max(rows))

    def owned(self, array: Any) -> Any:
        """The array, or a copy where the model might write into memory that nobody may write into."""
        if self.writable and isinstance(array, numpy.ndarray) and not array.flags.writeable:
            return array.copy()
        return array


def check_width(array: Array, width: int, path: str) -> None:
    """Refuse what is not rows of this width."""
    if array.ndim != 2:
        message = f"expected rows of {width} values, got an array of the shape {shown(array.shape)}"
        raise Rejection(422, message, path=path, reason="width")
    if not len(array):
        raise no_rows(path)
    if array.shape[1] != width:
        raise Rejection(422, f"expected rows of {width} values, got {array.shape[1]}", path=path, reason="width")


def flat(array: Array, path: str) -> Array:
    """A column as an array of one dimension."""
    if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
        return numpy.ascontiguousarray(array).reshape(-1)
    message = f"expected a column, got an array of the shape {shown(array.shape)}"
    raise Rejection(422, message, path=path[:300], reason="width")


def equal_length(arrays: Mapping[str, Array], path: str) -> int:
    """The number of rows. Raises `Rejection` where there are none, or not as many in each column."""
    rows = max((len(array) for array in arrays.values()), default=0)
    if not rows:
        raise no_rows(path)
    for name, array in arrays.items():
        if len(array) != rows:
            message = f"the column has {len(array)} values, the longest has {rows}"
            raise Rejection(422, message, path=f"{path}.{name}", reason="ragged")
    return rows


def rows_of(array: Array) -> int:
    """How many rows an array has of which nothing is known."""
    return len(array) if array.ndim else 1


def no_rows(path: str) -> Rejection:
    """The answer to nothing."""
    return Rejection(422, "there are no rows", path=path, reason="empty")

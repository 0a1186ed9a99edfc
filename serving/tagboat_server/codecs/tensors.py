"""Arrays: one, several by name, or whatever a model takes that says nothing of its input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, Optional

import msgspec
import numpy

from tagboat_server.codecs.cells import json_type, to_array
from tagboat_server.codecs.decoding import Body, Decoder, Input
from tagboat_server.codecs.frames import Table, import_pandas
from tagboat_server.codecs.matrices import MatrixReader
from tagboat_server.errors import Rejection
from tagboat_server.signature import Column, NamedTensor, Tensor, Tensors

Annotated: Any
try:
    from typing import Annotated
except ImportError:  # pragma: no cover - Python 3.8
    from typing import Annotated

LONGEST = 4000
"""Dimensions that are checked as tuples, which tells the place of a wrong value more exactly."""


def nested_type(dtype: str, shape: Sequence[Optional[int]], *, nullable: bool) -> Any:
    """The type of nested lists of a shape."""
    if not shape:
        return json_type(dtype, nullable=nullable)
    inner = nested_type(dtype, shape[1:], nullable=nullable)
    size = shape[0]
    if size is None:
        return list[inner]  # type: ignore[valid-type]
    if size <= LONGEST:
        return tuple[(inner,) * size]
    return Annotated[list[inner], msgspec.Meta(min_length=size, max_length=size)]


def to_tensor(value: Any, dtype: str, shape: Sequence[Optional[int]], path: str) -> numpy.ndarray[Any, Any]:
    """Checked nested lists as one array. Raises `Rejection` for ragged lists."""
    if not shape:
        return numpy.asarray(to_array([value], dtype, path)).reshape(())
    flat: Any = value
    lengths: list[int] = []
    for depth in range(len(shape)):
        size = len(flat) if depth == 0 else len(flat[0]) if flat else 0
        lengths.append(size)
        if depth == 0:
            flat = list(flat)
            continue
        for place, part in enumerate(flat):
            if len(part) != size:
                message = f"expected a list of {size} values as in the first, got {len(part)}"
                raise Rejection(422, message, path=f"{path}[{place}]" if depth == 1 else path, reason="ragged")
        flat = [cell for part in flat for cell in part]
    width = math.prod(lengths[1:])
    place_of = f"{path}[{{}}]" if width == 1 else path
    array = numpy.asarray(to_array(flat, dtype, place_of))
    return array.reshape(lengths)


class TensorDecoder:
    """From a body to an array."""

    def __init__(self, signature: Tensor) -> None:
        self.dtype = signature.dtype
        self.shape = signature.shape
        self.body = Body(nested_type(signature.dtype, signature.shape, nullable=signature.nullable))
        self.width = width_of(signature)
        self.quick = MatrixReader(self.width) if self.width is not None else None

    def __call__(self, body: bytes) -> Input:
        """The checked array."""
        if self.quick is not None:
            matrix = self.quick(body)
            if matrix is not None:
                return Input(matrix, len(matrix))
        data = self.body(body)
        if self.shape and not data:
            raise Rejection(422, "there are no rows", path="data", reason="empty")
        if self.width is not None:
            rows = len(data)
            flat = numpy.fromiter(chain.from_iterable(data), numpy.float64, rows * self.width)
            return Input(flat.reshape(rows, self.width), rows)
        array = to_tensor(data, self.dtype, self.shape, "data")
        return Input(array, len(array) if self.shape else 1)


def width_of(signature: Tensor) -> Optional[int]:
    """The width of a plain matrix: rows of float64 whose number of cells has been checked; None for all else."""
    plain = signature.dtype == "float64" and not signature.nullable and len(signature.shape) == 2
    width = signature.shape[1] if plain else None
    return width if signature.shape and signature.shape[0] is None and width is not None and width <= LONGEST else None


def tensors_decoder(signature: Tensors) -> Decoder:
    """The decoder of several inputs: as a table where each is one value a row, else as an object of arrays."""
    return ColumnsDecoder(signature.inputs) if signature.columnar else TensorsDecoder(signature.inputs)


class ColumnsDecoder:
    """From a table to one array per column, by name."""

    def __init__(self, inputs: Sequence[NamedTensor]) -> None:
        self.inputs = tuple(inputs)
        self.table = Table([Column(tensor.name, tensor.dtype) for tensor in inputs])

    def __call__(self, body: bytes) -> Input:
        """The checked arrays."""
        columns, rows = self.table(body)
        parts = columns.T if self.table.matrix else columns
        named = {
            tensor.name: numpy.asarray(part).reshape(rows, *(() if len(tensor.shape) == 1 else (1,)))
            for tensor, part in zip(self.inputs, parts)
        }
        return Input(named, rows)


class TensorsDecoder:
    """From an object of nested lists to arrays by name; those with rows have equally many."""

    def __init__(self, inputs: Sequence[NamedTensor]) -> None:
        self.inputs = tuple(inputs)
        fields = [f"t{place}" for place in range(len(inputs))]
        data = msgspec.defstruct(
            "Tensors",
            [(name, nested_type(each.dtype, each.shape, nullable=False)) for name, each in zip(fields, inputs)],
            rename=dict(zip(fields, (each.name for each in inputs))),
            forbid_unknown_fields=True,
        )
        self.body = Body(data)

    def __call__(self, body: bytes) -> Input:
        """The checked arrays."""
        values = msgspec.structs.astuple(self.body(body))
        named: dict[str, Any] = {}
        rows: Optional[int] = None
        for tensor, value in zip(self.inputs, values):
            array = to_tensor(value, tensor.dtype, tensor.shape, f"data.{tensor.name}")
            named[tensor.name] = array
            if tensor.shape and tensor.shape[0] is None:
                if rows is not None and len(array) != rows:
                    message = f"this input has {len(array)} rows, another has {rows}"
                    raise Rejection(422, message, path=f"data.{tensor.name}", reason="ragged")
                rows = len(array)
        if rows == 0:
            raise Rejection(422, "there are no rows", path="data", reason="empty")
        return Input(named, rows or 1)


class AnythingDecoder:
    """From a body to what it seems to be: records to a dataframe, numbers to an array, anything else as it is."""

    def __init__(self) -> None:
        self.body = Body(Any)
        self.pandas = import_pandas()

    def __call__(self, body: bytes) -> Input:
        """The value; only ragged rows of numbers are refused."""
        data = self.body(body)
        if not isinstance(data, list) or not data:
            return Input(data, 1)
        if self.pandas is not None and all(isinstance(row, dict) for row in data):
            return Input(self.pandas.DataFrame.from_records(data), len(data))
        if all(isinstance(row, list) for row in data):
            if len({len(row) for row in data}) > 1:
                place = next(place for place, row in enumerate(data) if len(row) != len(data[0]))
                raise Rejection(422, "the rows are of different lengths", path=f"data[{place}]", reason="ragged")
            cells = {type(cell) for row in data for cell in row}
            if cells <= {int, float}:
                return Input(numpy.array(data), len(data))
        return Input(data, len(data))

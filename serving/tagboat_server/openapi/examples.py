"""Values that a method takes: the first row of the bundle's sample where there is one, else made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import msgspec

from tagboat_server.codecs.cells import family
from tagboat_server.signature import Column, Frame, Signature, Tensor, Tensors

VALUES: dict[str, Any] = {"float": 0.5, "int": 1, "bool": True, "text": "text", "time": "2024-01-31T12:00:00"}
"""Made-up values by families of dtypes."""

LARGEST = 1000
"""Cells of an example; more would fill pages."""


class Sample:
    """The first row of a bundle's sample, which is a body of our own protocol."""

    def __init__(self, body: Optional[bytes]) -> None:
        try:
            document = msgspec.json.decode(body) if body else None
        except msgspec.DecodeError:
            document = None
        self.data = document.get("data") if isinstance(document, dict) else None

    def record(self, columns: Sequence[Column]) -> Optional[dict[str, Any]]:
        """The first row as a record, or None where the sample is none of this table."""
        names = [str(column.name) for column in columns]
        row: Any = None
        if isinstance(self.data, dict):
            row = {name: values[0] for name, values in self.data.items() if isinstance(values, list) and values}
        elif isinstance(self.data, list) and self.data:
            row = self.data[0]
            if isinstance(row, list) and len(row) == len(names):
                row = dict(zip(names, row))
        if not isinstance(row, dict) or not set(row) <= set(names):
            return None
        missing = [column for column in columns if not column.optional and str(column.name) not in row]
        return {name: row[name] for name in names if name in row} if not missing else None

    def array(self) -> Any:
        """The first row as an array of one row, or None where the sample is no list."""
        return self.data[:1] if isinstance(self.data, list) and self.data and isinstance(self.data[0], list) else None


def example_of(signature: Signature, sample: Sample) -> Any:
    """A value of our own protocol's ``data``, or None where nothing is known."""
    if isinstance(signature, Frame):
        return [record_of(signature.columns, sample)]
    if isinstance(signature, Tensors) and signature.columnar:
        return [record_of([Column(each.name, each.dtype) for each in signature.inputs], sample)]
    if isinstance(signature, Tensors):
        return {each.name: example_array(each.dtype, each.shape) for each in signature.inputs}
    if isinstance(signature, Tensor):
        return array_of(signature, sample)
    return None


def record_of(columns: Sequence[Column], sample: Sample) -> dict[str, Any]:
    """One record."""
    found = sample.record(columns)
    if found is not None:
        return found
    return {str(column.name): example_cell(column.dtype) for column in columns if not column.optional}


def array_of(signature: Tensor, sample: Sample) -> Any:
    """Nested lists of one row; None where they would fill pages."""
    found = sample.array() if len(signature.shape) > 1 and signature.shape[0] is None else None
    return found if found is not None else example_array(signature.dtype, signature.shape)


def example_array(dtype: str, shape: Sequence[Optional[int]]) -> Any:
    """Made-up nested lists of a shape, with one row; None where they would fill pages."""
    size = 1
    for each in shape:
        size *= each or 1
    if size > LARGEST:
        return None
    value = example_cell(dtype)
    for each in reversed(shape):
        value = [value] * (each or 1)
    return value


def example_cell(dtype: str) -> Any:
    """A made-up value."""
    return VALUES.get(family(dtype), 1)

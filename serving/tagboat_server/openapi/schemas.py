"""JSON Schema from our signatures: what a method takes in our own protocol's ``data``, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import numpy

from tagboat_server.codecs.cells import family
from tagboat_server.openapi.operations import Schema, closed
from tagboat_server.signature import Column, Frame, Signature, Tensor, Tensors

TYPES: dict[str, list[str]] = {
    "float": ["number"],
    "int": ["integer"],
    "bool": ["boolean"],
    "text": ["string"],
    "time": ["string"],
    "scalar": ["string", "number", "boolean"],
}
"""A family of dtypes in JSON Schema's words."""

UNKNOWN: Schema = {"description": "The model's files do not say what it takes."}


def schema_of(signature: Signature) -> Schema:
    """The JSON Schema of ``data``."""
    if isinstance(signature, Frame):
        return table_schema(signature.columns)
    if isinstance(signature, Tensor):
        return array_schema(signature.dtype, signature.shape, nullable=signature.nullable)
    if isinstance(signature, Tensors):
        if signature.columnar:
            return table_schema([Column(each.name, each.dtype) for each in signature.inputs])
        return closed({each.name: array_schema(each.dtype, each.shape) for each in signature.inputs})
    return UNKNOWN


def columns_of(signature: Signature) -> Sequence[Column]:
    """The columns of a signature that is a table; none for others."""
    if isinstance(signature, Frame):
        return signature.columns
    if isinstance(signature, Tensors) and signature.columnar:
        return [Column(each.name, each.dtype) for each in signature.inputs]
    return ()


def table_schema(columns: Sequence[Column]) -> Schema:
    """Records, columns or rows."""
    rows = {"title": "rows", "type": "array", "minItems": 1, "items": row_schema(columns)}
    return {"oneOf": [records_schema(columns), lists_schema(columns), rows]}


def row_schema(columns: Sequence[Column]) -> Schema:
    """One row without names, in the order of the columns."""
    cells = list(cells_of(columns).values())
    return {"type": "array", "prefixItems": cells, "minItems": len(cells), "maxItems": len(cells)}


def records_schema(columns: Sequence[Column]) -> Schema:
    """A list of records."""
    return {"title": "records", "type": "array", "minItems": 1, "items": closed(cells_of(columns), needed(columns))}


def lists_schema(columns: Sequence[Column]) -> Schema:
    """An object of columns."""
    lists = {name: {"type": "array", "minItems": 1, "items": cell} for name, cell in cells_of(columns).items()}
    return {"title": "columns", **closed(lists, needed(columns))}


def cells_of(columns: Sequence[Column]) -> dict[str, Schema]:
    """What a cell of each column is."""
    return {str(column.name): cell_schema(column.dtype, nullable=column.nullable) for column in columns}


def needed(columns: Sequence[Column]) -> list[str]:
    """The columns that must be there."""
    return [str(column.name) for column in columns if not column.optional]


def array_schema(dtype: str, shape: Sequence[Optional[int]], *, nullable: bool = False) -> Schema:
    """Nested lists; the outermost has at least one row."""
    schema = cell_schema(dtype, nullable=nullable)
    for depth, size in reversed(list(enumerate(shape))):
        schema = {"type": "array", "items": schema}
        if size is not None:
            schema.update(minItems=size, maxItems=size)
        elif depth == 0:
            schema["minItems"] = 1
    return schema


def cell_schema(dtype: str, *, nullable: bool) -> Schema:
    """A single value."""
    kind = family(dtype)
    types = TYPES.get(kind)
    if types is None:
        return {}
    types = [*types, "null"] if nullable else types
    schema: Schema = {"type": types if len(types) > 1 else types[0]}
    if kind == "time":
        schema["format"] = "date-time"
    return {**schema, **bounds(dtype)}


def bounds(dtype: str) -> Schema:
    """The numbers that a narrow dtype holds."""
    kind, lowered = family(dtype), dtype.lower()
    if kind == "int":
        limits: Any = numpy.iinfo(lowered if lowered in numpy.sctypeDict else "int64")
    elif kind == "float" and lowered in {"float16", "float32"}:
        limits = numpy.finfo(lowered)
    else:
        return {}
    number: Any = int if kind == "int" else float
    return {"minimum": number(limits.min), "maximum": number(limits.max)}


def output_schema(signature: Optional[Signature]) -> Schema:
    """The JSON Schema of ``predictions``; a number that JSON lacks is null."""
    if isinstance(signature, Tensor):
        return array_schema(signature.dtype, signature.shape, nullable=family(signature.dtype) == "float")
    return {}

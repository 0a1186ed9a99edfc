"""The protocol's datatypes, and which of them a dtype of NumPy's or of a signature's is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Optional

import numpy

from tagboat_server.codecs.cells import family
from tagboat_server.errors import Rejection

BYTES = "BYTES"
"""Text, or anything else: elements of any length."""

DTYPES: dict[str, Any] = {
    "BOOL": numpy.dtype(bool),
    "INT8": numpy.dtype("<i1"),
    "INT16": numpy.dtype("<i2"),
    "INT32": numpy.dtype("<i4"),
    "INT64": numpy.dtype("<i8"),
    "UINT8": numpy.dtype("<u1"),
    "UINT16": numpy.dtype("<u2"),
    "UINT32": numpy.dtype("<u4"),
    "UINT64": numpy.dtype("<u8"),
    "FP16": numpy.dtype("<f2"),
    "FP32": numpy.dtype("<f4"),
    "FP64": numpy.dtype("<f8"),
    BYTES: numpy.dtype(object),
}
"""Every datatype that is taken, as it lies in binary data."""

NAMES = {dtype.str[1:]: name for name, dtype in DTYPES.items()}

MOST_DIMENSIONS = 32
"""Of a shape; the most that every NumPy takes."""


def dtype_of(datatype: str, path: str) -> Any:
    """NumPy's dtype of a datatype. Raises `Rejection` 400 for one that is not taken."""
    found = DTYPES.get(datatype)
    if found is None:
        hint = None
        if datatype == "BF16":
            hint = "NumPy has no such numbers: send FP32."
        known = ", ".join(DTYPES)
        raise Rejection(
            400, f"the datatype {datatype[:50]!r} is not one of {known}", path=path, hint=hint, reason="datatype"
        )
    return found


def size_of(shape: Sequence[int], path: str) -> int:
    """How many elements a shape has. Raises `Rejection` 400 for what is no shape."""
    if len(shape) > MOST_DIMENSIONS:
        raise Rejection(400, f"a shape has at most {MOST_DIMENSIONS} dimensions", path=path, reason="shape")
    if any(size < 0 for size in shape):
        raise Rejection(400, "a dimension is negative", path=path, reason="shape")
    size = math.prod(shape)
    if not size:
        raise Rejection(422, "there are no rows", path=path, reason="empty")
    return size


def datatype_of(dtype: Any) -> str:
    """The datatype of an array that `outputs` has made."""
    return NAMES.get(dtype.str[1:], BYTES)


def datatype_named(dtype: str) -> str:
    """The datatype for a dtype's name in a signature."""
    kind, lowered = family(dtype), dtype.lower()
    if kind == "bool":
        return "BOOL"
    if kind == "float":
        return {"float16": "FP16", "float32": "FP32"}.get(lowered, "FP64")
    if kind == "int":
        return lowered.upper() if lowered.upper() in DTYPES else "INT64"
    return BYTES


def dimensions(shape: Sequence[Optional[int]]) -> list[int]:
    """A signature's shape, with -1 for any length."""
    return [-1 if size is None else size for size in shape]

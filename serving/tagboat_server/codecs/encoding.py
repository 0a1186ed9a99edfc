"""What a model gives back, as JSON.

Arrays become nested lists, dataframes lists of records, sparse matrices are made dense; NumPy's scalars become
numbers, times ISO 8601. NaN and infinities become null: JSON has no word for them.
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import numpy

LARGEST = 50_000_000
"""Cells that a sparse result may have when it is made dense."""


def encode(result: Any) -> bytes:
    """A model's result as JSON. Raises `TypeError` for what has no form in JSON."""
    return ENCODER.encode(plain(result))


def plain(value: Any) -> Any:
    """A value made of what msgspec writes, or of what `leaf` turns into it."""
    if isinstance(value, numpy.ndarray):
        return of_array(value)
    if isinstance(value, dict):
        return {key_of(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if hasattr(value, "toarray") and hasattr(value, "shape"):
        return of_sparse(value)
    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        return of_pandas(value)
    if module in {"polars", "pyarrow"} and hasattr(value, "to_pandas"):
        return of_pandas(value.to_pandas())
    return value


def of_array(array: numpy.ndarray[Any, Any]) -> Any:
    """Nested lists; structured arrays as records."""
    if array.dtype.names:
        return [dict(zip(array.dtype.names, row)) for row in array.tolist()]
    if array.dtype.kind in "Mm":
        return numpy.datetime_as_string(array).tolist() if array.dtype.kind == "M" else array.astype(float).tolist()
    listed = array.tolist()
    return plain(listed) if array.dtype.kind == "O" else listed


def of_sparse(matrix: Any) -> Any:
    """A sparse matrix as rows."""
    cells = int(numpy.prod(matrix.shape))
    if cells > LARGEST:
        raise TypeError(f"a sparse result of {cells} cells is too large for JSON")
    return matrix.toarray().tolist()


def of_pandas(value: Any) -> Any:
    """A dataframe as records, a series or an index as a list, a timestamp as text."""
    if hasattr(value, "columns"):
        names = [key_of(name) for name in value.columns]
        columns = [plain(value.iloc[:, place].tolist()) for place in range(len(names))]
        return [dict(zip(names, row)) for row in zip(*columns)]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return leaf(value)


def key_of(key: Any) -> str:
    """The key of an object in JSON: MultiIndex columns are joined by dots."""
    if isinstance(key, tuple):
        return ".".join(str(part) for part in key)
    return str(key.item() if isinstance(key, numpy.generic) else key)


def leaf(value: Any) -> Any:
    """A single value that msgspec does not know."""
    if isinstance(value, numpy.datetime64):
        return None if numpy.isnat(value) else str(value)
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, numpy.ndarray):
        return of_array(value)
    if isinstance(value, complex):
        raise TypeError("complex numbers have no form in JSON")
    if type(value).__name__ in {"NaTType", "NAType"}:
        return None
    if isinstance(value, (datetime.date, datetime.datetime)) or hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "__iter__") or hasattr(value, "columns"):
        return plain(list(value))
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


ENCODER = msgspec.json.Encoder(enc_hook=leaf)

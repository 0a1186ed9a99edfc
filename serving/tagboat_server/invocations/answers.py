"""A model's result in the form that the sender asked for; None where it has no such form.

Numbers are written so that reading them gives the same bits as the JSON answer's. Missing values and what JSON lacks
are null, an empty cell in CSV, and as they are in npy, Arrow and Parquet.
"""

from __future__ import annotations

from typing import Any, Optional

import msgspec
import numpy

from tagboat_server.codecs.encoding import ENCODER, key_of, plain
from tagboat_server.invocations import npy

ONE = "predictions"
"""The name of an answer's only column, where it has none of its own."""

SPECIAL = frozenset(',"\r\n')


def as_lines(result: Any) -> Optional[bytes]:
    """JSON lines: one value or object a row."""
    rows = plain(result)
    if not isinstance(rows, list):
        return None
    return b"".join(ENCODER.encode(row) + b"\n" for row in rows)


def as_csv(result: Any, *, header: bool) -> Optional[bytes]:
    """CSV after RFC 4180, but for line breaks, which are LF as SageMaker splits and joins them."""
    rows = plain(result)
    if not isinstance(rows, list):
        return None
    names = names_of(result, rows)
    if names is None:
        return None
    lines = [",".join(map(quoted, names))] if header else []
    for row in rows:
        texts = [text_of(cell) for cell in cells_of(row, names, rows[0])]
        if len(texts) != len(names) or None in texts:
            return None
        # A single empty cell would be an empty line, which readers leave out.
        lines.append(",".join(texts) if texts != [""] else '""')  # type: ignore[arg-type]
    return "".join(line + "\n" for line in lines).encode()


def names_of(result: Any, rows: list[Any]) -> Optional[list[str]]:
    """The names of an answer's columns; None where it is no table."""
    if hasattr(result, "columns"):
        return [key_of(name) for name in result.columns]
    first = rows[0] if rows else None
    if isinstance(first, dict):
        return list(first)
    return [str(place) for place in range(len(first))] if isinstance(first, list) else [ONE]


def cells_of(row: Any, names: list[str], first: Any) -> list[Any]:
    """The cells of a row; none where it is no such row as the first."""
    if isinstance(first, dict):
        return [row[name] for name in names] if isinstance(row, dict) and row.keys() == set(names) else []
    if isinstance(first, list):
        return row if isinstance(row, list) else []
    return [row]


def text_of(value: Any) -> Optional[str]:
    """A cell's text; None for what is no single value."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (list, dict)):
        return None
    text = ENCODER.encode(value).decode()
    if text == "null":
        return ""
    return quoted(msgspec.json.decode(text)) if text.startswith('"') else text


def quoted(text: str) -> str:
    """A text as a cell: in quotes where it must be, and where an empty one would be a missing one."""
    if not text or SPECIAL.intersection(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def as_npy(result: Any) -> Optional[bytes]:
    """NumPy's file; text as ``U``."""
    array = array_of(result)
    return None if array is None else npy.write(array)


def array_of(result: Any) -> Optional[numpy.ndarray[Any, Any]]:
    """A result as one array of plain values."""
    if hasattr(result, "toarray") and hasattr(result, "shape"):
        result = numpy.array(plain(result))
    if hasattr(result, "to_numpy"):
        result = result.to_numpy()
    try:
        array = numpy.asarray(result)
        if array.dtype == object:
            kinds = {type(cell) for cell in array.reshape(-1).tolist()}
            if all(issubclass(kind, str) for kind in kinds):
                return array.astype(str)
            array = numpy.array(array.tolist()) if len(kinds) == 1 else array
    except (ValueError, TypeError):
        return None
    return None if array.dtype.hasobject or (array.dtype.kind == "V" and not array.dtype.names) else array


def as_table(result: Any) -> Optional[Any]:
    """A table of Arrow's; None where the result is no table."""
    import pyarrow

    columns = columns_of(result)
    if columns is None:
        return None
    names, values = columns
    try:
        return pyarrow.table([pyarrow.array(column, from_pandas=False) for column in values], names=names)
    except (pyarrow.ArrowException, TypeError, ValueError):
        return None


def columns_of(result: Any) -> Optional[tuple[list[str], list[Any]]]:
    """A result's columns and their names."""
    if hasattr(result, "columns") and hasattr(result, "iloc"):
        return [key_of(name) for name in result.columns], [
            result.iloc[:, place].to_numpy() for place in range(result.shape[1])
        ]
    if isinstance(result, list) and result and all(isinstance(row, dict) for row in result):
        names = list(result[0])
        if any(row.keys() != result[0].keys() for row in result):
            return None
        return [key_of(name) for name in names], [[row[name] for row in result] for name in names]
    array = array_of(result)
    if array is None or array.ndim > 2:
        return None
    if array.dtype.names:
        return list(array.dtype.names), [array[name] for name in array.dtype.names]
    if array.ndim == 2:
        return [str(place) for place in range(array.shape[1])], [
            numpy.ascontiguousarray(array[:, place]) for place in range(array.shape[1])
        ]
    values = array.reshape(-1)
    return [ONE], [values.tolist() if values.dtype.kind == "U" else values]


def as_arrow(result: Any) -> Optional[bytes]:
    """An Arrow stream of one batch."""
    import pyarrow
    from pyarrow import ipc

    table = as_table(result)
    if table is None:
        return None
    sink = pyarrow.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def as_parquet(result: Any) -> Optional[bytes]:
    """A Parquet file."""
    import pyarrow
    from pyarrow import parquet

    table = as_table(result)
    if table is None:
        return None
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink)
    return bytes(sink.getvalue())

"""Arrow streams and Parquet files, with pyarrow (``tagboat-server[arrow]``), which is imported when one first arrives.

Taken are columns of truths, numbers, text, dates and times. Dictionaries and nested columns are refused: they stand for
far more than they weigh. What a body becomes is bounded as a body is: unpacked it may be as large as ``max-body``.
A column that pandas adds for its index says nothing here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import numpy

from tagboat_server.errors import Rejection
from tagboat_server.invocations import arrow_sizes, parquet_sizes
from tagboat_server.invocations.arrow_sizes import MisframedError

EXTRA = "tagboat-server[arrow]"
OLDEST = (14, 0, 1)
"""Versions before this one unpickle what a stream tells them to (CVE-2023-47248)."""
CELL = 2
"""Bytes that a cell counts for at least, as in JSON: a truth or a missing value weighs a bit here, or nothing."""
INDEX = re.compile(r"__index_level_\d+__")
PLAIN = ("is_boolean", "is_integer", "is_floating", "is_string", "is_large_string", "is_binary", "is_large_binary")
TIMES = ("is_timestamp", "is_date32", "is_date64", "is_null")


def usable() -> bool:
    """Whether there is a pyarrow that may read what strangers send; does not import it."""
    try:
        version = metadata.version("pyarrow")
    except metadata.PackageNotFoundError:
        return False
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3]) >= OLDEST


def imported() -> bool:
    """Whether pyarrow is imported, so that using it takes no while."""
    return "pyarrow" in sys.modules


def missing(status: int) -> Rejection:
    """The answer to a type that needs pyarrow, where there is none."""
    return Rejection(
        status,
        "Arrow and Parquet need pyarrow, which is not in the model's environment",
        hint=f"Add pyarrow>={'.'.join(map(str, OLDEST))} to the model's requirements; it is what {EXTRA} brings.",
    )


def read_stream(body: bytes, known: Iterable[str], limit: int) -> Mapping[str, numpy.ndarray[Any, Any]]:
    """The columns of an Arrow stream. ``known``: the model's columns. Raises `Rejection`."""
    import pyarrow
    from pyarrow import ipc

    try:
        with ipc.open_stream(pyarrow.py_buffer(body)) as reader:
            check_types(reader.schema, "arrow")
            rows = size = 0
            for message in arrow_sizes.messages(body):
                if message.kind not in {arrow_sizes.SCHEMA, arrow_sizes.RECORD_BATCH}:
                    raise dictionaries("arrow")
                rows, size = rows + message.rows, size + message.size
                check_size(max(size, CELL * rows * len(reader.schema)), limit, "arrow")
            table = reader.read_all()
        table.validate(full=True)
    except MisframedError:
        raise malformed("arrow", "its messages are not framed as Arrow's") from None
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise malformed("arrow", str(error)) from None
    return columns_of(table, known, "arrow")


def read_parquet(body: bytes, known: Iterable[str], limit: int) -> Mapping[str, numpy.ndarray[Any, Any]]:
    """The columns of a Parquet file, as `read_stream` gives them. Raises `Rejection`."""
    import pyarrow
    from pyarrow import parquet

    bounds = {"thrift_string_size_limit": len(body) + 1, "thrift_container_size_limit": len(body) + 1}
    try:
        rows = check_pages(body, limit)
        file = parquet.ParquetFile(pyarrow.py_buffer(body), **bounds)
        check_types(file.schema_arrow, "parquet")
        check_size(CELL * rows * len(file.schema_arrow), limit, "parquet")
        text = [field.name for field in file.schema_arrow if is_text(field.type)]
        # As they are written, each text once: a text that a million rows share is not yet a million texts.
        file = parquet.ParquetFile(pyarrow.py_buffer(body), read_dictionary=text, **bounds)
        table = decoded(file.read(use_threads=False), limit)
        table.validate(full=True)
    except MisframedError:
        raise malformed("parquet", "its pages are not framed as Parquet's") from None
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise malformed("parquet", str(error)) from None
    return columns_of(table, known, "parquet")


def check_pages(body: bytes, limit: int) -> int:
    """The rows that a file tells of. Raises `Rejection` 413 where its pages would be too large unpacked."""
    footer = parquet_sizes.footer(body)
    size = 0
    for start, length in footer.chunks:
        for page in parquet_sizes.pages(body, start, length):
            size += page
            check_size(size, limit, "parquet")
    return footer.rows


def check_types(schema: Any, path: str) -> None:
    """Refuse types that are not taken, and names that stand twice. Raises `Rejection` 422."""
    for place, field in enumerate(schema):
        kind = field.type
        where = f"{path}.{field.name}"[:300]
        if schema.names.index(field.name) != place:
            raise Rejection(422, f"the column {field.name[:100]!r} is there twice", path=where, reason="layout")
        if not is_plain(kind):
            raise dictionaries(where) if is_dictionary(kind) else nested(kind, where)


def is_plain(kind: Any) -> bool:
    """Whether a type is one that is taken."""
    from pyarrow import types

    return any(getattr(types, name)(kind) for name in (*PLAIN, *TIMES))


def is_text(kind: Any) -> bool:
    """Whether a type is text, or bytes that may be."""
    from pyarrow import types

    return any(getattr(types, name)(kind) for name in PLAIN[3:])


def is_dictionary(kind: Any) -> bool:
    """Whether a type is a dictionary's, which categories of pandas become."""
    from pyarrow import types

    return bool(types.is_dictionary(kind))


def decoded(table: Any, limit: int) -> Any:
    """The table with text written out, once it is known how much that is. Raises `Rejection`."""
    from pyarrow import compute

    size = 0
    for place, field in enumerate(table.schema):
        if is_dictionary(field.type):
            for chunk in table.column(place).chunks:
                lengths = compute.take(compute.binary_length(chunk.dictionary), chunk.indices)
                size += compute.sum(lengths).as_py() or 0
                check_size(size, limit, "parquet")
            table = table.set_column(place, field.name, table.column(place).cast(field.type.value_type))
    return table


def columns_of(table: Any, known: Iterable[str], path: str) -> Mapping[str, numpy.ndarray[Any, Any]]:
    """The columns as arrays."""
    names = set(known)
    return {
        name: array_of(table.column(place), f"{path}.{name}"[:300])
        for place, name in enumerate(table.column_names)
        if name in names or not INDEX.fullmatch(name)
    }


def array_of(column: Any, path: str) -> numpy.ndarray[Any, Any]:
    """One column; a view of the body where nothing is missing and it is in one piece."""
    from pyarrow import types

    kind = column.type
    exact = types.is_floating(kind) or types.is_date(kind) or (types.is_timestamp(kind) and kind.tz is None)
    if exact or is_text(kind) or (column.null_count == 0 and not types.is_timestamp(kind)):
        parts = [chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks]
        if not parts:
            return numpy.empty(0)
        return parts[0] if len(parts) == 1 else numpy.concatenate(parts)
    # Whole numbers with a missing one would become floats, and times lose their zone.
    array = numpy.empty(len(column), dtype=object)
    try:
        array[:] = column.to_pylist()
    except (ValueError, OverflowError) as error:
        raise Rejection(422, f"times that cannot be told: {error}"[:300], path=path, reason="range") from None
    return array


def check_size(size: int, limit: int, path: str) -> None:
    """Refuse what becomes too large. Raises `Rejection` 413."""
    if size > limit:
        raise Rejection(413, f"unpacked the body is larger than {limit} bytes", path=path, reason="size")


def dictionaries(path: str) -> Rejection:
    """The answer to dictionaries."""
    hint = "Write categories as text, or as numbers."
    return Rejection(422, "dictionaries are not taken", path=path, hint=hint, reason="type")


def nested(kind: Any, path: str) -> Rejection:
    """The answer to a type that is not taken."""
    hint = "Columns of truths, numbers, text, dates and times are."
    return Rejection(422, f"columns of type {str(kind)[:100]} are not taken", path=path, hint=hint, reason="type")


def malformed(path: str, message: str) -> Rejection:
    """The answer to what is no such file."""
    first = (message.splitlines() or [""])[0][:200]
    return Rejection(400, f"the body cannot be read: {first}", path=path, reason=path)

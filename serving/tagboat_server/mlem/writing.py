"""From what a method gave back to JSON, as MLEM's serializers write it.

Where MLEM refuses to write (a result of another dtype than the sample's, NaN) the result is written all the same, NaN
and infinities as null.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy

from tagboat_server.codecs.encoding import ENCODER, plain
from tagboat_server.mlem.interface import Described
from tagboat_server.mlem.reading import foreign
from tagboat_server.mlem.signatures import PRIMITIVES

OURS = {"array", "binary", "d_dict", "dataframe", "dict", "list", "ndarray", "number", "primitive", "series", "tuple"}
"""Types that are written without MLEM."""

Write = Callable[[Any], bytes]
"""From a result to the body of an answer. Raises TypeError for what has no form there."""


def writer_for(returns: Described) -> Write:
    """Writes one type. Raises `MissingLibraryError` for a type that MLEM alone knows, where it is not installed."""
    if returns.get("type") == "binary":
        return of_bytes
    foreigners = {kind: foreign(part) for kind, part in parts(returns) if kind not in OURS}
    return lambda result: ENCODER.encode(written(returns, result, foreigners))


def parts(described: Described) -> list[tuple[str, Described]]:
    """A type and the types inside it."""
    kind = str(described.get("type"))
    found = [(kind, described)]
    inside = [*described.get("items", ()), *described.get("item_types", {}).values()]
    inside += [described[name] for name in ("dtype", "value_type") if isinstance(described.get(name), dict)]
    for part in inside:
        found += parts(part)
    return found


def written(described: Described, value: Any, foreigners: dict[str, Any]) -> Any:
    """A result as what JSON has words for."""
    kind = str(described.get("type"))
    if kind in foreigners:
        return plain(foreigners[kind].serialize(value))
    if kind == "dataframe" and hasattr(value, "columns"):
        return {"values": records(described, value)}
    if kind == "series" and hasattr(value, "to_frame"):
        return records(described, value.to_frame())
    if kind == "dict" and isinstance(value, dict):
        types = described["item_types"]
        return {str(key): written(types.get(key, {}), part, foreigners) for key, part in value.items()}
    if kind == "d_dict" and isinstance(value, dict):
        return {str(key): written(described["value_type"], part, foreigners) for key, part in value.items()}
    if kind == "array" and isinstance(value, list) and described["dtype"].get("ptype") not in PRIMITIVES:
        return [written(described["dtype"], part, foreigners) for part in value]
    if kind in {"list", "tuple"} and isinstance(value, (list, tuple)) and len(value) == len(described["items"]):
        return [written(item, part, foreigners) for item, part in zip(described["items"], value)]
    return plain(value)


def records(described: Described, frame: Any) -> list[dict[str, Any]]:
    """A table's rows; an index that is no mere count becomes columns, and what is no number becomes text."""
    if type(frame.index).__name__ != "RangeIndex":
        frame = frame.reset_index()
        indexes = list(described.get("index_cols") or ())
        frame.columns = [*indexes, *frame.columns[len(indexes) :]]
    else:
        frame = frame.copy(deep=False)
    frame.columns = [str(name) for name in frame.columns]
    for place, dtype in enumerate(frame.dtypes):
        if not isinstance(dtype, numpy.dtype) or dtype.kind in "MO":
            frame.isetitem(place, frame.iloc[:, place].astype("string").astype(object))
    columns = [plain(frame.iloc[:, place].tolist()) for place in range(frame.shape[1])]
    return [dict(zip(frame.columns, row)) for row in zip(*columns)]


def of_bytes(result: Any) -> bytes:
    """Bytes, as they are."""
    if not isinstance(result, (bytes, bytearray, memoryview)):
        raise TypeError(f"the method gave {type(result).__name__}, not bytes")
    return bytes(result)

"""Tensors in JSON: nested lists, or all elements in one list, row after row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional, Union

import msgspec
import numpy

from tagboat_server.codecs.cells import WORDS
from tagboat_server.codecs.decoding import PLACE, TYPES, wanted
from tagboat_server.codecs.matrices import LARGE, import_simdjson
from tagboat_server.errors import Rejection
from tagboat_server.protocols.open_inference.datatypes import size_of

ELEMENTS: dict[str, Any] = {"b": bool, "i": Union[int, float], "u": Union[int, float], "f": float, "O": str}
"""What an element is in JSON, by the kind of its dtype. Whole numbers may be written ``3.0``."""

QUICK: dict[str, Any] = {**ELEMENTS, "i": int, "u": int}
"""What it is nearly always."""

SIMDJSON = import_simdjson()


def read(data: bytes, dtype: Any, shape: Sequence[int], path: str) -> numpy.ndarray[Any, Any]:
    """The array of an input's ``data``. Raises `Rejection`: 400 for another size than the shape's, 422 for others.

    ``null`` is a missing value: it makes an array of objects, or NaN among numbers of floating point.
    """
    size = size_of(shape, path)
    depth = len(shape) if nested(data) and len(shape) > 1 else 1
    if dtype.kind == "f" and SIMDJSON is not None and len(data) >= LARGE:
        matrix = of_floats(data, shape, size, depth)
        if matrix is not None:
            return narrowed(matrix, dtype, path).reshape(tuple(shape))
    cells = flattened(decoded(data, QUICK[dtype.kind], ELEMENTS[dtype.kind], depth, path), shape, size, depth, path)
    return to_array(cells, dtype, path).reshape(tuple(shape))


def nested(data: bytes) -> bool:
    """Whether the first element of a list is a list."""
    return data[:1] == b"[" and data[1:100].lstrip()[:1] == b"["


def of_floats(data: bytes, shape: Sequence[int], size: int, depth: int) -> Optional[numpy.ndarray[Any, Any]]:
    """A long list of numbers, or rows of them, without an object for each; None where this is not for simdjson."""
    if depth > 2:
        return None
    try:
        listed = SIMDJSON.Parser().parse(data)  # type: ignore[union-attr]
        rows = shape[0] if depth == 2 else 0
        if data.count(b"[") != rows + 1 or len(listed) != (rows or size):
            return None
        if rows and set(map(len, listed)) != {shape[1]}:
            return None
        return numpy.frombuffer(listed.as_buffer(of_type="d"), numpy.float64).copy()
    except (AttributeError, ValueError, TypeError, KeyError, RuntimeError):
        return None


def decoded(data: bytes, quick: Any, element: Any, depth: int, path: str) -> Any:
    """Lists of lists of elements, some of them None."""
    try:
        return msgspec.json.decode(data, type=listed(quick, depth))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return msgspec.json.decode(data, type=listed(Optional[element], depth))
    except msgspec.ValidationError as error:
        found = PLACE.fullmatch(str(error))
        what, where = (found["what"], found["where"] or "") if found else (str(error), "")
        types = TYPES.fullmatch(what)
        if types:
            what = f"expected {wanted(types['wanted'])}, got {WORDS.get(types['got'], types['got'])}"
        raise Rejection(422, what[:300], path=(path + where)[:300], reason="type") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejection(400, f"no JSON: {error}", path=path, reason="json") from None


def listed(element: Any, depth: int) -> Any:
    """The type of lists in lists."""
    for _ in range(depth):
        element = list[element]
    return element


def flattened(data: Any, shape: Sequence[int], size: int, depth: int, path: str) -> list[Any]:
    """All elements in one list. Raises `Rejection` 400 where there are more or fewer than the shape says."""
    if depth == 1:
        if len(data) != size:
            raise Rejection(
                400, f"the shape asks for {size} elements, there are {len(data)}", path=path, reason="shape"
            )
        return list(data)
    parts = [data]
    for wanted_size in shape:
        for part in parts:
            if len(part) != wanted_size:
                message = f"the shape asks for lists of {wanted_size} values, there is one of {len(part)}"
                raise Rejection(400, message, path=path, reason="shape")
        parts = [inner for part in parts for inner in part]
    return parts


def to_array(cells: list[Any], dtype: Any, path: str) -> numpy.ndarray[Any, Any]:
    """A flat array of the input's own dtype; of objects for text, and for whole numbers of which one is missing."""
    if dtype.kind == "f":
        try:
            exact = numpy.fromiter(cells, dtype=numpy.float64, count=len(cells))
        except TypeError:
            exact = numpy.array(cells, dtype=object).astype(numpy.float64)
        return narrowed(exact, dtype, path)
    if dtype.kind == "b" and None not in cells:
        return numpy.array(cells, dtype=bool)
    if dtype.kind in "iu":
        bounds = numpy.iinfo(dtype)
        for place, value in enumerate(cells):
            if value is None:
                continue
            if value != int(value):
                raise Rejection(422, f"expected a whole number, got {value!r}", path=f"{path}[{place}]", reason="type")
            if not bounds.min <= value <= bounds.max:
                raise out_of_range(value, dtype, f"{path}[{place}]")
        if None not in cells:
            return numpy.array([int(value) for value in cells], dtype=dtype)
    array = numpy.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def narrowed(exact: numpy.ndarray[Any, Any], dtype: Any, path: str) -> numpy.ndarray[Any, Any]:
    """Numbers in the precision that the sender says they have. Raises `Rejection` 422 for one that is too large."""
    if exact.dtype == dtype:
        return exact
    with numpy.errstate(over="ignore", under="ignore"):
        array = exact.astype(dtype)
    wrong = numpy.isinf(array)
    if wrong.any():
        place = int(wrong.argmax())
        raise out_of_range(float(exact[place]), dtype, f"{path}[{place}]")
    return array


def out_of_range(value: Any, dtype: Any, path: str) -> Rejection:
    """The answer to a number that its datatype cannot hold."""
    return Rejection(422, f"{str(value)[:40]} is out of the range of {dtype.name}", path=path, reason="range")

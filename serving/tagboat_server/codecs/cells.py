"""One column's values: which JSON a dtype accepts, and how a checked list becomes an array."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Optional, Union

import msgspec
import numpy

from tagboat_server.errors import Rejection

Scalar = Union[str, int, float, bool]

WORDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "text",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
"""What msgspec calls a type, in the sender's words."""

OBJECTS = {"object", "O", "str"}
"""Dtypes whose arrays hold Python's own objects."""

ZONE = r"(Z|[+-]\d\d(:?\d\d)?)?"
ISO_8601 = re.compile(
    rf"\d\d\d\d-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d([.,]\d+)?)?)?{ZONE})?)?\Z|\d{{8}}(T\d{{4}}(\d\d([.,]\d+)?)?{ZONE})?\Z",
    re.ASCII,
)
"""Calendar dates and times, extended or basic, with a space for the T too. pandas alone would take ``today`` or
``3/4/2026``, of which nobody can say what they mean."""


def family(dtype: str) -> str:
    """The family of a dtype's name: float, int, bool, text, time, scalar (any single value) or any."""
    lowered = dtype.lower()
    if lowered.startswith("float") or lowered in {"number", "double"}:
        return "float"
    if lowered.startswith(("int", "uint")) and not lowered.startswith("interval"):
        return "int"
    if lowered in {"bool", "boolean"}:
        return "bool"
    if lowered in {"str", "string"} or lowered.startswith(("<u", "str")):
        return "text"
    if lowered.startswith("datetime64"):
        return "time"
    if lowered == "any":
        return "any"
    return "scalar"


def import_ahead(dtypes: Iterable[str]) -> None:
    """Import what `to_array` will need for one of these, so that no request has to wait for it."""
    for dtype in dtypes:
        kind = family(dtype)
        by_pandas = kind == "time" or (kind == "int" and dtype != dtype.lower())
        if by_pandas or (kind in {"text", "scalar"} and dtype not in OBJECTS):
            with contextlib.suppress(ModuleNotFoundError):
                import pandas  # noqa: F401
            return


def json_type(dtype: str, *, nullable: bool) -> Any:
    """The type that msgspec checks a cell against, strictly: no text for a number, no bool for a number."""
    accepted = {
        "float": float,
        "int": Union[int, float],
        "bool": bool,
        "text": str,
        "time": str,
        "scalar": Scalar,
        "any": Any,
    }[family(dtype)]
    return Optional[accepted] if nullable and accepted is not Any else accepted


def to_array(values: Sequence[Any], dtype: str, path: str) -> Any:
    """A checked column as an array (a pandas one where the dtype is pandas' own).

    ``path`` has a ``{}`` where the row's number goes. Raises `Rejection` for what no type tells: a number out of the
    dtype's range, a fraction for a whole number, text that is no date.
    """
    kind = family(dtype)
    if kind == "float":
        return floats(values, dtype, path)
    if kind == "int":
        return integers(values, dtype, path)
    if kind == "bool" and None not in values:
        return numpy.array(values, dtype=bool)
    if kind == "time":
        return times(values, dtype, path)
    if kind == "any":
        return inferred(values)
    array = numpy.empty(len(values), dtype=object)
    array[:] = values
    return special(array, dtype)


def floats(values: Sequence[Any], dtype: str, path: str) -> numpy.ndarray[Any, Any]:
    """Numbers; null becomes NaN. One too large for a narrow dtype is refused, it would become infinite."""
    name = dtype if dtype in {"float16", "float32"} else "float64"
    try:
        exact = numpy.fromiter(values, dtype=numpy.float64, count=len(values))
    except TypeError:
        exact = numpy.array(values, dtype=object).astype(numpy.float64)
    if name == "float64":
        return exact
    with numpy.errstate(over="ignore"):
        array = exact.astype(name)
    wrong = numpy.isinf(array)
    if wrong.any():
        raise out_of_range(values, int(wrong.argmax()), dtype, path)
    return array


def integers(values: Sequence[Any], dtype: str, path: str) -> Any:
    """Whole numbers, also written as ``3.0``; null makes a column of floats, but in pandas' own dtypes."""
    lowered = dtype.lower()
    bounds = numpy.iinfo(lowered if lowered in numpy.sctypeDict else "int64")
    whole: list[Optional[int]] = []
    for place, value in enumerate(values):
        if value is None:
            whole.append(None)
            continue
        if value != int(value):
            raise Rejection(422, f"expected a whole number, got {value!r}", path=path.format(place), reason="type")
        if not bounds.min <= value <= bounds.max:
            raise out_of_range(values, place, dtype, path)
        whole.append(int(value))
    if dtype != lowered:
        array = numpy.empty(len(whole), dtype=object)
        array[:] = whole
        return special(array, dtype)
    if None in whole:
        return numpy.array(whole, dtype=object).astype(numpy.float64)
    return numpy.array(whole, dtype=lowered)


def times(values: Sequence[Any], dtype: str, path: str) -> Any:
    """Dates and times in ISO 8601."""
    import pandas

    parsed = []
    for place, value in enumerate(values):
        try:
            parsed.append(pandas.NaT if value is None else timestamp(value))
        except (ValueError, OverflowError):  # noqa: PERF203 - the sender needs the place of the wrong one
            message = f"expected a date or time in ISO 8601, got {value[:50]!r}"
            raise Rejection(422, message, path=path.format(place), reason="type") from None
    try:
        return pandas.Series(parsed, dtype=dtype)
    except (ValueError, TypeError) as error:
        raise Rejection(422, f"not times of dtype {dtype}: {error}", path=path.format(0), reason="type") from None


def timestamp(text: str) -> Any:
    """A time of pandas'. Raises `ValueError` for what is no date of ISO 8601, or none at all."""
    import pandas

    if not ISO_8601.match(text):
        raise ValueError(text)
    return pandas.Timestamp(text.replace(",", "."))


def inferred(values: Sequence[Any]) -> Any:
    """A column of which nothing is known: pandas' guess where there is pandas, which plain numbers do not need."""
    kinds = set(map(type, values))
    if kinds == {bool}:
        return numpy.array(values, dtype=bool)
    if kinds and kinds <= {int, float}:
        numbers = numpy.array(values)
        if numbers.dtype in {numpy.dtype(numpy.float64), numpy.dtype(numpy.int64)}:
            return numbers
    try:
        import pandas
    except ModuleNotFoundError:
        array = numpy.empty(len(values), dtype=object)
        array[:] = values
        return array
    return pandas.Series(list(values))


def special(array: numpy.ndarray[Any, Any], dtype: str) -> Any:
    """An array of objects as a dtype that only pandas has; as it is for NumPy's."""
    if dtype in OBJECTS or family(dtype) == "bool":
        return array
    try:
        import pandas
    except ModuleNotFoundError:
        return array
    try:
        return pandas.Series(array).astype(dtype)
    except TypeError:
        return array


def out_of_range(values: Sequence[Any], place: int, dtype: str, path: str) -> Rejection:
    """The answer to a number that its dtype cannot hold."""
    shown = str(values[place])[:40]
    return Rejection(422, f"{shown} is out of the range of {dtype}", path=path.format(place), reason="range")


UNSET = msgspec.UNSET
"""What an optional column that was left out decodes to."""

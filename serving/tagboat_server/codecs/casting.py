"""One array to one dtype, as strictly as JSON is checked: what is no number, fraction or date where one is wanted is
refused, never converted into something else.

A whole number may stand for a float where it is exactly that float, a float for a whole number where it is one. A
double becomes a narrower float as in JSON, rounded, but not infinite. NaN, NaT and None are a missing value. Infinities
are refused, as JSON has none.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy

from tagboat_server.codecs.cells import WORDS, family, json_type, to_array
from tagboat_server.codecs.decoding import PLACE, TYPES, wanted
from tagboat_server.codecs.places import Place
from tagboat_server.errors import Rejection

Array = Any
"""A NumPy array; what comes out may also be a series of pandas', where the dtype is pandas' own."""

KINDS = {
    "b": "true or false",
    "i": "whole numbers",
    "u": "whole numbers",
    "f": "numbers",
    "U": "text",
    "S": "text",
    "M": "times",
}
"""NumPy's kinds of dtypes, in the sender's words."""

NATIVE = {"float": "f", "int": "iu", "bool": "b"}
"""The kinds that are as a family of dtypes wants them."""

WANTED = {"float": "numbers", "int": "whole numbers", "bool": "true or false", "text": "text", "time": "dates or times"}


def cast(array: Array, dtype: str, *, nullable: bool, place: Place) -> Array:
    """The array in this dtype; itself where it is so already. Raises `Rejection` 422 with the place of what is wrong.

    ``dtype``: a name as in a signature. The shape stays; dtypes of pandas' own need an array of one dimension.
    """
    kind, given = family(dtype), array.dtype.kind
    if given in "OSU" and kind not in {"float", "int", "bool"}:
        return from_objects(array, dtype, nullable=nullable, place=place)
    if given == "O":
        return from_objects(array, dtype, nullable=nullable, place=place)
    if kind == "float" and given in "fiu":
        return floats(array, dtype, nullable=nullable, place=place)
    if kind == "int" and given in "fiu":
        return integers(array, dtype, nullable=nullable, place=place)
    if kind == "bool" and given == "b":
        return array
    if given in "biufM" and (kind in {"scalar", "any"} or (kind == "time" and given == "M")):
        if kind == "any" and given != "M":
            check_finite(array, nullable=True, place=place, expected="a number")
            return array
        return from_objects(array, dtype, nullable=nullable, place=place)
    where, about = place(None)
    found = KINDS.get(given, f"values of NumPy's dtype {array.dtype.str}")
    raise Rejection(
        422, f"expected {WANTED.get(kind, 'plain values')}, got {found}{about}", path=where or None, reason="type"
    )


def floats(array: Array, dtype: str, *, nullable: bool, place: Place) -> Array:
    """Numbers as floats."""
    target = numpy.dtype(dtype if dtype in {"float16", "float32"} else "float64")
    if array.dtype.kind == "f":
        check_finite(array, nullable=nullable, place=place, expected="a number")
        exact = array
    else:
        exact = array.astype(numpy.float64)
        if array.dtype.itemsize == 8:
            bound = 2.0**63 if array.dtype.kind == "i" else 2.0**64
            wrong = exact >= bound
            wrong |= numpy.where(wrong, 0, exact).astype(array.dtype) != array
            refuse_first(wrong, array, place, "{} is no number that a float holds exactly", "range")
    if exact.dtype == target:
        return exact
    with numpy.errstate(over="ignore", under="ignore"):
        narrow = exact.astype(target)
    if target.itemsize < exact.dtype.itemsize:
        refuse_first(numpy.isinf(narrow), array, place, f"{{}} is out of the range of {dtype}", "range")
    return narrow


def integers(array: Array, dtype: str, *, nullable: bool, place: Place) -> Array:
    """Numbers as whole numbers; with a missing one as `to_array` has them: floats, or pandas' own dtype."""
    lowered = dtype.lower()
    target = numpy.dtype(lowered if lowered in numpy.sctypeDict else "int64")
    bounds = numpy.iinfo(target)
    out_of_range = f"{{}} is out of the range of {dtype}"
    if array.dtype.kind == "f":
        check_finite(array, nullable=nullable, place=place, expected="a whole number")
        missing = numpy.isnan(array)
        whole = numpy.where(missing, 0, array).astype(numpy.float64)
        refuse_first(whole != numpy.floor(whole), array, place, "expected a whole number, got {}", "type")
        outside = (whole < float(bounds.min)) | (whole >= float(bounds.max) + 1.0)
        refuse_first(outside, array, place, out_of_range, "range")
        if missing.any():
            return from_objects(array, dtype, nullable=nullable, place=place)
        made = whole.astype(target)
    elif array.dtype == target:
        made = array
    else:
        given = numpy.iinfo(array.dtype)
        if array.size and (given.min < bounds.min or given.max > bounds.max):
            least, most = int(array.min()), int(array.max())
            if least < bounds.min:
                refuse_first(array == least, array, place, out_of_range, "range")
            if most > bounds.max:
                refuse_first(array == most, array, place, out_of_range, "range")
        made = array.astype(target)
    if dtype != lowered:
        return from_objects(made, dtype, nullable=nullable, place=place)
    return made


def check_finite(array: Array, *, nullable: bool, place: Place, expected: str) -> None:
    """Refuse infinities, and NaN where no value may be missing."""
    if array.dtype.kind != "f":
        return
    finite = numpy.isfinite(array)
    if finite.all():
        return
    refuse_first(numpy.isinf(array), array, place, "{} is not taken", "type")
    if not nullable:
        refuse_first(~finite, array, place, f"expected {expected}, got NaN", "type")


def refuse_first(wrong: Array, array: Array, place: Place, message: str, reason: str) -> None:
    """Refuse the first value that is wrong, if one is. ``message``: with a ``{}`` where the value is to be named."""
    if not wrong.any():
        return
    at = int(wrong.argmax())
    where, about = place(at)
    shown = str(array.reshape(-1)[at].item())[:40]
    raise Rejection(422, message.format(shown) + about, path=where or None, reason=reason)


def from_objects(array: Array, dtype: str, *, nullable: bool, place: Place) -> Array:
    """Values one by one, each checked as a cell of JSON is."""
    values = plain_values(array, place)
    try:
        checked: Sequence[Any] = msgspec.convert(values, list[json_type(dtype, nullable=nullable)])  # type: ignore[misc]
        made = to_array(checked, dtype, "{}")
    except msgspec.ValidationError as error:
        raise unfit(str(error), place) from None
    except Rejection as rejection:
        at = rejection.path or ""
        where, about = place(int(at) if at.isdigit() else None)
        raise Rejection(422, rejection.message + about, path=where or None, reason=rejection.reason) from None
    return made if array.ndim == 1 else numpy.asarray(made).reshape(array.shape)


def unfit(text: str, place: Place) -> Rejection:
    """What msgspec found wrong with one value of a list, in the sender's words."""
    found = PLACE.fullmatch(text)
    what, where = (found["what"], found["where"] or "") if found else (text, "")
    at = where[1:].partition("]")[0]
    path, about = place(int(at) if at.isdigit() else None)
    types = TYPES.fullmatch(what)
    if types:
        what = f"expected {wanted(types['wanted'])}, got {WORDS.get(types['got'], types['got'])}"
    return Rejection(422, what[:300] + about, path=path or None, reason="type")


def plain_values(array: Array, place: Place) -> list[Any]:
    """The values as Python's own: text for bytes, None for all that is missing, ISO 8601 for times."""
    if array.dtype.kind == "M":
        values = numpy.datetime_as_string(array).reshape(-1).tolist()
        return [None if value == "NaT" else value for value in values]
    values = array.reshape(-1).tolist()
    if array.dtype.kind in "biu":
        return list(values)
    return [plain(value, at, place) for at, value in enumerate(values)]


def plain(value: Any, at: int, place: Place) -> Any:
    """One value as Python's own."""
    if isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            where, about = place(at)
            raise Rejection(422, f"the text is not UTF-8: {error.reason}{about}", path=where, reason="type") from None
    if isinstance(value, float):
        if value != value:
            return None
        if value in {float("inf"), float("-inf")}:
            where, about = place(at)
            raise Rejection(422, f"{value} is not taken{about}", path=where, reason="type")
    if type(value).__name__ in {"NaTType", "NAType"}:
        return None
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return value

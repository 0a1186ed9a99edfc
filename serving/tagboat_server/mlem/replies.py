"""What ``mlem serve fastapi`` answers to what it refuses (MLEM 0.4.14 on FastAPI and pydantic 1).

    400  {"error": "KeyError: 'data'"}                                    MLEM's deserialization, or the model, failed
    422  {"detail": [{"loc": ["body"], "msg": …, "type": "value_error"}]}  FastAPI found no JSON, or a conversion failed
    405  {"detail": "Method Not Allowed"}

A body that our strict reading refuses is put through the conversions that MLEM would have tried: where they fail, the
answer is MLEM's own, to the letter. Where MLEM would have converted it (text for a number, say), the answer has
FastAPI's form, and its ``loc`` is the place in the body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Callable, Optional

import numpy

from tagboat_server.errors import Rejection
from tagboat_server.mlem.interface import Argument, Described

LONGEST = 4000
"""Characters of an answer's text: MLEM repeats the whole input in some of them."""

BUILTINS: dict[str, Any] = {"bool": bool, "float": float, "int": int, "str": str, "complex": complex}


class DeserializationError(Exception):
    """MLEM's word for a value that does not fit its description; its name stands in answers."""


class Reply(Rejection):
    """A refusal whose answer is known to the letter: ``answer``."""

    def __init__(self, status: int, answer: dict[str, Any], refused: Rejection) -> None:
        super().__init__(status, refused.message, path=refused.path, reason=refused.reason)
        self.answer = answer


def reply(body: bytes, arguments: Sequence[Argument], refused: Rejection) -> Reply:
    """What MLEM's server says to a body that our reading has refused."""
    if not body:
        return missing(refused)
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        detail = {"type": "json_invalid", "loc": ["body", error.pos], "msg": "JSON decode error", "input": {}}
        return Reply(422, {"detail": [{**detail, "ctx": {"error": error.msg}}]}, refused)
    except (UnicodeDecodeError, RecursionError, ValueError):
        return Reply(400, {"detail": "There was an error parsing the body"}, refused)
    if document is None:
        return missing(refused)
    return converted(document, arguments, refused)


def converted(document: Any, arguments: Sequence[Argument], refused: Rejection) -> Reply:
    """The answer after MLEM's conversions. ``document``: bytes where the body says that it is no JSON."""
    try:
        for argument in arguments:
            if argument.required or not isinstance(document, dict) or argument.name in document:
                convert(argument.described, document[argument.name])
    except (ValueError, TypeError, AssertionError) as error:
        return invalid(["body"], str(error), error, refused)
    except Exception as error:  # noqa: BLE001 - MLEM's server answers any error so
        return Reply(400, {"error": f"{type(error).__name__}: {error}"[:LONGEST]}, refused)
    kind: Exception = TypeError() if refused.reason == "type" else ValueError()
    return invalid(["body", *places(refused.path)], refused.message, kind, refused)


def missing(refused: Rejection) -> Reply:
    """The answer to no body, and to null."""
    detail = {"loc": ["body"], "msg": "field required", "type": "value_error.missing"}
    return Reply(422, {"detail": [detail]}, refused)


def invalid(where: list[Any], message: str, error: Exception, refused: Rejection) -> Reply:
    """A validation error as pydantic 1 words it."""
    detail = {"loc": where, "msg": message[:LONGEST], "type": pydantic_type(error)}
    return Reply(422, {"detail": [detail]}, refused)


def pydantic_type(error: Exception) -> str:
    """The name of an error in pydantic 1: ``value_error.dateparse``."""
    if isinstance(error, AssertionError):
        return "assertion_error"
    base = "type_error" if isinstance(error, TypeError) else "value_error"
    if type(error) in {TypeError, ValueError}:
        return base
    return f"{base}.{type(error).__name__.replace('Error', '').lower()}"


def places(path: Optional[str]) -> list[Any]:
    """A path such as ``data.values[3].age`` as FastAPI's list of names and numbers."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"[.\[\]]+", path or "") if part]


def convert(described: Described, value: Any) -> None:
    """What MLEM does to a value before the model sees it. Raises what that raises."""
    step = CONVERSIONS.get(str(described.get("type")))
    if step is not None:
        step(described, value)


def primitive(described: Described, value: Any) -> None:
    """MLEM's reading of a single value."""
    (BUILTINS.get(described["ptype"]) or type(None))(value)


def number(described: Described, value: Any) -> None:
    """MLEM's reading of one of NumPy's numbers."""
    numpy.dtype(described["dtype"]).type(value)


def equal_items(described: Described, value: Any) -> None:
    """MLEM's reading of a list of one type."""
    check_type(value, list)
    check_size(value, described.get("size"))
    for part in value:
        convert(described["dtype"], part)


def items(described: Described, value: Any) -> None:
    """MLEM's reading of a list of several types. It asks for a tuple where JSON has lists alone; a list will do."""
    check_type(value, list)
    check_size(value, len(described["items"]))
    for item, part in zip(described["items"], value):
        convert(item, part)


def keys(described: Described, value: Any) -> None:
    """MLEM's reading of an object of certain keys."""
    check_type(value, dict)
    expected = described["item_types"]
    if set(value) != {str(key) for key in expected}:
        raise DeserializationError(f"given dict has keys: {set(value)}, expected: {set(expected)}")
    for key, item in expected.items():
        convert(item, value[str(key)])


def any_keys(described: Described, value: Any) -> None:
    """MLEM's reading of an object of any keys."""
    check_type(value, dict)
    for key, part in value.items():
        BUILTINS[described["key_type"]["ptype"]](key)
        convert(described["value_type"], part)


def check_type(value: Any, expected: type) -> None:
    """MLEM's check of a type."""
    if not isinstance(value, expected):
        raise DeserializationError(f"given data is of type: {type(value)}, expected: {expected}")


def check_size(value: list[Any], size: Optional[int]) -> None:
    """MLEM's check of a length."""
    if size is not None and len(value) != size:
        raise DeserializationError(f"given list has len: {len(value)}, expected: {size}")


def array(described: Described, value: Any) -> None:
    """What MLEM's serializer for arrays does: convert, then compare the shapes."""
    dtype = numpy.dtype(described["dtype"])
    try:
        found = numpy.array(value, dtype=dtype)
    except (ValueError, TypeError) as error:
        shown = str(value)[:LONGEST]
        raise DeserializationError(f"given object: {shown} could not be converted to array of type: {dtype}") from error
    shape = described.get("shape")
    if shape is None:
        return
    shape = tuple(shape)
    if len(found.shape) != len(shape):
        raise DeserializationError(f"given array is of rank: {len(found.shape)}, expected: {len(shape)}")
    given = tuple(None if size is None else length for length, size in zip(found.shape, shape))
    if given != shape:
        raise DeserializationError(f"given array is of shape: {given}, expected: {shape}")


def series(described: Described, value: Any) -> None:
    """MLEM's reading of a series."""
    rows(described, {"values": value})


def frame(described: Described, value: Any) -> None:
    """MLEM's reading of a table."""
    check_type(value, dict)
    rows(described, value)


def rows(described: Described, value: dict[str, Any]) -> None:
    """What MLEM's serializer for tables does: make a dataframe, compare the columns, convert each.

    MLEM compares the converted dtypes once more, which fails for all text under pandas 3; that is left out.
    """
    import pandas

    try:
        table = pandas.DataFrame.from_records(value["values"])
    except (ValueError, KeyError) as error:
        shown = str(value)[:LONGEST]
        raise DeserializationError(f"given object: {shown} could not be converted to dataframe") from error
    columns = list(described["columns"])
    numbers = {str(name): name for name in columns if isinstance(name, int)}
    table = table.rename(numbers, axis=1)
    if set(table.columns) != set(columns):
        raise DeserializationError(f"given dataframe has columns: {list(table.columns)}, expected: {columns}")
    for name, dtype in zip(columns, described["dtypes"]):
        table[name].astype(dtype)


CONVERSIONS: dict[str, Callable[[Described, Any], None]] = {
    "array": equal_items,
    "d_dict": any_keys,
    "dataframe": frame,
    "dict": keys,
    "list": items,
    "ndarray": array,
    "number": number,
    "primitive": primitive,
    "series": series,
    "tuple": items,
}
"""What MLEM does, by the name of a type."""

"""What the service model says of a call's input and output: types, and the patterns, lengths and ranges beside them.

botocore checks types and required members alone, before it sends. AWS checks the rest, and so does this.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import regex
from botocore import loaders, model

JAVA = (
    (r"\z", r"\Z"),
    (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010ffff"),
    (r"[\p{Print}]", r"[\x20-\x7e]"),
    (r"\p{ASCII}", r"[\x00-\x7f]"),
)
"""What Java's regular expressions say otherwise than Python's, as far as service models use it."""


class Misuse(ValueError):
    """An input that AWS refuses before it looks at anything else; the text is AWS'."""


@functools.cache
def service(name: str) -> Service:
    """The model of a service, read once."""
    return Service(name)


class Service:
    """The operations of one service."""

    def __init__(self, name: str) -> None:
        self.model = model.ServiceModel(loaders.Loader().load_service_model(name, "service-2"), name)

    def operation(self, name: str) -> model.OperationModel | None:
        """An operation, or None where there is none of that name."""
        return self.model.operation_model(name) if name in self.model.operation_names else None

    def check_input(self, operation: model.OperationModel, given: dict[str, Any]) -> None:
        """Raises `Misuse` with all that is wrong."""
        shape = operation.input_shape
        found = list(problems(shape, given, "")) if shape is not None else []
        if found:
            plural = "errors" if len(found) > 1 else "error"
            raise Misuse(f"{len(found)} validation {plural} detected: {'; '.join(found)}")

    def check_output(self, operation: model.OperationModel, answer: dict[str, Any]) -> None:
        """Raises `AssertionError`: an answer that AWS cannot give is a defect of the fake."""
        shape = operation.output_shape
        found = list(problems(shape, answer, "")) if shape is not None else list(answer)
        assert not found, f"the fake's answer to {operation.name} is none: {'; '.join(found)}"


def problems(shape: model.Shape, value: Any, path: str) -> Iterator[str]:
    """What is wrong with a value, in AWS' words; lists, maps and structures with what is in them."""
    if value is None:
        yield refused(None, path, "Member must not be null")
    elif shape.type_name == "structure":
        yield from _structure(shape, value, path)
    elif shape.type_name == "list":
        yield from _typed(list, value, path) or _many(shape, value, path)
    elif shape.type_name == "map":
        yield from _typed(dict, value, path) or _map(shape, value, path)
    else:
        yield from _scalar(shape, value, path)


def refused(value: Any, path: str, constraint: str) -> str:
    """One sentence of a ValidationException."""
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _typed(kind: type | tuple[type, ...], value: Any, path: str) -> list[str]:
    good = isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
    return [] if good else [refused(value, path, f"Member must be of type {kind}")]


def _structure(shape: model.Shape, value: Any, path: str) -> Iterator[str]:
    wrong = _typed(dict, value, path)
    if wrong:
        yield from wrong
        return
    for name in shape.required_members:
        if name not in value:
            yield refused(None, _under(path, name), "Member must not be null")
    for name, inner in value.items():
        if name not in shape.members:
            yield refused(inner, _under(path, name), f"there is no such member of {shape.name}")
        else:
            yield from problems(shape.members[name], inner, _under(path, name))


def _many(shape: model.Shape, value: list[Any], path: str) -> Iterator[str]:
    yield from _length(shape, value, path)
    for number, inner in enumerate(value, 1):
        yield from problems(shape.member, inner, f"{path}.{number}.member")


def _map(shape: model.Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    yield from _length(shape, value, path)
    for key, inner in value.items():
        yield from problems(shape.key, key, f"{path}.key")
        yield from problems(shape.value, inner, f"{path}.{key}.member")


NUMBERS = {"integer": int, "long": int, "float": (int, float), "double": (int, float), "timestamp": (int, float)}


def _scalar(shape: model.Shape, value: Any, path: str) -> Iterator[str]:
    if shape.type_name in NUMBERS:
        yield from _typed(NUMBERS[shape.type_name], value, path) or _range(shape, value, path)
    elif shape.type_name == "boolean":
        yield from _typed(bool, value, path)
    elif shape.type_name == "blob":
        yield from _length(shape, value, path)
    else:
        yield from _typed(str, value, path) or _text(shape, value, path)


def _range(shape: model.Shape, value: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        yield refused(value, path, f"Member must have value greater than or equal to {least}")
    if most is not None and value > most:
        yield refused(value, path, f"Member must have value less than or equal to {most}")


def _length(shape: model.Shape, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    shown = value if isinstance(value, str) else f"<{len(value)}>"
    if least is not None and len(value) < least:
        yield refused(shown, path, f"Member must have length greater than or equal to {least}")
    if most is not None and len(value) > most:
        yield refused(shown, path, f"Member must have length less than or equal to {most}")


def _text(shape: model.Shape, value: str, path: str) -> Iterator[str]:
    yield from _length(shape, value, path)
    if shape.enum and value not in shape.enum:
        yield refused(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not compiled(pattern).fullmatch(value):
        yield refused(value, path, f"Member must satisfy regular expression pattern: {pattern}")


@functools.cache
def compiled(pattern: str) -> Any:
    """A pattern of the model, which is Java's, for Python."""
    for java, python in JAVA:
        pattern = pattern.replace(java, python)
    return regex.compile(pattern)


def _under(path: str, name: str) -> str:
    """AWS names members with a small first letter."""
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name

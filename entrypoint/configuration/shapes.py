"""Types of the schema, looked at from a node: which of them it can be, what they are called, what they demand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta

from entrypoint.configuration import documents
from entrypoint.configuration.documents import Node, Scalar
from entrypoint.configuration.mistakes import quoted
from entrypoint.configuration.scalars import is_nothing


def stripped(annotation: Any) -> tuple[Any, list[Meta]]:
    """A type without its annotations, and those of them that are msgspec's, the outermost last."""
    metas: list[Meta] = []
    while get_origin(annotation) is Annotated:
        annotation, *found = get_args(annotation)
        metas = [meta for meta in found if isinstance(meta, Meta)] + metas
    return annotation, metas


def is_mapping(kind: Any) -> bool:
    """Whether the type is written as ``key: value``."""
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return is_struct or kind is dict or get_origin(kind) in (dict, Mapping)


def is_list(kind: Any) -> bool:
    """Whether the type is written as a list."""
    return kind is list or get_origin(kind) in (list, tuple, Sequence)


def fits(node: Node, annotation: Any) -> bool:
    """Whether a node's shape can be this type."""
    kind = stripped(annotation)[0]
    if kind is Any:
        return True
    if is_mapping(kind):
        return isinstance(node, documents.Mapping)
    if is_list(kind):
        return isinstance(node, documents.Sequence)
    return isinstance(node, Scalar)


def called(annotation: Any) -> str:
    """A type in a person's words."""
    kind = stripped(annotation)[0]
    if is_mapping(kind):
        return "a mapping (key: value)"
    if is_list(kind):
        return "a list"
    words = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
    return words.get(kind, "a single word")


def described(node: Node) -> str:
    """A node in a person's words."""
    if isinstance(node, documents.Mapping):
        return "a mapping"
    if isinstance(node, documents.Sequence):
        return "a list"
    return "nothing" if is_nothing(node) else quoted(node.text)


def description(metas: Sequence[Meta]) -> str | None:
    """What the schema says of a key."""
    return next((meta.description for meta in reversed(metas) if meta.description), None)


def broken(value: Any, metas: Sequence[Meta]) -> str | None:
    """The first of msgspec's constraints that a value does not meet, in words."""
    for meta in metas:
        problem = _out_of_bounds(value, meta) if isinstance(value, (int, float)) else _misshapen(value, meta)
        if problem is not None:
            return problem
    return None


def _out_of_bounds(value: float, meta: Meta) -> str | None:
    if meta.ge is not None and value < meta.ge:
        return f"{value} is less than {meta.ge}"
    if meta.gt is not None and value <= meta.gt:
        return f"{value} is not more than {meta.gt}"
    if meta.le is not None and value > meta.le:
        return f"{value} is more than {meta.le}"
    if meta.lt is not None and value >= meta.lt:
        return f"{value} is not less than {meta.lt}"
    return None


def _misshapen(value: Any, meta: Meta) -> str | None:
    if isinstance(value, str) and meta.pattern is not None and not re.search(meta.pattern, value):
        return f"{quoted(value)} does not have the form that is needed here"
    if isinstance(value, (str, list)):
        if meta.min_length is not None and len(value) < meta.min_length:
            return "it is empty" if not value else f"it is shorter than {meta.min_length}"
        if meta.max_length is not None and len(value) > meta.max_length:
            return f"it is longer than {meta.max_length}"
    return None

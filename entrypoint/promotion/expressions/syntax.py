"""A condition as a tree, and what can be told of it without evaluating it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

ORDER: Final = frozenset({"<", "<=", ">", ">="})
COMPARISONS: Final = ORDER | {"==", "!="}


class Kind(enum.StrEnum):
    """The kind of a value; ANY where only evaluating tells."""

    NUMBER = "a number"
    TEXT = "a text"
    TRUTH = "true or false"
    ANY = "a value"


class Scope(enum.StrEnum):
    """Where a name is looked up."""

    METRICS = "metrics"
    PARAMS = "params"
    TAGS = "tags"


@dataclass(frozen=True)
class Node:
    """A part of a condition; ``position`` of the character that stands for it."""

    position: int


@dataclass(frozen=True)
class Literal(Node):
    """A number, a text or a truth value."""

    value: Fraction | str | bool


@dataclass(frozen=True)
class Name(Node):
    """Something that is looked up: ``key`` in a scope of the version in ``stage``, or with None of the candidate."""

    scope: Scope
    key: str
    stage: str | None
    written: str


@dataclass(frozen=True)
class Unary(Node):
    """``-x`` or ``not x``."""

    sign: str
    operand: Node


@dataclass(frozen=True)
class Binary(Node):
    """Two values with a sign or word between them."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Call(Node):
    """``abs``, ``min`` or ``max`` of values."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Expression:
    """A condition that was read."""

    text: str
    tree: Node

    @property
    def names(self) -> tuple[Name, ...]:
        """Everything that is looked up, in the order of the text."""
        return tuple(sorted(_names(self.tree), key=lambda name: name.position))

    @property
    def is_comparison(self) -> bool:
        """Whether it is one comparison of numbers or texts, with no ``and``, ``or`` or ``not`` beside or in it."""
        return isinstance(self.tree, Binary) and self.tree.sign in COMPARISONS and not _has_words(self.tree)


def kind_of(node: Node) -> Kind:
    """The kind of value that a part has, as far as the text tells."""
    match node:
        case Literal(value=bool()):
            return Kind.TRUTH
        case Literal(value=str()):
            return Kind.TEXT
        case Name():
            return Kind.ANY
        case Unary(sign="not"):
            return Kind.TRUTH
        case Binary(sign=sign):
            return Kind.NUMBER if sign in "+-*/" else Kind.TRUTH
        case _:
            return Kind.NUMBER


def _names(node: Node) -> Iterator[Name]:
    match node:
        case Name():
            yield node
        case Unary(operand=operand):
            yield from _names(operand)
        case Binary(left=left, right=right):
            yield from _names(left)
            yield from _names(right)
        case Call(arguments=arguments):
            for argument in arguments:
                yield from _names(argument)


def _has_words(node: Node) -> bool:
    match node:
        case Unary(sign=sign, operand=operand):
            return sign == "not" or _has_words(operand)
        case Binary(sign=sign, left=left, right=right):
            return sign in ("and", "or") or _has_words(left) or _has_words(right)
        case Call(arguments=arguments):
            return any(_has_words(argument) for argument in arguments)
    return False

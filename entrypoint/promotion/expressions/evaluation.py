"""What a condition comes to. Anything that is not known makes the whole unknown, never true.

Every name is looked up, also where the answer would be clear without it: a gate that passes passed on whole knowledge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from entrypoint.promotion.expressions.syntax import Binary, Call, Expression, Literal, Name, Node, Unary
from entrypoint.promotion.expressions.tokens import LARGEST

TEXT_LIMIT = 10_000
"""Characters of a text that is compared."""


@dataclass(frozen=True)
class Unknown:
    """A value that is not known, and why."""

    reason: str


Value = Fraction | str | bool
Lookup = Callable[[Name], object]
"""The value of a name: an int, a float, a text or a truth value; None where it is missing, or an `Unknown`."""


@dataclass(frozen=True)
class Answer:
    """``holds``: whether the condition is true; None where that is not known, for these ``reasons``.

    ``figures``: the values of its names, as they were found, by what is written in the condition.
    """

    holds: bool | None
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, float | str | bool] = field(default_factory=dict)


def evaluate(expression: Expression, lookup: Lookup) -> Answer:
    """Look every name up, and work the condition out."""
    work = _Evaluation(lookup)
    value = work.value(expression.tree)
    if isinstance(value, (Fraction, str)):
        work.unknown(f"{_told(expression.tree)} is {_kind(value)}, and a condition is true or false")
    if work.reasons:
        return Answer(None, tuple(dict.fromkeys(work.reasons)), work.figures)
    return Answer(value is True, (), work.figures)


class _Evaluation:
    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.reasons: list[str] = []
        self.figures: dict[str, float | str | bool] = {}

    def unknown(self, reason: str) -> Unknown:
        self.reasons.append(reason)
        return Unknown(reason)

    def value(self, node: Node) -> Value | Unknown:
        match node:
            case Literal(value=value):
                return value
            case Name():
                return self.named(node)
            case Unary(sign=sign, operand=operand):
                return self.unary(sign, operand)
            case Binary(sign=sign, left=left, right=right):
                return self.binary(sign, left, right)
            case Call(function=function, arguments=arguments):
                numbers = [self.number(argument, function) for argument in arguments]
                return self.called(function, numbers)
        raise TypeError(node)

    def named(self, name: Name) -> Value | Unknown:
        found = self.lookup(name)
        if isinstance(found, (bool, str, int, float)):
            self.figures[name.written] = found
        match found:
            case None:
                return self.unknown(f"{name.written} is missing")
            case Unknown(reason=reason):
                return self.unknown(f"{name.written}: {reason}")
            case bool():
                return found
            case str():
                return found if len(found) <= TEXT_LIMIT else self.unknown(f"{name.written} is too long a text")
            case float() if not math.isfinite(found):
                return self.unknown(f"{name.written} is {found}, which is no number")
            case float():
                return Fraction(repr(found))  # what was written, not the double next to it
            case int() if abs(found) < LARGEST:
                return Fraction(found)
            case int():
                self.figures[name.written] = math.inf if found > 0 else -math.inf
                return self.unknown(f"{name.written} is too large a number")
        return self.unknown(f"{name.written} is neither a number nor a text")

    def number(self, node: Node, sign: str) -> Fraction | Unknown:
        value = self.value(node)
        if isinstance(value, (bool, str)):
            return self.unknown(f"{sign} takes numbers, and {_told(node)} is {_kind(value)}")
        return value

    def truth(self, node: Node, sign: str) -> bool | Unknown:
        value = self.value(node)
        if isinstance(value, (Fraction, str)):
            return self.unknown(f"{sign} takes true or false, and {_told(node)} is {_kind(value)}")
        return value

    def unary(self, sign: str, operand: Node) -> Value | Unknown:
        if sign == "not":
            truth = self.truth(operand, sign)
            return truth if isinstance(truth, Unknown) else not truth
        number = self.number(operand, sign)
        return number if isinstance(number, Unknown) or sign == "+" else -number

    def binary(self, sign: str, left: Node, right: Node) -> Value | Unknown:
        if sign in ("and", "or"):
            both = self.truth(left, sign), self.truth(right, sign)
            if isinstance(both[0], Unknown):
                return both[0]
            if isinstance(both[1], Unknown):
                return both[1]
            return all(both) if sign == "and" else any(both)
        if sign in ("==", "!="):
            return self.equal(sign, left, right)
        one, other = self.number(left, sign), self.number(right, sign)
        if isinstance(one, Unknown):
            return one
        if isinstance(other, Unknown):
            return other
        return self.reckoned(sign, one, other)

    def equal(self, sign: str, left: Node, right: Node) -> Value | Unknown:
        one, other = self.value(left), self.value(right)
        if isinstance(one, Unknown):
            return one
        if isinstance(other, Unknown):
            return other
        if type(one) is not type(other):
            return self.unknown(f"{_told(left)} is {_kind(one)} and {_told(right)} is {_kind(other)}")
        return (one == other) == (sign == "==")

    def reckoned(self, sign: str, one: Fraction, other: Fraction) -> Value | Unknown:
        match sign:
            case "<":
                return one < other
            case "<=":
                return one <= other
            case ">":
                return one > other
            case ">=":
                return one >= other
            case "/" if other == 0:
                return self.unknown("it divides by zero")
            case "/":
                return self.bounded(one / other)
            case "*":
                return self.bounded(one * other)
            case "+":
                return self.bounded(one + other)
        return self.bounded(one - other)

    def called(self, function: str, given: list[Fraction | Unknown]) -> Value | Unknown:
        numbers: list[Fraction] = []
        for number in given:
            if isinstance(number, Unknown):
                return number
            numbers.append(number)
        return abs(numbers[0]) if function == "abs" else min(numbers) if function == "min" else max(numbers)

    def bounded(self, value: Fraction) -> Fraction | Unknown:
        return value if abs(value) < LARGEST else self.unknown("a result is too large a number")


def _told(node: Node) -> str:
    return node.written if isinstance(node, Name) else "a part"


def _kind(value: Value) -> str:
    return "true or false" if isinstance(value, bool) else "a text" if isinstance(value, str) else "a number"

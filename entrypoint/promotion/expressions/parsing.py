"""From tokens to a tree: a Pratt parser that also knows which kind of value stands where."""

from __future__ import annotations

from typing import Final

from entrypoint.promotion.expressions.syntax import (
    COMPARISONS,
    Binary,
    Call,
    Expression,
    Kind,
    Literal,
    Name,
    Node,
    Scope,
    Unary,
    kind_of,
)
from entrypoint.promotion.expressions.tokens import ExpressionError, Token, TokenKind, tokens

DEEPEST = 40
"""Levels of parentheses, calls and signs inside one another."""

INCUMBENT = "incumbent"
"""The name that stands for the stage which is promoted into."""


_POWER: Final = {"or": 1, "and": 2, **dict.fromkeys(COMPARISONS, 4), "+": 5, "-": 5, "*": 6, "/": 6}
_NOT_POWER: Final = 3
_SIGN_POWER: Final = 7
_FUNCTIONS: Final = {"abs": (1, 1), "min": (1, 20), "max": (1, 20)}
_LOOKUPS: Final = {"metric": Scope.METRICS, "param": Scope.PARAMS, "tag": Scope.TAGS}


def parse(text: str, stages: frozenset[str] = frozenset()) -> Expression:
    """Read a condition. ``stages``: names that mean a stage's version where a dot follows (``prod.f1``).

    Raises `ExpressionError`, which points at the character.
    """
    return _Parser(text, stages).parse()


class _Parser:
    def __init__(self, text: str, stages: frozenset[str]) -> None:
        self.text = text
        self.stages = stages
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0
        self.open_comparisons: set[int] = set()
        """The comparisons that no parentheses close; they live as long as the tree does."""

    def parse(self) -> Expression:
        if self.peek().kind is TokenKind.END:
            raise self.wrong(self.peek(), "there is no condition", "Write one such as accuracy >= 0.9.")
        tree = self.expression(0)
        if self.peek().kind is not TokenKind.END:
            raise self.wrong(
                self.peek(), f"{self.peek().text} was not expected here: the condition could end before it"
            )
        found = kind_of(tree)
        if found not in (Kind.TRUTH, Kind.ANY):
            raise ExpressionError(
                f"this is {found.value}, and a condition is true or false",
                self.text,
                tree.position,
                "Compare it with something, such as accuracy >= 0.9.",
            )
        return Expression(self.text, tree)

    def peek(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += token.kind is not TokenKind.END
        return token

    def expect(self, mark: str, why: str) -> None:
        if self.peek().text != mark or self.peek().kind is not TokenKind.MARK:
            raise self.wrong(self.peek(), why)
        self.take()

    def wrong(self, token: Token, message: str, hint: str | None = None) -> ExpressionError:
        return ExpressionError(message, self.text, token.position, hint)

    def expression(self, least: int) -> Node:
        """Everything that binds more tightly than ``least``."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong(self.peek(), f"more than {DEEPEST} levels inside one another")
        left = self.operand()
        while (power := _POWER.get(self.peek().text, 0)) > least and self.peek().kind in (
            TokenKind.MARK,
            TokenKind.WORD,
        ):
            sign = self.take()
            if sign.text in COMPARISONS and id(left) in self.open_comparisons:
                raise self.wrong(sign, "comparisons cannot be chained", "Write a < b and b < c.")
            right = self.expression(power)
            self.check(sign, left, right)
            left = Binary(sign.position, sign.text, left, right)
            if sign.text in COMPARISONS:
                self.open_comparisons.add(id(left))
        self.depth -= 1
        return left

    def operand(self) -> Node:
        token = self.take()
        if token.kind in (TokenKind.NUMBER, TokenKind.TEXT):
            assert token.value is not None  # noqa: S101 - these two kinds have one
            return Literal(token.position, token.value)
        if token.text in ("true", "false"):
            return Literal(token.position, token.text == "true")
        if token.text == "not":
            operand = self.expression(_NOT_POWER)
            self.need(Kind.TRUTH, operand, "not")
            return Unary(token.position, "not", operand)
        if token.text in ("-", "+") and token.kind is TokenKind.MARK:
            operand = self.expression(_SIGN_POWER)
            self.need(Kind.NUMBER, operand, token.text)
            return Unary(token.position, token.text, operand)
        if token.text == "(" and token.kind is TokenKind.MARK:
            inner = self.expression(0)
            self.expect(")", "a ) is missing here")
            self.open_comparisons.discard(id(inner))
            return inner
        if token.kind is TokenKind.NAME:
            return self.call(token) if self.peek().text == "(" else self.name(token)
        what = "the condition ends" if token.kind is TokenKind.END else f"{token.text} stands"
        raise self.wrong(token, f"{what} where a value is needed")

    def call(self, token: Token) -> Node:
        self.take()
        arguments: list[Node] = []
        while self.peek().text != ")" or self.peek().kind is not TokenKind.MARK:
            arguments.append(self.expression(0))
            if self.peek().text != ",":
                break
            self.take()
        self.expect(")", f"a ) is missing here, after what {token.text} is given")
        if token.text in _LOOKUPS:
            return self.lookup(token, arguments)
        if token.text not in _FUNCTIONS:
            known = ", ".join([*_FUNCTIONS, *_LOOKUPS])
            raise self.wrong(token, f"there is no function {token.text}", f"There are {known}.")
        fewest, most = _FUNCTIONS[token.text]
        if not fewest <= len(arguments) <= most:
            raise self.wrong(token, f"{token.text} takes {'one value' if most == 1 else f'1 to {most} values'}")
        for argument in arguments:
            self.need(Kind.NUMBER, argument, token.text)
        return Call(token.position, token.text, tuple(arguments))

    def lookup(self, token: Token, arguments: list[Node]) -> Node:
        """``metric("eval/f1", "pre-prod")``: names that the grammar has no letters for."""
        texts = [argument.value for argument in arguments if isinstance(argument, Literal)]
        if not 1 <= len(arguments) <= 2 or not all(isinstance(text, str) for text in texts) \
                or len(texts) != len(arguments):  # fmt: skip
            raise self.wrong(token, f"{token.text} takes a name in quotes, and perhaps a stage in quotes")
        key, stage = str(texts[0]), str(texts[1]) if len(texts) == 2 else None
        if not key:
            raise ExpressionError("this name is empty", self.text, arguments[0].position)
        if stage is not None and stage != INCUMBENT and stage not in self.stages:
            raise self.no_stage(stage, arguments[1].position)
        return Name(token.position, _LOOKUPS[token.text], key, stage, f"{token.text}({', '.join(map(repr, texts))})")

    def name(self, token: Token) -> Node:
        first, dot, rest = token.text.partition(".")
        stage = None
        key = token.text
        if dot and (first == INCUMBENT or first in self.stages):
            stage, key = first, rest
        head, dot, rest = key.partition(".")
        if head in (Scope.PARAMS, Scope.TAGS, Scope.METRICS) and dot:
            return Name(token.position, Scope(head), rest, stage, token.text)
        if key in (Scope.PARAMS, Scope.TAGS, Scope.METRICS):
            raise self.wrong(token, f"{key} is no value by itself", f"Name one, such as {key}.NAME.")
        if token.text == INCUMBENT or token.text in self.stages:
            raise self.wrong(token, f"{token.text} is no value by itself", f"Name one, such as {token.text}.accuracy.")
        return Name(token.position, Scope.METRICS, key, stage, token.text)

    def no_stage(self, stage: str, position: int) -> ExpressionError:
        hint = f"The stages here: {', '.join(sorted(self.stages))}." if self.stages else None
        return ExpressionError(f"there is no stage '{stage}'", self.text, position, hint)

    def check(self, sign: Token, left: Node, right: Node) -> None:
        """Hold both sides to what the sign takes."""
        if sign.text in ("and", "or"):
            self.need(Kind.TRUTH, left, sign.text)
            self.need(Kind.TRUTH, right, sign.text)
        elif sign.text in ("==", "!="):
            kinds = {kind_of(left), kind_of(right)} - {Kind.ANY}
            if len(kinds) > 1:
                raise self.wrong(
                    sign, f"{kind_of(left).value} and {kind_of(right).value} are compared, which are never equal"
                )
        else:
            self.need(Kind.NUMBER, left, sign.text)
            self.need(Kind.NUMBER, right, sign.text)

    def need(self, wanted: Kind, node: Node, sign: str) -> None:
        found = kind_of(node)
        if found not in (wanted, Kind.ANY):
            raise ExpressionError(f"{sign} takes {wanted.value}, and this is {found.value}", self.text, node.position)

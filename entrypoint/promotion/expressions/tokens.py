"""A condition's text as tokens; everything that is wrong in it points at the character."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from fractions import Fraction

LONGEST = 1000
"""Characters of one condition."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?%?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_0-9]+)*)
    |(?P<text>"[^"\\\n]*"|'[^'\\\n]*')
    |(?P<mark><=|>=|==|!=|[-+*/<>(),])""",
    re.VERBOSE | re.ASCII,
)
_CONFUSED = {
    "=": "Write == to compare.",
    "&": "Write `and`.",
    "|": "Write `or`.",
    "!": "Write `not`, or != to compare.",
    "≥": "Write >=.",
    "≤": "Write <=.",
    "≠": "Write !=.",
}
_WORDS = frozenset({"and", "or", "not", "true", "false"})

LARGEST = Fraction(10) ** 308
"""Numbers are smaller than this, as a double's are."""


class TokenKind(enum.StrEnum):
    """What a token is."""

    NUMBER = "a number"
    TEXT = "a text"
    NAME = "a name"
    WORD = "a word"
    MARK = "a sign"
    END = "the end"


class ExpressionError(ValueError):
    """A condition that cannot be read. ``position``: of the character, from 0."""

    def __init__(self, message: str, text: str, position: int, hint: str | None = None) -> None:
        self.message = message
        self.text = text
        self.position = position
        self.hint = hint
        super().__init__(f"{message}\n{pointed(text, position)}", hint)

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Token:
    """One token; ``position`` of its first character. ``value``: a number's, or a text's without its quotes."""

    kind: TokenKind
    text: str
    position: int
    value: Fraction | str | None = None


def tokens(text: str) -> list[Token]:
    """All tokens, an END last. Raises `ExpressionError`."""
    if len(text) > LONGEST:
        raise ExpressionError(f"a condition has at most {LONGEST} characters", text, LONGEST)
    found = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _strange(text, position)
        if match.lastgroup != "space":
            found.append(_token(text, match))
        position = match.end()
    return [*found, Token(TokenKind.END, "", len(text))]


def pointed(text: str, position: int, width: int = 100) -> str:
    """The text on one line, and under it a caret at the character."""
    flat = "".join(character if character.isprintable() else " " for character in text)
    start = max(0, position - width // 2)
    shown = flat[start : start + width]
    before = "…" if start else ""
    after = "…" if start + width < len(flat) else ""
    return f"    {before}{shown}{after}\n    {' ' * (len(before) + position - start)}^"


def _token(text: str, match: re.Match[str]) -> Token:
    body, position = match[0], match.start()
    if match.lastgroup == "number":
        if text[match.end() : match.end() + 1].isidentifier():
            raise ExpressionError("a number ends here, and no name can begin", text, match.end())
        value = Fraction(body.removesuffix("%")) / (100 if body.endswith("%") else 1)
        if value >= LARGEST:
            raise ExpressionError("this number is too large", text, position, "Numbers go up to 1e308.")
        return Token(TokenKind.NUMBER, body, position, value)
    if match.lastgroup == "text":
        return Token(TokenKind.TEXT, body, position, body[1:-1])
    if match.lastgroup == "name":
        return Token(TokenKind.WORD if body in _WORDS else TokenKind.NAME, body, position)
    return Token(TokenKind.MARK, body, position)


def _strange(text: str, position: int) -> ExpressionError:
    character = text[position]
    if character in "\"'":
        return ExpressionError(
            "this text has no end", text, position, "Close it with the same quote; it holds no backslash."
        )
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    return ExpressionError(f"{shown} means nothing here", text, position, _CONFUSED.get(character))

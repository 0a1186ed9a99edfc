"""Mistakes in tagboat.yaml: each with its place, its key and what to do; all of them in one error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import msgspec

from entrypoint.errors import ConfigurationError


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in a text; line and column count from 1."""

    line: int
    column: int


class Mistake(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong. ``key`` is the path to it, such as ``stages.prod.targets[0]``."""

    place: Place
    key: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{self.place.line}:{self.place.column}: {key}{self.message}{hint}"


class InvalidConfigurationError(ConfigurationError):
    """tagboat.yaml cannot be used; ``mistakes`` holds everything that was found, in the order of the file."""

    def __init__(self, file: str, mistakes: Iterable[Mistake]) -> None:
        self.file = file
        self.mistakes: Sequence[Mistake] = sorted(mistakes)
        first = self.mistakes[0]
        if len(self.mistakes) == 1:
            key = f"{first.key}: " if first.key else ""
            super().__init__(
                key + first.message, where=f"{file}:{first.place.line}:{first.place.column}", hint=first.hint
            )
            return
        lines = "\n".join(f"  {file}:{mistake}" for mistake in self.mistakes)
        super().__init__(f"{len(self.mistakes)} mistakes\n{lines}", where=file)


class NoConfigurationError(ConfigurationError):
    """There is no tagboat.yaml where one is needed."""

    def __init__(self, file: str) -> None:
        super().__init__(
            "there is no such file, and it says where releases go",
            where=file,
            hint="Write one with: tagboat init",
        )


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant, or None; case, ``_`` and ``-`` make no difference."""
    plain = {_plain(candidate): candidate for candidate in words}
    close = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=0.65)
    return plain[close[0]] if close else None


def suggestion(word: str, words: Iterable[str], what: str) -> str:
    """A hint that names the probable word, or all that there are: ``what`` is their plural."""
    known = list(words)
    close = nearest(word, known)
    if close is not None:
        return f"Did you mean {quoted(close)}?"
    if not known:
        return f"There are no {what} yet."
    return f"The {what} here: {', '.join(known)}."


def quoted(text: str, limit: int = 60) -> str:
    """Text from a file as part of a message: one line, no control characters, not too long."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return "'" + "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in shown) + "'"


def _plain(word: str) -> str:
    return word.lower().replace("_", "-").replace(" ", "-")

"""What Tagboat notes at the end of a tag's message, as Git's own trailers: lines of ``Key: value``.

A message is anybody's text: a trailer says what the tagger says, and proves nothing that a signature does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,40}): ?(.*)")
LONGEST = 1_000
"""Characters of one value."""

RUN = "Run"
"""The address of the workflow run that wrote the tag."""


def with_trailers(message: str, trailers: Sequence[tuple[str, str]]) -> str:
    """The message with trailers as its last paragraph; each value is made one line."""
    if not trailers:
        return message
    lines = [f"{key}: {' '.join(value.split())[:LONGEST]}" for key, value in trailers]
    return message.rstrip() + "\n\n" + "\n".join(lines)


def trailers(message: str) -> Mapping[str, Sequence[str]]:
    """The trailers of a message: its last paragraph, where every line of it is one and it is not the first."""
    paragraphs = re.split(r"\n\s*\n", message.strip())
    lines = paragraphs[-1].splitlines() if len(paragraphs) > 1 else []
    matches = [LINE.fullmatch(line.strip()) for line in lines]
    found: dict[str, list[str]] = {}
    for match in matches:
        if match is None:
            return {}
        found.setdefault(match[1], []).append(match[2].strip())
    return found

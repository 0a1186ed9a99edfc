"""GitHub's filter patterns for branches and tags.

``*`` stops at a slash, ``**`` does not, ``?`` and ``+`` repeat what stands before them, ``[]`` is a set, and a leading
``!`` takes back: https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet
"""

from __future__ import annotations

import re
from collections.abc import Sequence


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a tag or branch of this name passes a list of patterns; the last one that fits decides."""
    passes = False
    for pattern in patterns:
        taken_back = pattern.startswith("!")
        if _expression(pattern[taken_back:]).fullmatch(name):
            passes = not taken_back
    return passes


def _expression(pattern: str) -> re.Pattern[str]:
    parts = []
    rest = pattern
    while rest:
        if rest.startswith("**"):
            parts.append(".*")
            rest = rest[2:]
            continue
        character, rest = rest[0], rest[1:]
        if character == "*":
            parts.append("[^/]*")
        elif character in "?+" and parts:
            parts.append(character if not parts[-1].endswith(("?", "+", "*")) else "")
        elif character == "[" and (end := rest.find("]")) > 0:
            inner = re.sub(r"([\\\[\]^&~|])", r"\\\1", rest[:end])
            parts.append(f"[{inner}]")
            rest = rest[end + 1 :]
        elif character == "\\" and rest:
            parts.append(re.escape(rest[0]))
            rest = rest[1:]
        else:
            parts.append(re.escape(character))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:
        return re.compile(re.escape(pattern))

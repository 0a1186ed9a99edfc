"""YAML of the tagged commit, read as plain text values within limits (SECURITY C11).

The parser's events are counted before any value is built: a document that is too large, too deep or full of aliases
never becomes an object. Every scalar stays text: an MD5 of digits alone must not become a number, nor ``1e10`` a float.
"""

from __future__ import annotations

from typing import Any

from entrypoint.errors import UnsafeContentError

LARGEST_DOCUMENT = 32 * 2**20
"""Bytes; a dvc.lock with 100,000 outputs is about half of this."""
DEEPEST = 64
MOST_ALIASES = 1000


def read_yaml(content: bytes, *, where: str) -> Any:
    """The document as dicts, lists and text; None when empty. Raises `UnsafeContentError`."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    if len(content) > LARGEST_DOCUMENT:
        raise UnsafeContentError(f"the file is larger than {LARGEST_DOCUMENT} bytes", where=where)
    try:
        _check(yaml.parse(content, Loader=loader))
        return yaml.load(content, Loader=loader)  # noqa: S506 - BaseLoader builds text, lists and dicts only
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UnsafeContentError(f"the file is not YAML that Tagboat reads: {reason}", where=where) from None


def _check(events: Any) -> None:
    import yaml

    depth = aliases = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > DEEPEST or aliases > MOST_ALIASES:
            raise ValueError("it is nested too deep, or holds too many aliases")

"""Relative paths from a repository or a model's metadata, before anything is written under them."""

from __future__ import annotations

from deployers.errors import RefusedError

MAXIMUM = 1024
"""Characters of one path; more than any real one has, fewer than file systems choke on."""


def checked(path: str, *, where: str) -> str:
    """The path itself, if it stays inside whatever folder it is joined to; otherwise `RefusedError`.

    Relative, with ``/`` between its parts, no ``.`` or ``..`` or empty part, no backslash and no control character.
    """
    parts = path.split("/")
    bad = (
        len(path) > MAXIMUM
        or any(part in {"", ".", ".."} for part in parts)
        or "\\" in path
        or any(ord(character) < 32 or ord(character) == 127 for character in path)
    )
    if bad:
        raise RefusedError(
            f"the path {path[:200]!r} does not stay in its folder", where=where, hint="Use a plain relative path."
        )
    return path

"""Which packages a change adds, drops or moves, by the requirements files that differ."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from fnmatch import fnmatchcase

import msgspec

from deployers.errors import TagboatError
from deployers.wrapping.requirement_lines import MAXIMUM_BYTES, Line, from_pyproject, from_text, has_project
from entrypoint.downloading.contents import Contents

MOST_FILES = 10
"""Requirements files that are compared."""


class RequirementChange(msgspec.Struct, frozen=True, kw_only=True):
    """One package of one file; the requirement as it is written, or None where it is not."""

    file: str
    package: str
    before: str | None = None
    after: str | None = None


def requirement_changes(before: Contents, after: Contents, notes: list[str]) -> list[RequirementChange]:
    """What differs, file by file; a file that is not followed is a note."""
    found = []
    for path in list(_differing(before, after))[:MOST_FILES]:
        try:
            old, new = _requirements(before, path), _requirements(after, path)
        except TagboatError as error:
            notes.append(f"{path}: {error.message}")
            continue
        for package in sorted({*old, *new}):
            one, other = old.get(package), new.get(package)
            if one != other:
                found.append(RequirementChange(file=path, package=package, before=one, after=other))
    return found


def _differing(before: Contents, after: Contents) -> Iterator[str]:
    for path in dict.fromkeys((*after.tree, *before.tree)):
        if _names_packages(path):
            one, other = before.tree.get(path), after.tree.get(path)
            if one is None or other is None or one.object_id != other.object_id:
                yield path


def _names_packages(path: str) -> bool:
    name = posixpath.basename(path)
    return name == "pyproject.toml" or fnmatchcase(name, "requirements*.txt")


def _requirements(contents: Contents, path: str) -> dict[str, str]:
    entry = contents.tree.get(path)
    if entry is None or not entry.is_file:
        return {}
    content = contents.commits.read(contents.commit, path, limit=MAXIMUM_BYTES) or b""
    lines: tuple[Line, ...]
    if path.endswith(".toml"):
        lines = from_pyproject(path, content) if has_project(path, content) else ()
    else:
        lines = from_text(path, content)
    return {line.name: line.text for line in lines}

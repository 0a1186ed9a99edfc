"""Semantic versions: their order (semver.org, 11) and the next one. A version is ``v`` and a semantic version."""

from __future__ import annotations

import enum
from typing import Any

from entrypoint.errors import ConfigurationError
from entrypoint.registry.tags import is_version

FIRST = "v0.0.1"
"""What GTO registers first when no version is named."""


class Bump(enum.StrEnum):
    """Which number of a version to raise."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"


def precedence(version: str) -> tuple[Any, ...]:
    """A sort key: equal for versions of equal precedence, whatever their build metadata."""
    core, _, prerelease = version[1:].partition("+")[0].partition("-")
    numbers = tuple(int(number) for number in core.split("."))
    if not prerelease:
        return (*numbers, (1,))
    identifiers = tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in prerelease.split(".")
    )  # numbers before words; a shorter list before a longer one that starts the same
    return (*numbers, (0, identifiers))


def bump(version: str, part: Bump) -> str:
    """The next version as GTO reckons it: the patch after v1.2.0-rc.1 is v1.2.1, not v1.2.0."""
    if not is_version(version):
        raise ConfigurationError("not a version", where=version, hint="A version looks like v1.4.0.")
    core = version[1:].partition("+")[0].partition("-")[0]
    major, minor, patch = (int(number) for number in core.split("."))
    match part:
        case Bump.MAJOR:
            return f"v{major + 1}.0.0"
        case Bump.MINOR:
            return f"v{major}.{minor + 1}.0"
        case Bump.PATCH:
            return f"v{major}.{minor}.{patch + 1}"

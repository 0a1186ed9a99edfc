"""Which Python a model runs on: asked for, never substituted."""

from __future__ import annotations

import re

from deployers.errors import ConfigurationError

SUPPORTED = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
"""What tagboat-server runs on; from a range in `requires-python` the highest of these is taken."""

VERSION = re.compile(r"3\.[0-9]{1,2}(\.[0-9]{1,2})?", re.ASCII)


def choose(
    *,
    configured: str | None,
    file: tuple[str, bytes] | None,
    requires: tuple[str, str] | None,
    own: str,
) -> tuple[str, str]:
    """The version and where it was said, the first of: tagboat.yaml, .python-version, requires-python, our own.

    ``file``: path and content of a .python-version. ``requires``: where, and a specifier such as ``>=3.9,<3.12``; of a
    range our ``own`` version is taken if it fits, otherwise the highest that does. Raises `ConfigurationError`.
    """
    if configured is not None:
        return _checked(configured, "tagboat.yaml: python"), "tagboat.yaml: python"
    if file is not None:
        path, content = file
        return _checked(_first_line(path, content), path), path
    if requires is not None:
        where, specifier = requires
        return _fitting(specifier, own, where), where
    return own, "Tagboat's own version, since nothing asks for another"


def _first_line(path: str, content: bytes) -> str:
    text = content[:1000].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) != 1:
        raise ConfigurationError(
            f"one version is expected here, not {len(lines)}", where=path, hint="Write one version, such as 3.11."
        )
    return lines[0]


def _checked(version: str, where: str) -> str:
    if not VERSION.fullmatch(version):
        raise ConfigurationError(
            f"{version[:100]!r} is no version of Python that Tagboat knows",
            where=where,
            hint="Write digits only, such as 3.11 or 3.11.7.",
        )
    minor = ".".join(version.split(".")[:2])
    if int(minor.split(".")[1]) < 9:
        raise ConfigurationError(
            f"tagboat-server needs Python 3.9 or later, the model asks for {version}",
            where=where,
            hint="Train and save the model under a newer Python.",
        )
    return version


def _fitting(specifier: str, own: str, where: str) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        accepted = SpecifierSet(specifier)
    except InvalidSpecifier as error:
        raise ConfigurationError(f"{specifier[:100]!r} is no version specifier", where=where) from error
    for version in (own, *reversed(SUPPORTED)):
        # A minor version fits if any of its patch releases does; `<3.12` must not let 3.12.x in.
        if any(accepted.contains(f"{version}.{patch}") for patch in (0, 99)):
            return version
    raise ConfigurationError(
        f"no Python from {SUPPORTED[0]} to {SUPPORTED[-1]} fits {specifier}",
        where=where,
        hint="Set `python:` for the artifact in tagboat.yaml.",
    )

"""The Action's inputs: hostile text in, typed settings out.

The runner hands an input over as ``INPUT_`` and its name in upper case, hyphens kept and spaces made underscores. An
input that is not given arrives as an empty string. Whatever a value looks like (``--help``, ``-o/x``), it is a value.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

import msgspec

from entrypoint.errors import UnsafeContentError, UsageError
from entrypoint.report.escaping import plain
from entrypoint.request import ConfigRef

LIMIT: Final = 8_192
"""Characters of one input. Git itself refuses longer references than 4,096 on most file systems."""


class Task(enum.StrEnum):
    """What the input ``command`` may say."""

    AUTO = "auto"
    """What the event asks for."""
    DEPLOY = "deploy"
    PLAN = "plan"
    RECONCILE = "reconcile"
    ROLLBACK = "rollback"
    REMOVE = "remove"
    RELEASE_HOLD = "release-hold"
    PROMOTE = "promote"


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Every input of action.yml. ``token`` is never shown. The paths are absolute."""

    command: Task
    ref: str | None
    artifact: str | None
    stage: str | None
    config: str
    config_ref: ConfigRef
    dry_run: bool
    retry: bool
    no_tag: bool
    token: str | None
    working_directory: Path
    cache_dir: Path | None
    report_file: Path | None

    def __repr__(self) -> str:
        return f"Inputs(command={self.command.value!r}, ref={self.ref!r})"


Choice = TypeVar("Choice", bound=enum.StrEnum)


def read_inputs(environment: Mapping[str, str], workspace: Path) -> Inputs:
    """Read and check every input. Raises `UsageError`, or `UnsafeContentError` for a path out of the workspace."""
    directory = _folder(_text(environment, "working-directory") or ".", "working-directory", workspace)
    cache, report = _text(environment, "cache-dir"), _text(environment, "report-file")
    return Inputs(
        command=_choice(environment, "command", Task, Task.AUTO),
        ref=_text(environment, "ref"),
        artifact=_text(environment, "artifact"),
        stage=_text(environment, "stage"),
        config=_path(_text(environment, "config") or "tagboat.yaml", "config"),
        config_ref=_choice(environment, "config-ref", ConfigRef, ConfigRef.DEFAULT_BRANCH),
        dry_run=_switch(environment, "dry-run"),
        retry=_switch(environment, "retry"),
        no_tag=_switch(environment, "no-tag"),
        token=_text(environment, "token"),
        working_directory=directory,
        cache_dir=_inside(cache, "cache-dir", workspace) if cache else None,
        report_file=_inside(report, "report-file", workspace) if report else None,
    )


def _text(environment: Mapping[str, str], name: str) -> str | None:
    """The value as it is, or None; nothing is trimmed, since a tag with a line break after it is another tag."""
    value = environment.get(f"INPUT_{name.upper()}") or None
    if value is None:
        return None
    where = f"input '{name}'"
    if len(value) > LIMIT:
        raise UsageError(f"the value has {len(value):,} characters; {LIMIT:,} are allowed", where=where)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the value is not valid UTF-8", where=where, hint="Give the text in UTF-8.") from error
    control = next((character for character in value if ord(character) < 32 or ord(character) == 127), None)
    if control is not None:
        raise UsageError(
            f"the value holds the control character {plain(control)}",
            where=where,
            hint="Write the value on one line, without `|` or `>` before it: those add a line break.",
        )
    return value


def _switch(environment: Mapping[str, str], name: str) -> bool:
    value = _text(environment, name) or "false"
    if value not in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        raise UsageError(f"{plain(value)[:60]!r} is neither true nor false", where=f"input '{name}'")
    return value.lower() == "true"


def _choice(environment: Mapping[str, str], name: str, kind: type[Choice], default: Choice) -> Choice:
    value = _text(environment, name)
    if value is None:
        return default
    try:
        return kind(value)
    except ValueError:
        known = [choice.value for choice in kind]
        close = difflib.get_close_matches(value[:60], known, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"One of {', '.join(known)}."
        raise UsageError(f"{plain(value)[:60]!r} is not known", where=f"input '{name}'", hint=hint) from None


def _path(value: str, name: str) -> str:
    """A path below a folder that is known later: relative, without ``..``."""
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value:
        raise UnsafeContentError(
            f"{plain(value)[:200]!r} leads out of the repository",
            where=f"input '{name}'",
            hint="Give a path relative to the working directory, without '..'.",
        )
    return value


def _inside(value: str, name: str, workspace: Path) -> Path:
    """The absolute path, links followed, which must stay inside the workspace."""
    try:
        root = workspace.resolve(strict=True)
        path = (root / value).resolve()
    except (OSError, RuntimeError) as error:
        raise UsageError(f"the path cannot be followed: {error}", where=f"input '{name}'") from error
    if not path.is_relative_to(root):
        raise UnsafeContentError(
            f"{plain(value)[:200]!r} leads out of the workspace",
            where=f"input '{name}'",
            hint="Give a path inside $GITHUB_WORKSPACE; links are followed.",
        )
    return path


def _folder(value: str, name: str, workspace: Path) -> Path:
    path = _inside(value, name, workspace)
    if not path.is_dir():
        raise UsageError(
            f"there is no folder {plain(value)[:200]!r} in the workspace",
            where=f"input '{name}'",
            hint="Run actions/checkout before Tagboat, and give the path relative to $GITHUB_WORKSPACE.",
        )
    return path

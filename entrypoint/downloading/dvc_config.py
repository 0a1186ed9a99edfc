"""DVC's configuration files, read as DVC reads them and with nothing of DVC's behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entrypoint.errors import ConfigurationError

LARGEST = 2**20
"""Bytes."""
_REMOTE_SECTION = re.compile(r'\s*remote\s*"(.*)"\s*')


@dataclass(frozen=True, kw_only=True)
class DvcConfigFile:
    """The text of one DVC configuration file.

    ``where`` names it in errors. ``folder`` is the ``.dvc`` folder that relative addresses start from. ``own`` marks a
    file that is the runner's alone (untracked), which may hold secrets.
    """

    text: str = field(repr=False)
    where: str
    folder: Path
    own: bool = False


def remotes_of(file: DvcConfigFile) -> dict[str, dict[str, Any]]:
    """Every remote's keys as they are written, by its name in lower case. Raises `ConfigurationError`."""
    sections = _parse(file)
    found = ((_REMOTE_SECTION.fullmatch(title), values) for title, values in sections.items())
    return {match[1].lower(): values for match, values in found if match and isinstance(values, dict)}


def default_of(file: DvcConfigFile) -> str | None:
    """The default remote's name, or None. Raises `ConfigurationError`."""
    core = _parse(file).get("core")
    name = core.get("remote") if isinstance(core, dict) else None
    return name if isinstance(name, str) else None


def _parse(file: DvcConfigFile) -> dict[str, Any]:
    """The file's sections as DVC reads them (dvc/config.py: ConfigObj, keys in lower case)."""
    from configobj import ConfigObj, ConfigObjError  # type: ignore[import-untyped]

    if len(file.text) > LARGEST:
        raise ConfigurationError("the file is larger than 1 MiB", where=file.where)
    try:
        sections = ConfigObj(file.text.splitlines(), interpolation=False).dict()
    except (ConfigObjError, RecursionError) as error:
        # The error's own text quotes the line, which may hold a secret.
        line = getattr(error, "line_number", None)
        raise ConfigurationError("the file is no DVC configuration", where=f"{file.where}: line {line}") from None
    lower = {}
    for title, values in sections.items():
        lower[title.lower()] = {k.lower(): v for k, v in values.items()} if isinstance(values, dict) else values
    return lower


def untrusted_default(content: bytes | None) -> str | None:
    """The default remote's name in a ``.dvc/config`` that is not trusted, or None; never raises."""
    try:
        return default_of(DvcConfigFile(text=(content or b"").decode(), where="", folder=Path()))
    except (ConfigurationError, UnicodeDecodeError):
        return None

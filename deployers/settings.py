"""What the settings of every target are made of: sizes, durations, and text that may name a variable.

A deployer's ``settings_type`` is a struct built on `Settings` with these types as its fields. The reader of
tagboat.yaml knows them: it accepts units for sizes and durations, and ``${env:NAME}`` in `Connection` text alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from deployers.errors import ConfigurationError

Size = Annotated[
    int,
    Meta(ge=0, extra={"unit": "bytes"}, extra_json_schema={"x-unit": "bytes"}),
]
"""Bytes. In tagboat.yaml also ``16MB`` (powers of 1000: kB MB GB TB) or ``16MiB`` (powers of 1024)."""

Duration = Annotated[
    float,
    Meta(ge=0, extra={"unit": "seconds"}, extra_json_schema={"x-unit": "seconds"}),
]
"""Seconds. In tagboat.yaml also ``500ms``, ``30s``, ``5m``, ``2h``, ``7d``."""

Connection = Annotated[str, Meta(extra={"connection": True}, extra_json_schema={"x-connection": True})]
"""Text that may hold ``${env:NAME}``: where something is and who we are there. See `expand`."""

Secret = Annotated[
    str,
    Meta(extra={"connection": True, "secret": True}, extra_json_schema={"x-connection": True, "x-secret": True}),
]
"""Text that must be one ``${env:NAME}`` and nothing else, so that no secret value stands in a repository."""

VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
"""A reference to a variable of the runner's environment."""


class Remark(msgspec.Struct, frozen=True):
    """Something about a target's settings that a person should know. ``key``: below the target, as it is written.

    ``wrong``: it can't work; otherwise it may not be what was meant. ``mend``: what to do.
    """

    key: str
    message: str
    mend: str
    wrong: bool = True


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Base of every mapping in tagboat.yaml: kebab-case keys, unknown ones forbidden.

    A subclass repeats ``kw_only=True`` (msgspec does not inherit that one).
    """

    def remarks(self) -> Sequence[Remark]:
        """What is wrong with these settings together that no type of a key can say; asks nobody."""
        return ()


def expand(text: str, environment: Mapping[str, str], *, where: str | None = None) -> str:
    """Put the runner's variables in the place of ``${env:NAME}``.

    To be called where the connection is made and no earlier, so that no plan, log, diff or release identity ever
    holds the value. Raises `ConfigurationError` naming a variable that is not set; an empty one counts as not set,
    since that is what a missing secret of a GitHub workflow looks like.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not environment.get(name):
            raise ConfigurationError(
                f"the variable {name} is not set, or empty",
                where=where,
                hint=f"Set {name} in the step's env, from a secret where it is one.",
            )
        return environment[name]

    return VARIABLE.sub(value, text)

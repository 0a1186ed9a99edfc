"""What a target of the kind ``local`` takes in tagboat.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from deployers.base import Slot
from deployers.errors import ConfigurationError
from deployers.settings import Connection, Duration, Settings, expand

Port = Annotated[int, Meta(ge=1024, le=65535)]

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

OURS = ("TAGBOAT_", "PYTHON", "LD_", "DYLD_")
"""Variables by which the server would be somebody else's: what it is told by us, and what is loaded into it."""

SWITCHES = {"TAGBOAT_EXACT", "TAGBOAT_OPTIMIZE", "TAGBOAT_UVLOOP"}
"""Those of ours by which a user turns off what makes the server quicker."""


class LocalSettings(Settings, frozen=True, kw_only=True):
    """Processes on this machine, bound to 127.0.0.1."""

    port: Annotated[
        Port | None,
        Meta(description="The port of this target's only slot. Without it each slot gets a port and keeps it."),
    ] = None
    ports: Annotated[
        Mapping[str, Port],
        Meta(description="Ports of single slots: `churn#prod: 8080`."),
    ] = {}
    start_timeout: Annotated[
        Duration, Meta(description="How long a server may take from its start until it is ready.")
    ] = 120.0
    env: Annotated[
        Mapping[str, Connection],
        Meta(description="Variables for the server; everything else of the environment is kept from it."),
    ] = {}

    def port_of(self, slot: Slot) -> int | None:
        """The port that the configuration gives to a slot, or None."""
        return self.ports.get(f"{slot.artifact}#{slot.stage}", self.port)

    def variables(self, environment: Mapping[str, str], *, target: str) -> dict[str, str]:
        """The server's own variables, ``${env:NAME}`` filled in; never to be stored.

        Raises `ConfigurationError` for a variable that is not set here, or that is not the user's to set.
        """
        for name in self.env:
            if not VARIABLE_NAME.fullmatch(name) or (name.upper().startswith(OURS) and name not in SWITCHES):
                raise ConfigurationError(
                    f"the server's variable {name!r} can't be set",
                    where=f"targets.{target}.env",
                    hint=f"Choose a name of letters, digits and _ that starts with none of {', '.join(OURS)}. "
                    f"Of ours only {', '.join(sorted(SWITCHES))} can be set.",
                )
        return {
            name: expand(text, environment, where=f"targets.{target}.env.{name}") for name, text in self.env.items()
        }

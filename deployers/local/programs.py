"""The command that serves a bundle, and the environment that it runs in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from deployers.base import JSON, Release, Surroundings
from deployers.wrapping.bundle import load
from deployers.wrapping.isolation import child_environment, conceal
from deployers.wrapping.wrap import environment_of

DRAIN = 30.0
"""Seconds that open connections may take to finish, where the server's settings say nothing else."""

SOCKETS = ("--uds", "http", "--control", "control")
"""Relative to the server's own folder, since the path of a Unix socket has to be short."""


class Programs(Protocol):
    """Knows how a bundle is served."""

    def serve(self, bundle: Path) -> Sequence[str]:
        """The command line that serves the bundle on a private socket; makes the model's environment if need be."""


class ModelPrograms:
    """`tagboat-server` in the model's own environment."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def serve(self, bundle: Path) -> Sequence[str]:
        """The server's command line.

        Every byte of the bundle is hashed first: it may have lain here for a year. Its environment comes from the
        cache, or is made anew from the bundle's lock. Raises `RefusedError` for a bundle that was changed.
        """
        checked = load(bundle)
        made = environment_of(checked, cache=self._surroundings.cache, environment=self._surroundings.environment)
        conceal()
        return made.command("serve", bundle.absolute(), *SOCKETS)


def server_environment(
    release_id: str,
    stage: str,
    settings: Mapping[str, JSON],
    *,
    environment: Mapping[str, str],
    variables: Mapping[str, str],
) -> dict[str, str]:
    """The variables of a server's process: the harmless ones of ours, the target's ``env``, and what it serves."""
    return {
        **child_environment(environment),
        **variables,
        "TAGBOAT_RELEASE": release_id,
        "TAGBOAT_STAGE": stage,
        "TAGBOAT_SETTINGS": msgspec.json.encode(server_settings(settings)).decode(),
    }


def server_settings(settings: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The server's part of a release's settings."""
    server = settings.get("server", {})
    return server if isinstance(server, Mapping) else {}


def grace_of(release: Release) -> float:
    """How long a release's server may take to drain, in seconds."""
    return float(server_settings(release.settings).get("drain", DRAIN))

"""The kinds of target that are installed, seen from tagboat.yaml: their names and the keys each takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint
from typing import Protocol

import msgspec


class Kinds(Protocol):
    """Deployers by name; a deployer's code is imported only when its settings are asked for."""

    def names(self) -> Sequence[str]:
        """Every deployer that is installed."""

    def settings_type(self, name: str) -> type[msgspec.Struct]:
        """The keys that targets of this kind take. Raises `TagboatError` when its code cannot be loaded."""


class InstalledKinds:
    """What `deployers.discovery` finds, looked for once: every distribution of the environment is opened for it."""

    def names(self) -> Sequence[str]:
        """Every deployer that is installed, in order."""
        from deployers import discovery

        return sorted(discovery.names(lambda: self._installed))

    def settings_type(self, name: str) -> type[msgspec.Struct]:
        """The deployer's ``settings_type``."""
        from deployers import discovery

        return discovery.find(name, lambda: self._installed).settings_type

    @cached_property
    def _installed(self) -> Sequence[EntryPoint]:
        from deployers import discovery

        return list(discovery.installed())


class KnownKinds:
    """Kinds from a table: for tests and for tools that have no deployers installed."""

    def __init__(self, table: Mapping[str, type[msgspec.Struct]]) -> None:
        self._table = table

    def names(self) -> Sequence[str]:
        """Every kind of the table."""
        return sorted(self._table)

    def settings_type(self, name: str) -> type[msgspec.Struct]:
        """The kind's settings."""
        return self._table[name]

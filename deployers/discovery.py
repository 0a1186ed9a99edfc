"""Deployers by name: the entry points of the group ``tagboat.deployers``, loaded only when they are needed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import Protocol

import msgspec

from deployers.base import Deployer, Surroundings
from deployers.errors import ConfigurationError

GROUP = "tagboat.deployers"

EntryPoints = Callable[[], Iterable[metadata.EntryPoint]]
"""Gives the entry points of our group; handed in, so that tests need no installed plugin."""


class Described(Protocol):
    """A target as tagboat.yaml describes it. ``settings``: the deployer's ``settings_type``, or None for defaults."""

    @property
    def deployer(self) -> str:
        """The kind of target."""

    @property
    def settings(self) -> msgspec.Struct | None:
        """Its keys, typed."""


def installed() -> Iterable[metadata.EntryPoint]:
    """What this environment's distributions offer."""
    return metadata.entry_points(group=GROUP)


def names(entry_points: EntryPoints = installed) -> Sequence[str]:
    """Every kind of target that is installed, in order."""
    return sorted({point.name for point in entry_points()})


def find(name: str, entry_points: EntryPoints = installed) -> type[Deployer]:
    """The deployer of this name, imported.

    Raises `ConfigurationError` when there is none, when two distributions claim the name, and, naming the
    distribution, when its code can't be imported or is no deployer.
    """
    found = [point for point in entry_points() if point.name == name]
    if not found:
        raise _unknown(name, names(entry_points))
    if len({point.value for point in found}) > 1:
        raise ConfigurationError(
            f"more than one deployer is called {name!r}: {', '.join(sorted(_origin(point) for point in found))}",
            where=GROUP,
            hint="Uninstall all but one of them.",
        )
    return _load(found[0])


def make_deployer(
    target: str, described: Described, surroundings: Surroundings, entry_points: EntryPoints = installed
) -> Deployer:
    """The deployer that stands ready for one target. Raises `ConfigurationError` as `find` does."""
    kind = find(described.deployer, entry_points)
    settings = described.settings
    if settings is None:
        try:
            settings = msgspec.convert({}, kind.settings_type)
        except msgspec.ValidationError as error:
            raise ConfigurationError(
                f"the settings of the target are incomplete: {error}", where=f"targets.{target}"
            ) from error
    return kind(target, settings, surroundings)


def _load(point: metadata.EntryPoint) -> type[Deployer]:
    try:
        kind = point.load()
    except Exception as error:
        # A plugin's import can fail in any way; whose it is, is what the person needs to know.
        raise ConfigurationError(
            f"the deployer {point.name!r} can't be loaded: {type(error).__name__}: {error}",
            where=_origin(point),
            hint="Update or uninstall that distribution, or ask its author.",
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Deployer)):
        raise ConfigurationError(
            f"what is registered as the deployer {point.name!r} is no deployers.base.Deployer",
            where=_origin(point),
            hint="Update or uninstall that distribution, or ask its author.",
        )
    return kind


def _origin(point: metadata.EntryPoint) -> str:
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown distribution"
    return f"{distribution} ({point.value})"


def _unknown(name: str, known: Sequence[str]) -> ConfigurationError:
    near = difflib.get_close_matches(name, known, n=1)
    listed = f"Installed are: {', '.join(known)}." if known else "None is installed; install tagboat itself anew."
    return ConfigurationError(
        f"there is no deployer {name!r}",
        where="targets",
        hint=f"Did you mean {near[0]!r}? {listed}" if near else f"{listed} Others come as Python distributions.",
    )

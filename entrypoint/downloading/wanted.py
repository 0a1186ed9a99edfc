"""What downloading is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Wanted(Protocol):
    """The part of `entrypoint.registry.resolve.Resolution` that says what to download."""

    @property
    def artifact(self) -> str:
        """The artifact's name, for messages."""

    @property
    def commit(self) -> str:
        """The release's commit, 40 hexadecimal digits."""

    @property
    def path(self) -> str | None:
        """The model's file or folder in that commit."""


@dataclass(frozen=True)
class Model:
    """The same, where the path comes from elsewhere than the registry's annotations."""

    artifact: str
    commit: str
    path: str | None

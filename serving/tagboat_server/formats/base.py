"""The contract of a model format, for ours and for those that others bring.

A package offers a format by an entry point of the group ``tagboat_server.formats`` whose object has what `Format`
asks for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tagboat_server.model import LoadedModel


class Format(Protocol):
    """One way in which models are saved."""

    name: str
    """What ``format`` says in ``model.json`` and tagboat.yaml."""

    def recognises(self, path: Path) -> bool:
        """Whether the file or folder at ``path`` looks like this format. Loads nothing."""
        ...

    def load(self, path: Path) -> LoadedModel:
        """Load the model. Raises `ModelError`, or `MissingLibraryError` naming the requirement."""
        ...

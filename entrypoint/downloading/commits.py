"""What downloading needs of Git; `entrypoint.registry.repository.Repository` provides it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol


class TreeEntry(Protocol):
    """One file of a commit, as Git stores it, no filter applied."""

    @property
    def path(self) -> str:
        """From the repository's root, with slashes."""

    @property
    def mode(self) -> str:
        """Six octal digits: ``100644``, ``100755``, ``120000`` a symbolic link, ``160000`` a submodule."""

    @property
    def object_id(self) -> str:
        """The blob's id."""

    @property
    def size(self) -> int | None:
        """Bytes; None for a submodule."""


class Commits(Protocol):
    """Reads the files of any commit, without a checkout."""

    def commit(self, revision: str) -> str | None:
        """The id of the commit that a revision names, or None."""

    def entry(self, commit: str, path: str) -> TreeEntry | None:
        """What a commit has at a path, or None."""

    def read(self, commit: str, path: str) -> bytes | None:
        """The content of a small file, or None where the commit has no such file."""

    def list_tree(self, commit: str, folder: str = "") -> Sequence[TreeEntry]:
        """Every file below the folder, at any depth."""

    def open(self, object_id: str) -> AbstractContextManager[BinaryIO]:
        """The bytes of a blob as they come, for files of any size."""


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

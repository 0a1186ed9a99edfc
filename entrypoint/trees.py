"""Where the texts beside a model are read from: a commit, or the working tree for a model that is tried by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from entrypoint.registry.repository import Repository


class Tree(Protocol):
    """Files by their path from the repository's root."""

    @property
    def name(self) -> str:
        """What to call it in an error."""

    def read(self, path: str) -> bytes | None:
        """A file's content; None where there is no such plain file."""

    def files(self, path: str) -> Iterator[tuple[str, int]]:
        """(path, bytes) of every plain file at or below a path."""


@dataclass(frozen=True)
class CommitTree:
    """The files of a commit."""

    repository: Repository
    commit: str

    @property
    def name(self) -> str:
        """The commit, shortened."""
        return f"commit {self.commit[:12]}"

    def read(self, path: str) -> bytes | None:
        """A file's content."""
        return self.repository.read(self.commit, path)

    def files(self, path: str) -> Iterator[tuple[str, int]]:
        """Every plain file at or below a path."""
        single = self.repository.entry(self.commit, path)
        below = self.repository.list_tree(self.commit, path.strip("/"))
        for entry in (*below, *([single] if single is not None else [])):
            if entry.is_file:
                yield entry.path, entry.size or 0


@dataclass(frozen=True)
class WorkingFiles:
    """The files of a checkout as they lie there; nothing outside of it, whatever a link says."""

    root: Path

    @property
    def name(self) -> str:
        """The folder."""
        return "the working tree"

    def read(self, path: str) -> bytes | None:
        """A file's content."""
        file = (self.root / path).resolve()
        if not file.is_relative_to(self.root.resolve()) or not file.is_file():
            return None
        return file.read_bytes()

    def files(self, path: str) -> Iterator[tuple[str, int]]:
        """Every plain file at or below a path; no compiled ones, and nothing of Git's."""
        start = self.root / path
        if start.is_file() and not start.is_symlink():
            yield start.relative_to(self.root).as_posix(), start.stat().st_size
        for parent, folders, names in os.walk(start):
            folders[:] = sorted(name for name in folders if name not in {".git", "__pycache__"})
            for name in sorted(names):
                file = Path(parent, name)
                if file.is_file() and not file.is_symlink():
                    yield file.relative_to(self.root).as_posix(), file.stat().st_size

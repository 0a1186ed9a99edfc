"""Where tagboat.yaml, and the files it names, are read from: a commit that is trusted, or the working tree.

In the Action it is the tip of the default branch, so that a tag can bring a model but no policy of its own, and a
return to last year's model uses today's targets. On the command line the working tree counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from entrypoint.errors import ConfigurationError, UnsafeContentError
from entrypoint.registry.repository import TreeEntry

MAXIMUM_SIZE = 64 * 1024 * 1024
"""Bytes of one file: tagboat.yaml has a smaller limit of its own, a smoke request's input may weigh more."""


class Blobs(Protocol):
    """What is needed of a repository (`entrypoint.registry.repository.Repository`)."""

    def read(self, commit: str, path: str) -> bytes | None:
        """The content of a file at a commit, or None."""

    def list_tree(self, commit: str, folder: str = "") -> Sequence[TreeEntry]:
        """Every file below a folder at a commit, with its path from the top."""


class Source(Protocol):
    """Reads files by their path below the folder that holds tagboat.yaml."""

    @property
    def commit(self) -> str | None:
        """The commit they are read from; None for the working tree."""

    def find(self, path: str) -> bytes | None:
        """The content, or None where there is no such file. Raises `UnsafeContentError` for a path that leads out."""

    def files(self, folder: str) -> Sequence[str]:
        """The names of the files right in a folder; none where there is no such folder."""


class WorkingTree:
    """The files as they lie in ``folder``; links are followed, but not out of ``root``, the checkout."""

    commit = None

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root.resolve()
        self.folder = folder.resolve()

    def find(self, path: str) -> bytes | None:
        """Read a file of the working tree."""
        target = (self.folder / path).resolve()
        if not target.is_relative_to(self.root):
            raise UnsafeContentError("the path leads out of the checkout", where=path)
        try:
            if target.stat().st_size > MAXIMUM_SIZE:
                raise UnsafeContentError(f"the file is larger than {MAXIMUM_SIZE} bytes", where=path)
            return target.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnsafeContentError(f"the file cannot be read: {error.strerror}", where=path) from None

    def files(self, folder: str) -> Sequence[str]:
        """List a folder of the working tree."""
        target = (self.folder / folder).resolve()
        if not target.is_relative_to(self.root):
            raise UnsafeContentError("the path leads out of the checkout", where=folder)
        return sorted(path.name for path in target.iterdir() if path.is_file()) if target.is_dir() else []


class Commit:
    """The files of one commit, below ``folder``; links are not followed."""

    def __init__(self, repository: Blobs, commit: str, folder: PurePosixPath) -> None:
        self.repository = repository
        self.commit = commit
        self.folder = folder

    def find(self, path: str) -> bytes | None:
        """Read a file of the commit."""
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise UnsafeContentError("the path leads out of the checkout", where=path)
        return self.repository.read(self.commit, str(self.folder / path))

    def files(self, folder: str) -> Sequence[str]:
        """List a folder of the commit."""
        if PurePosixPath(folder).is_absolute() or ".." in PurePosixPath(folder).parts:
            raise UnsafeContentError("the path leads out of the checkout", where=folder)
        inside = self.folder / folder
        listed = self.repository.list_tree(self.commit, str(inside))
        return sorted(PurePosixPath(each.path).name for each in listed
                      if each.is_file and PurePosixPath(each.path).parent == inside)  # fmt: skip


def required(source: Source, path: str) -> bytes:
    """Read a file that must be there. Raises `ConfigurationError`."""
    content = source.find(path)
    if content is None:
        raise ConfigurationError("there is no such file beside tagboat.yaml", where=path)
    return content

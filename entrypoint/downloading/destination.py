"""The model's files in a folder of the caller's: all of them, or none."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from entrypoint.downloading.cache import READ_ONLY
from entrypoint.downloading.hashing import Sums
from entrypoint.downloading.locking import hold, is_abandoned
from entrypoint.errors import ConfigurationError

_PIECE = 2**20


class Staging:
    """A folder beside the destination, where the files gather before all appear at once."""

    def __init__(self, folder: Path, *, link: bool) -> None:
        self.folder = folder
        self._link = link

    def place(self, path: str, source: Path) -> None:
        """Put a cached object at ``path``: as a hard link where that is wanted and can be, else as a copy."""
        target = self._target(path)
        if self._link:
            with suppress(OSError):
                target.hardlink_to(source)
                return
        shutil.copyfile(source, target)
        target.chmod(READ_ONLY)

    def write(self, path: str, source: BinaryIO, passed: Callable[[int], None]) -> tuple[Sums, bytes]:
        """Write a file as it comes; return its sums and its beginning. ``passed`` is told how many bytes went by."""
        sums, beginning = Sums("md5"), b""
        target = self._target(path)
        with target.open("xb") as file:
            while piece := source.read(_PIECE):
                beginning = beginning or piece
                sums.update(piece)
                file.write(piece)
                passed(len(piece))
        target.chmod(READ_ONLY)
        return sums, beginning

    def _target(self, path: str) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Whatever the system has against writing below the folder becomes a `ConfigurationError` that names it."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"the folder cannot be written to: {error.strerror or error}",
            where=str(folder),
            hint="Free some space, mend its permissions, or choose another one.",
        ) from None


@contextmanager
def staged(destination: Path, *, link: bool) -> Iterator[Staging]:
    """Gather files; at the end they become ``destination``, in one step. On an error nothing is left.

    A destination that is there already, with exactly the same files, is left as it is. Raises `ConfigurationError`
    for one that holds anything else.
    """
    destination = destination.absolute()
    destination.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{destination.name[:100]}.tagboat-"
    for leftover in destination.parent.glob(f"{prefix}*"):
        if is_abandoned(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=destination.parent))
    descriptor = None
    try:
        if sys.platform != "win32":
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            hold(descriptor)
        folder.chmod(0o755)
        yield Staging(folder, link=link)
        _become(folder, destination)
    finally:
        if descriptor is not None:
            os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _become(folder: Path, destination: Path) -> None:
    try:
        folder.rename(destination)  # onto an empty folder too, where the system allows it
        return
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EACCES, errno.EPERM}:
            raise
    if destination.is_symlink() or not destination.is_dir():
        raise _taken(destination)
    if not any(destination.iterdir()):
        destination.rmdir()
        folder.rename(destination)
    elif _files(destination) != _files(folder):
        raise _taken(destination)


def _taken(destination: Path) -> ConfigurationError:
    return ConfigurationError(
        "the folder is there already, and holds something else",
        where=str(destination),
        hint="Remove it, or choose another one.",
    )


def _files(folder: Path) -> dict[str, str | None]:
    """Path → SHA-256 of every file; None for what is no plain file."""
    found: dict[str, str | None] = {}
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            continue
        plain = path.is_file() and not path.is_symlink()
        found[path.relative_to(folder).as_posix()] = _sha256(path) if plain else None
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Objects that were downloaded before, by what they hold.

An object lies under the name that DVC gives it: ``md5/ab/cdef…``, or ``md5-dos2unix/…`` for those of DVC before 3.0.
That name is all a pointer says, so a look-up needs no index that could be wrong or lost. MD5 is not trusted for more
than that: every use reads the object again, holds it against its name, and takes the SHA-256 that the release's
identity rests on. What does not match is thrown away and downloaded anew, so a restored or damaged cache can cost time
but never bring other bytes.

Bytes arrive under ``incoming/`` and are moved into place whole and verified. A process holds a lock on its arriving
file as long as it lives; files there that nobody holds were left by a killed run, and the next run removes them.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from entrypoint.downloading.hashing import Sums
from entrypoint.downloading.locking import hold, is_abandoned

READ_ONLY = 0o444
_PIECE = 2**20


@dataclass(frozen=True, kw_only=True)
class CachedObject:
    """A verified object in the cache; ``size`` in bytes, sums of its bytes in hexadecimal."""

    path: Path
    size: int
    md5: str
    sha256: str


class Cache:
    """A folder that any number of runs may share. Everything in it may be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        (folder / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")

    def path_of(self, hash_name: str, value: str) -> Path:
        """Where the object of that name lies, or would lie."""
        return self.folder / hash_name / value[:2] / value[2:]

    def find(self, hash_name: str, value: str, passed: Callable[[int], None]) -> CachedObject | None:
        """The object, read again and verified; ``passed`` is told how many bytes went by. None where it is not here."""
        path = self.path_of(hash_name, value)
        sums = Sums(hash_name)
        try:
            with _open_file(path) as file:
                while piece := file.read(_PIECE):
                    sums.update(piece)
                    passed(len(piece))
        except FileNotFoundError:
            return None
        except OSError:
            self._discard(path)
            return None
        if not sums.agree_with(value):
            self._discard(path)
            return None
        return CachedObject(path=path, size=sums.size, md5=sums.md5, sha256=sums.sha256)

    def add(self, hash_name: str, value: str, pieces: Iterable[bytes]) -> CachedObject | None:
        """Take an object in as it arrives. None when the bytes are not what the name says: nothing is kept then.

        Whatever ``pieces`` raises comes through, and nothing is kept either.
        """
        sums = Sums(hash_name)
        path = self.path_of(hash_name, value)
        with self._arriving() as (file, arriving):
            for piece in pieces:
                sums.update(piece)
                file.write(piece)
            if not sums.agree_with(value):
                return None
            file.flush()
            os.fsync(file.fileno())
            arriving.chmod(READ_ONLY)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            arriving.replace(path)
        return CachedObject(path=path, size=sums.size, md5=sums.md5, sha256=sums.sha256)

    def sweep(self) -> None:
        """Remove what killed runs left behind."""
        for path in self._incoming.iterdir():
            if is_abandoned(path):
                path.unlink(missing_ok=True)

    @contextmanager
    def _arriving(self) -> Iterator[tuple[IO[bytes], Path]]:
        descriptor, name = tempfile.mkstemp(dir=self._incoming)
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                hold(file.fileno())
                yield file, path
        finally:
            path.unlink(missing_ok=True)

    def _discard(self, path: Path) -> None:
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def default_cache(environment: Mapping[str, str]) -> Path:
    """The user's cache folder, by the XDG base directory specification."""
    base = environment.get("XDG_CACHE_HOME", "")
    if base and Path(base).is_absolute():
        return Path(base) / "tagboat"
    home = environment.get("HOME")
    return (Path(home) if home else Path.home()) / ".cache" / "tagboat"


def _open_file(path: Path) -> IO[bytes]:
    """Open a plain file: no link out of the cache, no device, nothing that blocks."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no plain file")
    return os.fdopen(descriptor, "rb")

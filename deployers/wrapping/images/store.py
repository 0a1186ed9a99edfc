"""Where finished blobs and what is known of them are kept: by content, in the cache, deletable at any time."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

T = TypeVar("T")


class Store:
    """``folder``: made at the first use. Two processes may use it at once: files appear whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def blob(self, digest: str) -> Path:
        """Where the blob is, or would be."""
        return self.folder / "blobs" / digest.replace(":", "/")

    def holds(self, digest: str, size: int) -> bool:
        """Whether the blob is here, and whole: nothing is flushed to the disk, so a crash may leave a part of it."""
        with contextlib.suppress(OSError):
            return self.blob(digest).stat().st_size == size
        return False

    def add(self, content: bytes) -> str:
        """Keep some bytes; returns their digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if not self.holds(digest, len(content)):
            with self.writing() as file:
                file.write(content)
                self.keep(file, digest)
        return digest

    @contextlib.contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """A file to write a blob to; gone afterwards, unless `keep` has put it into its place."""
        folder = self.folder / "blobs" / "sha256"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writing-", delete=False) as file:
            try:
                yield file  # type: ignore[misc]
            finally:
                Path(file.name).unlink(missing_ok=True)

    def keep(self, file: BinaryIO, digest: str) -> None:
        """Put what was written under its digest, which the caller has reckoned while writing."""
        file.flush()
        Path(file.name).chmod(0o644)
        Path(file.name).replace(self.blob(digest))

    def recall(self, kind: str, key: str, type_: type[T]) -> T | None:
        """What was remembered under a key, or None."""
        try:
            return msgspec.json.decode(self._record(kind, key).read_bytes(), type=type_)
        except (OSError, msgspec.DecodeError):
            return None

    def remember(self, kind: str, key: str, record: Any) -> None:
        """Remember something under a key."""
        path = self._record(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".record-", delete=False) as file:
            file.write(msgspec.json.encode(record))
        Path(file.name).replace(path)

    def _record(self, kind: str, key: str) -> Path:
        return self.folder / kind / f"{key.replace(':', '-')}.json"


def key_of(*parts: Any) -> str:
    """64 hexadecimal digits of some inputs."""
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()

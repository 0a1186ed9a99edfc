"""Bring one blob into a repository, sending as few bytes as can be.

In this order: it is there already; another repository of the same registry has it (mounted, nothing is sent); it is
sent whole in one request, which every registry takes; and where that breaks, it is sent in pieces, each going on from
what the registry says it has. A blob may come from a file or straight from another registry, never through the disk.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Protocol

import requests

from deployers.errors import TagboatError, UnreachableError
from deployers.wrapping.images.registry import PIECE, Registry

CHUNK = 16 * 1024 * 1024
"""Bytes of one piece of an upload that was cut; a registry's OCI-Chunk-Min-Length raises it."""


AT_ONCE = 4
"""Blobs that are brought side by side: most of a small one's time is the way to the registry and back."""


class BlobSource(Protocol):
    """Where a blob's bytes come from; read from any offset, as often as needed."""

    digest: str
    size: int

    def reading(self, offset: int) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        """The bytes from ``offset`` on, in pieces."""


class FileBlob:
    """A blob on this machine."""

    def __init__(self, path: Path, digest: str, size: int) -> None:
        self.path, self.digest, self.size = path, digest, size

    @contextlib.contextmanager
    def reading(self, offset: int) -> Iterator[Iterator[bytes]]:
        """The file's bytes."""
        with self.path.open("rb") as file:
            file.seek(offset)
            yield iter(lambda: file.read(PIECE), b"")


class RegistryBlob:
    """A blob in some registry."""

    def __init__(self, registry: Registry, repository: str, digest: str, size: int) -> None:
        self.registry, self.repository, self.digest, self.size = registry, repository, digest, size

    @contextlib.contextmanager
    def reading(self, offset: int) -> Iterator[Iterator[bytes]]:
        """The bytes as they come in; nothing is unpacked or kept."""
        with self.registry.blob(self.repository, self.digest, offset=offset) as pieces:
            yield pieces


class Upload:
    """Uploads to one repository, and the count of bytes that were sent. ``sleep``: waits, for tests."""

    def __init__(self, registry: Registry, repository: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._registry = registry
        self._repository = repository
        self._sleep = sleep
        self._least = 0
        self.sent = 0
        self.mounted = 0

    def bring(self, blob: BlobSource, *, mount_from: Sequence[str] = ()) -> None:
        """See that the repository holds the blob. ``mount_from``: repositories of this registry that may have it.

        Raises `ConfigurationError` and `UnreachableError` as `Registry.call`.
        """
        if self._registry.holds(self._repository, blob.digest):
            return
        location = self._mounted(blob, [source for source in mount_from if source != self._repository])
        if location == "":
            self.mounted += 1
            return
        try:
            self._whole(location or self._begun(), blob)
        except UnreachableError:
            self._sleep(self._registry.patience.between(0))
            self._pieces(blob)

    def _mounted(self, blob: BlobSource, sources: Sequence[str]) -> str | None:
        """Empty where a mount succeeded; an upload that the registry began instead; None where nothing was asked."""
        location: str | None = None
        for source in sources:
            answer = self._call(
                "POST", f"/v2/{self._repository}/blobs/uploads/?mount={blob.digest}&from={source}",
                accept=(201, 202, 400, 403, 404, 405), source=source,
            )  # fmt: skip
            if answer.status_code == 201:
                return ""
            if answer.status_code == 202:
                location = self._location(answer)
        return location

    def _begun(self) -> str:
        answer = self._call("POST", f"/v2/{self._repository}/blobs/uploads/", accept=(202,))
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        self._least = int(least) if least.isdecimal() else 0
        return self._location(answer)

    def _location(self, answer: requests.Response) -> str:
        location = answer.headers.get("Location")
        if not location:
            raise TagboatError("the registry began an upload and did not say where", where=self._registry.host)
        return location

    def _whole(self, location: str, blob: BlobSource) -> None:
        with blob.reading(0) as pieces:
            body = _Body(pieces, blob.size)
            try:
                self._call(
                    "PUT", _with(location, f"digest={blob.digest}"), data=body, once=True, accept=(201, 204),
                    headers={"Content-Type": "application/octet-stream"},
                )  # fmt: skip
            finally:
                self.sent += body.sent

    def _pieces(self, blob: BlobSource) -> None:
        """Send what a broken line let through of the last attempt, then the rest; begin anew where all was lost."""
        patience = self._registry.patience
        location: str | None = None
        offset = 0
        failures = 0
        while True:
            try:
                if location is None:
                    location, offset = self._begun(), 0
                while offset < blob.size:
                    location, offset = self._piece(location, blob, offset)
                    failures = 0
                self._call("PUT", _with(location, f"digest={blob.digest}"), data=b"", accept=(201, 204), once=True)
                return
            except (UnreachableError, _CutError) as error:
                failures += 1
                if failures >= patience.attempts:
                    raise UnreachableError(
                        f"the upload of {blob.size} bytes broke {failures} times in a row", where=self._registry.host,
                        hint="Trying again is safe; what is there already is not sent again.",
                    ) from error  # fmt: skip
                self._sleep(patience.between(failures, error.wait if isinstance(error, _CutError) else None))
                if self._registry.holds(self._repository, blob.digest):
                    return
                location, offset = self._where(location) if location else (None, 0)

    def _piece(self, location: str, blob: BlobSource, offset: int) -> tuple[str, int]:
        size = min(max(CHUNK, self._least), blob.size - offset)
        with blob.reading(offset) as pieces:
            body = _Body(pieces, size)
            try:
                answer = self._call(
                    "PATCH", location, data=body, once=True, accept=(202, 204, 404, 416, 429, 500, 502, 503, 504),
                    headers={
                        "Content-Type": "application/octet-stream",
                        "Content-Range": f"{offset}-{offset + size - 1}",
                    },
                )  # fmt: skip
            finally:
                self.sent += body.sent
        if answer.status_code not in {202, 204}:
            raise _CutError(answer.headers.get("Retry-After"))
        return str(answer.headers.get("Location") or location), offset + size

    def _where(self, location: str) -> tuple[str | None, int]:
        """How far the registry has got, by its own word; (None, 0) where it has forgotten the upload."""
        try:
            answer = self._call("GET", location, accept=(204, 202, 200))
        except TagboatError:
            return None, 0
        last = answer.headers.get("Range", "").rpartition("-")[2]
        return str(answer.headers.get("Location") or location), int(last) + 1 if last.isdecimal() and last != "0" else 0

    def _call(
        self,
        method: str,
        path: str,
        *,
        accept: tuple[int, ...],
        source: str | None = None,
        data: object = None,
        headers: dict[str, str] | None = None,
        once: bool = False,
    ) -> requests.Response:
        return self._registry.call(
            method, path, self._repository, actions="pull,push", source=source, headers=headers, data=data,
            accept=accept, once=once,
        )  # fmt: skip


def bring_all(registry: Registry, repository: str, blobs: Sequence[tuple[BlobSource, Sequence[str]]]) -> Upload:
    """Bring several blobs, each with the repositories that may have it, side by side; returns the count of it all.

    The first one that fails ends it; those under way are finished, which the next push is glad of.
    """
    whole = Upload(registry, repository)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        uploads = [Upload(registry, repository) for _ in blobs]
        futures = [pool.submit(upload.bring, blob, mount_from=sources)
                   for upload, (blob, sources) in zip(uploads, blobs, strict=True)]  # fmt: skip
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)
    whole.sent = sum(upload.sent for upload in uploads)
    whole.mounted = sum(upload.mounted for upload in uploads)
    return whole


class _CutError(Exception):
    """An upload stopped half-way; ``wait``: what the registry's Retry-After says."""

    def __init__(self, wait: str | None) -> None:
        super().__init__()
        self.wait = wait


class _Body:
    """``size`` bytes of some pieces as a file that `requests` reads, and the count of what it took."""

    def __init__(self, pieces: Iterator[bytes], size: int) -> None:
        self._pieces = pieces
        self._rest = b""
        self._size = size
        self.sent = 0

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        wanted = min(size if size >= 0 else len(self._rest), self._size - self.sent)
        taken, self._rest = self._rest[:wanted], self._rest[wanted:]
        self.sent += len(taken)
        return taken


def _with(location: str, parameter: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}{parameter}"

"""Write layers: the same entries give the same bytes on every machine and every day.

Times are one constant, owners are root by number, order is by path, modes are 0644 or 0755, and there is nothing but
files, folders and symbolic links that we make ourselves: no device, hard link, setuid bit or name that leaves its
place can come in.

Compression is libdeflate's (PyPI `deflate`, which carries it), level 6, in gzip members of 1 MiB. zlib won't do: it is
the machine's, and zlib, zlib-ng and Apple's give other bytes for the same input; libdeflate also is twice as fast.
A file of several members is one gzip file (RFC 1952), which registries and runtimes read, as with eStargz.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import deflate
import msgspec

from deployers.wrapping import safe_paths
from deployers.wrapping.images.store import Store

RULES = 1
"""Part of every layer's key: raise it when the bytes of layers change."""

TIME = 315_532_800
"""1980-01-01, Unix seconds: the earliest that a zip can say, for tools that pack an image's files again."""

MEMBER = 1 << 20
LEVEL = 6
THREADS = 2


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One file, or with ``link`` one symbolic link. ``path``: relative to the root; its folders come along."""

    path: str
    source: Path | None = None
    content: bytes = b""
    link: str | None = None
    executable: bool = False


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A finished layer. ``digest`` and ``size`` of the compressed bytes, ``diff_id`` of the plain tar."""

    digest: str
    size: int
    diff_id: str


def write(entries: Iterable[Entry], store: Store) -> Layer:
    """Write a layer into the store."""
    named = {entry.path: entry for entry in entries}
    with store.writing() as file, ThreadPoolExecutor(THREADS) as pool:
        stream = _Compressed(file, pool)
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, bufsize=MEMBER) as archive:
            seen: set[str] = set()
            for path in sorted(named):
                _folders(archive, safe_paths.checked(path, where="a layer"), seen)
                _put(archive, named[path])
        stream.finish()
        layer = Layer(digest=stream.digest, size=stream.size, diff_id=stream.diff_id)
        store.keep(file, layer.digest)
    return layer


def _folders(archive: tarfile.TarFile, path: str, seen: set[str]) -> None:
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        folder = "/".join(parts[:depth])
        if folder not in seen:
            seen.add(folder)
            archive.addfile(_member(folder, tarfile.DIRTYPE, 0o755))


def _put(archive: tarfile.TarFile, entry: Entry) -> None:
    member = _member(entry.path, tarfile.REGTYPE, 0o755 if entry.executable else 0o644)
    if entry.link is not None:
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.link, 0o777
        archive.addfile(member)
    elif entry.source is not None:
        with entry.source.open("rb") as source:
            member.size = entry.source.stat().st_size
            archive.addfile(member, source)
    else:
        member.size = len(entry.content)
        archive.addfile(member, io.BytesIO(entry.content))


def _member(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.mtime = kind, mode, TIME
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


class _Compressed(io.RawIOBase):
    """Takes the tar's bytes, writes gzip members in order, and reckons both digests on the way."""

    def __init__(self, file: BinaryIO, pool: ThreadPoolExecutor) -> None:
        self._file = file
        self._pool = pool
        self._plain = hashlib.sha256()
        self._packed = hashlib.sha256()
        self._rest = bytearray()
        self._working: deque[Future[bytes | bytearray]] = deque()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._plain.update(data)
        self._rest += data
        while len(self._rest) >= MEMBER:
            self._submit(bytes(self._rest[:MEMBER]))
            del self._rest[:MEMBER]
        return len(data)

    def finish(self) -> None:
        if self._rest:
            self._submit(bytes(self._rest))
        while self._working:
            self._next()

    @property
    def digest(self) -> str:
        return f"sha256:{self._packed.hexdigest()}"

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._plain.hexdigest()}"

    def _submit(self, member: bytes) -> None:
        self._working.append(self._pool.submit(deflate.gzip_compress, member, LEVEL))
        if len(self._working) > 2 * THREADS:
            self._next()

    def _next(self) -> None:
        packed = self._working.popleft().result()
        self._packed.update(packed)
        self._file.write(packed)
        self.size += len(packed)

"""What a base image holds, as far as we ask: shared libraries, Pythons, the C library. Read from its layers' tars.

A layer streams by once, and only names and a few small files are looked at; nothing is unpacked. What a layer says
is kept by its digest, so a base is read once per machine and cache.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import msgspec

from deployers.errors import ConfigurationError, RefusedError
from deployers.wrapping.images.documents import Descriptor

LIBRARY = re.compile(r"[^/]+\.so(\.[^/]*)?", re.ASCII)
PYTHON = re.compile(r"(.*/)?bin/python3(\.[0-9]+)?", re.ASCII)
C_LIBRARY = re.compile(r"(usr/)?lib(64)?/([^/]+/)?libc\.so\.6", re.ASCII)
LOADER_SETTINGS = re.compile(r"etc/ld\.so\.conf(\.d/[^/]+\.conf)?", re.ASCII)
GLIBC = re.compile(rb"GLIBC_2\.([0-9]{1,3})\0", re.ASCII)

RULES = 1
"""Part of every kept listing: raise it when more is looked at."""

MOST_ENTRIES = 2_000_000
LARGEST_LOOK = 16 * 1024 * 1024

STANDARD = re.compile(r"(usr/)?(local/)?lib(32|64)?(/[a-z0-9_]+-linux-(gnu|musl)[a-z0-9]*)?", re.ASCII)
"""Where the loader looks without being told; Debian's folders of an architecture among them."""


class LayerListing(msgspec.Struct, frozen=True, kw_only=True):
    """One layer. Paths are relative to the root. ``gone``: whiteouts; ``emptied``: folders whose former content is."""

    libraries: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    glibc: int | None = None
    diff_id: str = ""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A whole base. ``libraries``: those that the loader finds, by file name. ``glibc``: the 36 of 2.36, or None."""

    libraries: frozenset[str]
    pythons: frozenset[str]
    glibc: int | None


def read(layer: Descriptor, pieces: Iterator[bytes], *, where: str) -> LayerListing:
    """List one layer from its bytes, which are held against its digest.

    Raises `RefusedError` where they differ, `ConfigurationError` for a compression that this machine can't read.
    """
    counted = _Counted(pieces)
    try:
        opened = _opened(layer, counted, where)
        plain = _Counted(iter(lambda: opened.read(1 << 20), b""))
        found = _listed(plain)
        plain.drain()
    except (tarfile.TarError, EOFError, OSError, gzip.BadGzipFile) as error:
        raise RefusedError(f"a layer of the base can't be read: {error}", where=where) from error
    counted.drain()
    if counted.digest != layer.digest:
        raise RefusedError("a layer of the base is not the one that its digest names", where=where)
    return msgspec.structs.replace(found, diff_id=plain.digest)


def merged(layers: Sequence[LayerListing], *, search: Iterable[str] = ()) -> Listing:
    """The base as a container would see it: later layers over earlier ones.

    ``search``: folders of LD_LIBRARY_PATH, absolute.
    """
    libraries: set[str] = set()
    pythons: set[str] = set()
    folders = {folder.strip("/") for folder in search}
    glibc = None
    for layer in layers:
        for present in (libraries, pythons):
            present -= {path for path in present if _hidden(path, layer)}
        libraries.update(layer.libraries)
        pythons.update(layer.pythons)
        folders.update(layer.folders)
        glibc = layer.glibc if layer.glibc is not None else glibc
    found = {path.rpartition("/")[2] for path in libraries if _searched(path.rpartition("/")[0], folders)}
    return Listing(libraries=frozenset(found), pythons=frozenset(f"/{path}" for path in pythons), glibc=glibc)


def _hidden(path: str, layer: LayerListing) -> bool:
    return any(path == gone or path.startswith(f"{gone}/") for gone in layer.gone) or any(
        path.startswith(f"{folder}/") for folder in layer.emptied
    )


def _searched(folder: str, folders: set[str]) -> bool:
    return folder in folders or STANDARD.fullmatch(folder) is not None


def _opened(layer: Descriptor, source: _Counted, where: str) -> IO[bytes]:
    kind = layer.media_type
    if kind.endswith(("gzip", ".gz")):
        return gzip.GzipFile(fileobj=io.BufferedReader(source, 1 << 20), mode="rb")  # type: ignore[return-value]
    if kind.endswith("zstd"):
        raise ConfigurationError(
            "a layer of the base is compressed with zstd, which is not read yet", where=where,
            hint="Name a base whose layers are gzip, as those of Docker Hub are.",
        )  # fmt: skip
    if kind.endswith(".tar"):
        return io.BufferedReader(source, 1 << 20)
    raise ConfigurationError(f"a layer of the base is of an unknown kind: {kind[:100]}", where=where)


def _listed(stream: Any) -> LayerListing:
    found: dict[str, list[str]] = {name: [] for name in ("libraries", "pythons", "gone", "emptied", "folders")}
    glibc = None
    with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as archive:
        for count, member in enumerate(archive):
            if count > MOST_ENTRIES:
                raise RefusedError(f"a layer of the base has more than {MOST_ENTRIES} entries")
            path = member.name.removeprefix("./").strip("/")
            archive.members = []  # type: ignore[attr-defined]  # or it would remember every one
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                found["emptied"].append(folder)
            elif name.startswith(".wh."):
                found["gone"].append(f"{folder}/{name[4:]}".strip("/"))
            elif not (member.isreg() or member.issym() or member.islnk()):
                continue
            elif LIBRARY.fullmatch(name):
                found["libraries"].append(path)
            elif PYTHON.fullmatch(path):
                found["pythons"].append(path)
            if member.isreg() and member.size <= LARGEST_LOOK:
                if C_LIBRARY.fullmatch(path):
                    glibc = _glibc(archive, member)
                elif LOADER_SETTINGS.fullmatch(path):
                    found["folders"] += _named_folders(archive, member)
    listed = {name: tuple(sorted(paths)) for name, paths in found.items()}
    return LayerListing(
        libraries=listed["libraries"], pythons=listed["pythons"], gone=listed["gone"], emptied=listed["emptied"],
        folders=listed["folders"], glibc=glibc,
    )  # fmt: skip


def _glibc(archive: tarfile.TarFile, member: tarfile.TarInfo) -> int | None:
    file = archive.extractfile(member)
    versions = [int(version) for version in GLIBC.findall(file.read() if file else b"")]
    return max(versions, default=None)


def _named_folders(archive: tarfile.TarFile, member: tarfile.TarInfo) -> list[str]:
    file = archive.extractfile(member)
    lines = (file.read(65536) if file else b"").decode("utf-8", "replace").splitlines()
    return [line.strip().strip("/") for line in lines if line.strip().startswith("/")]


class _Counted(io.RawIOBase):
    """Pieces as a readable stream, hashed on the way."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._pieces, b"")
            self._hash.update(self._rest)
        taken = min(len(buffer), len(self._rest))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def drain(self) -> None:
        """Read what is left, such as the padding after a tar's end."""
        for piece in self._pieces:
            self._hash.update(piece)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

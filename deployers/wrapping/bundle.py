"""The bundle: a model, its environment's lock and its server in one folder.

    model.json          what is in here, below
    model/…             the model's files, read-only
    code/…              the user's own modules, on sys.path when the model is loaded
    requirements.lock   every package with its hashes
    server/….whl        tagboat-server
    sample.json         rows that the model is asked, where there is a sample
    optimized/…         the graph that answers for the model, where one was asked for and accepted

The digest is the identity of what would run: the bytes of the model, the code, the lock, the server, the sample and
the graph, the Python version and the base image. Neither name nor version nor commit is in it, and no stage: a
promotion moves the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from deployers.errors import RefusedError, TagboatError

SCHEMA = 1
LOCK = "requirements.lock"
DESCRIPTION = "model.json"
SAMPLE = "sample.json"
OPTIMIZED = "optimized"


class Content(msgspec.Struct, frozen=True, order=True):
    """One file: its path with ``/``, the SHA-256 of its bytes as 64 hexadecimal digits, and its size in bytes."""

    path: str
    sha256: str
    size: int


class Description(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """model.json. ``model`` is relative to ``model/``; ``code`` lists the files under ``code/``.

    ``methods``, ``libraries``, ``warnings`` are as `tagboat-server inspect` says. ``scan``: what the static scan found,
    before any policy. ``indexes`` and ``allow_build`` say how to install the lock again; ``indexes`` hold
    ``${env:NAME}`` unexpanded. ``base_image``: the digest of the image that the bundle is made for, None for none.
    ``sample``: its path in the bundle. ``optimized``: what became of the wish for a graph (`optimization.Outcome`).
    """

    schema: int
    name: str
    version: str
    commit: str
    digest: str
    format: str
    model: str
    python: str
    requirements: str
    server: str
    methods: Mapping[str, Any]
    libraries: Mapping[str, str]
    code: Sequence[str]
    scan: Mapping[str, Any]
    warnings: Sequence[str] = ()
    indexes: Sequence[Mapping[str, Any]] = ()
    allow_build: bool = False
    base_image: str | None = None
    sample: str | None = None
    optimized: Mapping[str, Any] | None = None


class Bundle(msgspec.Struct, frozen=True):
    """A finished bundle on this machine's disk. ``digest``: ``sha256:`` and 64 hexadecimal digits."""

    folder: Path
    digest: str

    @property
    def description(self) -> Description:
        """What model.json says."""
        return _described(self.folder)

    @property
    def lock(self) -> str:
        """The text of the lock."""
        return (self.folder / LOCK).read_text(encoding="utf-8")

    @property
    def server(self) -> Path:
        """The server's wheel."""
        return self.folder / self.description.server


def load(folder: Path, *, verify: bool = True) -> Bundle:
    """Open a bundle; every byte is hashed again unless ``verify`` is false.

    Raises `TagboatError` for what is no bundle, `RefusedError` for one that was changed since it was made.
    """
    description = _described(folder)
    if verify:
        found = digest(
            model=contents(folder / "model"),
            code=contents(folder / "code"),
            lock=(folder / LOCK).read_text(encoding="utf-8"),
            server=file_sha256(folder / description.server),
            python=description.python,
            format=description.format,
            path=description.model,
            base_image=description.base_image,
            sample=file_sha256(folder / SAMPLE) if (folder / SAMPLE).exists() else None,
            optimized=contents(folder / OPTIMIZED),
        )
        if found != description.digest:
            raise RefusedError(
                "the bundle is not the one that was made: its files have changed",
                where=str(folder),
                hint="Delete the folder and deploy again: the bundle is made anew.",
            )
    return Bundle(folder, description.digest)


def digest(
    *,
    model: Sequence[Content],
    code: Sequence[Content],
    lock: str,
    server: str,
    python: str,
    format: str,  # noqa: A002  (model.json's word)
    path: str,
    base_image: str | None,
    sample: str | None = None,
    optimized: Sequence[Content] = (),
) -> str:
    """The identity of a bundle, ``sha256:…``. ``server``: the wheel's SHA-256. ``path``: the model's, in ``model``.

    ``sample``: its SHA-256. What a bundle does not have is not in its identity.
    """
    identity: dict[str, Any] = {
        "schema": SCHEMA,
        "model": [[content.path, content.sha256] for content in sorted(model)],
        "code": [[content.path, content.sha256] for content in sorted(code)],
        "lock": hashlib.sha256(lock.encode()).hexdigest(),
        "server": server,
        "python": python,
        "format": format,
        "path": path,
        "base-image": base_image,
    }
    if sample is not None:
        identity["sample"] = sample
    if optimized:
        identity["optimized"] = [[content.path, content.sha256] for content in sorted(optimized)]
    return "sha256:" + hashlib.sha256(msgspec.json.encode(identity, order="deterministic")).hexdigest()


def contents(folder: Path) -> list[Content]:
    """Every file of a folder, sorted by path; a folder that is not there has none."""
    return sorted(
        Content(path.relative_to(folder).as_posix(), file_sha256(path), path.stat().st_size) for path in _files(folder)
    )


def file_sha256(path: Path) -> str:
    """64 hexadecimal digits; streams, so a file of any size takes no memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _described(folder: Path) -> Description:
    path = folder / DESCRIPTION
    try:
        description = msgspec.json.decode(path.read_bytes(), type=Description)
    except (OSError, msgspec.DecodeError) as error:
        raise TagboatError(f"no bundle is here: {error}", where=str(path), hint="Deploy again to make it.") from error
    if description.schema != SCHEMA:
        raise TagboatError(
            f"a bundle of schema {description.schema}, which this version of Tagboat does not know",
            where=str(path),
            hint="Deploy again to make it anew.",
        )
    return description

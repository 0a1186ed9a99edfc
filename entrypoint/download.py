"""The files of a release's model, from Git and DVC, verified, in a folder of the caller's.

    which files are they (contents, manifests, MLEM's pair) ─ may they be written (paths) ─ are they too much (limits)
    ─ objects into the cache, each held against its MD5 (transfer) ─ all files into the folder at once (destination)

The story is told here; its parts are modules of `entrypoint.downloading`.
"""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from entrypoint.configuration.policy_settings import Limits
from entrypoint.downloading.cache import Cache
from entrypoint.downloading.contents import Contents
from entrypoint.downloading.destination import staged, writing
from entrypoint.downloading.gathering import Gathering
from entrypoint.downloading.limits import Budget
from entrypoint.downloading.paths import check_names, path_in_repository
from entrypoint.downloading.remote_settings import RemoteSettings
from entrypoint.downloading.transfer import Transfer, WantedObject
from entrypoint.downloading.wanted import Wanted
from entrypoint.errors import ConfigurationError
from entrypoint.registry.repository import Repository

__all__ = ["Download", "File", "Progress", "RemoteSettings", "download"]


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of the model: its path inside the folder, bytes, sums in hexadecimal."""

    path: str
    size: int
    md5: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Download:
    """A model on this machine's disk.

    ``folder`` holds all files, read-only. ``model``: the path inside it of the model's file or folder; for a MLEM model
    that of its ``.mlem`` file. ``files`` by path. ``transferred``: bytes that came from a DVC remote; 0 where the cache
    had them all.
    """

    folder: Path
    model: Path
    files: Sequence[File]
    transferred: int

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a download is: ``done`` bytes of ``total`` (None where the commit does not say).

    ``file``: the path, from the repository's root, of the one that moves just now.
    """

    done: int
    total: int | None
    file: str


def _nobody(_progress: Progress) -> None:
    """Nobody listens."""


def download(
    repository: Repository,
    resolution: Wanted,
    *,
    cache: Path,
    destination: Path,
    remotes: RemoteSettings,
    limits: Limits | None = None,
    environment: Mapping[str, str],
    progress: Callable[[Progress], None] = _nobody,
    link: bool = True,
) -> Download:
    """Put the model of a release into ``destination``, which must not hold anything else.

    ``remotes``: from trusted files only. ``link``: files are hard links into the cache where that can be; for a folder
    that a person may edit, pass False. ``progress`` is called from several threads, never from two at once.

    Raises `ConfigurationError` where the model, its objects or credentials are not to be had, `UnsafeContentError` and
    `RefusedError` for what must not be written (wrong bytes, hostile paths, limits), `UnreachableError` where trying
    again is safe. Nothing is left in ``destination`` then.
    """
    contents = Contents(repository, resolution.commit)
    meter = _Meter(progress)
    with writing(cache):
        kept = Cache(cache)
        kept.sweep()
    budget = Budget(limits or Limits(), kept.folder)
    transfer = Transfer(kept, remotes, environment, budget, meter.passed)
    gathered = Gathering(contents, transfer, remotes).model(_path_of(resolution))
    files = gathered.files
    base = _common_folder([gathered.model, *files])
    check_names(
        (posixpath.relpath(path, base or ".") for path in files),
        where=f"the model of {resolution.artifact!r} at {resolution.commit[:12]}",
    )
    budget.claim(gathered.claimed, missing=gathered.absent)
    meter.begin(gathered.claimed if gathered.complete else None)
    objects = transfer.fetch([file for file in files.values() if isinstance(file, WantedObject)])
    with writing(destination), staged(destination, link=link) as staging:
        written = []
        for path, file in sorted(files.items()):
            relative = posixpath.relpath(path, base or ".")
            if isinstance(file, WantedObject):
                found = objects[file.key]
                staging.place(relative, found.path)
                written.append(File(path=relative, size=found.size, md5=found.md5, sha256=found.sha256))
            else:
                with repository.open(file.object_id) as content:
                    sums, beginning = staging.write(relative, content, meter.of(path, budget))
                file.check(beginning)
                written.append(File(path=relative, size=sums.size, md5=sums.md5, sha256=sums.sha256))
    return Download(
        folder=destination,
        model=Path(posixpath.relpath(gathered.model, base or ".")),
        files=written,
        transferred=transfer.transferred,
    )


class _Meter:
    """Adds up what the threads report, and tells it one call at a time."""

    def __init__(self, progress: Callable[[Progress], None]) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._done = 0
        self._total: int | None = None

    def begin(self, total: int | None) -> None:
        """What was read until now was only to find out what there is; the model's own bytes count from here."""
        with self._lock:
            self._done, self._total = 0, total

    def passed(self, path: str, size: int) -> None:
        with self._lock:
            self._done += size
            self._progress(Progress(done=self._done, total=self._total, file=path))

    def of(self, path: str, budget: Budget) -> Callable[[int], None]:
        def passed(size: int) -> None:
            budget.spend(size)
            self.passed(path, size)

        return passed


def _path_of(resolution: Wanted) -> str:
    where = f"the path of {resolution.artifact!r}"
    if not resolution.path:
        raise ConfigurationError(
            f"nothing says where the model of {resolution.artifact!r} is",
            where=f"commit {resolution.commit[:12]}",
            hint="Give it a path: under 'artifacts:' in dvc.yaml, or artifacts.NAME.path in tagboat.yaml.",
        )
    return path_in_repository(resolution.path, where=where)


def _common_folder(paths: Sequence[str]) -> str:
    folders = {posixpath.dirname(path) for path in paths}
    return "" if "" in folders else posixpath.commonpath(folders)

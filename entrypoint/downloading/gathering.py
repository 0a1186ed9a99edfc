"""From a model's path to every single file it consists of: pointers followed, manifests read, MLEM's pair completed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from entrypoint.downloading.contents import Contents, GitFile, TrackedPart
from entrypoint.downloading.dvc_config import untrusted_default
from entrypoint.downloading.manifests import LARGEST_MANIFEST, read_manifest, too_many_files
from entrypoint.downloading.mlem_files import LARGEST, SUFFIX, data_of
from entrypoint.downloading.remote_settings import RemoteSettings
from entrypoint.downloading.transfer import Transfer, WantedObject
from entrypoint.errors import ConfigurationError


@dataclass
class Gathered:
    """Every file by its path from the repository's root, and what they weigh as the commit claims.

    ``claimed``: bytes of all whose size is known; ``absent``: of those, bytes that are not in the cache;
    ``complete``: whether every size is known. ``model``: the path that stands for the whole model.
    """

    model: str = ""
    files: dict[str, GitFile | WantedObject] = field(default_factory=dict)
    claimed: int = 0
    absent: int = 0
    complete: bool = True


class Gathering:
    """Finds out what a model consists of; fetches manifests and MLEM's descriptions on the way, nothing else."""

    def __init__(self, contents: Contents, transfer: Transfer, remotes: RemoteSettings) -> None:
        self._contents = contents
        self._transfer = transfer
        self._remotes = remotes
        self._where = f"commit {contents.commit[:12]}"

    def model(self, path: str) -> Gathered:
        """The model at the path. Raises `ConfigurationError` when the commit has nothing there."""
        gathered = Gathered()
        tracked_by = path.removesuffix(".dvc")
        if tracked_by != path and path in self._contents.tree:
            path = tracked_by
        description = path if path.endswith(SUFFIX) else path + SUFFIX
        if self._add(gathered, description, everywhere=False):
            gathered.model = description
            for part in data_of(self._read_description(gathered, description), description):
                if not self._add(gathered, part):
                    raise self._nothing_at(part)
        else:
            gathered.model = path
            if not self._add(gathered, path):
                raise self._nothing_at(path)
        return gathered

    def _add(self, gathered: Gathered, path: str, *, everywhere: bool = True) -> int:
        """Add every file at or below the path, and return their number."""
        count = 0
        for part in self._contents.find(path, everywhere=everywhere):
            if isinstance(part, GitFile):
                gathered.files[part.path] = part
                gathered.claimed += part.size
                gathered.absent += part.size
                count += 1
            else:
                count += self._add_tracked(gathered, part)
            if len(gathered.files) > (most := self._transfer.budget.limits.files):
                raise too_many_files(len(gathered.files), most, self._where)
        return count

    def _add_tracked(self, gathered: Gathered, part: TrackedPart) -> int:
        objects = list(self._objects(part))
        size = None if part.below else part.pointer.size
        gathered.files.update({wanted.path: wanted for wanted in objects})
        gathered.claimed += size or 0
        gathered.complete &= size is not None or not objects
        if any(not self._transfer.cache.path_of(*wanted.key).exists() for wanted in objects):
            gathered.absent += size or 0
        return len(objects)

    def _objects(self, part: TrackedPart) -> Iterator[WantedObject]:
        pointer = part.pointer
        if not pointer.cached:
            raise ConfigurationError(
                "DVC says that Git keeps this file (cache: false), and the commit does not have it",
                where=f"{pointer.path} at {self._contents.commit[:12]}",
                hint="Commit it (git add), and register a new version.",
            )
        remote = self._remotes.choose(pointer.remote, self._default_of_commit(pointer.file))
        whole = WantedObject(
            path=pointer.path,
            hash_name=pointer.hash_name,
            value=pointer.value,
            size=None if pointer.is_folder else pointer.size,
            most=LARGEST_MANIFEST if pointer.is_folder else None,
            remote=remote,
            imported=pointer.imported,
        )
        if not pointer.is_folder:
            yield whole
            return
        manifest = self._transfer.one(whole).path.read_bytes()
        where = f"{pointer.path} at {self._contents.commit[:12]}"
        for entry in read_manifest(manifest, where=where, most_files=self._transfer.budget.limits.files):
            if not part.below or entry.path == part.below or entry.path.startswith(part.below + "/"):
                yield WantedObject(
                    path=posixpath.join(pointer.path, entry.path),
                    hash_name=pointer.hash_name,
                    value=entry.md5,
                    size=None,
                    remote=remote,
                    imported=pointer.imported,
                )

    def _default_of_commit(self, pointer: str) -> str | None:
        """The name of the default remote in the tagged commit's own .dvc/config, of which nothing else counts."""
        folder = posixpath.dirname(pointer)
        while True:
            content = self._contents.read(posixpath.join(folder, ".dvc", "config"))
            if content is not None or not folder:
                return untrusted_default(content)
            folder = posixpath.dirname(folder)

    def _read_description(self, gathered: Gathered, path: str) -> bytes:
        file = gathered.files[path]
        if file.size is not None and file.size > LARGEST:
            raise ConfigurationError(f"a MLEM description of more than {LARGEST} bytes", where=path)
        if isinstance(file, GitFile):
            return self._contents.read(path) or b""
        with self._transfer.one(file).path.open("rb") as content:
            return content.read(LARGEST)

    def _nothing_at(self, path: str) -> ConfigurationError:
        hint = "Check the artifact's path in dvc.yaml, and that the .dvc file or dvc.lock is committed."
        for reason in islice(self._contents.passed_over, 3):
            hint += f"\n  Passed over: {reason}"
        return ConfigurationError(
            f"the commit has nothing at {path!r}, neither in Git nor tracked by DVC",
            where=self._where,
            hint=hint,
        )

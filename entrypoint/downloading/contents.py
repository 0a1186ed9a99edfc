"""Which files a path of a commit stands for: files in Git, objects of DVC, or both below one folder."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from entrypoint.downloading.documents import LARGEST_DOCUMENT
from entrypoint.downloading.paths import is_below, safe_path
from entrypoint.downloading.pointers import Pointer, read_dvc_file, read_lock
from entrypoint.errors import ConfigurationError, UnsafeContentError
from entrypoint.registry.repository import Repository, TreeEntry

SYMBOLIC_LINK = "120000"
SUBMODULE = "160000"
LFS_HEADER = b"version https://git-lfs.github.com/spec/"
LFS_POINTER_SIZE = 1024
"""A Git LFS pointer is shorter than this, by its specification."""
_NOT_THE_MODELS = {".gitignore", ".gitattributes", ".gitkeep", ".dvcignore"}
MOST_POINTERS = 20_000


@dataclass(frozen=True)
class GitFile:
    """A file that Git itself holds; ``path`` from the repository's root, ``size`` in bytes, ``object_id`` its blob."""

    path: str
    size: int
    object_id: str

    def check(self, beginning: bytes) -> None:
        """Refuse a Git LFS pointer, which stands in the place of the real file."""
        if self.size < LFS_POINTER_SIZE and beginning.startswith(LFS_HEADER):
            raise ConfigurationError(
                "the file is kept in Git LFS, which Tagboat does not download from",
                where=self.path,
                hint="Track the model with DVC (git lfs untrack, dvc add, dvc push) and register a new version.",
            )


@dataclass(frozen=True)
class TrackedPart:
    """What a pointer covers of the path asked for: all of it, or with ``below`` one path inside the tracked folder."""

    pointer: Pointer
    below: str = ""

    @property
    def path(self) -> str:
        """From the repository's root."""
        return posixpath.join(self.pointer.path, self.below) if self.below else self.pointer.path


@dataclass
class Contents:
    """The files of one commit."""

    commits: Repository
    commit: str
    _parsed: dict[str, list[Pointer] | UnsafeContentError] = field(default_factory=dict, repr=False)

    @cached_property
    def tree(self) -> dict[str, TreeEntry]:
        """Path → entry, for every file of the commit."""
        return {entry.path: entry for entry in self.commits.list_tree(self.commit, "")}

    def read(self, path: str) -> bytes | None:
        """A file in Git of at most `LARGEST_DOCUMENT` bytes, or None where the commit has no such file."""
        entry = self.tree.get(path)
        if entry is None or entry.mode in {SYMBOLIC_LINK, SUBMODULE} or entry.size is None:
            return None
        if entry.size > LARGEST_DOCUMENT:
            raise UnsafeContentError(f"the file is larger than {LARGEST_DOCUMENT} bytes", where=path)
        with self.commits.open(entry.object_id) as content:
            return content.read()

    @property
    def passed_over(self) -> list[UnsafeContentError]:
        """What is wrong with pointers that could not be read; to be told when a path is found nowhere."""
        return [parsed for parsed in self._parsed.values() if isinstance(parsed, UnsafeContentError)]

    def find(self, path: str, *, everywhere: bool = True) -> list[GitFile | TrackedPart]:
        """What the path stands for; empty when the commit has nothing there.

        With ``everywhere`` also ``.dvc`` files are read that lie where ``dvc add`` would not put them: each costs a
        process, so it is not for a path that may well not exist.

        A path that Git holds is Git's, as ``cache: false`` outputs are. Otherwise it is the output of a pointer, or
        lies inside one. A folder of Git may hold pointers beside its files: their outputs come along. Raises
        `UnsafeContentError` for links, submodules and hostile pointers.
        """
        if path in self.tree:
            return [self._git_file(self.tree[path])]
        inside = [entry for entry in self.tree.values() if is_below(entry.path, path)]
        if inside:
            return self._folder(path, inside)
        for pointer in self._pointers_about(path, everywhere=everywhere):
            if path == pointer.path:
                return [TrackedPart(pointer)]
            if is_below(path, pointer.path) and pointer.is_folder:
                return [TrackedPart(pointer, path[len(pointer.path) + 1 :])]
        return [TrackedPart(pointer) for pointer in self._outputs_below(path)]

    def pointers(self, files: Iterable[str]) -> list[Pointer]:
        """What these ``.dvc`` files and ``dvc.lock`` files track; one that cannot be read is in `passed_over`."""
        return [pointer for file in files if file in self.tree for pointer in self._read(file, strict=False)]

    def _folder(self, path: str, inside: list[TreeEntry]) -> list[GitFile | TrackedPart]:
        tracked = {pointer.path: pointer for pointer in self._outputs_below(path)}
        held = {entry.path for entry in inside}
        files: list[GitFile | TrackedPart] = [
            self._git_file(entry)
            for entry in inside
            if posixpath.basename(entry.path) not in _NOT_THE_MODELS and not entry.path.endswith(".dvc")
        ]
        files += [
            TrackedPart(pointer)
            for out, pointer in tracked.items()
            if out not in held and not any(is_below(name, out) for name in held)
        ]
        return files

    def _git_file(self, entry: TreeEntry) -> GitFile:
        safe_path(entry.path, where=f"commit {self.commit[:12]}")
        if entry.mode in {SYMBOLIC_LINK, SUBMODULE} or entry.size is None:
            kind = "a submodule" if entry.mode == SUBMODULE else "a symbolic link"
            raise UnsafeContentError(
                f"{kind} is no part of a model",
                where=f"{entry.path} at {self.commit[:12]}",
                hint="Commit the file itself, or track it with DVC.",
            )
        return GitFile(entry.path, entry.size, entry.object_id)

    def _pointers_about(self, path: str, *, everywhere: bool) -> Iterator[Pointer]:
        """Pointers that may cover the path; first those that ``dvc add`` would have written for it or its folders."""
        likely = [f"{part}.dvc" for part in _and_parents(path) if f"{part}.dvc" in self.tree]
        for file in likely:
            yield from self._read(file, strict=True)
        for file in self.tree:
            if posixpath.basename(file) == "dvc.lock":
                yield from self._read(file, strict=False)
        if not everywhere:
            return
        others = [file for file in self.tree if file.endswith(".dvc") and file not in likely]
        for file in others[:MOST_POINTERS]:
            yield from self._read(file, strict=False)

    def _outputs_below(self, folder: str) -> Iterator[Pointer]:
        for file in self.tree:
            name = posixpath.basename(file)
            if name == "dvc.lock" or (file.endswith(".dvc") and is_below(file, folder)):
                for pointer in self._read(file, strict=name != "dvc.lock"):
                    if is_below(pointer.path, folder):
                        yield pointer

    def _read(self, file: str, *, strict: bool) -> list[Pointer]:
        if self.tree[file].mode in {SYMBOLIC_LINK, SUBMODULE} or "/.dvc/" in f"/{file}":
            return []
        if file not in self._parsed:
            self._parsed[file] = self._parse(file)
        parsed = self._parsed[file]
        if not isinstance(parsed, UnsafeContentError):
            return parsed
        if strict:
            raise parsed
        return []

    def _parse(self, file: str) -> list[Pointer] | UnsafeContentError:
        try:
            content = self.read(file) or b""
            if not file.endswith("dvc.lock"):
                return list(read_dvc_file(content, file))
            beside = posixpath.join(posixpath.dirname(file), "dvc.yaml")
            return list(read_lock(content, file, self.read(beside), self._filled_in))
        except UnsafeContentError as error:
            return error

    def _filled_in(self, folder: str, pipeline: Mapping[str, Any], stage: str) -> str | None:
        from entrypoint.downloading.stage_folders import templated_wdir

        return templated_wdir(self.commits, self.commit, folder, pipeline, stage)


def _and_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = posixpath.dirname(path)

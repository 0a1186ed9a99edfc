"""Which data and model files differ between two commits, by their pointers of DVC and their blobs in Git."""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Literal

import msgspec

from entrypoint.downloading.contents import Contents
from entrypoint.downloading.paths import is_below

MOST_POINTERS = 1_000
"""Pointer files of a commit that are read: only those that differ are."""
LARGE = 200_000
"""Bytes from which a file in Git counts as data, whatever its name."""

_MODELS = frozenset(
    {
        ".bin", ".cbm", ".gguf", ".h5", ".joblib", ".keras", ".mlem", ".onnx", ".pickle", ".pkl", ".pt", ".pt2", ".pth",
        ".safetensors", ".skops", ".tflite", ".ubj", ".xgb",
    }
)  # fmt: skip
_DATA = frozenset(
    {
        ".arrow", ".avro", ".csv", ".feather", ".gz", ".hdf5", ".jsonl", ".npy", ".npz", ".orc", ".parquet", ".tar",
        ".tsv", ".xlsx", ".xz", ".zip", ".zst",
    }
)  # fmt: skip


class What(enum.StrEnum):
    """What became of a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One file or tracked folder. Sizes in bytes, as the commits claim; None where there is none, or nobody says.

    ``kept_by``: ``dvc`` or ``git``.
    """

    path: str
    what: What
    kind: Literal["model", "data"]
    kept_by: Literal["dvc", "git"]
    before: int | None = None
    after: int | None = None


class _Kept(msgspec.Struct, frozen=True):
    """A file on one side: what its bytes are, how many, and who keeps them."""

    identity: str
    size: int | None
    kept_by: Literal["dvc", "git"]


def file_changes(
    before: Contents, after: Contents, models: Iterable[str], leave_out: AbstractSet[str]
) -> list[FileChange]:
    """What differs, models first, then by path.

    ``models``: paths of the artifacts' models. ``leave_out``: files that are shown elsewhere (metrics, parameters,
    plots).
    """
    paths = set(models)
    old, new = _kept(before, after, paths), _kept(after, before, paths)
    found = []
    for path in sorted({*old, *new} - leave_out):
        one, other = old.get(path), new.get(path)
        if one is not None and other is not None and one.identity == other.identity:
            continue
        kept = other or one
        assert kept is not None  # noqa: S101 - the path is of one of the two
        found.append(
            FileChange(
                path=path,
                what=What.ADDED if one is None else What.REMOVED if other is None else What.CHANGED,
                kind="model" if _is_model(path, paths) else "data",
                kept_by=kept.kept_by,
                before=one.size if one else None,
                after=other.size if other else None,
            )
        )
    return sorted(found, key=lambda change: change.kind != "model")


def _kept(side: Contents, other: Contents, models: AbstractSet[str]) -> dict[str, _Kept]:
    """What may differ on one side, by path: the pointers in files that differ, and data in Git that does."""
    differing = [path for path, entry in side.tree.items() if _differs(path, entry.object_id, other)]
    found = {
        path: _Kept(entry.object_id, entry.size, "git")
        for path in differing
        if (entry := side.tree[path]).is_file and _is_data(path, entry.size or 0, models)
    }
    pointers = list(_pointers(differing))[:MOST_POINTERS]
    found |= {
        pointer.path: _Kept(pointer.value, pointer.size, "dvc")
        for pointer in side.pointers(pointers)
        if pointer.path not in side.tree
    }
    return found


def _differs(path: str, object_id: str, other: Contents) -> bool:
    there = other.tree.get(path)
    return there is None or there.object_id != object_id


def _pointers(paths: Iterable[str]) -> Iterator[str]:
    return (path for path in paths if path.endswith(".dvc") or posixpath.basename(path) == "dvc.lock")


def _is_data(path: str, size: int, models: AbstractSet[str]) -> bool:
    if path.endswith(".dvc") or posixpath.basename(path) == "dvc.lock":
        return False
    ending = posixpath.splitext(path)[1].lower()
    return size >= LARGE or ending in _MODELS or ending in _DATA or _is_model(path, models)


def _is_model(path: str, models: AbstractSet[str]) -> bool:
    named = any(path in {model, f"{model}.mlem"} or is_below(path, model) for model in models)
    return named or posixpath.splitext(path)[1].lower() in _MODELS

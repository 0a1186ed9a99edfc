"""The list of files in a folder that DVC tracks: a ``.dir`` object (dvc_data/hashfile/tree.py, DVC 3.67)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from entrypoint.downloading.paths import check_names, safe_path
from entrypoint.errors import RefusedError, UnsafeContentError

LARGEST_MANIFEST = 64 * 2**20
"""Bytes; about half a million files."""


class _Entry(msgspec.Struct):
    md5: str
    relpath: str


@dataclass(frozen=True)
class ManifestEntry:
    """One file: its MD5 in hexadecimal, and its path inside the tracked folder."""

    md5: str
    path: str


def read_manifest(content: bytes, *, where: str, most_files: int) -> list[ManifestEntry]:
    """Every file of the folder. Raises `UnsafeContentError` for paths that may not be written (SECURITY C3)."""
    try:
        entries = msgspec.json.decode(content, type=list[_Entry])
    except msgspec.DecodeError as error:
        raise UnsafeContentError(f"the folder's list of files cannot be read: {error}", where=where) from None
    except RecursionError:
        raise UnsafeContentError("the folder's list of files is nested too deep", where=where) from None
    if len(entries) > most_files:
        raise too_many_files(len(entries), most_files, where)
    for entry in entries:
        safe_path(entry.relpath, where=where)
        if len(entry.md5) != 32 or not set(entry.md5) <= set("0123456789abcdef"):
            raise UnsafeContentError(f"the file {entry.relpath!r} has no MD5 sum", where=where)
    check_names((entry.relpath for entry in entries), where=where)
    return [ManifestEntry(entry.md5, entry.relpath) for entry in entries]


def too_many_files(count: int, most: int, where: str) -> RefusedError:
    """The error for a model of more files than the configuration allows."""
    return RefusedError(
        f"the model has {count} files, more than the limit of {most}",
        where=where,
        hint="Raise policies.limits.files in tagboat.yaml, or pack the model into fewer files.",
    )

"""Which paths of a repository, a pointer or a manifest may become files on this machine (SECURITY C3).

Everything here is text from the repository or from a remote. Paths are POSIX, relative, and judged as text before
anything is opened; what passes can be joined below a folder of ours and stays there on Linux, macOS and Windows.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable

from entrypoint.errors import UnsafeContentError

LONGEST_NAME = 255
LONGEST_PATH = 3000
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_GIT = re.compile(r"\.git[ .]*|git~[0-9]+", re.ASCII | re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:", re.ASCII)


def safe_path(text: str, *, where: str) -> str:
    """The path as it may be written below a folder of ours. Raises `UnsafeContentError` for any other.

    Refused: empty and absolute paths, ``.`` and ``..``, backslashes and drives (they mean something else on
    Windows), control characters, names of Git's own folder, names too long for a file system.
    """
    if not text or len(text) > LONGEST_PATH or _CONTROL.search(text) or "\\" in text or _DRIVE.match(text):
        raise _unsafe(text, where)
    for name in text.split("/"):
        if name in {"", ".", ".."} or _GIT.fullmatch(name) or len(name.encode()) > LONGEST_NAME:
            raise _unsafe(text, where)
    return text


def path_in_repository(*parts: str, where: str) -> str:
    """Join and normalise parts of which the later may climb (``wdir: ..``), but not out of the repository."""
    for part in parts:
        if part.startswith("/") or _DRIVE.match(part) or "://" in part:
            raise _unsafe(part, where)
    return safe_path(posixpath.normpath(posixpath.join("", *parts)), where=where)


def check_names(paths: Iterable[str], *, where: str) -> None:
    """Refuse paths that would overwrite one another on some file system.

    That is: the same path twice, paths that differ by case or by Unicode's normal form only, and a path that is both
    a file and the folder of another one.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        folded = _folded(path)
        if folded in files or folded in folders:
            other = files.get(folded) or folders[folded]
            raise UnsafeContentError(
                f"the paths {other!r} and {path!r} would be one file", where=where, hint="Rename one of them."
            )
        files[folded] = path
        parent = posixpath.dirname(path)
        while parent:
            if _folded(parent) in files:
                raise UnsafeContentError(
                    f"the path {parent!r} is a file and a folder", where=where, hint="Rename one of them."
                )
            if folders.setdefault(_folded(parent), parent) != parent:
                raise UnsafeContentError(
                    f"the folders {folders[_folded(parent)]!r} and {parent!r} would be one",
                    where=where,
                    hint="Rename one of them.",
                )
            parent = posixpath.dirname(parent)


def is_below(path: str, folder: str) -> bool:
    """Whether the path is inside the folder; the empty folder is the repository's root."""
    return not folder or path.startswith(folder + "/")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _unsafe(text: str, where: str) -> UnsafeContentError:
    shown = text if len(text) <= 200 else text[:200] + "…"
    return UnsafeContentError(
        f"the path {shown!r} is not one that Tagboat writes to",
        where=where,
        hint="Paths must be relative, stay inside the repository and hold no control characters.",
    )

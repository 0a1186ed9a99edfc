"""Files that survive a kill at any moment: written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path

PRIVATE = 0o700
"""Mode of every folder of ours: the sockets and logs in them are nobody else's business."""


def make_private(folder: Path) -> None:
    """Make a folder and whatever is missing above it, all for us alone (`Path.mkdir` would open up the parents)."""
    for missing in reversed([folder, *folder.parents]):
        if not missing.exists():
            missing.mkdir(mode=PRIVATE, exist_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step; after a crash it holds the old content or the new, on the disk too."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for its mode
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _settle(path.parent)


def keep_copy(source: Path, destination: Path) -> None:
    """Put a read-only twin of a folder at ``destination``, by hard links where the file system allows.

    An existing destination is complete (it appears in one step) and left alone.
    """
    if destination.is_dir():
        return
    draft = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}")
    try:
        shutil.copytree(source, draft, copy_function=_link_or_copy, symlinks=False)
        draft.rename(destination)
    except BaseException:
        remove_folder(draft)
        raise
    _settle(destination.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder, also one that is read-only or already half gone; links are removed, not followed."""
    if folder.is_symlink() or not folder.exists():
        return
    for place, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(place).chmod(PRIVATE)
    shutil.rmtree(folder, ignore_errors=True)


def _link_or_copy(source: str, destination: str) -> str:
    try:
        os.link(source, destination)
    except OSError:
        # Another file system, or a file of another user: copied, and on the disk before the folder gets its name.
        shutil.copyfile(source, destination)
        with open(destination, "rb") as file:  # noqa: PTH123 - text paths from copytree
            os.fsync(file.fileno())
        Path(destination).chmod(0o400)
    return destination


def _settle(folder: Path) -> None:
    """Bring a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

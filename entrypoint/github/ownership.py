"""Giving back what a run wrote as root, so that a container leaves nothing that the runner's user cannot delete."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Chown(Protocol):
    """`os.chown`, as far as it is used here."""

    def __call__(self, path: str, uid: int, gid: int, *, dir_fd: int, follow_symlinks: bool) -> None:
        """Change the owner of ``path`` below the open folder ``dir_fd``."""


def give_back(
    folder: Path,
    since: float,
    *,
    user: Callable[[], int] | None = None,
    chown: Chown | None = None,
) -> int:
    """Give what this process's user made below ``folder`` since then (Unix seconds) to the folder's owner.

    Links are neither followed nor trusted: each name is changed through the open folder that it was found in. Returns
    how many were changed; what cannot be changed stays as it is. Does nothing where there are no owners (Windows).
    """
    user, chown = user or getattr(os, "geteuid", None), chown or getattr(os, "chown", None)
    if chown is None or user is None or user() != 0:
        return 0
    owner = folder.stat()
    if owner.st_uid == 0:
        return 0
    changed = 0
    for _, folders, files, descriptor in os.fwalk(folder, follow_symlinks=False, onerror=None):
        for name in (*folders, *files):
            try:
                status = os.lstat(name, dir_fd=descriptor)
                # The change time cannot be set by anyone, so older files of root's are another step's affair.
                if status.st_uid == 0 and status.st_ctime >= since - 1:
                    chown(name, owner.st_uid, owner.st_gid, dir_fd=descriptor, follow_symlinks=False)
                    changed += 1
            except OSError:
                continue
    return changed

"""Telling a file that a living process works on from one that a killed process left behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

YOUNG = 24 * 3600.0
"""Seconds. Where files cannot be locked this way (Windows), what nobody wrote to for so long counts as abandoned."""
_JUST_MADE = 60.0
"""Seconds in which a new file's maker may not have locked it yet."""


def hold(descriptor: int) -> None:
    """Mark an open file or folder as in work, for as long as it stays open; the mark dies with the process."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_abandoned(path: Path) -> bool:
    """Whether nobody holds the file or folder any more."""
    try:
        age = time.time() - path.lstat().st_mtime
        if sys.platform == "win32" or path.is_symlink():
            return age > YOUNG
        if age < _JUST_MADE:
            return False
        import fcntl

        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True

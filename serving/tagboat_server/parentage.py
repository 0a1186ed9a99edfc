"""Who is whose child, and that no child survives: Linux's own means, and one that works everywhere."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

EARLIER = 100
"""Thousandths of the memory there is, that are added to a worker's own when the kernel chooses whom to kill."""
MOST = 1000


def prctl(option: int, value: int) -> bool:
    """Ask the kernel for something about this process; False where it cannot be had."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def adopt_orphans() -> bool:
    """Become the parent of grandchildren whose parent ends; whether that could be."""
    return prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int, line: socket.socket) -> None:
    """End at once when the parent ends, however it ends. Linux kills us; elsewhere, `line` to it tells a thread.

    The parent may be gone already, which the kernel would not tell.
    """
    if prctl(PR_SET_PDEATHSIG, signal.SIGKILL):
        if os.getppid() != parent:
            os._exit(1)
        return
    threading.Thread(target=end_with, args=(line,), name="parent", daemon=True).start()


def end_with(line: socket.socket) -> None:
    """Wait until nobody holds the other end any more, and end the process."""
    waiting = select.poll()
    waiting.register(line, 0)
    waiting.poll()
    os._exit(1)


def go_first() -> None:
    """Let the kernel's killer, where memory is short, take this process before its parent (Linux)."""
    score = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError, ValueError):
        score.write_text(str(min(MOST, int(score.read_text()) + EARLIER)))


def threads() -> int:
    """How many threads this process has, native ones of libraries included."""
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return threading.active_count()


def manner(status: int) -> dict[str, object]:
    """How a process ended, for the log: ``signal`` by its name, or ``code``. ``status`` is `os.waitpid`'s."""
    if not os.WIFSIGNALED(status):
        return {"code": os.WEXITSTATUS(status)}
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    return {"signal": name}

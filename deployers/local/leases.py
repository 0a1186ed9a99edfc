"""One run at a time: a lock that the system drops when the run ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from deployers.base import Slot
from deployers.errors import LeaseHeldError
from deployers.local.files import make_private


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a lease; written into the locked file for the others to read. ``since``: Unix seconds."""

    pid: int
    host: str
    command: str
    since: float


class FileLease:
    """A held lease."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def renew(self) -> None:
        """A lock does not expire; but somebody may have deleted the file, and another run locked a new one."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            there = None
        ours = os.fstat(self._descriptor)
        if there is None or (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            raise LeaseHeldError(
                "the lease was lost: its file was removed",
                where=str(self._path),
                hint="Leave the state folder to Tagboat, and run the same command again.",
            )


@contextlib.contextmanager
def lease(path: Path, slot: Slot, clock: Callable[[], float]) -> Iterator[FileLease]:
    """Hold the slot's lease. Raises `LeaseHeldError`, naming the owner, when another run does."""
    make_private(path.parent)
    # Not inherited: a server that we start must not hold the lease after us.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LeaseHeldError(
                f"another run is at work on {slot}: {_owner(descriptor)}",
                where=str(path),
                hint="Wait for it to end, then run the same command again.",
            ) from None
        owner = Owner(pid=os.getpid(), host=socket.gethostname(), command=_command(), since=clock())
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(owner), 0)
        held = FileLease(path, descriptor)
        held.renew()
        yield held
    finally:
        os.close(descriptor)


def _owner(descriptor: int) -> str:
    try:
        owner = msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Owner)
    except msgspec.MsgspecError:
        return "it has not yet said who it is"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner.since))
    return f"process {owner.pid} on {owner.host}, since {since} ({owner.command})"


def _command() -> str:
    """The program's name alone: arguments may hold what is nobody's business."""
    return Path(sys.argv[0] if sys.argv else sys.executable).name or "python"

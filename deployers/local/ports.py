"""One stable port for each slot of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from deployers.base import Slot
from deployers.errors import ConfigurationError
from deployers.local.files import make_private
from deployers.local.records import SlotRecord, read
from deployers.local.sockets import is_free

FIRST, COUNT = 20_000, 10_000
"""Below the ports that systems hand out to outgoing connections (from 32768 on Linux, from 49152 on macOS)."""


@contextlib.contextmanager
def choosing(root: Path) -> Iterator[None]:
    """One choice at a time, from the look until it is written down."""
    make_private(root)
    descriptor = os.open(root / "ports.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def port_for(slot: Slot, configured: int | None, remembered: int | None, root: Path) -> int:
    """The configured port, the remembered one, or one that follows from the slot's name where that is free.

    Raises `ConfigurationError` when another slot has the configured port.
    """
    taken = _taken(root, slot)
    wanted = configured if configured is not None else remembered
    if wanted is not None:
        if wanted in taken:
            raise ConfigurationError(
                f"port {wanted} belongs to {taken[wanted]} already",
                where=str(slot),
                hint=f"Give each slot of targets.{slot.target} a port of its own: "
                f"`ports: {{{slot.artifact}#{slot.stage}: …}}`, or none at all.",
            )
        return wanted
    # The state folder too: the same slot of another state on this machine starts its search elsewhere.
    start = int.from_bytes(hashlib.sha256(f"{root.absolute()}\0{slot}".encode()).digest()[:4], "big")
    for step in range(COUNT):
        port = FIRST + (start + step) % COUNT
        if port not in taken and is_free(port):
            return port
    raise ConfigurationError(f"no port from {FIRST} to {FIRST + COUNT - 1} is free", where=str(slot))


def _taken(root: Path, but: Slot) -> Mapping[int, Slot]:
    taken = {}
    for path in root.glob("*/slots/*/slot.json"):
        record = read(path, SlotRecord)
        if record is not None and record.port is not None and record.slot != but:
            taken[record.port] = record.slot
    return taken

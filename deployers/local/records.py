"""What is written down, and read back by later versions: JSON with a schema number."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from deployers.base import Hold, Release, Slot, TagRecord
from deployers.history import History
from deployers.local.files import make_private, write_whole
from deployers.record_reading import decoded

SCHEMA = 1


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What was begun and is not done: apply, rollback or remove; ``since`` in Unix seconds."""

    id: str
    kind: str
    release_id: str | None
    since: float


class SlotRecord(History, frozen=True, kw_only=True):
    """One slot. ``live``: the id of the server that ought to serve; ``since``: Unix seconds since it does."""

    slot: Slot
    schema: int = SCHEMA
    port: int | None = None
    live: str | None = None
    since: float | None = None
    operation: Operation | None = None
    tag: TagRecord | None = None
    held: Hold | None = None


class ServerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One process that was started; ``boot`` names the run of the machine; ``started`` in Unix seconds.

    ``grace``: the longest, in seconds, that it may take to drain. ``retired``: when it was told to.
    """

    id: str
    release: Release
    pid: int
    boot: str
    started: float
    grace: float
    retired: float | None = None
    schema: int = SCHEMA


Record = TypeVar("Record", SlotRecord, ServerRecord)


def write(path: Path, record: SlotRecord | ServerRecord) -> None:
    """Write a record in one step."""
    make_private(path.parent)
    write_whole(path, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def read(path: Path, kind: type[Record]) -> Record | None:
    """Read a record; None when there is none.

    Raises `ConfigurationError` for one that a newer Tagboat wrote, or that somebody damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    hint = "Restore it from a backup, or move its folder away and deploy the slot again."
    return decoded(content, kind, schema=SCHEMA, where=str(path), hint=hint)

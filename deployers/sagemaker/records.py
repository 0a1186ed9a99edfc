"""What the bucket remembers of a slot: one object for the slot, and one for each release that can come back.

    records/<artifact>/<stage>/<target>.json                        what is live, verified, failed, held, under way
    records/<artifact>/<stage>/<target>/releases/<release>.json     the requests by which a release was made

The slot's record is written by compare and swap (If-Match, If-None-Match), so that two runs never overwrite one
another's. A release's requests are kept whole, so that a rollback renders, builds and resolves nothing anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

import msgspec

from deployers.base import Hold, Release, Slot, TagRecord
from deployers.errors import ConfigurationError, UnreachableError
from deployers.history import History
from deployers.record_reading import decoded
from deployers.sagemaker.bucket import Bucket, ConflictError
from deployers.sagemaker.documents import Document, Made

SCHEMA = 1
ATTEMPTS = 8


class Reference(msgspec.Struct, frozen=True, order=True):
    """An object of the slot: its kind's name, and its own."""

    kind: str
    name: str

    @classmethod
    def of(cls, document: Document) -> Reference:
        """What a document is to be found by."""
        return cls(document.kind, document.name)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What was begun and is not done: apply, rollback or remove; ``since`` in Unix seconds."""

    kind: str
    release: Release | None
    config: str | None
    since: float


class SlotRecord(History, frozen=True, kw_only=True):
    """One slot. ``live``: what serves, ``config``: by which endpoint config; ``inventory``: all that we have ever made
    here and not yet seen gone, ``endpoint`` among it."""

    slot: Slot
    endpoint: str = ""
    schema: int = SCHEMA
    live: Release | None = None
    config: str | None = None
    since: float | None = None
    operation: Operation | None = None
    inventory: Sequence[Reference] = ()
    tag: TagRecord | None = None
    held: Hold | None = None

    def release_of(self, release_id: str | None) -> Release | None:
        """The release of an id, where it is one of the slot's."""
        known = [self.live, self.operation.release if self.operation else None]
        known += [verified.release for verified in self.verified]
        return next((release for release in known if release is not None and release.id == release_id), None)

    def needed(self) -> frozenset[str]:
        """The ids of the releases whose objects have to stay."""
        found = {verified.release_id for verified in self.verified}
        found |= {self.live.id} if self.live is not None else set()
        if self.operation is not None and self.operation.release is not None:
            found.add(self.operation.release.id)
        return frozenset(found)


class ReleaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A release as it was made."""

    release: Release
    made: Made
    schema: int = SCHEMA


Record = TypeVar("Record", SlotRecord, ReleaseRecord)


class Records:
    """The records of one slot."""

    def __init__(self, bucket: Bucket, slot: Slot) -> None:
        self.bucket = bucket
        self.slot = slot
        self.stem = f"records/{_part(slot.artifact)}/{_part(slot.stage)}/{_part(slot.target)}"
        self.key = f"{self.stem}.json"

    def read(self) -> SlotRecord | None:
        """The slot's record, or None where it never was."""
        found = self.bucket.get(self.key)
        return self._decoded(found.content, SlotRecord, self.key) if found is not None else None

    def update(self, change: Callable[[SlotRecord], SlotRecord]) -> SlotRecord:
        """Change the record, whoever else does; makes it where there is none. ``change`` may be called again."""
        for _ in range(ATTEMPTS):
            found = self.bucket.get(self.key)
            before = self._decoded(found.content, SlotRecord, self.key) if found else SlotRecord(slot=self.slot)
            record = change(before)
            if found is not None and record == before:
                return record
            try:
                self.bucket.put(self.key, _encoded(record), matching=found.version if found is not None else None)
            except ConflictError:
                continue
            return record
        raise UnreachableError(
            "the slot's record is changed by others all the time",
            where=self.bucket.address(self.key),
            hint="Run the same command again.",
        )

    def keep_release(self, record: ReleaseRecord) -> None:
        """Store a release as it is made; the same again changes nothing."""
        self.bucket.overwrite(self._release_key(record.release.id), _encoded(record))

    def release(self, release_id: str) -> ReleaseRecord | None:
        """A stored release, or None."""
        key = self._release_key(release_id)
        found = self.bucket.get(key)
        return self._decoded(found.content, ReleaseRecord, key) if found is not None else None

    def releases(self) -> Sequence[ReleaseRecord]:
        """Every stored release."""
        keys = self.bucket.keys(f"{self.stem}/releases/")
        found = [(key, self.bucket.get(key)) for key in keys]
        return [self._decoded(each.content, ReleaseRecord, key) for key, each in found if each is not None]

    def drop_release(self, release_id: str) -> None:
        """Forget one stored release."""
        self.bucket.delete(self._release_key(release_id))

    def forget(self) -> None:
        """Drop every record of the slot; its own last, since by that the slot is known."""
        for key in self.bucket.keys(f"{self.stem}/releases/"):
            self.bucket.delete(key)
        self.bucket.delete(self.key)

    def _release_key(self, release_id: str) -> str:
        return f"{self.stem}/releases/{release_id}.json"

    def _decoded(self, content: bytes, kind: type[Record], key: str) -> Record:
        record = _decoded(content, kind, self.bucket.address(key))
        if isinstance(record, SlotRecord) and record.slot != self.slot:
            raise ConfigurationError(f"the record is of another slot, {record.slot}", where=self.bucket.address(key))
        return record


def slots(bucket: Bucket, target: str) -> Sequence[Slot]:
    """Every slot of a target that has a record in the bucket."""
    ending = f"/{_part(target)}.json"
    found = []
    for key in bucket.keys("records/"):
        if key.endswith(ending) and key.count("/") == 3:
            read = bucket.get(key)
            if read is not None:
                found.append(_decoded(read.content, SlotRecord, bucket.address(key)).slot)
    return sorted(slot for slot in found if slot.target == target)


def _part(text: str) -> str:
    """A text as one part of a key."""
    return quote(text, safe="")


def _encoded(record: SlotRecord | ReleaseRecord) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1)


def _decoded(content: bytes, kind: type[Record], where: str) -> Record:
    return decoded(
        content,
        kind,
        schema=SCHEMA,
        where=where,
        hint="Restore an older version of the object, or delete it and the endpoint, and deploy the slot again.",
    )

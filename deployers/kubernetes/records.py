"""What the cluster remembers of a slot: a ConfigMap for the slot, and one for each release that can come back.

The slot's record is written by compare and swap on its ``resourceVersion``. A release's holds the objects as they were
applied, so that a rollback renders and resolves nothing anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from deployers.base import Hold, Release, Slot, TagRecord
from deployers.errors import ConfigurationError, UnreachableError
from deployers.history import History
from deployers.kubernetes import names
from deployers.kubernetes.api import CONFIG_MAP, Api
from deployers.kubernetes.wire import ConflictError, Document
from deployers.record_reading import decoded

SCHEMA = 1
ATTEMPTS = 8
TEXT = "record.json"


class Reference(msgspec.Struct, frozen=True, order=True):
    """An object of the slot."""

    api_version: str
    kind: str
    name: str

    @classmethod
    def of(cls, document: Document) -> Reference:
        """What a document is to be found by."""
        return cls(document["apiVersion"], document["kind"], document["metadata"]["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What was begun and is not done: apply, rollback or remove; ``since`` in Unix seconds."""

    kind: str
    release: Release | None
    since: float


class Retired(msgspec.Struct, frozen=True, kw_only=True):
    """Objects that still run for a while; ``until`` in Unix seconds."""

    objects: Sequence[Reference]
    version: str
    until: float


class SlotRecord(History, frozen=True, kw_only=True):
    """One slot. ``live``: what serves, ``workload``: by which object; ``inventory``: all that we have ever applied here
    and not yet seen gone; ``owned``: by object, a digest of our fields in it when the release had settled (`drift`)."""

    slot: Slot
    schema: int = SCHEMA
    live: Release | None = None
    workload: str | None = None
    since: float | None = None
    operation: Operation | None = None
    inventory: Sequence[Reference] = ()
    owned: Mapping[str, str] = {}
    retired: Sequence[Retired] = ()
    tag: TagRecord | None = None
    held: Hold | None = None

    def release_of(self, release_id: str | None) -> Release | None:
        """The release of an id, where it is one of the slot's."""
        known = [self.live, self.operation.release if self.operation else None]
        known += [verified.release for verified in self.verified]
        return next((release for release in known if release is not None and release.id == release_id), None)


class ReleaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A release as it was applied: its objects, whole, and by which workload it serves."""

    release: Release
    workload: str
    documents: Sequence[Document]
    schema: int = SCHEMA


Record = TypeVar("Record", SlotRecord, ReleaseRecord)


class Records:
    """The records of one slot."""

    def __init__(self, api: Api, slot: Slot) -> None:
        self.api = api
        self.slot = slot
        self.name = f"tagboat-{names.slot_name(slot)}"

    def read(self) -> SlotRecord | None:
        """The slot's record, or None where it never was."""
        found = self.api.get(CONFIG_MAP, self.name)
        return _decoded(found, SlotRecord, self.slot) if found is not None else None

    def update(self, change: Callable[[SlotRecord], SlotRecord]) -> SlotRecord:
        """Change the record, whoever else does; makes it where there is none. ``change`` may be called again."""
        for _ in range(ATTEMPTS):
            found = self.api.get(CONFIG_MAP, self.name)
            try:
                if found is None:
                    record = change(SlotRecord(slot=self.slot))
                    self.api.create(self._document(self.name, names.SLOT_RECORD, record))
                    return record
                before = _decoded(found, SlotRecord, self.slot)
                record = change(before)
                if record != before:
                    fresh = self._document(self.name, names.SLOT_RECORD, record)
                    fresh["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
                    self.api.replace(fresh)
                return record
            except ConflictError:
                continue
        raise UnreachableError(
            "the slot's record is changed by others all the time",
            where=f"ConfigMap {self.name}",
            hint="Run the same command again.",
        )

    def keep_release(self, record: ReleaseRecord) -> None:
        """Store a release as it is applied."""
        self.api.apply(self._document(self._release_name(record.release.id), names.RELEASE_RECORD, record), force=True)

    def release(self, release_id: str) -> ReleaseRecord | None:
        """A stored release, or None."""
        found = self.api.get(CONFIG_MAP, self._release_name(release_id))
        return _decoded(found, ReleaseRecord, self.slot) if found is not None else None

    def sweep(self, record: SlotRecord) -> None:
        """Drop the stored releases that nothing can go back to any more."""
        kept = {verified.release_id for verified in record.verified}
        kept |= {record.live.id} if record.live is not None else set()
        if record.operation is not None and record.operation.release is not None:
            kept.add(record.operation.release.id)
        for found in self._all(names.RELEASE_RECORD):
            if found["metadata"]["labels"].get(names.RELEASE) not in kept:
                self.api.delete(found)

    def forget(self) -> None:
        """Drop every record of the slot; its own last, since by that the slot is known."""
        for found in [*self._all(names.RELEASE_RECORD), *self._all(names.SLOT_RECORD)]:
            self.api.delete(found)

    def _all(self, kind: str) -> list[Document]:
        return self.api.objects(CONFIG_MAP, {**names.selector(self.slot), names.RECORD: kind})

    def _release_name(self, release_id: str) -> str:
        return f"tagboat-{names.release_name(self.slot, release_id)}"

    def _document(self, name: str, kind: str, record: SlotRecord | ReleaseRecord) -> Document:
        labels = {**names.slot_labels(self.slot), names.RECORD: kind}
        if isinstance(record, ReleaseRecord):
            labels[names.RELEASE] = record.release.id
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.api.namespace, "labels": labels},
            "data": {TEXT: msgspec.json.format(msgspec.json.encode(record), indent=1).decode()},
        }


def slots(api: Api, target: str) -> Sequence[Slot]:
    """Every slot of a target that has a record here."""
    labels = {**names.OURS, names.RECORD: names.SLOT_RECORD}
    found = (_decoded(each, SlotRecord, None).slot for each in api.objects(CONFIG_MAP, labels))
    return sorted(slot for slot in found if slot.target == target)


def _decoded(document: Document, kind: type[Record], slot: Slot | None) -> Record:
    where = f"ConfigMap {document['metadata']['name']}"
    record = decoded(
        document.get("data", {}).get(TEXT, ""),
        kind,
        schema=SCHEMA,
        where=where,
        hint="Restore it, or delete it and the objects with the same labels, and deploy the slot again.",
    )
    if slot is not None and isinstance(record, SlotRecord) and record.slot != slot:
        raise ConfigurationError(f"the record is of another slot, {record.slot}", where=where)
    return record

"""What is really there: the record, the endpoint behind it, and what answers through it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from deployers.base import Health, Observation, Release, Slot
from deployers.sagemaker.api import SERVING, Api, Endpoint
from deployers.sagemaker.records import Records, SlotRecord


@dataclass(frozen=True)
class Proof:
    """What is served, and how we know: ``proved_by`` as in `Observation`. ``problem``: why nothing is known, or why it
    is not well."""

    release_id: str | None = None
    proved_by: str | None = None
    problem: str | None = None


Prove = Callable[[Endpoint, SlotRecord], Proof]
"""Finds out which release an endpoint serves; asked of those that serve at all."""


@dataclass(frozen=True)
class Look:
    """One look at a slot."""

    slot: Slot
    record: SlotRecord | None = None
    endpoint: Endpoint | None = None
    proof: Proof = Proof()

    @property
    def served(self) -> Release | None:
        """The release that is served, where it is one of the slot's."""
        return self.record.release_of(self.proof.release_id) if self.record is not None else None

    @property
    def drifted(self) -> str | None:
        """What somebody else, or AWS by itself, has changed since the release had settled."""
        record = self.record
        if record is None or record.live is None or record.operation is not None:
            return None
        if self.endpoint is None:
            return f"endpoint {record.endpoint} was deleted by somebody else"
        if self.endpoint.config != record.config:
            return f"endpoint {record.endpoint} was brought to the config {self.endpoint.config} by somebody else"
        if self.endpoint.pending not in {None, record.config}:
            return f"endpoint {record.endpoint} is being brought to the config {self.endpoint.pending} by somebody else"
        return None

    @property
    def unfinished(self) -> bool:
        """Whether something was begun and not brought to its end, or is not as we left it."""
        return self.record is not None and (self.record.operation is not None or self.drifted is not None)

    def serves(self, release_id: str) -> bool:
        """Whether this release, and no other, is served, and all is settled."""
        return (
            self.record is not None
            and self.record.live is not None
            and self.record.live.id == release_id == self.proof.release_id
            and self.proof.problem is None
            and not self.unfinished
            and self.endpoint is not None
            and self.endpoint.status == "InService"
        )

    def fingerprint(self) -> str:
        """Stands for all that another run could have changed; not for how far an update has come."""
        record = self.record or SlotRecord(slot=self.slot)
        bound = (self.endpoint.pending or self.endpoint.config) if self.endpoint is not None else None
        seen = [record.live, record.config, record.operation, record.tag, record.held, record.inventory, bound]
        return hashlib.sha256(msgspec.json.encode(seen, order="deterministic")).hexdigest()[:32]

    def observation(self, url: str | None) -> Observation:
        """The same, in the contract's words."""
        record = self.record
        if record is None:
            return Observation(slot=self.slot)
        health, reasons = self._health(record)
        shown = health is not Health.ABSENT
        named = shown and self.served is not None
        return Observation(
            slot=self.slot,
            health=health,
            reasons=tuple(reasons),
            release=(self.served or record.live) if shown else None,
            release_id=self.proof.release_id if named else None,
            proved_by=self.proof.proved_by if named else None,
            url=url if shown and self.endpoint is not None else None,
            since=record.since if shown else None,
            verified=record.verified,
            failed=record.failed,
            held=record.held,
            tag=record.tag,
            unfinished=self.unfinished,
        )

    def _health(self, record: SlotRecord) -> tuple[Health, list[str]]:
        reasons = []
        if record.operation is not None:
            reasons.append(f"an earlier {record.operation.kind} stopped half-way")
        if self.drifted is not None:
            reasons.append(self.drifted)
        seen = self.endpoint
        if seen is None:
            return (Health.ABSENT if record.live is None else Health.FAILING), reasons
        if seen.status != "InService":
            reasons.append(f"the endpoint is {seen.status}" + (f": {seen.reason}" if seen.reason else ""))
        if self.proof.problem is not None:
            reasons.append(self.proof.problem)
        if self.proof.release_id is not None and self.served is None:
            reasons.append(f"release {self.proof.release_id} answers, which is none of this slot's")
        if seen.status in SERVING and self.served is not None and self.proof.problem is None:
            return Health.READY, reasons
        if seen.status == "Deleting" and record.live is None:
            return Health.ABSENT, reasons
        return (Health.STARTING if seen.moving else Health.FAILING), reasons


def look(api: Api, records: Records, slot: Slot, prove: Prove) -> Look:
    """Look at a slot; reads only, and takes no lease."""
    record = records.read()
    if record is None:
        return Look(slot)
    endpoint = api.endpoint(record.endpoint) if record.endpoint else None
    proof = prove(endpoint, record) if endpoint is not None and endpoint.status in SERVING else Proof()
    return Look(slot, record, endpoint, proof)

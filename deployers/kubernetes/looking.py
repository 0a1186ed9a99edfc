"""What is really there: the record, the objects behind it, and what answers through the service."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from deployers.base import Health, Observation, Release, Request, Response, Slot
from deployers.errors import UnreachableError
from deployers.kubernetes import names
from deployers.kubernetes.api import DEPLOYMENT, Api
from deployers.kubernetes.drift import drifted, owned_now
from deployers.kubernetes.engines import Engine
from deployers.kubernetes.manifests import WORKLOAD
from deployers.kubernetes.records import Records, SlotRecord
from deployers.kubernetes.rollout import Progress
from deployers.kubernetes.wire import Document

READY = Request(method="GET", path="/health/ready", headers={}, timeout=10.0)


@dataclass(frozen=True)
class Look:
    """One look at a slot. ``answer``: what the service said of itself, ``problem``: why it said nothing.

    ``drifted``: what somebody else has changed or removed.
    """

    slot: Slot
    record: SlotRecord | None
    workload: Document | None
    progress: Progress | None
    answer: Response | None
    problem: str | None
    now: float
    drifted: Sequence[str] = ()

    @property
    def release_id(self) -> str | None:
        """The release that answered, by its own word."""
        return self.answer.headers.get("x-tagboat-release") if self.answer is not None else None

    @property
    def served(self) -> Release | None:
        """The same, where it is one of the slot's."""
        return self.record.release_of(self.release_id) if self.record is not None else None

    @property
    def due(self) -> bool:
        """Whether something that was kept for a while has to go now."""
        return self.record is not None and any(gone.until <= self.now for gone in self.record.retired)

    @property
    def unfinished(self) -> bool:
        """Whether something was begun and not brought to its end, is due to go, or is not as we left it."""
        return self.record is not None and (self.record.operation is not None or self.due or bool(self.drifted))

    def serves(self, release_id: str) -> bool:
        """Whether this release, and no other, is served, and rolled out everywhere."""
        return (
            self.record is not None
            and self.record.live is not None
            and self.record.live.id == release_id == self.release_id
            and not self.unfinished
            and self.answer is not None
            and self.answer.status == 200
            and self.progress is not None
            and self.progress.done
        )

    def fingerprint(self) -> str:
        """Stands for all that another run could have changed; not for what a rollout or an autoscaler does."""
        spec = self.workload["spec"] if self.workload is not None else {}
        template = spec.get("template") or spec.get("predictor")
        record = self.record or SlotRecord(slot=self.slot)
        seen = [
            record.live, record.workload, record.operation, record.tag, record.held, record.inventory, template,
            self.drifted,
        ]  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(seen, order="deterministic")).hexdigest()[:32]

    def observation(self, url: str | None) -> Observation:
        """The same, in the contract's words."""
        record = self.record
        if record is None:
            return Observation(slot=self.slot)
        health, reasons = self._health(record)
        shown = health is not Health.ABSENT
        return Observation(
            slot=self.slot,
            health=health,
            reasons=tuple(reasons),
            release=(self.served or record.live) if shown else None,
            release_id=self.release_id if shown and self.served is not None else None,
            proved_by="server" if shown and self.served is not None else None,
            url=url if shown else None,
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
        if self.due:
            old = ", ".join(gone.version for gone in record.retired if gone.until <= self.now)
            reasons.append(f"{old} was kept for a while, and is due to go")
        reasons += self.drifted
        if record.live is None and self.answer is None:
            return Health.ABSENT, reasons
        if self.problem is not None:
            reasons.append(self.problem)
        rolled = self.progress
        if rolled is None:
            return Health.FAILING, [*reasons, f"{record.workload or 'what serves'} is not there any more"]
        if not rolled.done:
            reasons.append(rolled.failed or f"{rolled.ready} of {rolled.wanted} pods are ready")
        if self.release_id is not None and self.served is None:
            reasons.append(f"the service is answered by release {self.release_id}, which is none of this slot's")
        if self.answer is not None and self.answer.status == 200 and self.served is not None:
            return Health.READY, reasons
        return (Health.STARTING if not rolled.done and rolled.failed is None else Health.FAILING), reasons


def look(api: Api, records: Records, slot: Slot, *, engine: Engine, now: float) -> Look:
    """Look at a slot; reads only, and takes no lease."""
    record = records.read()
    if record is None:
        return Look(slot, None, None, None, None, None, now)
    workload = api.get(engine.kind, record.workload) if record.workload is not None else None
    progress = None
    if workload is not None:
        # KServe's pods of two releases hang on one object: of those of what is live the progress is told.
        release_id = record.live.id if record.live is not None and engine.kind != DEPLOYMENT else None
        progress = engine.progress(api, workload, names.selector(slot, release_id))
    answer: Response | None = None
    problem: str | None = None
    if record.live is not None or record.operation is not None:
        try:
            answer = engine.ask(api, slot, READY, None)
            if answer.status != 200:
                problem = f"the server says that it is not ready (status {answer.status})"
        except UnreachableError as error:
            problem = f"nothing answers: {error.message}"
    if record.live is None:
        problem = None
    # While something is under way, objects are on their way too.
    settled = record.live is not None and record.operation is None
    changes = drifted(record.owned, owned_now(api, record.inventory)) if settled else []
    return Look(slot, record, workload, progress, answer, problem, now, changes)


def workloads(api: Api, slot: Slot, engine: Engine) -> Sequence[tuple[str, dict[str, str]]]:
    """Every workload of the slot, newest first, and what selects its pods."""
    found = api.objects(engine.kind, names.selector(slot))
    found.sort(key=lambda each: str(each["metadata"].get("creationTimestamp")), reverse=True)
    return [(each["metadata"]["name"], {**names.selector(slot), WORKLOAD: each["metadata"]["name"]}) for each in found]

"""Brings a release into a slot, or takes one down, in steps; every step finds its work done where it was done before.

What is about to be made is written into the slot's inventory first, so that whatever a killed run has left is found,
and removed, by the next one. Only objects of the inventory that carry the slot's own label are ever removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from deployers.base import Release, Slot, Step
from deployers.errors import ReleaseFailedError
from deployers.kubernetes import names, scaling
from deployers.kubernetes.api import Api, Kind
from deployers.kubernetes.drift import owned_now
from deployers.kubernetes.engines import Engine
from deployers.kubernetes.manifests import Manifests
from deployers.kubernetes.records import Operation, Records, Reference, ReleaseRecord, Retired, SlotRecord
from deployers.kubernetes.rollout import await_rollout
from deployers.kubernetes.wire import Document

APPLY, ROLLBACK, REMOVE = "apply", "rollback", "remove"


class Slotkeeper(msgspec.Struct, frozen=True, kw_only=True):
    """What changes a slot. ``timeout``: seconds of a rollout; ``keep_old``: those that the replaced one runs on."""

    api: Api
    slot: Slot
    records: Records
    engine: Engine
    clock: Callable[[], float]
    timeout: float
    keep_old: float
    force: bool

    def bring_up(self, release: Release, made: Manifests, kind: str, *, canary: int | None = None) -> Iterator[Step]:
        """Bring a release up, offer it for a trial where it stands beside the old one, and let it take over.

        ``canary``: so many pods until it takes over; None for all from the beginning.
        """
        wanted = [Reference.of(each) for each in made.documents]
        self.records.keep_release(ReleaseRecord(release=release, workload=made.workload, documents=made.documents))
        operation = Operation(kind=kind, release=release, since=self.clock())
        record = self.records.update(
            lambda before: replace(
                before, operation=operation, tag=release.tag or before.tag, inventory=_union(before.inventory, wanted)
            )
        )
        yield Step(name="record", detail="what it will be made of is written down")
        beside = made.side_by_side and (made.candidate_service is not None or record.live is not None)
        first = made.before_traffic() if beside else list(made.documents)
        few = canary if record.live is not None and kind == APPLY else None
        # An autoscaler of the old release would go on counting the pods of this one, which counts them itself.
        self._delete([each for each in record.inventory if each.kind in scaling.SCALERS
                      and each.name == made.workload and each not in wanted])  # fmt: skip
        yields = scaling.yielding(record.inventory)
        for document in first:
            self._apply(scaling.on_trial(document, made.workload, few), yields)
        scaling.as_strong(self.api, record.workload, made.workload, made.documents)
        yield Step(name="apply", detail=", ".join(str(Reference.of(each)) for each in first))
        yield from self._await(made)
        if beside:
            if kind == APPLY:
                yield Step(name="candidate", detail="runs beside what serves", candidate=True)
            if few is not None:
                for document in first:
                    self._apply(document, yields)
                yield from self._await(made)
            for document in made.traffic():
                self._apply(document, yields)
            yield Step(name="switch", detail="clients are sent to it")
        yield from self._settle(release, made, kind)

    def take_down(self, kind: str) -> Iterator[Step]:
        """Remove every object of the slot but its records."""
        self.records.update(
            lambda before: replace(before, operation=Operation(kind=kind, release=None, since=self.clock()))
        )
        record = self.records.read() or SlotRecord(slot=self.slot)
        self._delete([*record.inventory, *(each for gone in record.retired for each in gone.objects)])
        yield Step(name="take down", detail="its objects are gone")
        self.records.update(
            lambda before: replace(
                before, live=None, workload=None, since=None, operation=None, inventory=(), owned={}, retired=()
            )
        )
        yield Step(name="settle", detail="nothing serves")

    def sweep_retired(self, record: SlotRecord) -> None:
        """Remove what was kept for a while and whose time is over."""
        due = [gone for gone in record.retired if gone.until <= self.clock()]
        if due:
            self._delete([each for gone in due for each in gone.objects])
            self.records.update(
                lambda before: replace(before, retired=tuple(gone for gone in before.retired if gone not in due))
            )

    def _settle(self, release: Release, made: Manifests, kind: str) -> Iterator[Step]:
        """Remove what the slot no longer needs, and write down that the release is what serves."""
        lasting = {Reference.of(each) for each in made.lasting()}
        record = self.records.read() or SlotRecord(slot=self.slot)
        surplus = [each for each in record.inventory if each not in lasting]
        kept: list[Retired] = []
        if (
            self.keep_old > 0
            and kind == APPLY
            and record.live is not None
            and record.workload not in {None, made.workload}
        ):
            old = [each for each in surplus if each.name == record.workload]
            surplus = [each for each in surplus if each not in old]
            until = self.clock() + self.keep_old
            kept = [Retired(objects=old, version=record.live.version, until=until)] if old else []
        retired = [gone for gone in record.retired if not lasting & set(gone.objects)]
        self._delete(surplus)
        now = self.clock()
        owned = owned_now(self.api, sorted(lasting))
        self.records.update(
            lambda before: replace(
                before,
                live=release,
                workload=made.workload,
                since=before.since if before.live is not None and before.live.id == release.id else now,
                operation=None,
                inventory=tuple(sorted(lasting)),
                owned=owned,
                retired=(*retired, *kept),
            )
        )
        yield Step(name="settle", detail="what it replaced is gone" if not kept else "what it replaced runs on for now")

    def _await(self, made: Manifests) -> Iterator[Step]:
        kind = self.engine.kind
        if any(each["kind"] == kind.kind and each["metadata"]["name"] == made.workload for each in made.documents):
            yield from await_rollout(
                self.api,
                kind,
                made.workload,
                made.labels,
                look=lambda workload: self.engine.progress(self.api, workload, made.labels),
                timeout=self.timeout,
            )

    def _apply(self, document: Document, yields: frozenset[str]) -> None:
        kind = Kind(document["apiVersion"], document["kind"])
        live = self.api.get(kind, document["metadata"]["name"])
        check_ours(live, self.slot)
        scaling.hand_over(self.api, live, document)
        self.api.apply(document, force=self.force, yielding=yields)

    def _delete(self, references: Sequence[Reference]) -> None:
        for each in sorted(set(references), reverse=True):
            live = self.api.get(Kind(each.api_version, each.kind), each.name)
            if live is not None and is_ours(live, self.slot) and each.kind != "Namespace":
                self.api.delete(live)


def check_ours(live: Document | None, slot: Slot) -> None:
    """Raise `ReleaseFailedError` where an object is there already, and somebody else's."""
    if live is not None and not is_ours(live, slot):
        raise ReleaseFailedError(
            "an object of that name is there, and it is not ours",
            where=str(Reference.of(live)),
            hint="Rename or remove it, or use another namespace; Tagboat takes over nothing that it did not make.",
        )


def is_ours(document: Document, slot: Slot) -> bool:
    """Whether an object carries the slot's labels, so that we may change or remove it."""
    labels = document["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in names.selector(slot).items())


def _union(known: Sequence[Reference], more: Sequence[Reference]) -> tuple[Reference, ...]:
    return tuple(sorted({*known, *more}))

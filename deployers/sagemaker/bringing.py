"""Brings a release into a slot, or takes one down, in steps; every step finds its work done where it was done before.

What is about to be made is written into the slot's record first, so that whatever a killed run has left is found, and
removed, by the next one. An endpoint that serves is updated, never deleted and made again; only one that AWS calls
Failed, which serves nothing and takes no update, is. Only objects that carry the slot's own tag are ever removed, and a
config that the endpoint uses, or is on its way to, never.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from deployers.base import Release, Slot, Step
from deployers.errors import RefusedError, UnreachableError
from deployers.sagemaker import scaling
from deployers.sagemaker.api import Api, Endpoint
from deployers.sagemaker.documents import Document, Made
from deployers.sagemaker.kinds import (
    BY_NAME,
    ENDPOINT_CONFIG,
    SCALABLE_TARGET,
    SCALING_POLICY,
)
from deployers.sagemaker.records import Operation, Records, Reference, ReleaseRecord, SlotRecord
from deployers.sagemaker.refusals import BusyError
from deployers.sagemaker.rollout import FIRST_PAUSE, Poller
from deployers.sagemaker.sweeping import in_use, outermost_first, sweep

APPLY, ROLLBACK, REMOVE = "apply", "rollback", "remove"

ATTEMPTS = 20
"""So often is an endpoint found busy that had just stood still."""


@dataclass(frozen=True)
class Slotkeeper:
    """What changes a slot. ``clock``: Unix seconds."""

    api: Api
    slot: Slot
    records: Records
    poller: Poller
    clock: Callable[[], float]

    def bring_up(self, release: Release, made: Made, kind: str) -> Iterator[Step]:
        """Make what a release needs, bring the endpoint to it, and let go of what nothing goes back to any more."""
        self.records.keep_release(ReleaseRecord(release=release, made=made))
        operation = Operation(kind=kind, release=release, config=made.config, since=self.clock())
        wanted = {Reference.of(each) for each in made.documents}
        record = self.records.update(
            lambda before: replace(
                before,
                endpoint=made.endpoint,
                operation=operation,
                tag=release.tag or before.tag,
                inventory=tuple(sorted({*before.inventory, *wanted})),
            )
        )
        yield Step(name="record", detail="what it will be made of is written down")
        (endpoint,) = made.of(self.api.kind)
        place = made.documents.index(endpoint)
        created = [str(each) for each in made.documents[:place] if self.api.ensure(each, self.slot)]
        yield Step(name="create", detail=", ".join(created) or "all of it is there")
        before = yield from self._bring_endpoint(endpoint, made.config, record)
        yield from self.poller.until_serving(made.endpoint, made.config, before)
        for document in made.documents[place + 1 :]:
            self.api.ensure(document, self.slot)
        self._drop_companions(wanted, record)
        yield from self._leave_behind(made.endpoint, record)
        yield from self._settle(release, made, kind)

    def take_down(self, kind: str) -> Iterator[Step]:
        """Remove every object of the slot but its records."""
        operation = Operation(kind=kind, release=None, config=None, since=self.clock())
        record = self.records.update(lambda before: replace(before, operation=operation))
        yield Step(name="record", detail="that it is taken down is written down")
        for reference in record.inventory:
            if reference.kind == self.api.kind.name:
                yield from self._delete_endpoint(reference.name)
        yield Step(name="endpoint", detail="it is gone")
        spared = in_use(self.api, record.endpoint)  # nothing, unless somebody has made the endpoint his own
        rest = {each for each in record.inventory if each.kind != self.api.kind.name} - spared
        for reference in outermost_first(rest):
            self.api.delete(BY_NAME[reference.kind], reference.name, self.slot)
        yield Step(name="take down", detail="what it was made of is gone")
        self.records.update(
            lambda before: replace(before, live=None, config=None, since=None, operation=None, inventory=())
        )
        yield Step(name="settle", detail="nothing serves")

    def _unscale(self, seen: Endpoint, config: str, record: SlotRecord) -> None:
        """Scale no more before the type of instances changes, which AWS refuses otherwise; `bring_up` begins it anew.

        AWS, "Update endpoints that use auto scaling".
        """
        scaled = {each.name for each in record.inventory if each.kind == SCALABLE_TARGET.name}
        if not scaled:
            return
        live, wanted = (_types(self.api.find(ENDPOINT_CONFIG, name)) for name in (seen.config, config))
        for variant, kind in live.items():
            resource = scaling.resource(seen.name, variant)
            if wanted.get(variant) == kind or resource not in scaled:
                continue
            for companion in (SCALING_POLICY, SCALABLE_TARGET):
                self.api.delete(companion, resource, self.slot)

    def _drop_companions(self, wanted: set[Reference], record: SlotRecord) -> None:
        """Remove what stands beside the endpoint and is not the release's: it would go on scaling or watching."""
        old = {each for each in record.inventory if BY_NAME[each.kind].beside and each not in wanted}
        for reference in outermost_first(old):
            self.api.delete(BY_NAME[reference.kind], reference.name, self.slot)
        if old:
            self.records.update(
                lambda before: replace(before, inventory=tuple(each for each in before.inventory if each not in old))
            )

    def _leave_behind(self, endpoint: str, record: SlotRecord) -> Iterator[Step]:
        """Delete the slot's endpoints of other names, now that this one serves: `endpoint-name` has changed."""
        others = {each for each in record.inventory if each.kind == self.api.kind.name and each.name != endpoint}
        if not others:
            return
        for reference in sorted(others):
            yield from self._delete_endpoint(reference.name)
        self.records.update(
            lambda before: replace(before, inventory=tuple(each for each in before.inventory if each not in others))
        )
        yield Step(name="rename", detail=f"{', '.join(each.name for each in sorted(others))} gave way to {endpoint}")

    def _bring_endpoint(
        self, document: Document, config: str, record: SlotRecord
    ) -> Generator[Step, None, Endpoint | None]:
        """Make the endpoint, or begin its update; where it is on its way already, only wait.

        Returns what it was before its update; None where it was none, or needed none.
        """
        for _ in range(ATTEMPTS):
            seen = self.api.endpoint(document.name)
            if seen is not None and not self.api.is_ours(self.api.kind, seen.name, self.slot):
                raise _not_ours(document)
            if seen is not None and not _is_bound_for(seen, config):
                yield from self.poller.until_still(document.name)
                seen = self.api.endpoint(document.name)
            if seen is not None and seen.status == "Failed":
                yield from self._delete_endpoint(document.name)
                seen = None
            if seen is None:
                self.api.create_endpoint(document)
                yield Step(name="endpoint", detail=f"{document} is being made")
                return None
            if _is_bound_for(seen, config):
                yield Step(name="endpoint", detail=f"{document} is {seen.status} with this config already")
                return None
            self._unscale(seen, config, record)
            try:
                self.api.update_endpoint(document)
            except BusyError:
                self.poller.sleep(FIRST_PAUSE)  # somebody else was quicker: wait for that, too
                continue
            yield Step(name="endpoint", detail=f"{document} is being updated from {seen.config}")
            return seen
        raise _always_busy(document.name)

    def _delete_endpoint(self, name: str) -> Iterator[Step]:
        for _ in range(ATTEMPTS):
            try:
                if not self.api.delete(self.api.kind, name, self.slot):
                    return
            except BusyError:
                self.poller.sleep(FIRST_PAUSE)
                yield from self.poller.until_still(name)
                continue
            yield from self.poller.until_gone(name)
            return
        raise _always_busy(name)

    def _settle(self, release: Release, made: Made, kind: str) -> Iterator[Step]:
        """Write down that the release is what serves; what it replaced stays until this one is verified."""
        now = self.clock()

        def settled(before: SlotRecord) -> SlotRecord:
            same = before.live is not None and before.live.id == release.id and before.config == made.config
            since = before.since if same else now
            return replace(before, live=release, config=made.config, since=since, operation=None)

        record = self.records.update(settled)
        if kind == ROLLBACK:
            sweep(self.api, self.records, record)
        yield Step(name="settle", detail="it is written down as what serves")


def _types(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """By variant, the type of its instances."""
    return {each["VariantName"]: each.get("InstanceType") for each in (config or {}).get("ProductionVariants") or []}


def _is_bound_for(seen: Endpoint, config: str) -> bool:
    """Whether an endpoint serves by a config, or will once it stands still."""
    if seen.status == "InService":
        return seen.config == config
    if seen.status in {"Creating", "SystemUpdating"}:
        return seen.config == config
    return seen.status == "Updating" and seen.pending == config


def _always_busy(name: str) -> UnreachableError:
    return UnreachableError(
        "others change it all the time", where=f"Endpoint {name}", hint="Find out who does, and run the command again."
    )


def _not_ours(document: Document) -> RefusedError:
    return RefusedError(
        "an endpoint of that name is there, and it is not ours",
        where=str(document),
        hint="Remove it, or name another one by `endpoint-name`; Tagboat takes over nothing that it did not make.",
    )

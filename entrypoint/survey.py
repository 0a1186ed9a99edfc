"""Every slot there is, as the registry wants it and as its target has it, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from deployers.base import Health, Observation, Slot
from deployers.errors import TagboatError
from entrypoint.promotion.holds import PromotionHold, holds
from entrypoint.registry.resolve import Resolution
from entrypoint.registry.state import Registry
from entrypoint.report.verdict import Failure
from entrypoint.workspace import Workspace

OBSERVERS = 16
"""How many slots are looked at at once; looking is waiting, mostly."""


class SlotStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted in a slot and what is there. ``orphan``: there, but the registry or tagboat.yaml wants nothing
    there. ``failure``: the target could not be asked. ``promotion_hold``: what waits to be promoted into the stage was
    taken out of it before."""

    slot: Slot
    wanted: Resolution | None
    observed: Observation | None
    orphan: bool = False
    failure: Failure | None = None
    promotion_hold: PromotionHold | None = None

    @property
    def drift(self) -> bool:
        """Whether what is served is not what the registry says."""
        served = self.observed.release if self.observed else None
        if self.wanted is None:
            return served is not None
        return served is None or (served.version, served.commit) != (self.wanted.version, self.wanted.commit)

    def to_document(self) -> dict[str, Any]:
        """One element of ``slots`` in ``status --json``."""
        observed = self.observed or Observation(slot=self.slot)
        return {
            "artifact": self.slot.artifact,
            "stage": self.slot.stage,
            "target": self.slot.target,
            "assigned": self.wanted.version if self.wanted else None,
            "served": observed.release.version if observed.release else None,
            "release": observed.release_id,
            "health": observed.health.value if self.observed else None,
            "reasons": list(observed.reasons),
            "proved_by": observed.proved_by,
            "url": observed.url,
            "since": observed.since,
            "tag": observed.tag.name if observed.tag else None,
            "verified": [
                {"version": verified.release.version, "release": verified.release_id, "at": verified.at}
                for verified in observed.verified
            ],
            "failed": [
                {"version": failed.release.version, "release": failed.release_id, "reason": failed.reason,
                 "at": failed.at}
                for failed in observed.failed
            ],
            "held": msgspec.to_builtins(observed.held),
            "promotion_hold": self.promotion_hold.to_document() if self.promotion_hold else None,
            "unfinished": observed.unfinished,
            "drift": self.drift,
            "orphan": self.orphan,
            "error": msgspec.to_builtins(self.failure),
        }  # fmt: skip


def survey(
    workspace: Workspace,
    registry: Registry,
    *,
    artifact: str | None = None,
    stage: str | None = None,
    awaited: bool = False,
) -> Sequence[SlotStatus]:
    """Look at every slot that the registry assigns or a target of ours has, at most one artifact's or stage's.

    ``awaited``: also at those that are empty because a promotion into them is held. Targets are asked side by side; one
    that does not answer costs its own slots alone.
    """
    held = {(hold.artifact, hold.stage): hold for hold in holds(workspace, registry, artifact=artifact, stage=stage)}
    assigned = {*workspace.assigned_slots(registry), *(workspace.slots_of(list(held)) if awaited else ())}
    with ThreadPoolExecutor(OBSERVERS) as observers:
        found = {slot for slots in observers.map(lambda name: _slots_of(workspace, name), workspace.targets)
                 for slot in slots}  # fmt: skip
        chosen = sorted(_chosen(assigned | found, artifact, stage))
        seen = list(observers.map(lambda slot: _look(workspace, registry, slot, orphan=slot not in assigned), chosen))
    return [msgspec.structs.replace(one, promotion_hold=held.get((one.slot.artifact, one.slot.stage))) for one in seen]


def _slots_of(workspace: Workspace, target: str) -> Iterable[Slot]:
    try:
        return workspace.deployer(target).slots()
    except TagboatError as error:
        workspace.progress.warn(f"target {target}: {error.message}")
        return ()


def _chosen(slots: Iterable[Slot], artifact: str | None, stage: str | None) -> Iterable[Slot]:
    return (slot for slot in slots if artifact in (None, slot.artifact) and stage in (None, slot.stage))


def _look(workspace: Workspace, registry: Registry, slot: Slot, *, orphan: bool) -> SlotStatus:
    wanted = None
    try:
        wanted = workspace.wanted(registry, slot)
        observed = workspace.deployer(slot.target).observe(slot)
    except TagboatError as error:
        return SlotStatus(slot=slot, wanted=wanted, observed=None, orphan=orphan, failure=Failure.of(error))
    orphan = orphan and (observed.health is not Health.ABSENT or observed.release is not None)
    return SlotStatus(slot=slot, wanted=wanted, observed=observed, orphan=orphan)

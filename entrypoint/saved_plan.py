"""A plan in a file: looked at now, carried out later, and refused when it is not what would be done any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from deployers.base import Plan, Slot
from deployers.errors import StalePlanError
from entrypoint.errors import UsageError
from entrypoint.report.verdict import Verdict

SCHEMA = 1
LARGEST = 16 * 1024 * 1024


class SavedSlot(msgspec.Struct, frozen=True, kw_only=True):
    """What was planned for a slot: the release, and the live state that the plan saw; both None for no change."""

    slot: Slot
    release_id: str | None = None
    fingerprint: str | None = None


class SavedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of a run: what it was asked, and every slot of it."""

    ref: str
    slots: Sequence[SavedSlot]
    schema: int = SCHEMA

    @classmethod
    def of(cls, ref: str, verdict: Verdict) -> SavedPlan:
        """The plan that a dry run came to. Raises `UsageError` where a slot could not be planned."""
        slots = []
        for one in verdict.slots:
            if one.failure is not None:
                raise UsageError(f"nothing is saved, since {one} could not be planned: {one.failure}")
            slot = Slot(artifact=one.artifact, stage=one.stage, target=one.target)
            changes = one.fingerprint is not None
            slots.append(SavedSlot(slot=slot, release_id=one.release if changes else None, fingerprint=one.fingerprint))
        return cls(ref=ref, slots=slots)

    def check(self, plan: Plan) -> None:
        """Raise `StalePlanError` where what would be done now is not what was planned."""
        slot = plan.release.slot
        saved = next((each for each in self.slots if each.slot == slot), SavedSlot(slot=slot))
        if plan.unchanged or (saved.release_id, saved.fingerprint) == (plan.release.id, plan.fingerprint):
            return
        if saved.release_id is None:
            reason = "the saved plan changes nothing here, and now something would be changed"
        elif saved.release_id != plan.release.id:
            reason = "the saved plan is of another release than the one that would be deployed now"
        else:
            reason = "the target has moved since the plan was saved"
        raise StalePlanError(reason, where=str(slot), hint="Look at a new plan: tagboat plan REF --out FILE.")


def write(path: Path, plan: SavedPlan) -> None:
    """Write the file. Raises `UsageError` where it cannot be written."""
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=1) + b"\n")
    except OSError as error:
        raise UsageError(f"the plan cannot be written: {error.strerror}", where=str(path)) from None


def read(path: Path, ref: str) -> SavedPlan:
    """Read a file that `write` made for the same REF. Raises `UsageError`."""
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError("this is no saved plan: it is too large", where=str(path))
        plan = msgspec.json.decode(path.read_bytes(), type=SavedPlan)
    except OSError as error:
        raise UsageError(f"the plan cannot be read: {error.strerror}", where=str(path)) from None
    except msgspec.MsgspecError as error:
        raise UsageError(f"this is no saved plan: {error}", where=str(path)) from None
    if plan.schema != SCHEMA or plan.ref != ref:
        raise UsageError(f"the plan is one of {plan.ref}, not of {ref}", where=str(path), hint="Plan it anew.")
    return plan

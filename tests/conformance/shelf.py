"""The smallest deployer that keeps every promise; docs/writing-a-deployer.md shows it whole.

Its target is a folder, a "shelf": each slot is one JSON file, and what the file names as live counts as served. Real
targets differ in what stands behind `put` and `get`; what has to be remembered, and when, is the same.
"""

import difflib
import fcntl
import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import msgspec

from deployers.base import (
    Action,
    Capabilities,
    Change,
    Deployer,
    FailedRelease,
    Health,
    Hold,
    Observation,
    Plan,
    Release,
    Request,
    Response,
    Revision,
    Slot,
    Step,
    Surroundings,
    TagRecord,
    VerifiedRelease,
)
from deployers.errors import LeaseHeldError, ReleaseFailedError, UnreachableError
from deployers.settings import Settings
from deployers.wrapping.bundle import Bundle


class ShelfSettings(Settings, frozen=True, kw_only=True):
    """What tagboat.yaml may say of such a target."""

    folder: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """All that the target knows of a slot, changed in one step. ``stored``: the bundles that rollback can use."""

    slot: Slot
    live: Release | None = None
    since: float | None = None
    under_way: str | None = None
    stored: Sequence[str] = ()
    verified: Sequence[VerifiedRelease] = ()
    failed: Sequence[FailedRelease] = ()
    held: Hold | None = None
    tag: TagRecord | None = None


class ShelfDeployer(Deployer):
    """Puts releases on a shelf."""

    capabilities = Capabilities()
    settings_type: ClassVar[type[msgspec.Struct]] = ShelfSettings

    def __init__(self, target: str, settings: ShelfSettings, surroundings: Surroundings) -> None:
        self.target = target
        self.shelf = Path(settings.folder)
        self.clock = surroundings.clock

    def plan(self, release: Release, bundle: Bundle) -> Plan:
        card = self.get(release.slot)
        unchanged = card.live is not None and card.live.id == release.id and card.under_way is None
        action = Action.KEEP if unchanged else Action.UPDATE if card.live else Action.CREATE
        diff = "\n".join(difflib.unified_diff(describe(card.live), describe(release), lineterm=""))
        change = Change(object=f"card of {release.slot}", action=action, diff="" if unchanged else diff)
        return Plan(release=release, bundle=bundle, changes=[change], fingerprint=fingerprint(card))

    def apply(self, plan: Plan) -> Iterator[Step]:
        card = self.get(plan.release.slot)
        plan.check(fingerprint(card))
        if plan.unchanged:
            return
        card = self.put(card, under_way="apply", stored=sorted({*card.stored, plan.bundle.digest}))
        yield Step(name="store")
        if (plan.bundle.folder / "broken").exists():
            self.put(card, under_way=None)
            raise ReleaseFailedError("the release does not come up", where=str(card.slot))
        yield from self.switch(card.slot, plan.release, tag=plan.release.tag or card.tag)

    def observe(self, slot: Slot) -> Observation:
        card = self.get(slot)
        return Observation(
            slot=slot,
            health=Health.READY if card.live else Health.ABSENT,
            reasons=[f"an earlier {card.under_way} stopped half-way"] if card.under_way else [],
            release=card.live,
            release_id=card.live.id if card.live else None,
            proved_by="configuration" if card.live else None,
            url=self.path(slot).as_uri() if card.live else None,
            since=card.since,
            verified=card.verified,
            failed=card.failed,
            held=card.held,
            tag=card.tag,
            unfinished=card.under_way is not None,
        )

    def call(self, slot: Slot, request: Request, revision: Revision = Revision.LIVE) -> Response:
        card = self.get(slot)
        if card.live is None or revision is Revision.CANDIDATE:
            raise UnreachableError(f"no {revision} release answers", where=str(slot))
        return Response(status=200, headers={"x-tagboat-release": card.live.id}, body=request.body, seconds=0.0)

    def mark_verified(self, slot: Slot, release: Release) -> None:
        card = self.get(slot)
        verified = VerifiedRelease(release=release, release_id=release.id, at=self.clock())
        self.put(card, verified=[verified, *without(card.verified, release)], failed=without(card.failed, release))

    def mark_failed(self, slot: Slot, release: Release, reason: str) -> None:
        card = self.get(slot)
        failed = FailedRelease(release=release, release_id=release.id, reason=reason, at=self.clock())
        self.put(card, failed=[failed, *without(card.failed, release)], verified=without(card.verified, release))

    def diagnose(self, slot: Slot) -> Sequence[str]:
        return self.observe(slot).reasons or ["a bundle with a file called broken does not come up"]

    def rollback(self, slot: Slot, to: VerifiedRelease | None = None) -> Iterator[Step]:
        if not self.path(slot).exists():
            return
        card = self.get(slot)
        verified = to or next(iter(card.verified), None)
        if verified is not None and verified.release.bundle_digest not in card.stored:
            raise ReleaseFailedError("the bundle is not stored any more", where=str(slot))
        yield from self.switch(slot, verified.release if verified else None, tag=card.tag)

    def remove(self, slot: Slot) -> Iterator[Step]:
        if self.path(slot).exists():
            yield from self.switch(slot, None, tag=None)
            self.path(slot).unlink()
            yield Step(name="forget")

    def hold(self, slot: Slot, hold: Hold | None) -> None:
        self.put(self.get(slot), held=hold)

    def record_tag(self, slot: Slot, tag: TagRecord) -> None:
        self.put(self.get(slot), tag=tag)

    def slots(self) -> Sequence[Slot]:
        return sorted(msgspec.json.decode(path.read_bytes(), type=Card).slot for path in self.shelf.glob("*.card"))

    @contextmanager
    def lease(self, slot: Slot) -> Iterator["ShelfLease"]:
        with self.path(slot).with_suffix(".lease").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise LeaseHeldError(f"another run is at work on {slot}: since {file.read()}") from None
            file.truncate(0)
            file.write(time.strftime("%H:%M:%S", time.localtime(self.clock())))
            file.flush()
            yield ShelfLease()

    def switch(self, slot: Slot, release: Release | None, tag: TagRecord | None) -> Iterator[Step]:
        """Serve this release, or none; finds its work done where an earlier run has done it."""
        card = self.get(slot)
        same = card.live is not None and release is not None and card.live.id == release.id
        since = card.since if same else self.clock() if release else None
        self.put(card, live=release, since=since, tag=tag, under_way="switch")
        yield Step(name="switch")
        self.put(self.get(slot), under_way=None)
        yield Step(name="settle")

    def path(self, slot: Slot) -> Path:
        """Where the card lies; a hash, since names of slots are nobody's file names."""
        return self.shelf / f"{hashlib.sha256(str(slot).encode()).hexdigest()[:16]}.card"

    def get(self, slot: Slot) -> Card:
        """What the target knows."""
        path = self.path(slot)
        return msgspec.json.decode(path.read_bytes(), type=Card) if path.exists() else Card(slot=slot)

    def put(self, card: Card, **values: object) -> Card:
        """Change it, in one step."""
        card = msgspec.structs.replace(card, **values)
        draft = self.path(card.slot).with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(card))
        draft.replace(self.path(card.slot))
        return card


class ShelfLease:
    """A lock that lasts as long as its file is open."""

    def renew(self) -> None:
        """Nothing to prolong."""


def fingerprint(card: Card) -> str:
    """Stands for all that another run could have changed."""
    return hashlib.sha256(msgspec.json.encode([card.live, card.under_way, card.tag, card.held])).hexdigest()


def describe(release: Release | None) -> list[str]:
    """A release as lines of text."""
    return msgspec.json.format(msgspec.json.encode(release)).decode().splitlines() if release else []


def without(records: Sequence, release: Release) -> list:
    """The records of other releases."""
    return [record for record in records if record.release_id != release.id]

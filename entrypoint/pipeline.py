"""One slot, from what the registry says now to a verdict; read `SlotRun.bring` from top to bottom.

The registry is the desired state and an event only a nudge: whatever brought us here, the run takes the slot's lease,
reads the registry again and applies what it says now. So late, repeated, reordered and missed events end in the same
place, and a run that was killed is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from deployers.base import (
    Action,
    Change,
    Deployer,
    Health,
    Lease,
    Observation,
    Plan,
    Release,
    Revision,
    Slot,
    VerifiedRelease,
)
from deployers.errors import DegradedError, ReleaseFailedError, TagboatError
from entrypoint.canary import CanaryRun
from entrypoint.drafts import draft_of, failed_before, serves
from entrypoint.journal import Journal
from entrypoint.preparation import prepare
from entrypoint.registry.policy import check_policies, check_retirement, check_unmoved, check_way
from entrypoint.registry.resolve import Resolution
from entrypoint.registry.state import Registry
from entrypoint.report.verdict import Failure, SlotVerdict, Status
from entrypoint.saved_plan import SavedPlan
from entrypoint.verification import await_release, check_requests, verify
from entrypoint.workspace import Workspace

SWITCH_SECONDS = 120.0
"""How long a target may take to serve what it says it switched to."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What the caller wants beyond what the registry says.

    ``tag``: the event that brought us here, full name. ``dry_run``: plan, change nothing. ``retry``: try a release
    again that failed before. ``saved``: do this and nothing else.
    """

    tag: str | None = None
    dry_run: bool = False
    retry: bool = False
    saved: SavedPlan | None = None


class SlotRun:
    """One run at one slot."""

    def __init__(self, workspace: Workspace, slot: Slot, orders: Orders) -> None:
        self.workspace = workspace
        self.slot = slot
        self.orders = orders
        self.settings = workspace.settings(slot)
        self.journal = Journal(workspace.progress)
        self.wanted: Resolution | None = None
        self.before: Observation | None = None

    @cached_property
    def deployer(self) -> Deployer:
        """Made at its first use, so that one that cannot be made costs its own slots alone."""
        return self.workspace.deployer(self.slot.target)

    def bring(self) -> SlotVerdict:
        """Bring the slot to what the registry says, prove it, or go back; an error is a verdict too."""
        try:
            with self._lease() as lease:
                registry = self.workspace.read_registry()
                self.wanted = wanted = self.workspace.wanted(registry, self.slot)
                self.before = before = self.deployer.observe(self.slot)
                if before.held is not None:
                    return self._ended(Status.HELD, f"held by {before.held.by}: {before.held.reason}")
                if self.workspace.policies.moved_tags == "refuse":
                    check_unmoved(registry, before.tag)
                if newer := self._overtaken_by(registry):
                    return self._ended(Status.SUPERSEDED, f"{newer} came later and has won on this target")
                if wanted is None:
                    return self._retire(registry)
                check_policies(self.workspace.repository, wanted, self.workspace.policies)
                if source := self.workspace.only_from(self.slot):
                    check_way(registry, wanted, source)
                draft = draft_of(self.workspace, self.slot, self.deployer, wanted)
                if serves(before, draft):
                    return self._unchanged()
                if (reason := failed_before(before, draft)) and not self.orders.retry:
                    return self._stay_away_from(reason)
                check_requests(self.deployer.refusal, self.settings.smoke, self.workspace.read_input)
                self.workspace.witness.queued(draft)
                bundle = prepare(self.workspace, wanted, self.journal)
                release = msgspec.structs.replace(draft, bundle_digest=bundle.digest)
                plan = self.deployer.plan(release, bundle)
                if self.orders.dry_run:
                    return self._planned(plan)
                if self.orders.saved is not None:
                    self.orders.saved.check(plan)
                return self._put_live(plan, lease)
        except TagboatError as error:
            status = Status.DEGRADED if isinstance(error, DegradedError) else Status.FAILED
            failure = Failure.of(error)
            return self._ended(status, str(failure), failure=failure)

    def settled(self, wanted: Resolution | None, observed: Observation) -> SlotVerdict | None:
        """The verdict of a slot that an earlier look found in order; None where a run has to take its lease."""
        self.wanted, self.before = wanted, observed
        if wanted is None or observed.held is not None or observed.tag != wanted.tag:
            return None
        if not serves(observed, draft_of(self.workspace, self.slot, self.deployer, wanted)):
            return None
        return self._ended(Status.UNCHANGED, "is live already", observed=observed)

    def _lease(self) -> AbstractContextManager[Lease | None]:
        """A plan only reads, and waits for nobody."""
        return nullcontext() if self.orders.dry_run else self.deployer.lease(self.slot)

    def _overtaken_by(self, registry: Registry) -> str | None:
        """The tag that won here, if it still exists and GTO orders it after what we are about to apply."""
        recorded = self._before.tag
        if recorded is None or self.wanted is None or self.wanted.tag is None:
            return None
        return recorded.name if registry.is_later(recorded.name, self.wanted.tag.name) else None

    def _retire(self, registry: Registry) -> SlotVerdict:
        """Nothing is assigned any more: take it down where the target says so, else say what still runs."""
        before = self._before
        if before.health is Health.ABSENT and before.release is None and not before.unfinished:
            return self._ended(Status.UNCHANGED, "nothing is assigned, and nothing is served")
        if not self.workspace.target(self.slot.target).prune:
            version = before.release.version if before.release else "something of ours"
            self.journal.warn(f"{self.slot}: nothing is assigned any more, but {version} is still served; "
                              f"`prune: true` on the target takes such slots down")  # fmt: skip
            return self._ended(Status.UNCHANGED, "nothing is assigned any more; left running, as the target says")
        check_retirement(
            self.workspace.repository, registry, self.slot.artifact, self.slot.stage, self.workspace.policies
        )
        if self.orders.dry_run:
            return self._ended(Status.UNCHANGED, "nothing is assigned any more: would be taken down")
        for _ in self.journal.follow(self.deployer.remove(self.slot)):
            pass
        return self._ended(Status.REMOVED, "nothing is assigned any more", changed=True, url=None)

    def _unchanged(self) -> SlotVerdict:
        if not self.orders.dry_run and self.wanted is not None and self.wanted.tag is not None:
            self.deployer.record_tag(self.slot, self.wanted.tag)
        return self._ended(*self._overtaken("is live already"), observed=self._before)

    def _stay_away_from(self, reason: str) -> SlotVerdict:
        text = f"this release failed before and is not tried again: {reason}"
        failure = Failure(message=text, where=str(self.slot), hint="Mend it and register anew, or pass --retry.")
        return self._ended(Status.FAILED, text, failure=failure, observed=self._before, known_before=True)

    def _planned(self, plan: Plan) -> SlotVerdict:
        changes = [change for change in plan.changes if change.action is not Action.KEEP]
        reason = "would change" if changes else "is live already"
        fingerprint = plan.fingerprint if changes else None
        return self._ended(Status.UNCHANGED, reason, release=plan.release, observed=self._before, changes=changes,
                           fingerprint=fingerprint)  # fmt: skip

    def _put_live(self, plan: Plan, lease: Lease | None) -> SlotVerdict:
        release = plan.release
        changes = tuple(change for change in plan.changes if change.action is not Action.KEEP)
        self.workspace.witness.in_progress(release)
        try:
            for step in self.journal.follow(self.deployer.apply(plan)):
                if lease is not None:
                    lease.renew()
                if step.candidate:
                    self._verify(release.id, Revision.CANDIDATE)
                    self._earn_traffic(lease)
            observed = await_release(lambda: self.deployer.observe(self.slot), release.id, timeout=SWITCH_SECONDS)
            self._verify(release.id, Revision.LIVE)
        except ReleaseFailedError as error:
            return self._way_back(release, error, changes)
        self.deployer.mark_verified(self.slot, release)
        if plan.unchanged:
            return self._ended(
                *self._overtaken("is live already, and now verified"), release=release, observed=observed
            )
        reason = self._overtaken("")[1]
        return self._ended(Status.LIVE, reason, release=release, observed=observed, changed=True, changes=changes)

    def _earn_traffic(self, lease: Lease | None) -> None:
        """Where the target is to try a release on a part of its clients first: not before there are any."""
        canary = self.deployer.canary
        if canary is not None and self._before.health is not Health.ABSENT:
            CanaryRun(
                deployer=self.deployer, slot=self.slot, canary=canary, journal=self.journal, lease=lease
            ).carry_out()

    def _verify(self, release_id: str, revision: Revision, *, smoke: bool = True) -> None:
        requests = self.settings.smoke if smoke else ()
        with self.journal.step(
            f"verify {revision.value}", f"{len(requests)} smoke request{'' if len(requests) == 1 else 's'}"
        ):
            verify(lambda request: self.deployer.call(self.slot, request, revision), release_id, requests,
                   self.workspace.read_input)  # fmt: skip

    def _way_back(self, release: Release, error: TagboatError, changes: Sequence[Change]) -> SlotVerdict:
        """The release did not pass: remember why, and serve the last verified one again."""
        diagnosis = "".join(f"\n{line}" for line in self.deployer.diagnose(self.slot))
        self.deployer.mark_failed(self.slot, release, error.message)
        self.journal.progress.output(f"{error}{diagnosis}")
        try:
            # Asked again: the failed release was perhaps itself the newest verified one, and counts no more.
            verified = next(iter(self.deployer.observe(self.slot).verified), None)
            observed = self._go_back_to(verified)
        except TagboatError as second:
            raise DegradedError(
                f"{error.message}; and the way back failed too: {second.message}",
                where=str(self.slot),
                hint="Look at the slot now: `tagboat status`; running the same command again tries both once more.",
            ) from error
        failure = Failure(message=error.message + diagnosis, where=str(self.slot), hint=error.hint)
        if verified is None:
            return self._ended(Status.FAILED, f"{error.message}; nothing was live before, and nothing is now",
                               release=release, failure=failure, changes=changes)  # fmt: skip
        reason = f"{error.message}; {verified.release.version} serves"
        return self._ended(
            Status.ROLLED_BACK, reason, release=release, observed=observed, failure=failure, changes=changes
        )

    def _go_back_to(self, verified: VerifiedRelease | None) -> Observation:
        for _ in self.journal.follow(self.deployer.rollback(self.slot)):
            pass
        if verified is None:
            observed = self.deployer.observe(self.slot)
            if observed.health is not Health.ABSENT:
                raise ReleaseFailedError(f"the failed release could not be taken down ({observed.health.value})")
            return observed
        observed = await_release(lambda: self.deployer.observe(self.slot), verified.release_id, timeout=SWITCH_SECONDS)
        self._verify(verified.release_id, Revision.LIVE, smoke=False)
        return observed

    def _overtaken(self, reason: str) -> tuple[Status, str]:
        """How a slot that needed nothing ends: an event that another one has overtaken says so."""
        winner = self.wanted.tag.name if self.wanted and self.wanted.tag else None
        if self.orders.tag is None or winner is None or winner == self.orders.tag:
            return Status.UNCHANGED, reason
        note = f"{self.orders.tag} was overtaken by {winner}"
        return Status.SUPERSEDED, f"{note}, which {reason}" if reason else note

    @property
    def _before(self) -> Observation:
        assert self.before is not None  # noqa: S101 - every step after the first look has it
        return self.before

    def _ended(
        self,
        status: Status,
        reason: str = "",
        *,
        release: Release | None = None,
        observed: Observation | None = None,
        **more: Any,
    ) -> SlotVerdict:
        wanted, before = self.wanted, self.before
        return SlotVerdict(
            artifact=self.slot.artifact,
            stage=self.slot.stage,
            target=self.slot.target,
            status=status,
            reason=reason,
            version=wanted.version if wanted else None,
            commit=wanted.commit if wanted else None,
            tag=wanted.tag.name if wanted and wanted.tag else None,
            previous=before.release.version if before and before.release else None,
            previous_commit=before.release.commit if before and before.release else None,
            release=release.id if release else observed.release_id if observed else None,
            seconds=self.journal.seconds,
            steps=tuple(self.journal.timings),
            warnings=tuple(self.journal.warnings),
            **{
                "url": observed.url if observed else None,
                "proved_by": observed.proved_by if observed else None,
                **more,
            },
        )

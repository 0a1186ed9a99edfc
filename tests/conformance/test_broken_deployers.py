"""Deployers with the defects that deployers have, each caught by the promise that forbids it."""

import contextlib

import msgspec
import pytest

from deployers.base import Capabilities, Health, Step
from deployers.conformance import DeployerConformance
from deployers.conformance.subject import close_after, kill_after
from deployers.errors import ReleaseFailedError
from tests.conformance.shelf import ShelfDeployer, ShelfLease, fingerprint, without
from tests.conformance.subjects import ShelfSubject


class PlanWrites(ShelfDeployer):
    """Registers the slot while it plans."""

    def plan(self, release, bundle):
        self.put(self.get(release.slot))
        return super().plan(release, bundle)


class NeverUnchanged(ShelfDeployer):
    """Rolls everything out again each time."""

    def plan(self, release, bundle):
        plan = super().plan(release, bundle)
        changes = [msgspec.structs.replace(change, action="update") for change in plan.changes]
        return msgspec.structs.replace(plan, changes=changes)


class TakesDownFirst(ShelfDeployer):
    """Deletes the old one, then creates the new one: what MLEM and SageMaker's examples do."""

    def apply(self, plan):
        self.put(self.get(plan.release.slot), live=None, under_way="apply", stored=[plan.bundle.digest])
        yield Step(name="deleted")
        if (plan.bundle.folder / "broken").exists():
            raise ReleaseFailedError("the release does not come up")
        yield from self.switch(plan.release.slot, plan.release, plan.release.tag)


class StableMeansSuccess(ShelfDeployer):
    """Takes a target that has gone back to the old release for one that came up."""

    def apply(self, plan):
        with contextlib.suppress(ReleaseFailedError):
            yield from super().apply(plan)


class IgnoresTheFingerprint(ShelfDeployer):
    """Applies whatever it once planned."""

    def apply(self, plan):
        current = fingerprint(self.get(plan.release.slot))
        yield from super().apply(msgspec.structs.replace(plan, fingerprint=current))


class RemovesEverything(ShelfDeployer):
    """Empties the target."""

    def remove(self, slot):
        for path in self.shelf.iterdir():
            if path.suffix != ".lease":
                path.unlink()
        yield Step(name="removed")


class RemembersNoFailure(ShelfDeployer):
    """Forgets what failed."""

    def mark_failed(self, slot, release, reason):
        self.put(self.get(slot), verified=without(self.get(slot).verified, release))


class KeepsFailuresOnly(ShelfDeployer):
    """Would go back to the very release that failed."""

    def mark_failed(self, slot, release, reason):
        verified = self.get(slot).verified
        super().mark_failed(slot, release, reason)
        self.put(self.get(slot), verified=verified)


class HoldsInMemory(ShelfDeployer):
    """Keeps a hold in the object, and so loses it."""

    def hold(self, slot, hold):
        self.held = hold


class AnyoneMayCome(ShelfDeployer):
    """Hands its lease to everybody."""

    @contextlib.contextmanager
    def lease(self, slot):
        yield ShelfLease()


class LeavesItsLease(ShelfDeployer):
    """Marks the lease by a file, which stays when the run is killed."""

    @contextlib.contextmanager
    def lease(self, slot):
        from deployers.errors import LeaseHeldError

        path = self.path(slot).with_suffix(".lease")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            raise LeaseHeldError(f"another run is at work on {slot}: somebody on some machine") from None
        yield ShelfLease()
        path.unlink()


class GivesUpHalfWay(ShelfDeployer):
    """Can't go on from what a killed run has left."""

    def apply(self, plan):
        if self.get(plan.release.slot).under_way:
            raise ReleaseFailedError("a deployment is under way")
        yield from super().apply(plan)


class RollbackResolvesAnew(ShelfDeployer):
    """Needs the runner's bundle to go back."""

    def rollback(self, slot, to=None):
        for verified in self.get(slot).verified[:1]:
            folder = self.shelf.parent / "bundles" / verified.release.version
            if not folder.exists():
                raise ReleaseFailedError("no bundle")
        yield from super().rollback(slot, to)


class ForgetsOnRollback(ShelfDeployer):
    """Deletes the slot when there is nothing to go back to, its memory of the failure too."""

    def rollback(self, slot, to=None):
        if not self.get(slot).verified and self.path(slot).exists():
            self.path(slot).unlink()
            return
        yield from super().rollback(slot, to)


class OnlyOneStepBack(ShelfDeployer):
    """Goes back to the newest verified release whatever was asked for."""

    def rollback(self, slot, to=None):
        yield from super().rollback(slot)


class SaysWhatItWants(ShelfDeployer):
    """Reports the wanted release as the one served."""

    def switch(self, slot, release, tag):
        for step in super().switch(slot, release, tag):
            yield step
            card = self.get(slot)
            (self.shelf / "wanted").write_text(release.id if release else "")
            self.put(card, live=None if release else card.live)

    def observe(self, slot):
        seen = super().observe(slot)
        wanted = self.shelf / "wanted"
        if not wanted.exists() or not wanted.read_text():
            return seen
        return msgspec.structs.replace(seen, release_id=wanted.read_text(), health=Health.READY)


class KnowsOnlyItsOwnSlots(ShelfDeployer):
    """Lists the slots that this object deployed."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.known = []

    def apply(self, plan):
        self.known.append(plan.release.slot)
        yield from super().apply(plan)

    def slots(self):
        return self.known


class ShowsSecrets(ShelfDeployer):
    """Puts the value where the name belongs."""

    def plan(self, release, bundle):
        plan = super().plan(release, bundle)
        changes = [
            msgspec.structs.replace(change, diff=change.diff + f"\n+password: {ShelfSubject.canary}")
            for change in plan.changes
        ]
        return msgspec.structs.replace(plan, changes=changes)


class ForgetsTheEvent(ShelfDeployer):
    """Does not record which tag won."""

    def switch(self, slot, release, tag):
        yield from super().switch(slot, release, None)


class OldestFirst(ShelfDeployer):
    """Appends to its history."""

    def mark_verified(self, slot, release):
        before = self.get(slot).verified
        super().mark_verified(slot, release)
        card = self.get(slot)
        self.put(card, verified=[*without(before, release), card.verified[0]])


class PromisesACandidate(ShelfDeployer):
    """Claims what it does not do."""

    capabilities = Capabilities(candidate=True)


class PretendsTraffic(ShelfDeployer):
    """Ignores a canary's percentage, as KServe's raw deployments do."""

    def traffic(self, slot, weights):
        return None


class SaysNothingOfWhy(ShelfDeployer):
    """Has no reasons to give."""

    def diagnose(self, slot):
        return []


class ListensToSilence(ShelfDeployer):
    """Answers calls to an empty slot by an empty answer."""

    def call(self, slot, request, revision=None):
        from deployers.base import Response

        return Response(status=200, headers={}, body=b"", seconds=0.0)


class SharesOneCard(ShelfDeployer):
    """Cuts long names, so that slots meet in one file."""

    def path(self, slot):
        return self.shelf / "card.card"


DEFECTS = [
    (PlanWrites, "test_a_plan_changes_nothing"),
    (NeverUnchanged, "test_applying_what_is_live_changes_nothing"),
    (TakesDownFirst, "test_a_broken_release_leaves_the_old_one_serving"),
    (StableMeansSuccess, "test_a_broken_release_leaves_the_old_one_serving"),
    (StableMeansSuccess, "test_a_broken_first_release_leaves_nothing"),
    (IgnoresTheFingerprint, "test_a_late_older_event_never_replaces_a_newer_release"),
    (IgnoresTheFingerprint, "test_a_plan_for_an_empty_slot_is_refused_once_it_is_taken"),
    (RemovesEverything, "test_remove_removes_only_its_own"),
    (RemembersNoFailure, "test_a_failed_release_is_remembered_with_its_reason"),
    (KeepsFailuresOnly, "test_a_verified_release_that_fails_later_is_no_way_back"),
    (HoldsInMemory, "test_a_hold_is_seen_until_it_is_released"),
    (HoldsInMemory, "test_a_hold_outlives_a_rollback"),
    (AnyoneMayCome, "test_a_lease_keeps_other_runs_out"),
    (LeavesItsLease, "test_a_lease_ends_with_the_run_that_fails"),
    (LeavesItsLease, "test_a_lease_keeps_other_processes_out_and_ends_with_its_holder"),
    (RollbackResolvesAnew, "test_rollback_needs_nothing_of_the_machine_that_deployed"),
    (ForgetsOnRollback, "test_rollback_without_a_predecessor_takes_the_slot_down_and_remembers"),
    (OnlyOneStepBack, "test_rollback_goes_as_far_back_as_asked"),
    (SaysWhatItWants, "test_a_release_goes_live_and_the_target_proves_it"),
    (KnowsOnlyItsOwnSlots, "test_all_is_seen_from_the_target_alone"),
    (ShowsSecrets, "test_secrets_show_up_nowhere"),
    (ForgetsTheEvent, "test_the_event_that_won_is_remembered"),
    (OldestFirst, "test_verified_releases_are_remembered_newest_first"),
    (PromisesACandidate, "test_a_candidate_is_tried_beside_the_old_release"),
    (PretendsTraffic, "test_the_target_can_do_what_it_says_and_nothing_else_silently"),
    (SaysNothingOfWhy, "test_a_broken_release_leaves_the_old_one_serving"),
    (ListensToSilence, "test_nothing_answers_where_nothing_is_served"),
    (SharesOneCard, "test_slots_do_not_touch_one_another"),
]


@pytest.mark.parametrize(("kind", "promise"), DEFECTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_defect_is_caught_by_the_promise_that_forbids_it(tmp_path, kind, promise):
    with pytest.raises((Exception, pytest.fail.Exception)) as caught:
        getattr(DeployerConformance(), promise)(ShelfSubject(tmp_path, kind))
    assert not isinstance(caught.value, pytest.skip.Exception)


@pytest.mark.parametrize("interrupt", [close_after, kill_after])
@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (GivesUpHalfWay, "test_an_apply_that_stops_after_any_step_is_finished_by_the_next"),
        (TakesDownFirst, "test_an_apply_that_stops_after_any_step_gives_way_to_another_release"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_defect_of_interrupted_runs_is_caught(tmp_path, kind, promise, interrupt):
    with pytest.raises((AssertionError, ReleaseFailedError)):
        getattr(DeployerConformance(), promise)(ShelfSubject(tmp_path, kind), interrupt)


@pytest.mark.parametrize("promise", sorted({promise for _, promise in DEFECTS}))
def test_the_sound_deployer_keeps_the_same_promise(tmp_path, promise):
    with contextlib.suppress(pytest.skip.Exception):
        getattr(DeployerConformance(), promise)(ShelfSubject(tmp_path))

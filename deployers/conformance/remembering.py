"""Promises of what is kept on the target: a new deployer object, on another machine, knows it all."""
# ruff: noqa: S101

from __future__ import annotations

from multiprocessing.connection import Connection

import msgspec
import pytest

from deployers.base import Hold, Slot, TagRecord
from deployers.conformance.subject import Subject, assert_live, deploy, eventually, process_context
from deployers.errors import LeaseHeldError

TAG = TagRecord(name="model#prod#7", object_id="7" * 40, time=1_700_000_000)


class Remembering:
    """Records and leases."""

    def test_all_is_seen_from_the_target_alone(self, subject: Subject) -> None:
        """Two new deployer objects see the same slot in the same state."""
        slot = subject.slot()
        deploy(subject, slot, "v1.0.0", TAG)
        one, other = subject.deployer(), subject.deployer()
        assert one.observe(slot) == other.observe(slot)
        assert list(one.slots()) == list(other.slots()) == [slot]

    def test_the_event_that_won_is_remembered(self, subject: Subject) -> None:
        """By the release that it brought, and where it changed nothing else by `record_tag`."""
        slot = subject.slot()
        release = deploy(subject, slot, "v1.0.0", TAG)
        assert subject.deployer().observe(slot).tag == TAG
        again = msgspec.structs.replace(TAG, name="model#prod#8", object_id="8" * 40, time=TAG.time + 1)
        subject.deployer().record_tag(slot, again)
        assert assert_live(subject, slot, release).tag == again

    def test_verified_releases_are_remembered_newest_first(self, subject: Subject) -> None:
        """Each once, the one verified last in front."""
        slot = subject.slot()
        for version in ("v1.0.0", "v2.0.0", "v1.0.0"):
            release = deploy(subject, slot, version)
        seen = assert_live(subject, slot, release)
        assert [verified.release.version for verified in seen.verified] == ["v1.0.0", "v2.0.0"]
        assert [verified.release_id for verified in seen.verified] == [v.release.id for v in seen.verified]

    def test_a_failed_release_is_remembered_with_its_reason(self, subject: Subject) -> None:
        """Until it is verified after all."""
        slot = subject.slot()
        deploy(subject, slot, "v1.0.0")
        release, _ = subject.release(slot, "v2.0.0")
        subject.deployer().mark_failed(slot, release, "says 3 where 4 is expected")
        failure = subject.deployer().observe(slot).failure_of(release.id)
        assert failure is not None
        assert failure.reason == "says 3 where 4 is expected"
        assert failure.release.version == "v2.0.0"
        deploy(subject, slot, "v2.0.0")
        assert subject.deployer().observe(slot).failure_of(release.id) is None

    def test_a_hold_is_seen_until_it_is_released(self, subject: Subject) -> None:
        """A hold changes nothing that is served."""
        slot = subject.slot()
        release = deploy(subject, slot, "v1.0.0")
        hold = Hold(reason="the quarter's end", by="the model's owner", at=1_700_000_000.0)
        subject.deployer().hold(slot, hold)
        assert assert_live(subject, slot, release).held == hold
        subject.deployer().hold(slot, None)
        assert assert_live(subject, slot, release).held is None

    def test_a_hold_outlives_a_rollback(self, subject: Subject) -> None:
        """`tagboat rollback --no-tag` holds first and rolls back then."""
        slot = subject.slot()
        old = deploy(subject, slot, "v1.0.0")
        deploy(subject, slot, "v2.0.0")
        hold = Hold(reason="rolled back by hand", by="the model's owner", at=1_700_000_000.0)
        deployer = subject.deployer()
        deployer.hold(slot, hold)
        list(deployer.rollback(slot, deployer.observe(slot).verified[1]))
        assert assert_live(subject, slot, old).held == hold

    def test_a_lease_keeps_other_runs_out(self, subject: Subject) -> None:
        """The second run gets an error that says who is at work; other slots are free."""
        slot, other = subject.slot("one"), subject.slot("other")
        with subject.deployer().lease(slot) as lease:
            with pytest.raises(LeaseHeldError) as caught, subject.deployer().lease(slot):
                pass
            assert len(caught.value.message) > len(f"another run is at work on {slot}: "), "the owner is not named"
            with subject.deployer().lease(other):
                lease.renew()
        with subject.deployer().lease(slot):
            pass

    def test_a_lease_ends_with_the_run_that_fails(self, subject: Subject) -> None:
        """An error in the run gives the lease back."""
        slot = subject.slot()
        with pytest.raises(ZeroDivisionError), subject.deployer().lease(slot):
            raise ZeroDivisionError
        with subject.deployer().lease(slot):
            pass

    def test_a_lease_keeps_other_processes_out_and_ends_with_its_holder(self, subject: Subject) -> None:
        """Held elsewhere, it can't be had; its holder killed, it can, at the latest once it expires."""
        if not subject.processes:
            pytest.skip("other processes can't reach this target")
        slot = subject.slot()
        context = process_context(subject)
        here, there = context.Pipe()
        holder = context.Process(target=_hold, args=(subject, slot, there))
        holder.start()
        try:
            assert here.poll(60), "the other process did not get the lease"
            here.recv()
            with pytest.raises(LeaseHeldError), subject.deployer().lease(slot):
                pass
        finally:
            holder.kill()
            holder.join()
        assert eventually(lambda: _free(subject, slot), bool, subject.patience), "a killed run keeps its lease"


def _hold(subject: Subject, slot: Slot, told: Connection) -> None:
    with subject.deployer().lease(slot):
        told.send("held")
        told.poll(None)


def _free(subject: Subject, slot: Slot) -> bool:
    try:
        with subject.deployer().lease(slot):
            return True
    except LeaseHeldError:
        return False

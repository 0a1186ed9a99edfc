"""Promises of rollback, and of targets that fail by themselves."""
# ruff: noqa: S101

from __future__ import annotations

import pytest

from deployers.base import Health
from deployers.conformance.subject import Subject, assert_down, assert_live, deploy, eventually


class ComingBack:
    """The way back to what was verified."""

    def test_rollback_serves_the_last_verified_release(self, subject: Subject) -> None:
        """A release that went live and was then found wrong gives way to the one before it."""
        slot = subject.slot()
        old = deploy(subject, slot, "v1.0.0")
        deployer = subject.deployer()
        release, bundle = subject.release(slot, "v2.0.0")
        list(deployer.apply(deployer.plan(release, bundle)))
        assert_live(subject, slot, release)
        deployer.mark_failed(slot, release, "wrong answers")
        list(deployer.rollback(slot))
        assert_live(subject, slot, old)

    def test_a_verified_release_that_fails_later_is_no_way_back(self, subject: Subject) -> None:
        """Marked as failed after it was verified, a release is nothing to return to any more."""
        slot = subject.slot()
        old = deploy(subject, slot, "v1.0.0")
        new = deploy(subject, slot, "v2.0.0")
        deployer = subject.deployer()
        deployer.mark_failed(slot, new, "wrong answers since this morning")
        list(deployer.rollback(slot))
        seen = assert_live(subject, slot, old)
        assert [verified.release_id for verified in seen.verified] == [old.id]

    def test_rollback_where_the_last_verified_release_serves_changes_nothing(self, subject: Subject) -> None:
        """There is nothing to go back from."""
        slot = subject.slot()
        deploy(subject, slot, "v1.0.0")
        new = deploy(subject, slot, "v2.0.0")
        since = subject.deployer().observe(slot).since
        list(subject.deployer().rollback(slot))
        assert assert_live(subject, slot, new).since == since

    def test_rollback_goes_as_far_back_as_asked(self, subject: Subject) -> None:
        """``to`` names any release of the verified history."""
        slot = subject.slot()
        oldest = deploy(subject, slot, "v1.0.0")
        deploy(subject, slot, "v2.0.0")
        deploy(subject, slot, "v3.0.0")
        history = subject.deployer().observe(slot).verified
        assert [verified.release.version for verified in history] == ["v3.0.0", "v2.0.0", "v1.0.0"]
        list(subject.deployer().rollback(slot, history[-1]))
        assert_live(subject, slot, oldest)

    def test_rollback_without_a_predecessor_takes_the_slot_down_and_remembers(self, subject: Subject) -> None:
        """Nothing was ever verified: nothing serves, and what failed is still known."""
        slot = subject.slot()
        deployer = subject.deployer()
        release, bundle = subject.release(slot, "v1.0.0")
        list(deployer.apply(deployer.plan(release, bundle)))
        deployer.mark_failed(slot, release, "wrong answers")
        list(deployer.rollback(slot))
        seen = assert_down(subject, slot)
        failure = seen.failure_of(release.id)
        assert failure is not None
        assert failure.reason == "wrong answers"

    def test_rollback_needs_nothing_of_the_machine_that_deployed(self, subject: Subject) -> None:
        """With every bundle and cache of the runner gone, the old release still comes back."""
        slot = subject.slot()
        old = deploy(subject, slot, "v1.0.0")
        new = deploy(subject, slot, "v2.0.0")
        subject.lose_caches()
        deployer = subject.deployer()
        deployer.mark_failed(slot, new, "wrong answers")
        list(deployer.rollback(slot))
        assert_live(subject, slot, old)

    def test_rollback_can_be_asked_for_twice(self, subject: Subject) -> None:
        """The second one finds the work done."""
        slot = subject.slot()
        old = deploy(subject, slot, "v1.0.0")
        deployer = subject.deployer()
        release, bundle = subject.release(slot, "v2.0.0")
        list(deployer.apply(deployer.plan(release, bundle)))
        deployer.mark_failed(slot, release, "wrong answers")
        list(deployer.rollback(slot))
        list(subject.deployer().rollback(slot))
        assert_live(subject, slot, old)

    def test_rollback_of_a_slot_that_never_was_does_nothing(self, subject: Subject) -> None:
        """And makes no slot of it."""
        list(subject.deployer().rollback(subject.slot()))
        assert_down(subject, subject.slot())
        assert list(subject.deployer().slots()) == []

    def test_a_crashed_server_is_noticed_and_the_same_release_brought_back(self, subject: Subject) -> None:
        """What ended by itself is not called ready; planning the same release again brings it back."""
        slot = subject.slot()
        release = deploy(subject, slot, "v1.0.0")
        if not subject.crash(slot):
            pytest.skip("this target's servers can't be ended from outside")
        seen = eventually(
            lambda: subject.deployer().observe(slot), lambda seen: seen.health is not Health.READY, subject.patience
        )
        assert seen.health is not Health.READY
        assert seen.release_id is None
        assert seen.reasons, "nothing is said of why"
        assert [verified.release_id for verified in seen.verified] == [release.id]
        deployer = subject.deployer()
        plan = deployer.plan(*subject.release(slot, "v1.0.0"))
        assert not plan.unchanged
        list(deployer.apply(plan))
        assert_live(subject, slot, release)

    def test_a_crashed_server_gives_way_to_another_release(self, subject: Subject) -> None:
        """Nothing of the dead one is needed for the next."""
        slot = subject.slot()
        deploy(subject, slot, "v1.0.0")
        if not subject.crash(slot):
            pytest.skip("this target's servers can't be ended from outside")
        assert_live(subject, slot, deploy(subject, slot, "v2.0.0"))

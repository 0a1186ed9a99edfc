"""Promises of runs that stop half-way: after any step, by any means, the next run finishes the job."""
# ruff: noqa: S101

from __future__ import annotations

import pytest

from deployers.conformance.subject import (
    Interrupt,
    Subject,
    Work,
    assert_down,
    assert_live,
    close_after,
    deploy,
    kill_after,
)

MOST_STEPS = 50


class Interruptions:
    """Any step may be the last one."""

    @pytest.fixture(params=[close_after, kill_after], ids=["closed", "killed"])
    def interrupt(self, request: pytest.FixtureRequest, subject: Subject) -> Interrupt:
        """Both ways in which a run stops."""
        chosen: Interrupt = request.param
        if chosen is kill_after and not subject.processes:
            pytest.skip("other processes can't reach this target")
        return chosen

    def test_an_apply_that_stops_after_any_step_is_finished_by_the_next(
        self, subject: Subject, interrupt: Interrupt
    ) -> None:
        """The same release planned and applied again is live, and nothing is left over."""
        slot = subject.slot()
        for steps in range(1, MOST_STEPS):
            version = f"v{steps}.0.0"
            before = subject.served(slot)
            stopped = interrupt(subject, Work("apply", slot, version), steps)
            assert subject.served(slot) in {before, subject.release(slot, version)[0].id}, "a third thing is served"
            deploy(subject, slot, version)
            if not stopped:
                return
        raise AssertionError(f"an apply has more than {MOST_STEPS} steps")

    def test_an_apply_that_stops_after_any_step_gives_way_to_another_release(
        self, subject: Subject, interrupt: Interrupt
    ) -> None:
        """The registry may have moved on meanwhile: the next run's release is live, not the interrupted one."""
        slot = subject.slot()
        deploy(subject, slot, "v0.1.0")
        for steps in range(1, MOST_STEPS):
            stopped = interrupt(subject, Work("apply", slot, f"v{steps}.0.0"), steps)
            assert subject.served(slot) is not None, "a request was lost"
            deploy(subject, slot, f"v{steps}.1.0")
            if not stopped:
                return
        raise AssertionError(f"an apply has more than {MOST_STEPS} steps")

    def test_an_apply_that_stops_after_any_step_can_be_rolled_back(
        self, subject: Subject, interrupt: Interrupt
    ) -> None:
        """The last verified release serves, whatever the interrupted run has done."""
        slot = subject.slot()
        verified = deploy(subject, slot, "v0.1.0")
        for steps in range(1, MOST_STEPS):
            stopped = interrupt(subject, Work("apply", slot, f"v{steps}.0.0"), steps)
            list(subject.deployer().rollback(slot))
            assert_live(subject, slot, verified)
            if not stopped:
                return

    def test_a_rollback_that_stops_after_any_step_is_finished_by_the_next(
        self, subject: Subject, interrupt: Interrupt
    ) -> None:
        """Asked for again, it ends at the last verified release."""
        slot = subject.slot()
        verified = deploy(subject, slot, "v0.1.0")
        for steps in range(1, MOST_STEPS):
            deployer = subject.deployer()
            release, bundle = subject.release(slot, f"v{steps}.0.0")
            list(deployer.apply(deployer.plan(release, bundle)))
            stopped = interrupt(subject, Work("rollback", slot), steps)
            assert subject.served(slot) in {verified.id, release.id}, "a third thing is served"
            list(subject.deployer().rollback(slot))
            assert_live(subject, slot, verified)
            if not stopped:
                return

    def test_a_removal_that_stops_after_any_step_is_finished_by_the_next(
        self, subject: Subject, interrupt: Interrupt
    ) -> None:
        """Asked for again, it leaves nothing."""
        slot = subject.slot()
        for steps in range(1, MOST_STEPS):
            deploy(subject, slot, "v1.0.0")
            stopped = interrupt(subject, Work("remove", slot), steps)
            list(subject.deployer().remove(slot))
            assert_down(subject, slot)
            assert list(subject.deployer().slots()) == []
            if not stopped:
                return

    def test_a_removal_that_stops_after_any_step_can_be_deployed_over(
        self, subject: Subject, interrupt: Interrupt
    ) -> None:
        """Assigned again meanwhile: the slot serves."""
        slot = subject.slot()
        for steps in range(1, MOST_STEPS):
            deploy(subject, slot, "v1.0.0")
            stopped = interrupt(subject, Work("remove", slot), steps)
            assert_live(subject, slot, deploy(subject, slot, "v1.0.0"))
            if not stopped:
                return

"""Promises of remove."""
# ruff: noqa: S101

from __future__ import annotations

from deployers.conformance.subject import Subject, assert_down, assert_live, deploy


class Leaving:
    """Taking a slot down touches that slot alone."""

    def test_remove_takes_the_slot_down_and_forgets_it(self, subject: Subject) -> None:
        """Nothing serves, nothing is remembered, the slot is not listed."""
        slot = subject.slot()
        deploy(subject, slot, "v1.0.0")
        list(subject.deployer().remove(slot))
        seen = assert_down(subject, slot)
        assert not seen.verified
        assert list(subject.deployer().slots()) == []

    def test_remove_removes_only_its_own(self, subject: Subject) -> None:
        """Another slot serves on, and what somebody else has put on the target is untouched."""
        untouched = subject.stranger()
        one, other = subject.slot("one"), subject.slot("other")
        deploy(subject, one, "v1.0.0")
        kept = deploy(subject, other, "v2.0.0")
        list(subject.deployer().remove(one))
        assert_down(subject, one)
        assert_live(subject, other, kept)
        assert list(subject.deployer().slots()) == [other]
        assert untouched is None or untouched(), "what is not ours was touched"

    def test_remove_of_nothing_does_nothing(self, subject: Subject) -> None:
        """A slot that never was, and one that is gone already."""
        slot = subject.slot()
        list(subject.deployer().remove(slot))
        deploy(subject, slot, "v1.0.0")
        list(subject.deployer().remove(slot))
        list(subject.deployer().remove(slot))
        assert_down(subject, slot)

    def test_a_removed_slot_can_be_deployed_again(self, subject: Subject) -> None:
        """As if it had never been."""
        slot = subject.slot()
        deploy(subject, slot, "v1.0.0")
        list(subject.deployer().remove(slot))
        release = deploy(subject, slot, "v1.0.0")
        assert len(assert_live(subject, slot, release).verified) == 1

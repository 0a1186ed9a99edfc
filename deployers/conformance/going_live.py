"""Promises of plan, apply, observe and call."""
# ruff: noqa: S101

from __future__ import annotations

import msgspec
import pytest

from deployers.base import Action, Request, Revision, TagRecord
from deployers.conformance.subject import Subject, assert_down, assert_live, deploy
from deployers.errors import ReleaseFailedError, StalePlanError, UnreachableError

OLDER = TagRecord(name="model#prod#1", object_id="1" * 40, time=1_700_000_000)
NEWER = TagRecord(name="model#prod#2", object_id="2" * 40, time=1_700_000_060)


class GoingLive:
    """From a plan to a served release."""

    def test_an_empty_target_says_that_nothing_is_there(self, subject: Subject) -> None:
        """Observed, a slot that was never deployed is absent, with nothing remembered."""
        seen = assert_down(subject, subject.slot())
        assert not seen.verified
        assert not seen.failed
        assert seen.held is None
        assert seen.tag is None
        assert list(subject.deployer().slots()) == []

    def test_a_plan_changes_nothing(self, subject: Subject) -> None:
        """A plan for an empty slot, for another release and for a broken one leave the target as it is."""
        slot = subject.slot()
        empty = subject.snapshot()
        plan = subject.deployer().plan(*subject.release(slot, "v1.0.0"))
        assert [change.action for change in plan.changes if change.action is not Action.KEEP], "a first plan is empty"
        assert subject.snapshot() == empty
        assert_down(subject, slot)
        release = deploy(subject, slot, "v1.0.0")
        before = subject.deployer().observe(slot)
        held = subject.snapshot()
        assert not subject.deployer().plan(*subject.release(slot, "v2.0.0")).unchanged
        subject.deployer().plan(*subject.broken(slot, "v3.0.0"))
        assert subject.deployer().observe(slot) == before
        assert subject.snapshot() == held
        assert subject.served(slot) == release.id

    def test_a_release_goes_live_and_the_target_proves_it(self, subject: Subject) -> None:
        """After apply the release is served; who proved it, where it is and since when is known."""
        slot = subject.slot()
        release = deploy(subject, slot, "v1.0.0")
        seen = assert_live(subject, slot, release)
        assert seen.proved_by in {"server", "configuration"}
        assert seen.since is not None
        assert seen.url
        if subject.deployer().capabilities.synchronous:
            answer = subject.deployer().call(slot, Request(method="GET", path="/health/ready", headers={}))
            assert answer.status == 200

    def test_applying_what_is_live_changes_nothing(self, subject: Subject) -> None:
        """The second plan of the same release keeps everything; applied, it leaves the target as it was."""
        slot = subject.slot()
        deploy(subject, slot, "v1.0.0")
        before, held = subject.deployer().observe(slot), subject.snapshot()
        deployer = subject.deployer()
        plan = deployer.plan(*subject.release(slot, "v1.0.0"))
        assert plan.unchanged, [change for change in plan.changes if change.action is not Action.KEEP]
        steps = list(deployer.apply(plan))
        assert not any(step.candidate for step in steps)
        assert subject.deployer().observe(slot) == before
        assert subject.snapshot() == held

    def test_a_new_release_replaces_the_old_one(self, subject: Subject) -> None:
        """The newer release serves, alone."""
        slot = subject.slot()
        deploy(subject, slot, "v1.0.0")
        assert_live(subject, slot, deploy(subject, slot, "v2.0.0"))

    def test_slots_do_not_touch_one_another(self, subject: Subject) -> None:
        """A release in one slot changes nothing in another."""
        one, other = subject.slot("one"), subject.slot("other")
        first = deploy(subject, one, "v1.0.0")
        second = deploy(subject, other, "v2.0.0")
        assert_live(subject, one, first)
        assert_live(subject, other, second)
        assert sorted(subject.deployer().slots()) == sorted([one, other])

    def test_a_broken_release_leaves_the_old_one_serving(self, subject: Subject) -> None:
        """Apply fails with `ReleaseFailedError`, and whatever served before serves on, also after the rollback."""
        slot = subject.slot()
        old = deploy(subject, slot, "v1.0.0")
        release, bundle = subject.broken(slot, "v2.0.0")
        deployer = subject.deployer()
        with deployer.lease(slot):
            plan = deployer.plan(release, bundle)
            with pytest.raises(ReleaseFailedError):
                list(deployer.apply(plan))
            assert subject.served(slot) == old.id
            assert deployer.diagnose(slot), "nothing is said of why it failed"
            deployer.mark_failed(slot, release, "never came up")
            list(deployer.rollback(slot))
        assert_live(subject, slot, old)

    def test_a_broken_first_release_leaves_nothing(self, subject: Subject) -> None:
        """With no predecessor the slot is down after the rollback, and the failure is remembered."""
        slot = subject.slot()
        release, bundle = subject.broken(slot, "v1.0.0")
        deployer = subject.deployer()
        with pytest.raises(ReleaseFailedError):
            list(deployer.apply(deployer.plan(release, bundle)))
        deployer.mark_failed(slot, release, "never came up")
        list(deployer.rollback(slot))
        assert assert_down(subject, slot).failure_of(release.id) is not None

    def test_a_candidate_is_tried_beside_the_old_release(self, subject: Subject) -> None:
        """While the candidate stands, clients meet the old release; refused, the candidate leaves no trace."""
        slot = subject.slot()
        if not subject.deployer().capabilities.candidate:
            pytest.skip("this deployer offers no candidate")
        old = deploy(subject, slot, "v1.0.0")
        release, bundle = subject.release(slot, "v2.0.0")
        deployer = subject.deployer()
        steps = deployer.apply(deployer.plan(release, bundle))
        offered = next((step for step in steps if step.candidate), None)
        assert offered is not None, "a candidate is promised, and no step offers it"
        asked = Request(method="GET", path="/health/ready", headers={})
        answer = deployer.call(slot, asked, Revision.CANDIDATE)
        assert release.id in {answer.headers.get("x-tagboat-release"), *_release_named(answer.body)}
        assert subject.served(slot) == old.id
        # As the pipeline does when a smoke request fails: the steps stand where they are.
        deployer.mark_failed(slot, release, "wrong answer")
        list(deployer.rollback(slot))
        assert_live(subject, slot, old)
        del steps
        assert_live(subject, slot, old)
        with pytest.raises(UnreachableError):
            subject.deployer().call(slot, asked, Revision.CANDIDATE)

    def test_a_late_older_event_never_replaces_a_newer_release(self, subject: Subject) -> None:
        """The plan of an older event, overtaken by a newer one, is refused before its first step."""
        slot = subject.slot()
        deploy(subject, slot, "v1.0.0", OLDER)
        late = subject.deployer()
        stale = late.plan(*subject.release(slot, "v1.5.0", OLDER))
        newer = deploy(subject, slot, "v2.0.0", NEWER)
        before = subject.snapshot()
        with pytest.raises(StalePlanError):
            next(iter(late.apply(stale)))
        assert subject.snapshot() == before
        assert assert_live(subject, slot, newer).tag == NEWER

    def test_a_plan_for_an_empty_slot_is_refused_once_it_is_taken(self, subject: Subject) -> None:
        """Two first deployments at once: the one that comes second is refused."""
        slot = subject.slot()
        late = subject.deployer()
        stale = late.plan(*subject.release(slot, "v1.0.0"))
        newer = deploy(subject, slot, "v2.0.0")
        with pytest.raises(StalePlanError):
            next(iter(late.apply(stale)))
        assert_live(subject, slot, newer)

    def test_nothing_answers_where_nothing_is_served(self, subject: Subject) -> None:
        """A call to an empty slot is `UnreachableError`, for live and candidate."""
        for revision in Revision:
            with pytest.raises(UnreachableError):
                subject.deployer().call(subject.slot(), Request(method="GET", path="/", timeout=5.0), revision)

    def test_secrets_show_up_nowhere(self, subject: Subject) -> None:
        """The value behind ``${env:…}`` is in no plan, step, observation, diagnosis, nor anywhere on the target."""
        if subject.canary is None:
            pytest.skip("the target's settings name no variable")
        slot = subject.slot()
        deployer = subject.deployer()
        plan = deployer.plan(*subject.release(slot, "v1.0.0"))
        steps = list(deployer.apply(plan))
        shown = [plan, steps, deployer.observe(slot), deployer.diagnose(slot), subject.snapshot()]
        assert subject.canary not in "".join(map(repr, shown))

    def test_the_target_can_do_what_it_says_and_nothing_else_silently(self, subject: Subject) -> None:
        """What a deployer does not claim, it refuses by `NotImplementedError`, never by doing nothing."""
        slot = subject.slot()
        deployer = subject.deployer()
        if not deployer.capabilities.weights:
            with pytest.raises(NotImplementedError):
                deployer.traffic(slot, {Revision.LIVE: 100})
        if not deployer.capabilities.metrics:
            with pytest.raises(NotImplementedError):
                deployer.metrics(slot, Revision.LIVE, 60.0)


def _release_named(body: bytes) -> list[str]:
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return []
    return [document["release"]] if isinstance(document, dict) and isinstance(document.get("release"), str) else []

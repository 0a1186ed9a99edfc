"""Killed after whatever call of AWS, a run's work is finished by the next one."""

import pytest

from deployers.conformance.subject import assert_down, assert_live, deploy


class Killed(BaseException):
    """As SIGKILL: nothing of ours runs after it but what Python itself unwinds."""


class Mortal:
    """A way to AWS that dies after so many calls: each was carried out, and its answer is never seen."""

    def __init__(self, amazon, calls):
        self.amazon = amazon
        self.left = calls

    def __getattr__(self, name):
        return getattr(self.amazon, name)

    def call(self, function, /, **arguments):
        if self.left <= 0:
            raise Killed
        answer = self.amazon.call(function, **arguments)
        self.left -= 1
        if self.left == 0:
            raise Killed
        return answer


def begin(deployer, subject, work, version):
    if work == "apply":
        return deployer.apply(deployer.plan(*subject.release(subject.slot(), version)))
    return deployer.rollback(subject.slot()) if work == "rollback" else deployer.remove(subject.slot())


def killed(subject, work, version, calls):
    """Whether the work was not at its end after so many calls."""
    try:
        list(begin(subject.deployer(amazon=Mortal(subject.way, calls)), subject, work, version))
    except Killed:
        return True
    return False


@pytest.mark.slow
def test_an_update_killed_after_any_call_is_finished_by_the_next_run(subject_with):
    subject = subject_with(keep=1)
    slot = subject.slot()
    deploy(subject, slot, "v0.1.0")
    for calls in range(1, 100, 5):
        version = f"v{calls}.0.0"
        before = subject.served(slot)
        stopped = killed(subject, "apply", version, calls)
        assert subject.served(slot) in {before, subject.release(slot, version)[0].id}
        assert_live(subject, slot, deploy(subject, slot, version))
        if not stopped:
            assert calls > 15
            return
    pytest.fail("an update has more than a hundred calls")


@pytest.mark.slow
def test_a_first_deployment_killed_after_any_call_gives_way_to_another_release(subject_with):
    subject = subject_with(keep=1)
    for calls in range(1, 100, 6):
        slot = subject.slot()
        stopped = killed(subject, "apply", "v1.0.0", calls)
        assert_live(subject, slot, deploy(subject, slot, "v2.0.0"))
        list(subject.deployer().remove(slot))
        assert not subject.aws.sagemaker.state.objects
        if not stopped:
            return


@pytest.mark.slow
def test_a_rollback_killed_after_any_call_is_finished_by_the_next(subject_with):
    subject = subject_with(keep=1)
    slot = subject.slot()
    verified = deploy(subject, slot, "v0.1.0")
    for calls in range(1, 100, 6):
        deployer = subject.deployer()
        release, bundle = subject.release(slot, f"v{calls}.0.0")
        list(deployer.apply(deployer.plan(release, bundle)))
        deployer.mark_failed(slot, release, "wrong answers")
        stopped = killed(subject, "rollback", "", calls)
        list(subject.deployer().rollback(slot))
        assert_live(subject, slot, verified)
        if not stopped:
            return


@pytest.mark.slow
def test_a_removal_killed_after_any_call_is_finished_by_the_next(subject_with):
    subject = subject_with(keep=1)
    slot = subject.slot()
    for calls in range(1, 100, 6):
        deploy(subject, slot, "v1.0.0")
        stopped = killed(subject, "remove", "", calls)
        list(subject.deployer().remove(slot))
        assert_down(subject, slot)
        assert not subject.aws.sagemaker.state.objects
        assert not subject.kept(), "records and leases are gone, too"
        if not stopped:
            return

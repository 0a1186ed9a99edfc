"""A run killed by SIGKILL, the lease in its hands, costs the next one the lease's time and nothing else."""

import dataclasses
import time

import pytest

from deployers.conformance.subject import Work, assert_live, deploy, kill_after
from deployers.errors import LeaseHeldError
from deployers.sagemaker.login import login
from tests.deployers.sagemaker.subjects import AwsSubject


@dataclasses.dataclass(frozen=True)
class FromOutside:
    """The account as another process reaches it."""

    endpoint_url: str
    environment: dict
    bucket: str
    role: str
    image: str
    region: None = None
    profile: None = None

    def amazon(self):
        return login(self, self.environment, "cloud")


def a_tenth(seconds):
    """Shorter than a lease, so that renewals and patience are as they are meant; longer than the fake ever needs."""
    time.sleep(min(seconds, 0.1))


class Elsewhere(AwsSubject):
    """Survives pickling, and has a lease that a dead run loses soon."""

    processes = True

    def deployer(self, **more):
        return super().deployer(**{"sleep": a_tenth, "lease_patience": 10.0, "lease_duration": 0.5, **more})

    def __getstate__(self):
        return {**self.__dict__, "way": None}

    def __setstate__(self, state):
        self.__dict__ |= {**state, "way": state["aws"].amazon()}


@pytest.mark.slow
def test_a_killed_run_keeps_others_out_for_as_long_as_its_lease_lasts_and_is_finished_then(aws, subject_with, tmp_path):
    subject = subject_with()
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    outside = FromOutside(aws.endpoint_url, aws.environment, aws.bucket, aws.role, aws.image)
    elsewhere = Elsewhere(tmp_path, outside)
    assert kill_after(elsewhere, Work("apply", slot, "v2.0.0"), 4)
    with pytest.raises(LeaseHeldError), subject.deployer(lease_patience=0.0).lease(slot):
        pass
    seen = subject.deployer().observe(slot)
    assert seen.unfinished
    release, bundle = subject.release(slot, "v2.0.0")
    deployer = elsewhere.deployer()
    with deployer.lease(slot):
        list(deployer.apply(deployer.plan(release, bundle)))
    assert_live(subject, slot, release)

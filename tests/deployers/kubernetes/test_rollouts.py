"""A rollout that fails says why, in the words that a person would look for, and leaves the old release serving."""

import pytest

from deployers.base import Health
from deployers.conformance.subject import assert_live, deploy
from deployers.errors import ReleaseFailedError
from tests.fakes.kubernetes import Script

CASES = [
    ("pull-error", "ImagePullBackOff", "not found"),
    ("crash", "exit code 2", "ValueError: no such column"),
    ("oom", "OOMKilled", "memory limit is too low"),
    ("config-error", "CreateContainerConfigError", 'secret "keys" not found'),
    ("quota", "exceeded quota", "limits.memory"),
    ("unschedulable", "timed out progressing", "Insufficient nvidia.com/gpu"),
    ("never-ready", "timed out progressing", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
]


@pytest.mark.parametrize(("kind", "reason", "detail"), CASES, ids=[case[0] for case in CASES])
def test_a_failed_rollout_names_its_reason(kind, reason, detail, cluster, subject_with):
    cluster.servers.scripts["broken"] = Script(kind=kind, log="loading\nValueError: no such column\n")
    subject = subject_with(**{"start-timeout": 1})
    cluster.controllers.hurry = 200.0
    slot = subject.slot()
    old = deploy(subject, slot, "v1.0.0")
    deployer = subject.deployer()
    with pytest.raises(ReleaseFailedError) as failure:
        list(deployer.apply(deployer.plan(*subject.broken(slot, "v2.0.0"))))
    assert reason in failure.value.message
    assert detail in "\n".join([failure.value.message, *deployer.diagnose(slot)])
    assert subject.served(slot) == old.id
    release, _ = subject.broken(slot, "v2.0.0")
    deployer.mark_failed(slot, release, failure.value.message)
    list(deployer.rollback(slot))
    assert_live(subject, slot, old)


def test_a_server_that_says_it_is_another_release_is_not_called_ready(cluster, subject_with):
    cluster.servers.scripts["models"] = Script(release="somebody-elses")
    subject = subject_with()
    slot = subject.slot()
    deployer = subject.deployer()
    list(deployer.apply(deployer.plan(*subject.release(slot, "v1.0.0"))))
    seen = deployer.observe(slot)
    assert seen.health is Health.FAILING
    assert seen.release_id is None
    assert any("somebody-elses" in reason for reason in seen.reasons)


def test_a_release_that_mends_a_crashing_one_is_not_judged_by_its_pods(cluster, subject_with):
    subject = subject_with()
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    (running,) = cluster.store.list("apps", "deployments")
    old = running["spec"]["template"]["spec"]["containers"][0]["image"]
    cluster.servers.scripts = {old: Script(kind="oom"), "models": Script(starts_in=10.0)}
    assert_live(subject, slot, deploy(subject, slot, "v2.0.0"))


def test_a_pod_that_has_come_back_from_its_crashes_is_no_failure(cluster, subject_with):
    subject = subject_with(replicas=3)
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    cluster.servers.scripts = {b"v2.0.0".hex(): Script(starts_in=20.0, restarts=3)}
    assert_live(subject, slot, deploy(subject, slot, "v2.0.0"))


def test_progress_is_told_pod_by_pod(cluster, subject_with):
    cluster.servers.scripts["models"] = Script(starts_in=1.0)
    cluster.controllers.hurry = 1.0
    subject = subject_with(replicas=1)
    deployer = subject.deployer()
    steps = list(deployer.apply(deployer.plan(*subject.release(subject.slot(), "v1.0.0"))))
    told = [(step.detail, step.progress) for step in steps if step.name == "rollout"]
    assert told[0] == ("0 of 1 pods are ready", 0.0)
    assert told[-1] == ("1 of 1 pods are ready", None)

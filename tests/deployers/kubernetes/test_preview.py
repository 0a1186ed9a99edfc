"""A release is looked at with no model at all: rendered without a cluster, or held against what is live."""

from deployers.base import Action
from deployers.conformance.subject import deploy


def test_a_preview_without_a_look_contacts_nothing_and_shows_every_object(cluster, subject_with):
    subject = subject_with()
    cluster.fail(lambda method, path: True, times=50, status=503)
    release, _ = subject.release(subject.slot(), "v1.0.0")
    found = subject.deployer().preview(release, live=False)
    assert {"Deployment", "Service", "ServiceAccount"} <= {change.object.split()[0] for change in found}
    assert {change.action for change in found} == {Action.CREATE}
    assert len(cluster.faults) == 50


def test_a_preview_against_what_is_live_shows_what_differs_and_writes_nothing(cluster, subject_with):
    subject = subject_with()
    deploy(subject, subject.slot(), "v1.0.0")
    before = [each["spec"] for each in cluster.store.list("apps", "deployments")]
    release, _ = subject.release(subject.slot(), "v2.0.0")
    found = {change.object.split()[0]: change for change in subject.deployer().preview(release, live=True)}
    assert found["Deployment"].action is Action.UPDATE
    assert "v2.0.0" in found["Deployment"].diff
    assert found["ServiceAccount"].action is Action.KEEP
    assert [each["spec"] for each in cluster.store.list("apps", "deployments")] == before

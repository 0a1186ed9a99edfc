"""What goes wrong between us and the API server costs no release, and nothing is done twice."""

import json

import pytest

from deployers.base import Action
from deployers.conformance.subject import assert_live, deploy
from deployers.errors import (
    CapabilityError,
    ConfigurationError,
    LeaseHeldError,
    RefusedError,
    ReleaseFailedError,
    UnreachableError,
)
from deployers.kubernetes import names
from deployers.kubernetes.deployer import KubernetesDeployer
from tests.deployers.kubernetes.subjects import NamedImages
from tests.fakes.kubernetes import when

WRITES = [("PATCH", "/deployments/"), ("PATCH", "/services/"), ("PATCH", "/serviceaccounts/")]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": (("retry-after", "0"),)},
        {"status": 500, "after_write": True},
        {"status": 503},
        {"cut": True},
    ],
    ids=["429", "500 after the write", "503", "cut"],
)
def test_a_write_that_fails_for_a_moment_is_done_again(fault, cluster, subject_with):
    subject = subject_with()
    for method, part in WRITES:
        cluster.fail(when(method, part), times=2, **fault)
    assert_live(subject, subject.slot(), deploy(subject, subject.slot(), "v1.0.0"))
    assert not cluster.faults


def test_a_broken_or_expired_watch_is_begun_again(cluster, subject_with):
    subject = subject_with()
    cluster.fail(when("GET", "watch=1"), times=1, cut=True)
    deployer = subject.deployer()
    steps = deployer.apply(deployer.plan(*subject.release(subject.slot(), "v1.0.0")))
    for step in steps:
        if step.name == "apply":
            cluster.store.forget_history()
    assert subject.deployer().observe(subject.slot()).release_id is not None


def test_an_api_server_that_is_gone_is_told_apart_from_a_refusal(cluster, subject_with):
    subject = subject_with()
    deployer = subject.deployer()
    deployer.sleep = lambda _: None
    cluster.fail(lambda method, path: True, times=50, status=503)
    with pytest.raises(UnreachableError, match="503") as failure:
        deployer.observe(subject.slot())
    assert failure.value.exit_code == 4
    cluster.faults.clear()
    cluster.forbidden.append(("PATCH", "deployments"))
    with pytest.raises(RefusedError, match="forbidden"):
        deployer.plan(*subject.release(subject.slot(), "v1.0.0"))


def test_a_lease_whose_renewal_was_written_and_not_answered_is_still_ours(cluster, subject_with):
    subject = subject_with()
    deployer = subject.deployer()
    deployer.lease_duration = 60.0  # renewed by this test alone
    with deployer.lease(subject.slot()) as lease:
        for status in (500, None):
            if status is not None:
                cluster.fail(when("PUT", "/leases/"), status=status, after_write=True)
            lease.renewal.renewed -= 50
            lease.renew()
        (held,) = cluster.store.list("coordination.k8s.io", "leases")
        assert held["metadata"]["resourceVersion"] == lease.document["metadata"]["resourceVersion"]
    assert not cluster.faults


def test_an_image_named_in_a_word_is_planned_like_any_other(subject_with):
    subject = subject_with(image="registry.example/models")
    assert subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0")).changes


def test_two_that_would_count_the_same_pods_are_refused(subject_with):
    keda = {"triggers": [{"type": "cron", "metadata": {}}]}
    subject = subject_with(autoscaling={}, keda=keda)
    with pytest.raises(CapabilityError, match="both count"):
        subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))


def test_a_model_in_a_store_that_no_pod_may_ask_is_refused_before_anything_begins(cluster, subject_with):
    image = {"repository": "r.example/m", "model": "object-storage", "model-store": "s3://bucket/models"}
    subject = subject_with(image=image)
    with pytest.raises(CapabilityError, match="lets no pod open a connection") as refusal:
        subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
    assert "egress: true" in refusal.value.hint
    subject.written["network"] = {"egress": True}
    assert subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0")).changes


def test_a_namespace_that_is_not_there_is_not_made(cluster, subject_with):
    subject = subject_with(namespace="nowhere")
    with pytest.raises(ConfigurationError, match='namespaces "nowhere" not found') as failure:
        subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
    assert "Create the namespace first" in failure.value.hint


def conflicting(subject, slot):
    """Somebody applies the service's port by his own field manager."""
    name = names.slot_name(slot)
    document = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "NodePort"},
    }
    path = f"/api/v1/namespaces/models/services/{name}?fieldManager=kubectl&force=true"
    return path, json.dumps(document).encode()


def apply_as_somebody(cluster, path, body):
    import urllib.request

    from tests.fakes.kubernetes import TOKEN

    request = urllib.request.Request(cluster.url + path, method="PATCH", data=body)
    request.add_header("authorization", f"Bearer {TOKEN}")
    request.add_header("content-type", "application/apply-patch+yaml")
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def test_a_conflict_names_the_field_and_its_owner_and_is_forced_only_when_asked(cluster, subject_with):
    subject = subject_with()
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    apply_as_somebody(cluster, *conflicting(subject, slot))
    with pytest.raises(Exception, match=r'conflict with "kubectl": \.spec\.type') as failure:
        subject.deployer().plan(*subject.release(slot, "v2.0.0"))
    assert "force-conflicts" in failure.value.hint
    subject.written["force-conflicts"] = True
    assert_live(subject, slot, deploy(subject, slot, "v2.0.0"))
    assert cluster.store.list("", "services", "models")[0]["spec"]["type"] == "ClusterIP"


def test_an_object_of_the_same_name_that_is_not_ours_is_left_alone(cluster, subject_with):
    subject = subject_with()
    slot = subject.slot()
    name = names.slot_name(slot)
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 1}]}}
    subject.fetch("/api/v1/namespaces/models/services", "POST", json.dumps(body).encode())
    deployer = subject.deployer()
    with pytest.raises(ReleaseFailedError, match="it is not ours"):
        list(deployer.apply(deployer.plan(*subject.release(slot, "v1.0.0"))))
    list(deployer.remove(slot))
    assert [each["metadata"]["name"] for each in cluster.store.list("", "services", "models")] == [name]


def test_an_object_changed_by_hand_is_shown_in_the_plan_and_mended(cluster, subject_with):
    subject = subject_with(**{"force-conflicts": True})
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    key = next(key for key in cluster.store.objects if key.resource == "deployments")
    cluster.store.update(key, lambda each: each["spec"]["template"]["spec"]["containers"][0].update(image="evil"))
    plan = subject.deployer().plan(*subject.release(slot, "v2.0.0"))
    shown = next(change for change in plan.changes if change.object.startswith("Deployment"))
    assert shown.action is Action.UPDATE
    assert any(line.startswith("-") and line.endswith("image: evil") for line in shown.diff.splitlines())
    assert_live(subject, slot, deploy(subject, slot, "v2.0.0"))
    assert "evil" not in str(cluster.store.list("apps", "deployments"))


def test_a_diff_shows_what_changes_and_none_of_the_servers_defaults(cluster, subject_with):
    subject = subject_with()
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    plan = subject.deployer().plan(*subject.release(slot, "v2.0.0"))
    deployment = next(change for change in plan.changes if change.object.startswith("Deployment"))
    changed = [line for line in deployment.diff.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    assert any("tagboat.dev/version: v2.0.0" in line for line in changed)
    for noise in ("terminationMessagePath", "managedFields", "resourceVersion", "dnsPolicy", "status:", "uid:"):
        assert noise not in deployment.diff
    kept = [change for change in plan.changes if change.object.startswith(("ServiceAccount", "NetworkPolicy"))]
    assert kept
    assert all(change.action is Action.KEEP for change in kept)


def test_what_somebody_removes_is_noticed_and_made_again(cluster, subject_with):
    subject = subject_with()
    slot = subject.slot()
    release = deploy(subject, slot, "v1.0.0")
    assert not subject.deployer().observe(slot).unfinished
    key = next(key for key in cluster.store.objects if key.resource == "networkpolicies")
    cluster.store.delete(key)
    seen = subject.deployer().observe(slot)
    assert seen.unfinished
    assert seen.reasons == (f"NetworkPolicy {key.name} was removed by somebody else",)
    deployer = subject.deployer()
    plan = deployer.plan(*subject.release(slot, "v1.0.0"))
    assert [change.object for change in plan.changes if change.action is Action.CREATE] == [f"NetworkPolicy {key.name}"]
    list(deployer.apply(plan))
    assert_live(subject, slot, release)
    assert key in cluster.store.objects


def test_what_somebody_changes_is_noticed_and_put_right_where_that_is_asked_for(cluster, subject_with):
    subject = subject_with(**{"force-conflicts": True})
    slot = subject.slot()
    release = deploy(subject, slot, "v1.0.0")
    name = names.slot_name(slot)
    patch = json.dumps({"spec": {"selector": {"app": "other"}}}).encode()
    subject.fetch(f"/api/v1/namespaces/models/services/{name}?fieldManager=kubectl-edit", "PATCH", patch)
    seen = subject.deployer().observe(slot)
    assert f"Service {name} was changed by somebody else" in seen.reasons
    deployer = subject.deployer()
    list(deployer.apply(deployer.plan(*subject.release(slot, "v1.0.0"))))
    assert_live(subject, slot, release)


def test_what_a_controller_fills_in_is_no_change(cluster, subject_with):
    subject = subject_with()
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    name = names.slot_name(slot)
    patch = json.dumps({"metadata": {"annotations": {"controller.example.com/seen": "yes"}}}).encode()
    subject.fetch(f"/api/v1/namespaces/models/services/{name}?fieldManager=controller", "PATCH", patch)
    assert not subject.deployer().observe(slot).unfinished
    assert subject.deployer().plan(*subject.release(slot, "v1.0.0")).unchanged


def test_a_slow_apply_keeps_its_lease(cluster, subject_with):
    """It takes longer than a lease lasts: nobody else comes in meanwhile, and the release goes live."""
    subject = subject_with()
    slot = subject.slot()
    other = KubernetesDeployer(
        "cluster", subject.settings(), subject.deployer().surroundings, images=NamedImages(), lease_patience=0.0
    )
    cluster.fail(when("PATCH", "/deployments/"), slow=2.5)
    deployer = subject.deployer()
    with deployer.lease(slot) as held:
        plan = deployer.plan(*subject.release(slot, "v1.0.0"))
        cluster.fail(when("PATCH", "/deployments/"), slow=2.5)
        for _ in deployer.apply(plan):
            held.renew()
            with pytest.raises(LeaseHeldError), other.lease(slot):
                pass
    assert subject.served(slot) is not None

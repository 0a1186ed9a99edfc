"""Blue-green keeps the old release for a while; a canary gets its share, exactly or not at all."""

import time

import msgspec
import pytest

from deployers.base import Action, Request, Revision
from deployers.conformance.subject import assert_live, deploy
from deployers.errors import CapabilityError, ReleaseFailedError
from deployers.kubernetes.settings import KubernetesSettings
from deployers.kubernetes.traffic import check
from deployers.kubernetes.wire import ConflictError


def deployments(cluster):
    return {
        each["metadata"]["labels"]["tagboat.dev/version"]: each for each in cluster.store.list("apps", "deployments")
    }


def names_of(objects):
    return {each["metadata"]["name"] for each in objects}


def begin(subject, version):
    """Apply up to the candidate; the steps that are left."""
    slot = subject.slot()
    deployer = subject.deployer()
    release, bundle = subject.release(slot, version)
    steps = deployer.apply(deployer.plan(release, bundle))
    for step in steps:
        if step.candidate:
            return deployer, release, steps
    raise AssertionError("no candidate was offered")


def test_blue_green_keeps_the_old_release_for_a_while_and_then_lets_it_go(cluster, subject_with):
    subject = subject_with(strategy={"type": "blue-green", "keep-old": 3600})
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    deployer, new, steps = begin(subject, "v2.0.0")
    list(steps)
    assert subject.served(slot) == new.id
    deployer.mark_verified(slot, new)
    assert set(deployments(cluster)) == {"v1.0.0", "v2.0.0"}
    assert not deployer.observe(slot).unfinished
    # Later, by the clock of the run that looks.
    later = subject.deployer()
    later.surroundings = msgspec.structs.replace(later.surroundings, clock=lambda: 4_000_000_000.0)
    seen = later.observe(slot)
    assert seen.unfinished
    assert "v1.0.0 was kept for a while" in seen.reasons[0]
    plan = later.plan(*subject.release(slot, "v2.0.0"))
    assert [change.object for change in plan.changes if change.action is Action.DELETE]
    list(later.apply(plan))
    assert set(deployments(cluster)) == {"v2.0.0"}
    assert not later.observe(slot).unfinished


def test_going_back_while_the_old_release_still_runs_starts_no_pod(cluster, subject_with):
    subject = subject_with(strategy={"type": "blue-green", "keep-old": 3600})
    slot = subject.slot()
    old = deploy(subject, slot, "v1.0.0")
    pods = names_of(cluster.store.list("", "pods"))
    deployer, new, steps = begin(subject, "v2.0.0")
    list(steps)
    deployer.mark_failed(slot, new, "wrong answers")
    list(deployer.rollback(slot))
    assert_live(subject, slot, old)
    assert pods <= names_of(cluster.store.list("", "pods")), "the old release's pods were ended"
    # A real cluster's garbage collector takes a moment for those of the new one.
    deadline = time.monotonic() + 30
    while (left := names_of(cluster.store.list("", "pods"))) != pods and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == pods


CANARY = {"type": "canary", "steps": [{"weight": 25, "pause": 1}], "judgement": {"requests": 5}}


def test_a_canary_by_pods_gets_its_share_of_the_clients(cluster, subject_with):
    subject = subject_with(strategy=CANARY, replicas=3)
    slot = subject.slot()
    old = deploy(subject, slot, "v1.0.0")
    deployer, new, steps = begin(subject, "v2.0.0")
    assert {subject.served(slot) for _ in range(8)} == {old.id}, "a candidate met a client before its time"
    deployer.metrics(slot, Revision.LIVE, 0)
    deployer.metrics(slot, Revision.CANDIDATE, 0)
    deployer.traffic(slot, {Revision.LIVE: 75, Revision.CANDIDATE: 25})
    for _ in range(40):
        subject.fetch(f"/api/v1/namespaces/models/services/{named(slot)}:80/proxy/predict", "POST", b"{}")
    figures = {revision: deployer.metrics(slot, revision, 3600) for revision in Revision}
    assert figures[Revision.CANDIDATE]["requests"] == 10
    assert figures[Revision.LIVE]["requests"] == 30
    assert figures[Revision.LIVE]["predictions.predict.0"] == 30
    assert 0 < figures[Revision.LIVE]["latency_p99"] <= 0.0025
    list(steps)
    assert_live(subject, slot, new)
    assert deployments(cluster)["v2.0.0"]["spec"]["replicas"] == 3


def named(slot):
    from deployers.kubernetes import names

    return names.slot_name(slot)


def test_a_canary_by_a_route_has_exact_weights_and_ends_with_one_backend(cluster, subject_with):
    subject = subject_with(strategy={**CANARY, "steps": [{"weight": 1}]}, route={"gateway": "front"})
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    deployer, new, steps = begin(subject, "v2.0.0")
    deployer.traffic(slot, {Revision.LIVE: 99, Revision.CANDIDATE: 1})

    def backends():
        (route,) = cluster.store.list("gateway.networking.k8s.io", "httproutes")
        return [(each["name"], each["weight"]) for each in route["spec"]["rules"][0]["backendRefs"]]

    assert backends() == [(named(slot), 99), (f"{named(slot)}-candidate", 1)]
    assert (
        deployer.call(slot, Request(method="GET", path="/health/ready", headers={}), Revision.CANDIDATE).headers[
            "x-tagboat-release"
        ]
        == new.id
    )
    list(steps)
    assert backends() == [(named(slot), 100)]
    assert_live(subject, slot, new)


def test_a_canary_that_was_left_half_way_gives_way(cluster, subject_with):
    subject = subject_with(strategy=CANARY, replicas=3)
    slot = subject.slot()
    old = deploy(subject, slot, "v1.0.0")
    deployer, new, _ = begin(subject, "v2.0.0")
    deployer.traffic(slot, {Revision.LIVE: 75, Revision.CANDIDATE: 25})
    assert subject.deployer().observe(slot).unfinished
    deployer.mark_failed(slot, new, "worse")
    list(subject.deployer().rollback(slot))
    assert_live(subject, slot, old)
    assert {subject.served(slot) for _ in range(8)} == {old.id}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"replicas": 2}, "2 pods cannot make a share of 10 %: the nearest is 33 %"),
        ({"replicas": 20, "autoscaling": {}}, "something else scales"),
    ],
)
def test_a_share_that_cannot_be_had_is_refused_before_anything_begins(more, words, cluster, subject_with):
    subject = subject_with(strategy={"type": "canary"}, **more)
    with pytest.raises(CapabilityError, match=words) as refusal:
        subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
    assert "route" in refusal.value.hint
    assert not cluster.store.list("apps", "deployments")


def test_the_hint_names_the_fewest_pods_that_will_do():
    settings = msgspec.convert(
        {"image": {"repository": "r.example/m"}, "strategy": {"type": "canary"}}, KubernetesSettings
    )
    with pytest.raises(CapabilityError) as refusal:
        check(settings, "cluster")
    fewest = int(refusal.value.hint.split("replicas: ")[1].split("`")[0])
    check(msgspec.structs.replace(settings, replicas=fewest), "cluster")
    with pytest.raises(CapabilityError):
        check(msgspec.structs.replace(settings, replicas=fewest - 1), "cluster")


def test_an_autoscaled_release_takes_over_with_as_many_pods_as_the_old_one_has(cluster, subject_with):
    subject = subject_with(strategy={"type": "blue-green", "keep-old": 0}, autoscaling={"min": 1, "max": 9})
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    subject.deployer().api.scale(next(iter(deployments(cluster).values()))["metadata"]["name"], 5)
    assert_live(subject, slot, deploy(subject, slot, "v2.0.0"))
    assert deployments(cluster)["v2.0.0"]["spec"]["replicas"] == 5


def test_from_one_strategy_to_another_nothing_is_left_behind(cluster, subject_with):
    subject = subject_with()
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    subject.written["strategy"] = {"type": "blue-green", "keep-old": 0}
    deploy(subject, slot, "v2.0.0")
    subject.written["strategy"] = {"type": "rolling"}
    assert_live(subject, slot, deploy(subject, slot, "v3.0.0"))
    assert set(deployments(cluster)) == {"v3.0.0"}


def numbers(cluster):
    """How many pods the one deployment asks for, ever since it was made."""
    (found,) = deployments(cluster).values()
    return found["spec"]["replicas"]


def test_an_autoscaler_takes_over_the_pods_that_there_are(cluster, subject_with):
    subject = subject_with(replicas=4)
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    seen = set()
    subject.written.update(autoscaling={"min": 2, "max": 9})
    deployer = subject.deployer()
    release, bundle = subject.release(slot, "v2.0.0")
    plan = deployer.plan(release, bundle)
    shown = next(change for change in plan.changes if change.object.startswith("Deployment"))
    assert not any("replicas" in line for line in shown.diff.splitlines() if line.startswith("+"))
    for _ in deployer.apply(plan):
        seen.add(numbers(cluster))
    assert seen == {4}
    assert_live(subject, slot, release)


def autoscaled(cluster, replicas):
    """The cluster's own autoscaler sets a number of pods."""
    (found,) = deployments(cluster).values()
    path = f"/apis/apps/v1/namespaces/models/deployments/{found['metadata']['name']}/scale"
    cluster_request(cluster, f"{path}?fieldManager=kube-controller-manager", {"spec": {"replicas": replicas}})


def cluster_request(cluster, path, body):
    import json
    import urllib.request

    from tests.fakes.kubernetes import TOKEN

    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/merge-patch+json"}
    request = urllib.request.Request(cluster.url + path, json.dumps(body).encode(), headers, method="PATCH")
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def test_a_number_of_pods_comes_back_from_an_autoscaler_without_a_conflict(cluster, subject_with):
    subject = subject_with(autoscaling={"min": 2, "max": 9})
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    autoscaled(cluster, 6)
    del subject.written["autoscaling"]
    subject.written["replicas"] = 3
    assert_live(subject, slot, deploy(subject, slot, "v2.0.0"))
    assert numbers(cluster) == 3
    assert not cluster.store.list("autoscaling", "horizontalpodautoscalers")
    subject.written["replicas"] = 2
    assert_live(subject, slot, deploy(subject, slot, "v3.0.0"))
    assert numbers(cluster) == 2


def test_a_failed_release_that_brought_an_autoscaler_gives_way_to_a_fixed_number(cluster, subject_with):
    subject = subject_with(replicas=3)
    slot = subject.slot()
    old = deploy(subject, slot, "v1.0.0")
    subject.written["autoscaling"] = {"min": 1, "max": 9}
    deployer = subject.deployer()
    release, bundle = subject.broken(slot, "v2.0.0")
    with pytest.raises(ReleaseFailedError):
        list(deployer.apply(deployer.plan(release, bundle)))
    autoscaled(cluster, 7)
    deployer.mark_failed(slot, release, "it crashes")
    list(deployer.rollback(slot))
    assert_live(subject, slot, old)
    assert numbers(cluster) == 3


def test_somebody_elses_number_of_pods_is_a_conflict_like_any_other(cluster, subject_with):
    subject = subject_with(replicas=3)
    slot = subject.slot()
    deploy(subject, slot, "v1.0.0")
    autoscaled(cluster, 7)  # by an autoscaler that is not ours
    with pytest.raises(ConflictError, match="kube-controller-manager"):
        subject.deployer().plan(*subject.release(slot, "v2.0.0"))

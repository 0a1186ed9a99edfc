"""Through KServe the same contract holds, in the modes and strategies that KServe really has."""

import pytest

from deployers.base import Revision
from deployers.conformance import DeployerConformance
from deployers.conformance.subject import assert_live, deploy
from deployers.errors import CapabilityError, ConfigurationError
from tests.deployers.kubernetes.subjects import KserveSubject
from tests.fakes.kubernetes import Cluster


@pytest.fixture
def kserve_with(cluster, tmp_path):
    def make(**settings):
        told = {"engine": "kserve", "replicas": 1, **cluster.pod_settings, **settings}
        return KserveSubject(tmp_path, cluster.kubeconfig(tmp_path), told)

    return make


@pytest.mark.slow
class TestRaw(DeployerConformance):
    @pytest.fixture
    def subject(self, kserve_with):
        return kserve_with()


@pytest.mark.slow
class TestKnative(DeployerConformance):
    @pytest.fixture
    def subject(self, kserve_with):
        return kserve_with(**{"kserve-mode": "knative", "strategy": {"type": "canary"}})


def test_a_canary_of_knative_gets_its_share_and_then_all(cluster, kserve_with):
    subject = kserve_with(**{"kserve-mode": "knative", "strategy": {"type": "canary"}})
    slot = subject.slot()
    old = deploy(subject, slot, "v1.0.0")
    deployer = subject.deployer()
    release, bundle = subject.release(slot, "v2.0.0")

    def share():
        (service,) = cluster.store.list("serving.kserve.io", "inferenceservices")
        return service["spec"]["predictor"].get("canaryTrafficPercent")

    steps = deployer.apply(deployer.plan(release, bundle))
    assert next(step for step in steps if step.candidate)
    assert share() == 0
    assert subject.served(slot) == old.id
    deployer.traffic(slot, {Revision.LIVE: 70, Revision.CANDIDATE: 30})
    assert share() == 30
    list(steps)
    assert share() is None
    assert_live(subject, slot, release)


@pytest.mark.parametrize("strategy", ["canary", "blue-green"])
def test_what_raw_deployments_ignore_is_refused(strategy, cluster, kserve_with):
    subject = kserve_with(strategy={"type": strategy})
    with pytest.raises(CapabilityError, match="ignore a canary's share") as refusal:
        subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
    assert "knative" in refusal.value.hint
    assert not cluster.store.list("serving.kserve.io", "inferenceservices")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"ingress": {"host": "m.example.com"}}, "ingress is KServe's own business"),
        ({"autoscaling": {"memory": 80}}, "autoscaling.memory is not passed on"),
        (
            {
                "image": {"repository": "r.example/m", "model": "object-storage", "model-store": "s3://b/p"},
                "network": {"egress": True},
            },
            "image.model is not passed on",
        ),
    ],
)
def test_what_kserve_does_not_do_is_not_silently_left_out(asked, words, kserve_with):
    subject = kserve_with(**asked)
    with pytest.raises(CapabilityError, match=words):
        subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))


def test_a_cluster_without_kserve_is_told_so(tmp_path):
    with Cluster(custom=()) as bare:
        subject = KserveSubject(tmp_path, bare.kubeconfig(tmp_path), {"engine": "kserve"})
        with pytest.raises(ConfigurationError, match="the cluster has no InferenceService") as failure:
            subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
        assert "Install the operator" in failure.value.hint

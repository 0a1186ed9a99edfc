"""A container that AWS provides gets our model, by its digest, and what it serves is proved by what AWS has."""

import json

import msgspec
import pytest

from deployers.base import Health, Request
from deployers.errors import CapabilityError, ConfigurationError, ReleaseFailedError, UnreachableError
from deployers.sagemaker.provided import Container, ProvidedImage
from deployers.wrapping.image import Registries
from tests.deployers.sagemaker.subjects import AwsSubject
from tests.fakes.sagemaker import ACCOUNT, REGION, Script
from tests.wrapping.images.bundles import small

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/sagemaker-scikit-learn@sha256:{'5' * 64}"
LOCK = "nothing==1 --hash=sha256:" + "0" * 64 + "\n"
PREDICT = Request(path="/invocations", body=b"1,2", headers={"content-type": "text/csv"})


class Provided(AwsSubject):
    """A target whose container is one of AWS's; its bundles are real ones."""

    def __init__(self, folder, aws):
        super().__init__(folder, aws, {"container": {"image": IMAGE, "program": "inference.py"}, "image": None})
        aws.sagemaker.containers.scripts["sagemaker-scikit-learn"] = Script(ours=False, model=lambda body: len(body))

    def deployer(self, **more):
        return super().deployer(images=None, **more)

    def release(self, slot, version, tag=None):
        folder = self.folder / version
        code = {"code/inference.py": b"def model_fn(folder): ...\n"}
        bundle = small(folder, LOCK, model={"iris.joblib": version.encode()}, code=code, version=version)
        release, _ = super().release(slot, version, tag)
        return msgspec.structs.replace(release, bundle_digest=bundle.digest), bundle


@pytest.fixture
def subject(aws, tmp_path):
    return Provided(tmp_path, aws)


def live(subject, version):
    """Bring a release up; what the deployer says then."""
    release, bundle = subject.release(subject.slot(), version)
    deployer = subject.deployer()
    list(deployer.apply(deployer.plan(release, bundle)))
    return release, deployer


def model_of(aws):
    """The container of the newest model."""
    stored = [each for (kind, _), each in aws.sagemaker.state.objects.items() if kind == "model"]
    return stored[-1].given["PrimaryContainer"]


def test_the_container_is_the_provided_one_with_the_model_as_it_looks_for_it(aws, subject):
    release, _ = live(subject, "v1.0.0")
    container = model_of(aws)
    assert container["Image"] == IMAGE
    assert container["Environment"] == {
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        "TAGBOAT_RELEASE": release.id,
    }
    assert container["ModelDataUrl"].endswith("/model.tar.gz")
    assert aws.moto.holds(container["ModelDataUrl"])


def test_what_it_serves_is_proved_by_configuration_and_every_answer_counts_as_its(aws, subject):
    release, deployer = live(subject, "v1.0.0")
    seen = deployer.observe(subject.slot())
    assert (seen.health, seen.release_id, seen.proved_by) == (Health.READY, release.id, "configuration")
    ready = deployer.call(subject.slot(), Request(method="GET", path="/health/ready", headers={}))
    assert (ready.status, ready.headers["x-tagboat-release"]) == (200, release.id)
    answer = deployer.call(subject.slot(), PREDICT)
    assert (answer.status, answer.headers["x-tagboat-release"]) == (200, release.id)
    assert json.loads(answer.body)["predictions"] == 3
    ((_, headers, body),) = aws.sagemaker.containers.asked
    assert (body, headers["content-type"]) == (b"1,2", "text/csv"), "as it was written, and nothing else was asked"
    assert "x-amzn-sagemaker-custom-attributes" not in headers


def test_what_is_live_is_not_deployed_again(aws, subject):
    release, deployer = live(subject, "v1.0.0")
    assert deployer.plan(*subject.release(subject.slot(), "v1.0.0")).unchanged
    list(deployer.rollback(subject.slot()))
    assert deployer.observe(subject.slot()).release is None
    assert release.id


def test_what_somebody_else_has_brought_there_is_not_taken_for_ours(aws, subject):
    release, deployer = live(subject, "v1.0.0")
    sagemaker = aws.client("sagemaker")
    other = {"Image": IMAGE.replace("5" * 64, "6" * 64), "ModelDataUrl": model_of(aws)["ModelDataUrl"]}
    sagemaker.create_model(ModelName="other", PrimaryContainer=other, ExecutionRoleArn=aws.role)
    variant = {"VariantName": "main", "ModelName": "other", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="other", ProductionVariants=[variant])
    (endpoint,) = [name for kind, name in aws.sagemaker.state.objects if kind == "endpoint"]
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="other")
    aws.sagemaker.advance(9)
    seen = deployer.observe(subject.slot())
    assert seen.release_id is None
    assert seen.unfinished
    with pytest.raises(UnreachableError, match="none of this slot's releases'"):
        deployer.call(subject.slot(), PREDICT)
    assert release.id


def test_one_that_does_not_come_up_fails_with_what_to_do(aws, subject):
    live(subject, "v1.0.0")
    aws.sagemaker.containers.scripts = {"sagemaker-scikit-learn": Script(kind="crash", log="no model_fn\n")}
    release, bundle = subject.release(subject.slot(), "v2.0.0")
    deployer = subject.deployer()
    with pytest.raises(ReleaseFailedError, match="ping health check") as failed:
        list(deployer.apply(deployer.plan(release, bundle)))
    assert "`tagboat serve`" in failed.value.hint
    assert "    no model_fn" in deployer.diagnose(subject.slot())


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/models"}, "container"),
        ({"deployment": {"watch": {"model-failures": 3}}}, "deployment.watch.model-failures"),
    ],
)
def test_what_only_our_own_server_could_do_is_refused_when_it_is_planned(subject, more, key):
    subject.written |= more
    with pytest.raises(CapabilityError) as refused:
        subject.deployer().plan(*subject.release(subject.slot(), "v1.0.0"))
    assert refused.value.where == f"targets.cloud.{key}"


def test_methods_are_refused_since_only_our_server_has_any(subject):
    deployer = subject.deployer()
    assert deployer.refusal(PREDICT) is None
    assert "/invocations alone" in deployer.refusal(Request(path="/methods/predict"))


class Known:
    """A registry that knows one tag."""

    def digest_of(self, name):
        return f"sha256:{'7' * 64}" if name.tag == "1.4-2" else None


class OneRegistry(Registries):
    def of(self, name):
        return Known()


@pytest.mark.parametrize("tag", ["1.4-2", "1.4-3"])
def test_a_tag_becomes_a_digest_before_anything_is_made(tag):
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/sagemaker-scikit-learn"
    provided = ProvidedImage(
        Container(image=f"{image}:{tag}"), connect=OneRegistry, where="targets.aws.container.image"
    )
    if tag == "1.4-2":
        assert provided.reference(None) == f"{image}@sha256:{'7' * 64}"
    else:
        with pytest.raises(ConfigurationError, match="there is no image"):
            provided.reference(None)

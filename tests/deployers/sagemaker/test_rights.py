"""The policy of `tagboat iam-policy` is enough for all that the deployer does, and holds nothing that it never does."""

import contextlib

import msgspec
import pytest

from deployers.base import Hold, Request, TagRecord
from deployers.errors import ReleaseFailedError, TagboatError
from deployers.sagemaker import iam, names
from deployers.sagemaker.actions import actions_of
from deployers.sagemaker.login import login
from deployers.sagemaker.objects import Objects
from deployers.sagemaker.rights import RIGHTS
from deployers.sagemaker.scaling import COPIES
from deployers.sagemaker.settings import SagemakerSettings
from tests.deployers.sagemaker.subjects import AwsSubject, NamedImages
from tests.fakes.sagemaker import ACCOUNT, REGION, Script
from tests.wrapping.images.bundles import small

LOCK = "nothing==1 --hash=sha256:" + "0" * 64 + "\n"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
WATCH = {"errors": 5, "latency": 1, "model-failures": 3}

SETTINGS = {
    "image": {},
    "archive": {"model": "archive", "image": {"repository": f"{REGISTRY}/models", "create-repository": True}},
    "scaled": {"model": "s3", "scaling": {"min": 1, "max": 3}, "kms-key": "alias/models",
               "deployment": {"strategy": "canary", "watch": WATCH}},
    "serverless": {"serverless": {"memory": 1024, "concurrency": 5}},
    "asynchronous": {"asynchronous": {}},
    "components": {"components": {"endpoint": "all-models"}},
    "container": {"image": None, "container": {"image": f"{REGISTRY}/sagemaker-scikit-learn:1.4-2"}},
}  # fmt: skip
"""Between them they need every right that there is; `test_every_right_is_tried` sees to it."""


COPIED = {"components": {"endpoint": "all-models"}, "scaling": {"min": 1, "max": 3}}


class Whole(AwsSubject):
    """A target whose calls of AWS are counted: its own way to AWS alone, and real bundles."""

    def __init__(self, folder, aws, settings):
        super().__init__(folder, aws, settings)
        self.way = login(self.settings(), aws.environment, "cloud")
        self.way.session.register_component("data_loader", aws.moto.session._session.get_component("data_loader"))

    def deployer(self, **more):
        made = super().deployer(images=None, **more)
        made.given_images = Named(made, made.materials.images)
        del made.materials  # made with no images given
        return made

    def release(self, slot, version, tag=None):
        bundle = small(self.folder / version, LOCK, model={"iris.joblib": version.encode()}, version=version)
        release, _ = super().release(slot, version, tag)
        return msgspec.structs.replace(release, bundle_digest=bundle.digest), bundle


class Named(NamedImages):
    """Images that are there already; what comes before their push is done as for any other."""

    def __init__(self, deployer, real):
        self.deployer = deployer
        self.real = real

    def reference(self, bundle):
        if self.deployer.settings.container is not None:
            self.logged_in()
            return f"{REGISTRY}/sagemaker-scikit-learn@sha256:{'5' * 64}"
        broken = "-broken" if "broken" in bundle.folder.name else ""
        return f"{REGISTRY}/models{broken}@{bundle.digest}"

    def push(self, bundle):
        if self.deployer.settings.container is None:
            self.real.prepare(f"{REGISTRY}/models/iris")
            self.logged_in()
        return "nothing to send"

    def logged_in(self):
        with self.real.connect() as registries:
            assert registries._find(REGISTRY) is not None


def live(subject, version):
    """All that a run does with a release that comes up."""
    slot, deployer = subject.slot(), subject.deployer()
    with deployer.lease(slot) as lease:
        lease.renew()
        release, bundle = subject.release(slot, version)
        list(deployer.apply(deployer.plan(release, bundle)))
        deployer.call(slot, Request(path="/invocations", body=b"[]"))
        deployer.mark_verified(slot, release)


def walk(subject):
    """Everything that a deployer can be asked for."""
    slot = subject.slot()
    for version in ("v1.0.0", "v2.0.0"):
        live(subject, version)
    if "scaling" in subject.written:
        subject.written["scaling"] = {**subject.written["scaling"], "max": 4}
    if "components" in subject.written:
        subject.written["instance-count"] = 2  # which the endpoint beneath follows
    live(subject, "v3.0.0")
    deployer = subject.deployer()
    subject.aws.sagemaker.end(names.slot_name(slot), "RollingBack", "an alarm")
    release, bundle = subject.release(slot, "v4.0.0-broken" if "components" in subject.written else "v4.0.0")
    with pytest.raises(ReleaseFailedError):
        list(deployer.apply(deployer.plan(release, bundle)))
    deployer.diagnose(slot)
    deployer.mark_failed(slot, release, "it broke")
    list(deployer.rollback(slot))
    deployer.hold(slot, Hold(reason="why", by="me", at=0.0))
    deployer.record_tag(slot, TagRecord("model#prod#1", "a" * 40, 0))
    assert list(deployer.slots()) == [slot]
    if subject.written.pop("scaling", None):
        del subject.written["deployment"]
        live(subject, "v5.0.0")  # which takes away what is not asked for any more
    list(deployer.remove(slot))


@pytest.fixture
def walked(aws, tmp_path, request):
    """A target with settings of a name, everything done with it; and the repository that images go to."""
    settings = SETTINGS[request.param]
    if request.param != "archive":
        aws.client("ecr").create_repository(repositoryName="models/iris")
    aws.sagemaker.containers.scripts["broken"] = Script(kind="crash", log="ValueError\n")
    subject = Whole(tmp_path, aws, {"keep": 1, **settings})
    asked = subject.settings()
    since = len(aws.sagemaker.calls)
    walk(subject)
    if asked.place != "image":
        broken_off(aws, subject)
    return subject, asked, {action for call in aws.sagemaker.calls[since:] for action in call.actions}


def broken_off(aws, subject):
    """A large file of which a part does not arrive."""
    file = subject.folder / "large"
    file.write_bytes(bytes(6 << 20))
    aws.sagemaker.fail("s3:UploadPart", times=99)
    with contextlib.suppress(TagboatError):
        Objects(subject.way, aws.bucket, part=5 << 20).put("tagboat/models/x/large", file, "0" * 64, 6 << 20)


@pytest.mark.slow
@pytest.mark.parametrize("walked", SETTINGS, indirect=True)
def test_the_policy_is_enough_and_no_more(walked):
    subject, asked, seen = walked
    used = set(subject.way.called)
    assert {action for action in seen if not action.startswith("sts:")} <= used, "what came in was counted"
    granted = iam.actions_of(iam.deploying("cloud", asked, REGION))
    assert used - granted == set(), "the policy lacks these"
    assert granted - used == set(), "nothing asks for these"


def test_copies_scale_by_rights_of_their_own():
    """moto knows no scaling of components (5.2), so they are told by what registering would ask for."""
    asked = actions_of("application-autoscaling", "RegisterScalableTarget", {"ScalableDimension": COPIES})
    granted = iam.actions_of(iam.deploying("cloud", convert(COPIED), REGION))
    assert "sagemaker:UpdateInferenceComponentRuntimeConfig" in asked
    assert asked <= granted
    assert "sagemaker:UpdateEndpointWeightsAndCapacities" not in granted


def convert(settings):
    given = {"bucket": "acme", "role": f"arn:aws:iam::{ACCOUNT}:role/x", "image": f"{REGISTRY}/models"}
    return msgspec.convert({**given, **settings}, SagemakerSettings)


def test_every_right_is_tried():
    tried = [convert(settings) for settings in (*SETTINGS.values(), COPIED)]
    assert [right.purpose for right in RIGHTS if not any(right.needed(settings) for settings in tried)] == []

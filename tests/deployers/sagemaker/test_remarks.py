"""What is wrong with settings together is said before AWS has to say it."""

import msgspec
import pytest

from deployers.sagemaker.settings import SagemakerSettings

ACCOUNT = "123456789012"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/models"
AWS_IMAGE = "763104351884.dkr.ecr.eu-central-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"
GIVEN = {
    "bucket": "acme-models",
    "role": f"arn:aws:iam::{ACCOUNT}:role/execution",
    "region": "eu-central-1",
    "image": REPOSITORY,
}


def remarked(**more):
    return msgspec.convert({**GIVEN, **more}, SagemakerSettings).remarks()


def test_of_settings_that_fit_nothing_is_said():
    assert remarked() == ()
    assert remarked(region="${env:WHERE}", image="${env:REGISTRY}/models") == ()
    assert remarked(image=None, container={"image": AWS_IMAGE}) == ()
    assert remarked(deployment={"strategy": "canary", "watch": {}}) == ()
    arm = {"repository": REPOSITORY, "platform": "linux/arm64"}
    assert remarked(image=arm, **{"instance-type": "ml.c7g.xlarge"}) == ()
    assert remarked(env={"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}) == ()


@pytest.mark.parametrize(
    ("more", "key", "wrong"),
    [
        ({"image": "ghcr.io/acme/models"}, "image.repository", False),
        ({"image": None}, "image", True),
        ({"container": {"image": AWS_IMAGE}}, "container", True),
        ({"image": None, "container": {"image": AWS_IMAGE.replace("central", "south")}}, "container.image", True),
        ({"region": "eu-west-1"}, "image.repository", True),
        ({"role": "arn:aws:iam::999999999999:role/execution"}, "image.repository", False),
        ({"instance-type": "ml.m7g.large"}, "image.platform", True),
        ({"image": {"repository": REPOSITORY, "platform": "linux/arm64"}}, "image.platform", True),
        ({"deployment": {"strategy": "canary"}}, "deployment.alarms", False),
        ({"env": {"DB_PASSWORD": "x"}}, "env.DB_PASSWORD", False),
        ({"serverless": {}, "volume-size": 10}, "volume-size", True),
    ],
)
def test_what_does_not_fit_is_said_with_its_key_and_a_mend(more, key, wrong):
    (remark,) = remarked(**more)
    assert (remark.key, remark.wrong) == (key, wrong)
    assert remark.message
    assert remark.mend.endswith(".")


@pytest.mark.parametrize(
    "instance", ["ml.g4dn.xlarge", "ml.g5.2xlarge", "ml.m5.large", "ml.inf2.xlarge", "ml.p4d.24xlarge"]
)
def test_an_instance_with_a_gpu_is_no_graviton(instance):
    assert remarked(**{"instance-type": instance}) == ()


@pytest.mark.parametrize("instance", ["ml.c6gn.large", "ml.r7gd.large", "ml.m8g.large", "ml.c7g.4xlarge"])
def test_every_graviton_is_known_by_its_letter(instance):
    assert [remark.key for remark in remarked(**{"instance-type": instance})] == ["image.platform"]

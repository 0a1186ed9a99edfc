"""An AWS for each test: the fake SageMaker, and moto's server for everything else, at one address."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployers.sagemaker.wire import Amazon
from tests.deployers.sagemaker.subjects import AwsSubject
from tests.fakes.sagemaker import ACCOUNT, REGION, Moto, SageMaker, Script
from tests.fakes.sagemaker.moto import running

BUCKET = "tagboat-models"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tagboat-execution"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/models"
"""A repository; any tag and digest of it is there, unless a test says otherwise (`Account.missing_images`)."""

TRUST = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "sagemaker.amazonaws.com"}}]}"""


@dataclasses.dataclass
class Aws:
    """An account with a bucket and an execution role. ``environment`` holds credentials and the region, no address."""

    endpoint_url: str
    sagemaker: SageMaker
    moto: Moto
    bucket: str = BUCKET
    role: str = ROLE
    image: str = IMAGE
    region: str = REGION
    environment: dict[str, str] = dataclasses.field(
        default_factory=lambda: {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
    )  # fmt: skip

    def client(self, service: str) -> Any:
        """A real client of the one address; its errors come at once."""
        from botocore.config import Config

        once = Config(retries={"max_attempts": 0, "mode": "standard"})
        return self.moto.session.client(service, endpoint_url=self.endpoint_url, config=once)

    def amazon(self) -> Amazon:
        """What deployers call AWS by, without a login of its own, whose library takes its time to begin."""
        import botocore.session

        # One of its own, since it listens to every call; AWS's descriptions are read once for all.
        session = botocore.session.Session()
        session.set_credentials("test", "test")
        session.register_component("data_loader", self.moto.session._session.get_component("data_loader"))
        return Amazon(session, region=self.region, endpoint=lambda _: self.endpoint_url, where="targets.aws")


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """moto's server, one process for all tests."""
    with running(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def aws(moto: Moto) -> Iterator[Aws]:
    """A fresh account. Whoever did what nobody should do, such as deleting a configuration in use, has failed."""
    moto.reset()
    moto.client("iam").create_role(RoleName="tagboat-execution", AssumeRolePolicyDocument=TRUST)
    moto.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    with SageMaker(moto) as sagemaker:
        yield Aws(sagemaker.address, sagemaker, moto)
    assert not sagemaker.misdeeds, "; ".join(sagemaker.misdeeds)


@pytest.fixture
def subject_with(aws: Aws, tmp_path: Path) -> Callable[..., AwsSubject]:
    """A target in that account; what is called broken never comes up."""
    aws.sagemaker.containers.scripts["broken"] = Script(kind="crash", log="loading\nValueError: no such column\n")
    return lambda **settings: AwsSubject(tmp_path, aws, settings)

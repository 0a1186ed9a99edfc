"""A release whose container says nothing is proved by what AWS has: the config, its models, their digests, or not at all."""

from pathlib import Path

import msgspec
import pytest

import templates as packaged
from deployers.base import Release, Slot
from deployers.rendering import Templates
from deployers.sagemaker.api import Api
from deployers.sagemaker.bucket import Bucket
from deployers.sagemaker.documents import made
from deployers.sagemaker.kinds import ENDPOINT, ENDPOINT_CONFIG, MODEL
from deployers.sagemaker.records import Records, ReleaseRecord
from deployers.sagemaker.settings import SagemakerSettings
from deployers.sagemaker.tracing import PROVED_BY, trace

SLOT = Slot("churn", "prod", "aws")
OURS = Templates(Path(packaged.__file__).parent / "sagemaker", {})


def release(version):
    return Release(slot=SLOT, version=version, commit="c" * 40, bundle_digest=f"sha256:{version}")


class World:
    """An account in which releases are made and served."""

    def __init__(self, aws):
        self.aws = aws
        self.settings = SagemakerSettings(bucket=aws.bucket, role=aws.role, image=aws.image)
        amazon = aws.amazon()
        self.api = Api(amazon)
        self.records = Records(Bucket(amazon, aws.bucket, "tagboat"), SLOT)
        self.client = aws.client("sagemaker")

    def make(self, version, image=None, *, keep=True):
        """Make a release and bring the endpoint to it; ``keep``: and remember it."""
        wanted = release(version)
        pinned = f"{self.aws.image}@sha256:{version[1] * 64}"
        container = {"Image": image or pinned, "ModelDataUrl": f"s3://{self.aws.bucket}/{version}.tar.gz"}
        done = made(wanted, container=container, settings=self.settings, templates=OURS)
        self.aws.client("s3").put_object(Bucket=self.aws.bucket, Key=f"{version}.tar.gz", Body=b"data")
        for document in (*done.of(MODEL), *done.of(ENDPOINT_CONFIG)):
            self.api.ensure(document, SLOT)
        (endpoint,) = done.of(ENDPOINT)
        if self.api.endpoint(endpoint.name) is None:
            self.api.create_endpoint(endpoint)
        else:
            self.api.update_endpoint(endpoint)
        self.aws.sagemaker.advance(9)
        if keep:
            self.records.keep_release(ReleaseRecord(release=wanted, made=done))
        return done

    def replace(self, model, container):
        """Somebody deletes a model that is in use, and makes another one of its name."""
        self.client.delete_model(ModelName=model.name)
        self.aws.sagemaker.misdeeds.clear()  # it is what the test is about
        if container:
            self.client.create_model(ModelName=model.name, PrimaryContainer=container, ExecutionRoleArn=self.aws.role)

    def proof(self, done):
        seen = self.api.endpoint(done.endpoint)
        assert seen is not None
        return trace(self.api, self.records, seen)


@pytest.fixture
def world(aws):
    return World(aws)


def test_what_serves_by_the_config_of_a_release_is_that_release(world):
    first = world.make("v1")
    assert (world.proof(first).release_id, world.proof(first).proved_by) == (release("v1").id, PROVED_BY)
    second = world.make("v2")
    assert world.proof(second).release_id == release("v2").id
    assert world.proof(second).problem is None


def test_what_somebody_else_has_brought_there_is_no_release_of_ours(world):
    done = world.make("v1", keep=False)
    found = world.proof(done)
    assert (found.release_id, found.proved_by) == (None, None)
    assert "none of this slot's releases'" in found.problem


def test_a_model_that_was_made_anew_under_the_same_name_proves_nothing(world):
    done = world.make("v1")
    (model,) = done.of(MODEL)
    world.replace(model, None)
    assert world.proof(done).problem == f"{model} is gone"
    world.client.create_model(
        ModelName=model.name,
        PrimaryContainer={"Image": f"{world.aws.image}@sha256:{'e' * 64}"},
        ExecutionRoleArn=world.aws.role,
    )
    found = world.proof(done)
    assert found.release_id is None
    assert found.problem == f"{model} is not as it was made"


def test_a_model_with_other_data_or_more_variables_proves_nothing(world):
    done = world.make("v1")
    (model,) = done.of(MODEL)
    world.aws.client("s3").put_object(Bucket=world.aws.bucket, Key="other.tar.gz", Body=b"other")
    for changed in ({"ModelDataUrl": f"s3://{world.aws.bucket}/other.tar.gz"}, {"Environment": {"EVIL": "1"}}):
        world.replace(model, {**model.request["PrimaryContainer"], **changed})
        assert world.proof(done).problem == f"{model} is not as it was made"


def test_an_image_by_its_tag_proves_nothing(world):
    done = world.make("v1", image=f"{world.aws.image}:latest")
    found = world.proof(done)
    assert found.release_id is None
    assert ":latest, which proves nothing" in found.problem


def test_a_stored_release_that_was_tampered_with_is_noticed(world):
    done = world.make("v1")
    (model,) = done.of(MODEL)
    forged = msgspec.structs.replace(
        model, request={**model.request, "PrimaryContainer": {"Image": f"{world.aws.image}@sha256:{'d' * 64}"}}
    )
    documents = [forged if each == model else each for each in done.documents]
    world.records.keep_release(
        ReleaseRecord(release=release("v1"), made=msgspec.structs.replace(done, documents=documents))
    )
    assert world.proof(done).release_id is None

"""Where the model's files are to be, there they are before anything asks for them, and the container is told where."""

import hashlib
import io
import tarfile

import pytest

from deployers.base import Release
from deployers.conformance.subject import assert_live
from deployers.sagemaker import documents
from deployers.sagemaker.kinds import MODEL
from deployers.sagemaker.records import Records
from tests.wrapping.images import bundles


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return bundles.small(
        tmp_path_factory.mktemp("bundle"), "# nothing\n", model={"iris.joblib": b"a model", "more/x": b"x"}
    )


def deployed(subject, bundle):
    release = Release(slot=subject.slot(), version="v1.0.0", commit="c" * 40, bundle_digest=bundle.digest)
    deployer = subject.deployer()
    steps = list(deployer.apply(deployer.plan(release, bundle)))
    assert_live(subject, subject.slot(), release)
    (model,) = Records(deployer.bucket, subject.slot()).release(release.id).made.of(MODEL)
    return model.request["PrimaryContainer"], {step.name: step.detail for step in steps}


def test_an_archive_is_in_the_bucket_whole_and_the_container_unpacks_it(subject_with, bundle):
    subject = subject_with(model="archive")
    container, steps = deployed(subject, bundle)
    assert "MB sent to" in steps["model"]
    place = container["ModelDataUrl"].removeprefix(f"s3://{subject.aws.bucket}/")
    content = subject.kept()[place]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert {"model.json", "model/iris.joblib", "model/more/x"} <= set(archive.getnames())
    _, again = deployed(subject_with(model="archive"), bundle)
    assert "model" not in again, "what is live already is planned as nothing"


def test_a_model_too_large_to_unpack_lies_file_by_file(subject_with, bundle):
    subject = subject_with(model="s3")
    container, _ = deployed(subject, bundle)
    source = container["ModelDataSource"]["S3DataSource"]
    assert (source["S3DataType"], source["CompressionType"]) == ("S3Prefix", "None")
    prefix = source["S3Uri"].removeprefix(f"s3://{subject.aws.bucket}/")
    there = {key.removeprefix(prefix): content for key, content in subject.kept().items() if key.startswith(prefix)}
    assert there["model/iris.joblib"] == b"a model"
    assert hashlib.sha256(there["model.json"]).digest() == hashlib.sha256(
        (bundle.folder / "model.json").read_bytes()
    ).digest()  # fmt: skip


def test_a_model_in_the_image_needs_no_room_in_the_bucket(subject_with, bundle):
    subject = subject_with()
    container, steps = deployed(subject, bundle)
    assert not {"ModelDataUrl", "ModelDataSource"} & set(container)
    assert "model" not in steps
    assert not [key for key in subject.kept() if "/models/" in key]


def test_what_is_pushed_ahead_at_a_registration_is_not_sent_again(subject_with, bundle):
    subject = subject_with(model="archive")
    assert "MB sent to" in subject.deployer().push_ahead(bundle)
    _, steps = deployed(subject, bundle)
    assert steps["model"] == "the bucket has them already"


def test_the_server_is_told_who_it_is_and_how_it_behaves(subject_with, bundle):
    subject = subject_with(env={"OMP_NUM_THREADS": "1"})
    release = Release(
        slot=subject.slot(), version="v1.0.0", commit="c" * 40, bundle_digest=bundle.digest,
        settings={"server": {"max-body": 1000}},
    )  # fmt: skip
    deployer = subject.deployer()
    list(deployer.apply(deployer.plan(release, bundle)))
    made = Records(deployer.bucket, subject.slot()).release(release.id).made
    assert made.endpoint == documents.endpoint_name(subject.slot(), subject.settings())
    assert made.of(MODEL)[0].request["PrimaryContainer"]["Environment"] == {
        "OMP_NUM_THREADS": "1",
        "TAGBOAT_RELEASE": release.id,
        "TAGBOAT_SETTINGS": '{"max-body":1000}',
        "TAGBOAT_STAGE": "prod",
    }

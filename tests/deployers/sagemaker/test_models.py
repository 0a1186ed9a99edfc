"""A model comes to S3 once, whole and unchanged, packed or file by file; the same bundle is the same bytes."""

import gzip
import hashlib
import io
import tarfile
import types

import pytest

from deployers.errors import ConfigurationError, RefusedError
from deployers.sagemaker import archive, models, repositories
from deployers.sagemaker.archive import Layout
from deployers.sagemaker.objects import Objects
from deployers.wrapping.images.store import Store
from tests.deployers.sagemaker.answers import login
from tests.fakes.sagemaker import ACCOUNT, REGION
from tests.wrapping.images.bundles import small

LOCK = "nothing==1 --hash=sha256:" + "0" * 64 + "\n"
PART = 5 << 20
"""The smallest part that S3 takes."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    files = {"iris.joblib": b"a model", "deep/er/weights.bin": bytes(range(256)) * 400}
    return small(tmp_path_factory.mktemp("bundle"), LOCK, model=files, code={"mine.py": b"x = 1\n"})


@pytest.fixture
def amazon(aws, tmp_path):
    settings = types.SimpleNamespace(region=None, profile=None, endpoint_url=aws.endpoint_url)
    amazon = login(settings, {**aws.environment, "HOME": str(tmp_path)}, "aws")
    amazon.sleep = lambda _: None
    return amazon


@pytest.fixture
def objects(amazon, aws):
    return Objects(amazon, aws.bucket, part=PART)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


def bring(bundle, place, objects, store):
    return models.bring(bundle, place, objects=objects, prefix="tagboat", store=store)


def stored(objects):
    found = objects.amazon.pages(objects.amazon.s3.list_objects_v2, "Contents", Bucket=objects.bucket)
    return {each["Key"]: each["Size"] for each in found}


def content(objects, key):
    return objects.amazon.call(objects.amazon.s3.get_object, Bucket=objects.bucket, Key=key)["Body"].read()


def test_the_same_bundle_is_the_same_archive_on_every_machine(bundle, tmp_path):
    one = archive.make(bundle, Store(tmp_path / "one"))
    for file in bundle.folder.rglob("*"):
        file.touch()
    other = archive.make(bundle, Store(tmp_path / "other"))
    assert one.path != other.path
    assert one.sha256 == other.sha256 == hashlib.sha256(other.path.read_bytes()).hexdigest()


def test_an_archive_holds_what_the_server_reads_and_nothing_that_could_do_harm(bundle, store):
    made = archive.make(bundle, store)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(made.path.read_bytes()))) as packed:
        members = packed.getmembers()
        assert packed.extractfile("model/deep/er/weights.bin").read() == bytes(range(256)) * 400
    names = [each.name for each in members if each.isfile()]
    assert names == sorted(names)
    assert set(names) == {"model.json", "requirements.lock", "code/mine.py", "model/iris.joblib", "model/deep/er/weights.bin"}  # fmt: skip
    assert {(each.uid, each.gid, each.uname, each.mtime) for each in members} == {(0, 0, "", 315_532_800)}
    assert all(each.isfile() or each.isdir() for each in members)


def test_another_version_of_the_same_bytes_has_another_archive(bundle, tmp_path):
    other = small(tmp_path, LOCK, model={"iris.joblib": b"a model"}, version="v1.0.1")
    same = small(tmp_path, LOCK, model={"iris.joblib": b"a model"}, version="v1.0.2")
    assert other.digest == same.digest
    assert archive.digest(other) != archive.digest(same)


@pytest.mark.parametrize(
    ("model", "path", "expected"),
    [
        ({"iris.joblib": b"m"}, "iris.joblib", {"iris.joblib"}),
        ({"iris/1/saved_model.pb": b"m", "iris/1/variables/x": b"v"}, "iris", {"1/saved_model.pb", "1/variables/x"}),
        ({"iris/model.pth": b"m", "iris/code/more.py": b""}, "iris", {"model.pth", "code/more.py"}),
    ],
)
def test_a_container_that_is_not_ours_finds_the_models_files_where_it_looks(tmp_path, store, model, path, expected):
    code = {"code/inference.py": b"def model_fn(): ...\n", "lib/mine.py": b""}
    made = small(tmp_path, LOCK, model=model, code=code, at=path)
    packed = archive.make(made, store, Layout.PROVIDED)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed.path.read_bytes()))) as opened:
        names = {each.name for each in opened.getmembers() if each.isfile()}
    assert names == expected | {"code/inference.py", "code/lib/mine.py"}
    assert archive.digest(made, Layout.PROVIDED) != archive.digest(made)


def test_two_files_that_would_be_one_for_such_a_container_are_refused(tmp_path):
    clash = {"iris/code/inference.py": b"1"}
    made = small(tmp_path, LOCK, model=clash, code={"code/inference.py": b"2"}, at="iris")
    with pytest.raises(RefusedError, match=r"would both be code/inference\.py"):
        archive.files(made, Layout.PROVIDED)


def test_an_archive_is_sent_once(bundle, objects, store):
    assert "MB sent" in bring(bundle, "archive", objects, store)
    (key,) = stored(objects)
    where = models.source(bundle, "archive", bucket=objects.bucket, prefix="tagboat")
    assert where == {"ModelDataUrl": f"s3://{objects.bucket}/{key}"}
    assert gzip.decompress(content(objects, key))
    objects.amazon.called.clear()
    assert bring(bundle, "archive", objects, store) == "the bucket has them already"
    assert objects.amazon.called == {"s3:GetObject"}


def test_a_file_of_many_parts_arrives_whole(objects, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(hashlib.sha256(b"x").digest() * (1 << 17) * 3 + b"the end")
    whole = file.read_bytes()
    digest = hashlib.sha256(whole).hexdigest()
    assert objects.put("large", file, digest, len(whole)) == len(whole)
    assert content(objects, "large") == whole
    assert objects.put("large", file, digest, len(whole)) == 0


def test_an_upload_that_fails_leaves_no_object_and_no_parts(objects, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(b"x" * (2 * PART))
    with pytest.raises(RefusedError, match="not the one that was hashed"):
        objects.put("large", file, "0" * 64, 2 * PART)
    assert stored(objects) == {}
    assert "Uploads" not in objects.amazon.call(objects.amazon.s3.list_multipart_uploads, Bucket=objects.bucket)
    file.write_bytes(b"x")
    with pytest.raises(RefusedError, match="not the one that was hashed"):
        objects.put("large", file, "0" * 64, 1)
    assert stored(objects) == {}


def test_an_object_that_somebody_changed_is_refused(bundle, objects, store):
    bring(bundle, "archive", objects, store)
    (key,) = stored(objects)
    objects.amazon.call(objects.amazon.s3.put_object, Bucket=objects.bucket, Key=key, Body=b"something else")
    with pytest.raises(RefusedError, match="other content"):
        bring(bundle, "archive", objects, store)


def test_a_run_that_was_faster_has_done_it(objects, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    looks = iter([False])
    real = objects.has
    objects.has = lambda *asked: next(looks, None) is not False and real(*asked)
    objects.amazon.call(objects.amazon.s3.put_object, Bucket=objects.bucket, Key="file", Body=b"content")
    assert objects.put("file", file, digest, 7) == 7
    assert content(objects, "file") == b"content"


def test_files_go_one_by_one_below_a_prefix_of_their_own(bundle, objects, store):
    bring(bundle, "s3", objects, store)
    source = models.source(bundle, "s3", bucket=objects.bucket, prefix="tagboat")["ModelDataSource"]["S3DataSource"]
    assert source["CompressionType"] == "None"
    assert source["S3DataType"] == "S3Prefix"
    assert source["S3Uri"].endswith("/files/")
    below = source["S3Uri"].removeprefix(f"s3://{objects.bucket}/")
    assert {key.removeprefix(below) for key in stored(objects)} == set(archive.files(bundle))
    assert content(objects, f"{below}code/mine.py") == b"x = 1\n"
    assert bring(bundle, "s3", objects, store) == "the bucket has them already"


def test_what_a_killed_run_left_out_is_sent_by_the_next(bundle, objects, store):
    bring(bundle, "s3", objects, store)
    gone = next(key for key in stored(objects) if key.endswith("mine.py"))
    objects.amazon.call(objects.amazon.s3.delete_object, Bucket=objects.bucket, Key=gone)
    assert "sent" in bring(bundle, "s3", objects, store)
    assert gone in stored(objects)


def test_a_file_that_is_no_part_of_the_model_is_refused_since_sagemaker_would_take_it(bundle, objects, store):
    bring(bundle, "s3", objects, store)
    folder = next(iter(stored(objects))).partition("/files/")[0]
    objects.amazon.call(
        objects.amazon.s3.put_object, Bucket=objects.bucket, Key=f"{folder}/files/code/evil.py", Body=b""
    )
    with pytest.raises(RefusedError, match=r"evil\.py"):
        bring(bundle, "s3", objects, store)


def test_what_is_too_large_to_be_unpacked_goes_file_by_file(bundle, monkeypatch):
    assert models.place_of(bundle, "archive") == "archive"
    monkeypatch.setattr(models, "LARGEST_ARCHIVE", 100)
    assert models.place_of(bundle, "archive") == "s3"
    assert models.place_of(bundle, "image") == "image"


# Repositories


def ensure(amazon, name="models/churn", host=f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com", create=True, **more):
    tags = {"tagboat:target": "aws"}
    return repositories.ensure(
        amazon, f"{host}/{name}", create=create, tags=tags, where="targets.aws.image.repository", **more
    )


def test_a_repository_is_made_once_with_tags_that_nobody_can_move(amazon):
    assert ensure(amazon, scan=True) is True
    assert ensure(amazon) is False
    (made,) = amazon.call(amazon.ecr.describe_repositories)["repositories"]
    assert made["repositoryName"] == "models/churn"
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    tags = amazon.call(amazon.ecr.list_tags_for_resource, resourceArn=made["repositoryArn"])["tags"]
    assert tags == [{"Key": "tagboat:target", "Value": "aws"}]
    assert {"ecr:CreateRepository", "ecr:TagResource", "ecr:PutImage"} <= amazon.called


def test_where_no_repository_may_be_made_the_error_says_how_to_allow_it(amazon):
    with pytest.raises(ConfigurationError, match="no repository models/churn") as failure:
        ensure(amazon, create=False)
    assert "create-repository" in failure.value.hint
    assert failure.value.where == "targets.aws.image.repository"


@pytest.mark.parametrize(
    ("name", "host", "words"),
    [
        ("Models", f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com", "no name of a repository"),
        ("a//b", f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com", "no name of a repository"),
        ("models", f"{ACCOUNT}.dkr.ecr.ap-south-2.amazonaws.com", "of that region"),
    ],
)
def test_a_repository_that_cannot_be_is_refused_before_any_call(amazon, name, host, words):
    with pytest.raises(ConfigurationError, match=words):
        ensure(amazon, name, host)
    assert "ecr:DescribeRepositories" not in amazon.called


def test_a_registry_that_is_not_ecrs_is_left_to_itself(amazon):
    assert ensure(amazon, "models", "ghcr.io/acme") is False
    assert amazon.called == set()


def test_the_token_for_ecr_is_that_of_our_own_login(amazon, tmp_path):
    find = repositories.finder(amazon, {"HOME": str(tmp_path)})
    found = find(f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com")
    assert (found.username, bool(found.password)) == ("AWS", True)
    assert "ecr:GetAuthorizationToken" in amazon.called
    assert find("ghcr.io") is None


def test_a_bucket_that_is_not_there_is_named(amazon, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with pytest.raises(ConfigurationError, match="bucket does not exist") as failure:
        Objects(amazon, "nobodys-bucket").put("k", file, hashlib.sha256(b"x").hexdigest(), 1)
    assert "Tagboat makes none" in failure.value.hint

"""The main job on SageMaker: a registry tag, and an endpoint of an image that a registry holds serves it, verified.

Git, DVC, GTO's tags, the wrapping, the image, its registry and S3's side (moto) are real; SageMaker is the fake one, whose
containers answer by a script, since nothing can run them here.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World
from tests.fakes.sagemaker import ACCOUNT, REGION, Moto, SageMaker, Script
from tests.fakes.sagemaker.moto import running
from tests.wrapping.images import parts

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sagemaker")]

CONFIGURATION = """\
templates: deploy
targets:
  aws:
    deployer: sagemaker
    region: {region}
    bucket: tagboat-models
    role: arn:aws:iam::{account}:role/tagboat-execution
    endpoint-url: {address}
    image: {{repository: {host}/models, base-image: "{base}", plain-http: true}}
stages:
  dev: {{targets: [aws]}}
artifacts:
  iris: {{requirements: requirements.txt}}
smoke:
  - input: {{data: [{{sepal_length: 6.7, sepal_width: 3.0, petal_length: 5.2, petal_width: 2.3}}]}}
    expect: {{equal: [virginica]}}
"""

PRIVATE_REGISTRY = """\
{
  "PrimaryContainer": {
    "Image": {{ container.Image | tojson }},
    "Environment": {{ container.Environment | tojson }},
    "ImageConfig": {"RepositoryAccessMode": "Vpc"}
  },
  "VpcConfig": {"SecurityGroupIds": ["sg-0123456789abcdef0"], "Subnets": ["subnet-0123456789abcdef0"]},
  "ExecutionRoleArn": {{ settings.role | tojson }},
  "Tags": {{ tags | tojson }}
}
"""
"""The repository's own template of a model: the image is no one of ECR's, and only a VPC reaches its registry."""

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}},
    ],
}


def answering(flower: str) -> Script:
    """Containers whose model answers with this for everything."""
    return Script(model=lambda _: [flower])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.RealRegistry]:
    parts.needed("docker-registry", "skopeo")
    with parts.docker_registry(tmp_path_factory.mktemp("registry")) as started:
        yield started


@pytest.fixture(scope="module")
def base(registry: parts.RealRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base that images can stand on; it holds what is looked at, and runs nothing."""
    layout = parts.Layout(tmp_path_factory.mktemp("base") / "layout")
    made = layout.image([parts.hollow()], Env=["PYTHON_VERSION=3.11.9", "PATH=/usr/local/bin:/usr/bin"])
    parts.copy(layout.finish(made), f"docker://{registry.host}/library/hollow:3.11")
    return f"{registry.plain}/library/hollow:3.11"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """An account with a bucket and an execution role."""
    with running(tmp_path_factory.mktemp("moto")) as server:
        server.client("iam").create_role(RoleName="tagboat-execution", AssumeRolePolicyDocument=json.dumps(TRUST))
        place = {"LocationConstraint": REGION}
        server.client("s3").create_bucket(Bucket="tagboat-models", CreateBucketConfiguration=place)
        yield server


@pytest.fixture(scope="module")
def sagemaker(moto: Moto) -> Iterator[SageMaker]:
    with SageMaker(moto) as started:
        started.delay(0)  # a command that is waited for here would wait for each step
        started.containers.scripts["models/iris"] = answering("virginica")
        yield started
        assert not started.misdeeds, "; ".join(started.misdeeds)


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, registry: parts.RealRegistry, base: str, sagemaker: SageMaker
) -> World:
    """A repository whose stage `dev` is on SageMaker, with v0.1.0 assigned to it."""
    told = {"region": REGION, "account": ACCOUNT, "address": sagemaker.address, "host": registry.host, "base": base}
    made = World(tmp_path_factory.mktemp("world"), cache, CONFIGURATION.format(**told))
    made.environment |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": "/dev/null",
                         "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}  # fmt: skip
    made.write("deploy/sagemaker/model.json.j2", PRIVATE_REGISTRY)
    made.register("v0.1.0", seed=1, stage="dev")
    return made


@pytest.fixture(scope="module")
def live(world: World) -> dict[str, Any]:
    """The verdict of the run that brought v0.1.0 up."""
    done = world.tagboat("deploy", "iris#dev#1")
    assert done.code == 0, (done.out, done.errors)
    (slot,) = done.out["slots"]
    return dict(slot)


def images(sagemaker: SageMaker) -> set[str]:
    """What the models that there are are made of."""
    stored = [each for (kind, _), each in sagemaker.state.objects.items() if kind == "model"]
    return {each.given["PrimaryContainer"]["Image"] for each in stored}


def test_a_pushed_assignment_becomes_an_endpoint_that_answers(
    live: dict[str, Any], sagemaker: SageMaker, registry: parts.RealRegistry
):
    assert (live["status"], live["version"], live["target"]) == ("live", "v0.1.0", "aws")
    assert live["proved_by"] == "server"
    assert any(step["name"] == "verify live" for step in live["steps"])
    (image,) = images(sagemaker)
    name, _, digest = image.partition("@")
    assert name == f"{registry.host}/models/iris"
    request = urllib.request.Request(f"{registry.plain}/v2/models/iris/manifests/{digest}")
    request.add_header("accept", "application/vnd.oci.image.manifest.v1+json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert len(json.load(answer)["layers"]) == 4, "the base, and three layers of ours"


def test_a_second_run_changes_nothing_and_says_so(world: World, live: dict[str, Any], sagemaker: SageMaker):
    before = len(sagemaker.calls)
    again = world.tagboat("deploy", "iris#dev", more={"XDG_CACHE_HOME": str(world.folder / "another-machine")})
    (slot,) = again.out["slots"]
    assert again.code == 0
    assert (slot["status"], slot["changed"], slot["release"]) == ("unchanged", False, live["release"])
    assert slot["url"] == live["url"]
    done = {call.operation for call in sagemaker.calls[before:] if call.service == "sagemaker"}
    assert not {operation for operation in done if operation.startswith(("Create", "Update"))}


def test_a_release_that_fails_its_smoke_requests_gives_way_to_the_verified_one(
    world: World, live: dict[str, Any], sagemaker: SageMaker
):
    (good,) = images(sagemaker)
    world.register("v0.2.0", seed=2, stage="dev")
    sagemaker.containers.scripts = {good: answering("virginica"), "models/iris": answering("setosa")}
    saved = world.folder / "plan.json"
    (planned,) = world.tagboat("plan", "iris#dev", "--out", str(saved)).out["slots"]
    assert [change["object"].partition(" ")[0] for change in planned["changes"]] == [
        "Model",
        "EndpointConfig",
        "Endpoint",
    ]
    failed = world.tagboat("deploy", "iris#dev", "--plan", str(saved))
    (slot,) = failed.out["slots"]
    assert failed.code == 1
    assert (slot["status"], slot["previous"]) == ("rolled-back", "v0.1.0")
    assert "setosa" in slot["reason"]
    seen = world.slot()
    assert (seen["health"], seen["served"]) == ("ready", "v0.1.0")
    assert seen["failed"][0]["version"] == "v0.2.0"
    assert seen["url"] == live["url"], "the endpoint is the same one all the time"

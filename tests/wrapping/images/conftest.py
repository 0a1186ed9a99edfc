from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployers.wrapping import image
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.image import Image, ImageSettings, Pushed, Registries
from deployers.wrapping.images.registry import Patience
from tests.wrapping import indexes
from tests.wrapping.images import parts
from tests.wrapping.images.bundles import lock_of, one, small

QUICK = Patience(attempts=4, pause=0.01, longest=0.2, connect=5, read=20)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.RealRegistry]:
    parts.needed("docker-registry", "skopeo")
    with parts.docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def hollow(registry: parts.RealRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base for both platforms that can be built on and not run, in the registry."""
    layout = parts.Layout(tmp_path_factory.mktemp("hollow") / "layout")
    made = [layout.image([parts.hollow(architecture)], architecture, Env=["PYTHON_VERSION=3.11.9", "PATH=/usr/local/bin:/usr/bin"])
            for architecture in ("amd64", "arm64")]  # fmt: skip
    parts.copy(layout.finish(*made), f"docker://{registry.host}/library/hollow:3.11")
    return f"{registry.plain}/library/hollow:3.11"


@pytest.fixture(scope="session")
def debian(registry: parts.RealRegistry) -> str:
    """Debian's Python as the slim image, in the registry."""
    parts.copy(f"oci:{parts.debian_base()}:it", f"docker://{registry.host}/library/{parts.SLIM}")
    return f"{registry.plain}/library/{parts.SLIM}"


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.Podman]:
    parts.needed("podman", "runc")
    own = tmp_path_factory.mktemp("podman")
    podman = parts.Podman(Path(tempfile.mkdtemp(prefix="tagboat-podman-", dir=parts.roomy(own))))
    yield podman
    podman.close()


@dataclass
class Yard:
    """Where images are built and pushed: a cache of its own, an environment, a registry, a base."""

    cache: Path
    environment: Mapping[str, str]
    registries: Registries
    base: str
    steps: list[str] = field(default_factory=list)

    def build(self, bundle: Bundle, **settings: Any) -> Image:
        wanted = ImageSettings(**{"base": self.base, **settings})
        return image.build(bundle, wanted, registries=self.registries, cache=self.cache, environment=self.environment,
                           step=self.steps.append)  # fmt: skip

    def push(self, made: Image, repository: str, **more: Any) -> Pushed:
        return image.push(made, repository, registries=self.registries, environment=self.environment, **more)


@pytest.fixture
def yard(tmp_path: Path, alone: Mapping[str, str], hollow: str) -> Iterator[Yard]:
    """With the tests' own index, and the hollow base."""
    with Registries({}, patience=QUICK) as registries:
        yield Yard(tmp_path / "cache", alone, registries, hollow)


@pytest.fixture
def real_yard(tmp_path: Path, shared_cache: Path, debian: str) -> Iterator[Yard]:
    """With the runner's index, Debian's base, and the session's cache."""
    with Registries({}) as registries:
        yield Yard(program_cache(shared_cache), os.environ, registries, debian)


def program_cache(shared: Path) -> Path:
    """Where the command line keeps things with XDG_CACHE_HOME=``shared``: what a test has made serves its commands."""
    return shared / "tagboat"


@pytest.fixture
def bundle(tmp_path: Path, index: indexes.Index) -> Bundle:
    index.add(one())
    return small(tmp_path / "bundles", lock_of(one()))


@pytest.fixture(scope="session")
def s3() -> Iterator[Mapping[str, str]]:
    """moto's S3 and STS, and the variables that lead to it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-central-1",
                   "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}", "AWS_ENDPOINT_URL_STS": f"http://{host}:{port}"}  # fmt: skip
    client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"], aws_access_key_id="a",
                          aws_secret_access_key="b", region_name="eu-central-1")  # fmt: skip
    client.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield environment
    server.stop()

"""``tagboat image``: from a registered version to an image in a registry, a folder, an archive."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrypoint.imaging import source_of
from tests.e2e.world import World
from tests.wrapping import models
from tests.wrapping.images import parts

pytestmark = pytest.mark.xdist_group("images")


@pytest.fixture
def world(tmp_path: Path, shared_cache: Path) -> Iterator[World]:
    made = World(tmp_path / "world", shared_cache)
    yield made
    made.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)  # with Debian made on the way
def test_a_version_becomes_an_image_in_every_place_that_was_asked_for_and_again_sends_nothing(
    world: World, debian: str, registry: parts.RealRegistry, tmp_path: Path
) -> None:
    world.write("requirements.txt", "\n".join(models.SKLEARN))  # an environment that other tests have
    world.register("v0.1.0", seed=1)
    repository = f"{registry.plain}/acme/command"
    layout, archive = tmp_path / "layout", tmp_path / "iris.tar"
    arguments = ("image", "iris@v0.1.0", "--base-image", debian, "-o", f"{repository}:v0.1.0")
    done = world.tagboat(*arguments, "-o", f"oci:{layout}", "-o", f"docker-archive:{archive}")
    assert done.code == 0, done.errors
    said = done.out
    assert (said["artifact"], said["version"]) == ("iris", "v0.1.0")
    assert [layer["name"] for layer in said["layers"]] == ["environment", "server", "model"]
    assert [place["pushed"] for place in said["places"]] == [True, False, False]
    for source in (f"docker://{repository.removeprefix('http://')}:v0.1.0", f"oci:{layout}:latest"):
        out = subprocess.run(
            ["skopeo", "inspect", "--tls-verify=false", source], check=True, capture_output=True
        ).stdout
        assert json.loads(out)["Digest"] == said["digest"]
    assert archive.stat().st_size > 10_000_000
    again = world.tagboat(*arguments).out
    assert (again["digest"], again["places"][0]["sent"]) == (said["digest"], 0)
    assert world.servers() == []


def test_an_output_that_is_none_is_said_before_anything_is_done(world: World) -> None:
    for output in ("somewhere", "oci:", "ftp://x"):
        done = world.tagboat("image", "iris@v0.1.0", "-o", output)
        assert done.code == 2
        assert "is no output" in done.out["error"]["message"]


def test_a_signing_key_that_is_none_is_refused_before_anything_is_done(world: World) -> None:
    (world.work / "key.pem").write_text("canary")
    done = world.tagboat("image", "iris@v0.1.0", "--sign-key", "key.pem")
    assert done.code == 2
    assert "canary" not in json.dumps(done.out) + done.errors


@pytest.mark.parametrize(
    ("environment", "remote", "source"),
    [
        ({}, "https://github.com/acme/models.git", "https://github.com/acme/models.git"),
        ({}, "https://token:x@github.com/acme/models.git", None),
        ({}, "git@github.com:acme/models.git", None),
        ({}, None, None),
        ({"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b"}, "x", "https://github.com/a/b"),
    ],
)
def test_P2_the_source_label_never_carries_credentials(
    environment: dict[str, str], remote: str | None, source: str | None
) -> None:
    assert source_of(environment, remote) == source

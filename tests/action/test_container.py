"""The Action as GitHub runs it: its own Dockerfile built, and a workflow of a demo repository run on a pushed tag."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import BIN, World
from tests.wrapping.images import parts

pytestmark = [pytest.mark.xdist_group("action-image"), pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
CERTIFICATES = Path("/etc/ssl/certs")

WORKFLOW = """\
on:
  push:
    tags: ["**"]
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: ./.tagboat
        id: tagboat
      - run: echo "said $STATUS $EVENT $ARTIFACT $VERSION"
        shell: sh
        env:
          STATUS: ${{ steps.tagboat.outputs.status }}
          EVENT: ${{ steps.tagboat.outputs.event }}
          ARTIFACT: ${{ steps.tagboat.outputs.artifact }}
          VERSION: ${{ steps.tagboat.outputs.version }}
"""


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.Podman]:
    parts.needed("podman", "runc", "skopeo", "debootstrap")
    folder = parts.roomy(tmp_path_factory.mktemp("podman"))
    podman = parts.Podman(Path(tempfile.mkdtemp(prefix="tagboat-podman-", dir=folder)))
    yield podman
    podman.close()


@pytest.fixture(scope="module")
def action(podman: parts.Podman) -> str:
    """The image that the Dockerfile makes on Debian's own slim Python."""
    archive = podman.folder / "base.tar"
    parts.copy(f"oci:{parts.debian_base()}:it", f"docker-archive:{archive}:docker.io/library/{parts.SLIM}")
    podman("load", "--quiet", "--input", str(archive))
    archive.unlink()
    # The machine's authorities are lent to the build, and are in no layer of it.
    podman("build", "--pull=missing", "--isolation=chroot", "--network=host", "--quiet",
           "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro", "--tag", "localhost/tagboat-action:test", str(ROOT),
           timeout=800)  # fmt: skip
    return "localhost/tagboat-action:test"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world", tmp_path / "cache")
    (world.work / ".github" / "workflows").mkdir(parents=True)
    world.write(".github/workflows/tagboat.yml", WORKFLOW)
    return world


@contextlib.contextmanager
def docker_socket(podman: parts.Podman) -> Iterator[str]:
    """Podman as a Docker engine."""
    socket = podman.folder / "docker.sock"
    process = subprocess.Popen(podman.command("system", "service", "--time=0", f"unix://{socket}"),
                               env=podman.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not socket.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait(20)


def test_it_starts_whatever_lies_in_the_working_directory(action: str, podman: parts.Podman, tmp_path: Path) -> None:
    for name in ("entrypoint", "click", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hostile')")
    out = podman("run", "--rm", "--volume", f"{tmp_path}:/github/workspace", "--workdir", "/github/workspace",
                 "--entrypoint", "/opt/tagboat/bin/tagboat", action, "--version")  # fmt: skip
    assert out.startswith("tagboat ")


def test_a_pushed_tag_runs_the_built_action_in_a_workflow_from_checkout_to_outputs(
    action: str, podman: parts.Podman, world: World, tmp_path: Path
) -> None:
    text = (ROOT / "action.yml").read_text()
    assert "image: Dockerfile" in text
    world.write(".tagboat/action.yml", text.replace("image: Dockerfile", f"image: docker://{action}"))
    commit = world.register("v0.1.0", seed=1)
    event = {
        "ref": "refs/tags/iris@v0.1.0", "before": "0" * 40, "after": commit, "created": True, "deleted": False,
        "repository": {"full_name": "octo/models", "name": "models", "default_branch": "main", "owner": {"login": "octo"}},
        "sender": {"login": "octocat"}, "head_commit": {"id": commit},
    }  # fmt: skip
    (tmp_path / "event.json").write_text(json.dumps(event))
    settings = tmp_path / "settings" / "act"
    settings.mkdir(parents=True)
    (settings / "actrc").touch()  # or act would ask which images to use
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes((CERTIFICATES / "ca-certificates.crt").read_bytes())
    with docker_socket(podman) as socket:
        environment = {**os.environ, "DOCKER_HOST": socket, "XDG_CACHE_HOME": str(tmp_path / "act"),
                       "XDG_CONFIG_HOME": str(settings.parent)}  # fmt: skip
        command = [
            str(BIN / "act"), "push", "--eventpath", str(tmp_path / "event.json"), "--pull=false", "--network", "host",
            "--platform", f"ubuntu-latest=docker.io/library/{parts.SLIM}", "--container-daemon-socket", socket,
            # The demo's origin and DVC remote are folders beside its checkout.
            "--container-options", f"-v {tmp_path}:{tmp_path}", "--env", f"SSL_CERT_FILE={authorities}",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=world.work, env=environment, text=True, capture_output=True, check=False,
                              timeout=400)  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "preflight of iris v0.1.0: passed" in done.stdout
    assert "model code runs as root" not in done.stdout
    assert "said unchanged registration iris v0.1.0" in done.stdout

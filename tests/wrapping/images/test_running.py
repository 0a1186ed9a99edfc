"""What is built runs: in podman, as a pod would run it, as SageMaker does, and as whoever loads an archive would."""

from __future__ import annotations

import json
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from deployers.sagemaker import archive
from deployers.wrapping import image
from deployers.wrapping.bundle import Bundle
from deployers.wrapping.image import Image, ModelPlace, Pushed, places
from deployers.wrapping.images.store import Store
from tests.wrapping import models
from tests.wrapping.images import parts
from tests.wrapping.images.conftest import Yard, program_cache

pytestmark = [pytest.mark.xdist_group("images"), pytest.mark.slow, pytest.mark.timeout(900)]

POD = ("--read-only", "--user", "10001:10001", "--cap-drop=ALL", "--tmpfs", "/tmp")


@pytest.fixture(scope="module")
def iris(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("model")
    features, species = load_iris(return_X_y=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(features, species), folder / "iris.joblib")
    return models.wrapped(folder, "iris.joblib", models.requirements(), program_cache(shared_cache))


@pytest.fixture
def pushed(real_yard: Yard, iris: Bundle, registry: parts.RealRegistry) -> tuple[Image, Pushed]:
    made = real_yard.build(iris)
    return made, real_yard.push(made, f"{registry.plain}/acme/running")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def asked(port: int, path: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, json.loads(answer.read() or b"null")


def predicted(podman: parts.Podman, container: str, port: int) -> Any:
    """The answer to one flower, as soon as the server listens; a container that ended shows its log."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            return asked(port, "/predict", {"data": [[6.7, 3.0, 5.2, 2.3]]})
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
        except OSError:
            state = podman("inspect", "--format", "{{.State.Running}}", container).strip()
            assert state == "true", podman("logs", container)
        time.sleep(0.1)
    raise AssertionError(podman("logs", container))


@pytest.fixture
def pulled(pushed: tuple[Image, Pushed], podman: parts.Podman) -> str:
    podman("pull", "--quiet", "--tls-verify=false", f"docker://{pushed[1].reference}")
    return pushed[1].reference


@pytest.mark.parametrize("command", [(), ("serve",)], ids=["as a pod runs it", "as SageMaker runs it"])
def test_it_serves_with_nothing_but_its_own_command(
    pulled: str, podman: parts.Podman, command: tuple[str, ...]
) -> None:
    port = free_port()
    told = ("--env", "TAGBOAT_RELEASE=r1", "--env", f"SAGEMAKER_BIND_TO_PORT={port}")
    with podman.running(pulled, *command, options=[*(() if command else POD), *told]) as container:
        status, answer = predicted(podman, container, port)
        assert (status, answer["predictions"], answer["release"]) == (200, [2], "r1")
        user = podman("exec", container, "cat", "/proc/1/status").split("Uid:")[1].split()[0]
        assert user == ("0" if command else "10001")


# The container contract of SageMaker (AWS, "Custom Inference Code with Hosting Services")


@pytest.fixture(scope="module")
def unpacked(iris: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/opt/ml/model as SageMaker makes it of our model.tar.gz."""
    folder = tmp_path_factory.mktemp("opt-ml-model")
    made = archive.make(iris, Store(tmp_path_factory.mktemp("store")))
    with tarfile.open(made.path) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.fixture
def hosted(real_yard: Yard, iris: Bundle, registry: parts.RealRegistry, podman: parts.Podman) -> str:
    """An image that brings no model."""
    there = real_yard.push(real_yard.build(iris, model=ModelPlace.MOUNTED), f"{registry.plain}/acme/hosted")
    podman("pull", "--quiet", "--tls-verify=false", f"docker://{there.reference}")
    return there.reference


def test_sagemaker_brings_the_model_asks_ping_and_invocations_and_ends_it_with_nothing_lost(
    hosted: str, unpacked: Path, podman: parts.Podman
) -> None:
    port = free_port()
    told = ("--env", "TAGBOAT_RELEASE=r1", "--env", f"SAGEMAKER_BIND_TO_PORT={port}")
    options = [*told, "--volume", f"{unpacked}:/opt/ml/model:ro"]
    with podman.running(hosted, "serve", options=options) as container:
        predicted(podman, container, port)
        kept = HTTPConnection("127.0.0.1", port, timeout=30)
        kept.request("GET", "/ping")
        welcome = kept.getresponse()
        assert (welcome.status, len(welcome.read()) < 1000) == (200, True)
        rows = b"6.7,3.0,5.2,2.3\n5.1,3.5,1.4,0.2\n"
        kept.request("POST", "/invocations", rows, {"content-type": "text/csv", "accept": "application/json"})
        answer = kept.getresponse()
        assert (answer.status, json.loads(answer.read())["predictions"]) == (200, [2, 0])
        assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "tagboat-release=r1"
        kept.request("POST", "/invocations", b"[[1]]", {"content-type": "application/json"})
        refused = kept.getresponse()
        assert (400 <= refused.status < 500, "error" in json.loads(refused.read())) == (True, True)
        body = b"[[6.7, 3.0, 5.2, 2.3]]"  # and one that is under way when the container is to end
        kept.putrequest("POST", "/invocations")
        for name, value in (("content-type", "application/json"), ("content-length", str(len(body)))):
            kept.putheader(name, value)
        kept.endheaders(body[:5])
        podman("kill", "--signal", "TERM", container)
        while "draining" not in logged(podman, container):
            time.sleep(0.05)
        kept.send(body[5:])
        last = kept.getresponse()
        assert (last.status, json.loads(last.read())["predictions"]) == (200, [2])
        kept.close()
        assert podman("wait", container, timeout=30).strip() == "0", "SageMaker kills after 30 seconds"


def test_without_a_model_the_container_ends_and_its_log_says_what_is_missing(hosted: str, podman: parts.Podman) -> None:
    with podman.running(hosted, "serve") as container:
        assert podman("wait", container, timeout=60).strip() == "2"
        assert "no model.json in /opt/ml/model" in logged(podman, container)


def logged(podman: parts.Podman, container: str) -> str:
    """All that a container has written."""
    said = subprocess.run(podman.command("logs", container), env=podman.environment, capture_output=True, text=True,
                          check=True)  # fmt: skip
    return said.stdout + said.stderr


# What is in it


def test_its_environment_is_a_real_one_with_pth_files_and_metadata(pulled: str, podman: parts.Podman) -> None:
    ask = (
        "import json, sys, sysconfig, importlib.metadata as m\n"
        "print(json.dumps([sys.prefix, sys.prefix != sys.base_prefix, m.version('scikit-learn'),\n"
        "                  sysconfig.get_path('purelib'), 'site' in sys.modules]))"
    )
    out = podman("run", "--rm", "--entrypoint", "/opt/tagboat/venv/bin/python", pulled, "-I", "-c", ask)
    prefix, virtual, version, purelib, site = json.loads(out)
    assert (prefix, virtual, site) == ("/opt/tagboat/venv", True, True)
    assert f"scikit-learn=={version}" in models.SKLEARN
    assert purelib == "/opt/tagboat/venv/lib/python3.11/site-packages"


def test_skopeo_sees_the_image_that_was_meant(pushed: tuple[Image, Pushed]) -> None:
    made, there = pushed
    said = json.loads(
        subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{there.reference}"], check=True,
                       capture_output=True).stdout
    )  # fmt: skip
    assert said["Digest"] == made.digest
    assert said["Labels"]["io.tagboat.bundle"] == made.bundle.digest


def test_an_archive_is_loaded_and_serves_the_same(
    pushed: tuple[Image, Pushed], real_yard: Yard, podman: parts.Podman, tmp_path: Path
) -> None:
    file = tmp_path / "iris.tar"
    image.save_archive(pushed[0], file, registries=real_yard.registries, name="docker.io/acme/iris:v1")
    assert "docker.io/acme/iris:v1" in podman("load", "--quiet", "--input", str(file))
    port = free_port()
    told = ("--env", f"SAGEMAKER_BIND_TO_PORT={port}")
    with podman.running("docker.io/acme/iris:v1", options=told) as container:
        assert predicted(podman, container, port)[1]["predictions"] == [2]


def test_a_layout_holds_the_image_and_what_is_attached_to_it(
    pushed: tuple[Image, Pushed], real_yard: Yard, tmp_path: Path
) -> None:
    made, _ = pushed
    folder = tmp_path / "layout"
    for _again in range(2):
        image.save_layout(made, folder, registries=real_yard.registries, tag="v1")
    out = subprocess.run(["skopeo", "inspect", "--raw", f"oci:{folder}:v1"], check=True, capture_output=True).stdout
    assert out == made.document
    listed = json.loads((folder / "index.json").read_text())["manifests"]
    assert {one.get("artifactType") for one in listed} == {
        None,
        "application/vnd.cyclonedx+json",
        "application/vnd.in-toto+json",
    }
    parts.copy(f"oci:{folder}:v1", f"dir:{tmp_path / 'checked'}")


def test_a_model_in_a_store_is_fetched_by_an_init_container_and_served(
    real_yard: Yard,
    iris: Bundle,
    registry: parts.RealRegistry,
    podman: parts.Podman,
    s3: Mapping[str, str],
    tmp_path: Path,
) -> None:
    made = real_yard.build(iris, model=ModelPlace.OBJECT_STORAGE, model_store="s3://models/prod")
    real_yard.environment = s3
    there = real_yard.push(made, f"{registry.plain}/acme/stored")
    podman("pull", "--quiet", "--tls-verify=false", f"docker://{there.reference}")
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o777)  # as an emptyDir is
    mount = f"{volume}:{places.MODEL}"
    variables = [word for name, value in s3.items() for word in ("--env", f"{name}={value}")]
    entry, *rest = places.FETCH_COMMAND
    podman("run", "--rm", *POD, "--volume", mount, *variables, "--entrypoint", entry, there.reference, *rest)
    port = free_port()
    options = [*POD, "--volume", f"{mount}:ro", "--env", f"SAGEMAKER_BIND_TO_PORT={port}"]
    with podman.running(there.reference, options=options) as container:
        assert predicted(podman, container, port)[1]["predictions"] == [2]

"""`tagboat serve`: a model of the registry or of the working tree, tried by hand, and nothing left of it afterwards."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.world import FLOWER, World, ask

pytestmark = pytest.mark.slow

SECRET = {"AWS_SECRET_ACCESS_KEY": "canary-of-the-shell"}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> World:
    """One registered version, in no stage; its model is checked out too, and lies beside a copy that nobody knows."""
    world = World(tmp_path_factory.mktemp("tried"), cache)
    world.write("models/requirements.txt", (world.work / "requirements.txt").read_text())
    world.register("v0.1.0", 1)
    shutil.copy(world.work / "models" / "iris.joblib", world.work / "models" / "draft.joblib")
    return world


@contextmanager
def serving(world: World, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Mapping[str, Any]]]:
    """The command, and the document that it prints when it serves."""
    command = world.command("serve", *arguments, "--port", "0", "--json")
    process = subprocess.Popen(command, cwd=world.work, text=True, env={**world.environment, **SECRET},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    try:
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        assert text, process.communicate(timeout=60)[1]
        yield process, json.loads(text)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)


def started_by(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = psutil.Process(process.pid).children(recursive=True)
    assert any("tagboat_server" in " ".join(child.cmdline()) for child in found)
    return found


def test_a_ref_is_served_until_ctrl_c_and_nothing_is_recorded(tried: World) -> None:
    with serving(tried, "iris@v0.1.0") as (process, document):
        url = document["url"]
        assert (document["artifact"], document["version"]) == ("iris", "v0.1.0")
        assert document["methods"][:2] == ["predict", "predict_proba"]
        status, headers, answer = ask(url)
        assert (status, answer["predictions"]) == (200, ["virginica"])
        assert headers["x-tagboat-release"] == document["release"]
        for line in document["curl"]:
            command = shlex.split(line["command"])
            assert command[0] == "curl"
            done = subprocess.run([*command, "-sf"], capture_output=True, check=False, text=True, timeout=30)
            assert done.returncode == 0, (line, done.stderr)
            assert any(kind in done.stdout for kind in ("setosa", "versicolor", "virginica"))
        assert [line["protocol"] for line in document["curl"]] == ["Tagboat", "Open Inference", "SageMaker, MLflow"]
        children = started_by(process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    assert gone
    assert "POST /predict 200" in said
    assert '"event"' not in said
    assert "finishing what is open" in said
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)
    assert tried.tagboat("status").out["slots"] == []


def test_a_file_of_the_working_tree_is_served_without_a_secret_and_dies_with_us(tried: World) -> None:
    with serving(tried, "models/draft.joblib", "--method", "predict_proba") as (process, document):
        assert (document["artifact"], document["version"], document["commit"]) == ("draft", None, None)
        assert [line["protocol"] for line in document["curl"]] == ["Tagboat", "Open Inference"]
        assert ask(document["url"], [FLOWER], "predict_proba")[0] == 200
        children = started_by(process)
        for child in children:
            assert "canary-of-the-shell" not in str(child.environ())
        process.kill()
        process.wait(60)
    assert not psutil.wait_procs(children, timeout=30)[1]


def test_a_path_that_an_artifact_has_gets_the_artifacts_settings(tried: World) -> None:
    with serving(tried, "models/iris.joblib") as (process, document):
        assert document["artifact"] == "iris"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_a_taken_port_is_told_before_anything_is_wrapped(tried: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = tried.tagboat("serve", "iris@v0.1.0", "--port", str(port))
    assert done.code == 2
    assert done.out["error"]["message"] == "the port is taken"
    assert done.out["error"]["where"] == f"127.0.0.1:{port}"
    assert "wrap" not in done.errors


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("iris@v9.9.9", "this version is not registered"),
        ("iris#prod", "no version is in this stage"),
        ("nobody", "no such artifact is registered"),
        ("models/nothing.joblib", "there is no such file or folder"),
        ("./iris@v0.1.0", "there is no such file or folder"),
        ("../elsewhere.joblib", "the path is outside of the checkout"),
        ("/etc/hostname", "the path is outside of the checkout"),
    ],
)
def test_what_cannot_be_served_is_told(tried: World, what: str, message: str) -> None:
    (tried.folder / "elsewhere.joblib").touch()
    done = tried.tagboat("serve", what, "--port", "0")
    assert done.code == 2
    assert message in done.out["error"]["message"]


def test_a_method_that_the_model_lacks_is_told(tried: World) -> None:
    done = tried.tagboat("serve", "iris", "--port", "0", "--method", "transform")
    assert done.code == 2
    assert done.out["error"]["hint"].startswith("It has predict, predict_proba")


def test_a_model_that_cannot_be_loaded_ends_with_one(tried: World) -> None:
    (tried.work / "models" / "broken.joblib").write_bytes(b"\x80\x04N.")
    done = tried.tagboat("serve", "models/broken.joblib", "--port", "0")
    assert done.code == 1
    assert "no method to serve" in done.out["error"]["message"]


def test_a_server_that_ends_by_itself_ends_the_command(tried: World) -> None:
    with serving(tried, "iris@v0.1.0") as (process, _):
        (server,) = [child for child in started_by(process) if "tagboat_server" in " ".join(child.cmdline())]
        os.kill(server.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == 1

"""A whole small world on real parts: a checkout with DVC and GTO, the repository it is pushed to, and this program."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import msgspec

BIN = Path(sys.executable).parent

FLOWER = {"sepal_length": 6.7, "sepal_width": 3.0, "petal_length": 5.2, "petal_width": 2.3}

CONFIGURATION = """\
targets:
  here: {deployer: local}
stages:
  dev: {targets: [here]}
artifacts:
  iris: {requirements: requirements.txt}
smoke:
  - input: {data: [{sepal_length: 6.7, sepal_width: 3.0, petal_length: 5.2, petal_width: 2.3}]}
"""


class Done(msgspec.Struct, frozen=True):
    """A finished command: exit code, what stdout held (as JSON where it was asked for), what stderr held."""

    code: int
    out: Any
    errors: str


class World:
    """``folder`` holds everything; ``cache`` may be shared between worlds, since all in it is content-addressed."""

    def __init__(self, folder: Path, cache: Path, configuration: str = CONFIGURATION) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.origin = folder / "origin.git"
        self.seconds = 1_700_000_000
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "INPUT_", "GIT_"))},
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "test@example.com",
            "GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "test@example.com",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(cache),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        self.work.mkdir(parents=True)
        self.run("git", "init", "-q", "--bare", "-b", "main", str(self.origin), at=folder)
        self.run("git", "init", "-q", "-b", "main")
        with self.dvc(init=True) as dvc, dvc.config.edit() as config:
            config["remote"]["storage"] = {"url": str(folder / "storage")}
            config["core"]["remote"] = "storage"
        self.run("git", "remote", "add", "origin", str(self.origin))
        self.write("tagboat.yaml", configuration)
        self.write("requirements.txt", "".join(f"{name}=={_version(name)}\n" for name in ("pandas", "scikit-learn")))
        self.write("dvc.yaml", "artifacts:\n  iris:\n    path: models/iris.joblib\n    type: model\n")
        self.commit("Begin")

    # The data scientist

    def write(self, path: str, content: str) -> None:
        file = self.work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def commit(self, message: str) -> str:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "--allow-empty", "-m", message)
        self.run("git", "push", "-q", "origin", "main")
        return self.run("git", "rev-parse", "HEAD").strip()

    def train(self, seed: int, *, columns: int = 4) -> str:
        """Train a small model, other for every seed, track it with DVC, push it; returns the commit."""
        import joblib
        import pandas as pd
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression

        flowers = load_iris(as_frame=True)
        features = flowers.data.set_axis(list(FLOWER), axis="columns").iloc[:, :columns]
        species = flowers.target.map(dict(enumerate(flowers.target_names)))
        sample = features.sample(120, random_state=seed)
        model = LogisticRegression(max_iter=500).fit(sample, species[sample.index])
        assert isinstance(sample, pd.DataFrame)
        (self.work / "models").mkdir(exist_ok=True)
        (self.work / "models" / "iris.joblib").unlink(missing_ok=True)
        joblib.dump(model, self.work / "models" / "iris.joblib")
        with self.dvc() as dvc:
            dvc.add(str(self.work / "models" / "iris.joblib"))
            dvc.push()
        return self.commit(f"Train with seed {seed}")

    @contextmanager
    def dvc(self, *, init: bool = False) -> Iterator[Any]:
        """DVC itself, in this process: its command line takes a second to start. Its own warnings and hints are its own."""
        from dvc.repo import Repo

        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with Repo.init(str(self.work)) if init else Repo(str(self.work)) as repo:
                yield repo

    def tag(self, name: str, commit: str = "HEAD") -> None:
        """An annotated tag as GTO writes it, one second after the one before; pushed."""
        self.seconds += 1
        self.run("git", "tag", "-a", name, "-m", name, commit, more={"GIT_COMMITTER_DATE": f"{self.seconds} +0000"})
        self.run("git", "push", "-q", "origin", f"refs/tags/{name}")

    def register(self, version: str, seed: int, *, stage: str | None = None, columns: int = 4) -> str:
        """Train, register, and assign where a stage is given."""
        commit = self.train(seed, columns=columns)
        self.tag(f"iris@{version}", commit)
        if stage is not None:
            self.assign(version, stage)
        return commit

    def assign(self, version: str, stage: str) -> str:
        counter = len(self.run("git", "tag", "-l", "iris#*").split()) + 1
        name = f"iris#{stage}#{counter}"
        self.tag(name, f"iris@{version}^{{commit}}")
        return name

    # This program

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "entrypoint", *arguments]

    def inside(self, *arguments: str) -> dict[str, Any]:
        """The JSON answer of a command that runs in this process, which has imported everything already."""
        from entrypoint.cli import run
        from entrypoint.commands.context import Context

        stdout = io.StringIO()
        run(Context(self.work, self.environment, stdout=stdout, stderr=io.StringIO()), [*arguments, "--json"])
        return dict(json.loads(stdout.getvalue()))

    def tagboat(self, *arguments: str, at: Path | None = None, more: Mapping[str, str] | None = None) -> Done:
        """Run a command with --json."""
        done = subprocess.run(self.command(*arguments, "--json"), cwd=at or self.work, text=True, capture_output=True,
                              env={**self.environment, **(more or {})}, check=False, timeout=240)  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, json.loads(done.stdout), done.stderr)

    def killed(self, *arguments: str, after: str) -> None:
        """Run a command and kill -9 it as soon as its log says ``after``."""
        process = subprocess.Popen(self.command(*arguments), cwd=self.work, text=True, env=self.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if after in line:
                process.send_signal(signal.SIGKILL)
                break
        else:
            raise AssertionError(f"the command ended without saying {after!r}")
        process.communicate(timeout=60)

    def slot(self, stage: str = "dev") -> dict[str, Any]:
        """What ``tagboat status`` says of the one slot of a stage."""
        (slot,) = self.tagboat("status", "--stage", stage).out["slots"]
        return dict(slot)

    def servers(self) -> list[int]:
        """The process ids of this world's model servers."""
        import psutil

        ours = str(self.folder)
        return [process.pid for process in psutil.process_iter(["cmdline"])
                if "tagboat_server" in (line := " ".join(process.info["cmdline"] or [])) and ours in line]  # fmt: skip

    def stop(self) -> None:
        """Take down whatever still runs."""
        if (self.folder / "state").exists():
            for slot in self.tagboat("status").out["slots"]:
                if slot["health"] != "absent":
                    self.tagboat("remove", f"{slot['artifact']}#{slot['stage']}", "--no-tag", "--yes")

    def run(self, *command: str, at: Path | None = None, more: Mapping[str, str] | None = None) -> str:
        words = [shutil.which(command[0], path=self.environment["PATH"]) or command[0], *command[1:]]
        done = subprocess.run(words, cwd=at or self.work, env={**self.environment, **(more or {})}, text=True,
                              capture_output=True, check=False)  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout


def ask(url: str, data: Any = None, method: str = "predict") -> tuple[int, Mapping[str, str], Any]:
    """One question to a served model: status, headers, answer."""
    body = json.dumps({"data": [FLOWER] if data is None else data}).encode()
    request = urllib.request.Request(f"{url}/{method}", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, dict(response.headers), json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), json.loads(error.read())


def _version(distribution: str) -> str:
    from importlib.metadata import version

    return version(distribution)

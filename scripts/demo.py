"""The main job on real parts, in a temporary folder: a tag is pushed, and a model answers over HTTP.

Plays both people. The data scientist trains a model, tracks it with DVC, tags it with GTO and pushes. The runner
does what GitHub's does: clones the pushed tag and starts the Action's own entry point with the event's payload.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.rule import Rule

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "iris"
BIN = Path(sys.executable).parent
SEPALS = {"sepal_length": 6.7, "sepal_width": 3.0, "petal_length": 5.2, "petal_width": 2.3}

page = Console(highlight=False)


def main() -> None:
    """Play the demo; whatever happens, what it started is stopped and what it wrote is removed."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tagboat-demo-") as folder:
        demo = Demo(Path(folder))
        try:
            demo.play()
        finally:
            demo.stop()
    page.print(f"\nEverything the demo started is stopped, its folder is gone. {time.monotonic() - started:.0f} s.")


class Demo:
    """One temporary world: a data scientist's checkout, a Git server's repository, a DVC remote, a runner."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.origin = folder / "origin.git"
        self.runner = folder / "runner"
        self.scientist = folder / "scientist"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "INPUT_"))},
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "Demo", "GIT_AUTHOR_EMAIL": "demo@example.com",
            "GIT_COMMITTER_NAME": "Demo", "GIT_COMMITTER_EMAIL": "demo@example.com",
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "UV_CACHE_DIR": self._uv_cache(),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip

    def play(self) -> None:
        """Tell the story from an empty folder to a replaced model."""
        self.make_repository()
        self.train("v0.1.0", trees=10)
        chapter("The tag is pushed; the Action's entry point takes it from here")
        outputs = self.push_and_run("iris#dev#1")
        prediction = predict(outputs["url"])
        page.print(f"\n[bold]A prediction[/] from {outputs['url']}: {json.dumps(prediction)}")
        page.print(
            "Ask it yourself while it runs:", f"  {curl(outputs['url'])}", sep="\n", soft_wrap=True, markup=False
        )
        self.preflight_the_mlem_model()
        self.train("v0.2.0", trees=40)
        chapter("v0.2.0 goes over it while requests run")
        with requests_running(outputs["url"]) as counts:
            second = self.push_and_run("iris#dev#2")
        answers = sum(counts.values())
        lost = answers - sum(count for key, count in counts.items() if key.startswith("release "))
        page.print(f"\n[bold]{answers} requests ran meanwhile, {lost} were lost:[/]")
        for key, count in counts.items():
            page.print(f"  {count:6} × {key}", markup=False)
        if lost or second["version"] != "v0.2.0" or len(counts) < 2:
            sys.exit("demo: the swap lost requests, or did not happen")
        chapter("What the registry and the target say now")
        self.run("tagboat", "show", at=self.work)
        self.run("tagboat", "status", at=self.work)

    def make_repository(self) -> None:
        """Make the Git repository with DVC, its remote, and a bare repository to push to."""
        chapter("A Git repository with DVC")
        self.quiet("git", "init", "--quiet", "--bare", "--initial-branch=main", self.origin, at=self.folder)
        shutil.copytree(EXAMPLE, self.work)
        self.quiet("git", "init", "--quiet", "--initial-branch=main", at=self.work)
        self.run("dvc", "init", "--quiet", at=self.work)
        self.run("dvc", "remote", "add", "--default", "storage", str(self.folder / "storage"), at=self.work)
        self.quiet("git", "remote", "add", "origin", str(self.origin), at=self.work)
        self.commit("Begin")
        page.print("Making the data scientist's environment (scikit-learn, DVCLive, MLEM) …")
        self.quiet("uv", "venv", "--quiet", "--no-config", "--python", sys.executable, self.scientist, at=self.folder)
        self.quiet("uv", "pip", "install", "--quiet", "--no-config", "--python", self.scientist / "bin" / "python",
                   "--require-hashes", "-r", ROOT / "requirements" / "demo.lock", at=self.folder)  # fmt: skip

    def train(self, version: str, trees: int) -> None:
        """Train, track with DVC, register with GTO and assign to dev."""
        chapter(f"{version}: train, track, register, assign")
        self.quiet(self.scientist / "bin" / "python", "train.py", "--trees", str(trees), at=self.work)
        page.print("metrics:", (self.work / "dvclive" / "metrics.json").read_text(), markup=False)
        self.run("dvc", "add", "--quiet", "models/iris.joblib", "models/iris-mlem", at=self.work)
        self.commit(f"Train iris with {trees} trees")
        self.run("dvc", "push", "--quiet", at=self.work)
        self.quiet("git", "push", "--quiet", "origin", "main", at=self.work)
        self.run("gto", "register", "iris", "--version", version, at=self.work)
        self.run("gto", "assign", "iris", "--version", version, "--stage", "dev", at=self.work)

    def preflight_the_mlem_model(self) -> None:
        """Register the MLEM model: wrapped, started, asked and taken down, so that an assignment is quick."""
        chapter("A registration is a preflight: the same model, saved with MLEM")
        self.run("gto", "register", "iris-mlem", "--version", "v0.1.0", at=self.work)
        self.push_and_run("iris-mlem@v0.1.0")

    def push_and_run(self, tag: str) -> dict[str, str]:
        """Push a tag and do what GitHub's runner does with it; returns the Action's outputs."""
        self.run("git", "push", "--quiet", "origin", "--tags", at=self.work)
        shutil.rmtree(self.runner, ignore_errors=True)
        checkout = self.runner / "workspace"
        self.quiet("git", "clone", "--quiet", "--depth", "1", "--branch", tag, self.origin.as_uri(), checkout,
                   at=self.folder)  # fmt: skip
        files = {name: self.runner / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.touch()
        event = self.runner / "event.json"
        event.write_text(json.dumps(self.push_payload(tag)))
        action = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REF": f"refs/tags/{tag}",
            "GITHUB_REPOSITORY": "demo/irises",
            "GITHUB_WORKSPACE": str(checkout),
            "INPUT_COMMAND": "auto",
            **{name: str(path) for name, path in files.items()},
        }
        show_command("python", "-P", "-m", "entrypoint", "action")
        started = time.monotonic()
        with subprocess.Popen([sys.executable, "-P", "-m", "entrypoint", "action"], cwd=checkout, text=True,
                              env={**self.environment, **action}, stdout=subprocess.PIPE) as done:  # fmt: skip
            show_log(done.stdout or ())
        page.print(f"[dim]exit code {done.returncode} after {time.monotonic() - started:.1f} s[/]")
        page.print(Rule("the step summary", style="dim"))
        page.print(Markdown(files["GITHUB_STEP_SUMMARY"].read_text()))
        page.print(Rule(style="dim"))
        if done.returncode:
            sys.exit("demo: the run failed")
        return read_outputs(files["GITHUB_OUTPUT"].read_text())

    def push_payload(self, tag: str) -> dict[str, Any]:
        """GitHub's ``push`` event for a new tag, with the fields that GitHub documents for it."""
        commit = self.output("git", "rev-parse", f"{tag}^{{commit}}", at=self.work)
        owner = {"name": "demo", "login": "demo", "id": 1, "type": "User"}
        return {
            "ref": f"refs/tags/{tag}",
            "before": "0" * 40,
            "after": self.output("git", "rev-parse", f"refs/tags/{tag}", at=self.work),
            "created": True,
            "deleted": False,
            "forced": False,
            "base_ref": "refs/heads/main",
            "compare": f"https://github.com/demo/irises/compare/{tag}",
            "commits": [],
            "head_commit": {"id": commit, "message": "", "timestamp": "2026-01-01T00:00:00Z"},
            "repository": {"id": 1, "name": "irises", "full_name": "demo/irises", "default_branch": "main",
                           "private": True, "owner": owner, "html_url": "https://github.com/demo/irises",
                           "url": "https://github.com/demo/irises"},
            "pusher": {"name": "demo", "email": "demo@example.com"},
            "sender": owner,
        }  # fmt: skip

    def stop(self) -> None:
        """Take the served model down, whatever was reached."""
        if (self.folder / "state").exists():
            done = subprocess.run([BIN / "tagboat", "remove", "iris#dev", "--no-tag", "--yes"], cwd=self.work,
                                  env=self.environment, capture_output=True, text=True, check=False)  # fmt: skip
            if done.returncode:
                page.print("demo: could not stop the model:", done.stderr, markup=False)

    def commit(self, message: str) -> None:
        """Commit everything that Git is to track."""
        self.quiet("git", "add", "--all", at=self.work)
        self.quiet("git", "commit", "--quiet", "--message", message, at=self.work)

    def run(self, *command: object, at: Path) -> None:
        """Show a command, run it, show what it prints."""
        show_command(*command)
        self._run(command, at, capture=False)

    def quiet(self, *command: object, at: Path) -> None:
        """Run a command whose output matters only when it fails."""
        self._run(command, at, capture=True)

    def output(self, *command: object, at: Path) -> str:
        """Run a command and return what it prints."""
        return self._run(command, at, capture=True).strip()

    def _run(self, command: tuple[object, ...], at: Path, *, capture: bool) -> str:
        words = [str(word) for word in command]
        words[0] = shutil.which(words[0], path=self.environment["PATH"]) or words[0]
        done = subprocess.run(words, cwd=at, env=self.environment, capture_output=capture, text=True, check=False)
        if done.returncode:
            page.print(done.stdout or "", done.stderr or "", markup=False)
            sys.exit(f"demo: `{' '.join(words)}` ended with {done.returncode}")
        return done.stdout or ""

    @staticmethod
    def _uv_cache() -> str:
        """The user's own uv cache: wheels downloaded once serve every later demo."""
        cache = os.environ.get("UV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return str(cache) if os.environ.get("UV_CACHE_DIR") else str(Path(cache) / "uv")


def chapter(title: str) -> None:
    """Begin a part of the story."""
    page.print()
    page.print(Rule(f"[bold]{title}[/]", align="left"))


def show_command(*command: object) -> None:
    """Print a command as one would type it."""
    page.print("$", *command, style="cyan", markup=False, soft_wrap=True)


def show_log(lines: Iterable[str]) -> None:
    """Show the step's log as GitHub does: groups as headings, other workflow commands not at all."""
    stopped = None
    for line in lines:
        command, _, text = (
            line.rstrip("\n").removeprefix("::").partition("::") if line.startswith("::") else ("", "", "")
        )
        if stopped is not None:
            stopped = None if command == stopped else stopped
            if stopped is None:
                continue
        elif command:
            stopped = text if command == "stop-commands" else None
            if command == "group":
                page.print(f"▾ {text}", style="bold", markup=False)
            continue
        page.print(f"  {line.rstrip()}", markup=False, soft_wrap=True)


def curl(url: str) -> str:
    """The line to try in a terminal."""
    return f"curl {url}/methods/predict -H 'content-type: application/json' -d '{json.dumps({'data': [SEPALS]})}'"


def predict(url: str) -> Any:
    """One real request."""
    body = json.dumps({"data": [SEPALS]}).encode()
    request = urllib.request.Request(f"{url}/methods/predict", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


@contextmanager
def requests_running(url: str) -> Iterator[Counter[str]]:
    """Two clients ask one question after the other, each on a new connection; what became of them is in the counter
    when the block is left."""
    outcomes = [Counter[str]() for _ in range(2)]
    total: Counter[str] = Counter()
    done = threading.Event()

    def client(counts: Counter[str]) -> None:
        while not done.is_set():
            try:
                counts[f"release {predict(url)['release'][:12]}"] += 1
            except OSError as error:
                counts[f"lost: {error}"] += 1
            done.wait(0.005)

    clients = [threading.Thread(target=client, args=(counts,)) for counts in outcomes]
    for thread in clients:
        thread.start()
    try:
        yield total
    finally:
        done.set()
        for thread in clients:
            thread.join()
        for counts in outcomes:
            total.update(counts)


def read_outputs(text: str) -> dict[str, str]:
    """Read GITHUB_OUTPUT as the runner does: ``name<<delimiter``, lines, delimiter."""
    outputs: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = []
        for part in lines:
            if part == delimiter:
                break
            value.append(part)
        outputs[name] = "\n".join(value)
    return outputs


if __name__ == "__main__":
    main()

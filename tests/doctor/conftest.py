from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from entrypoint.doctor import Finding, Patient, Report, examine
from entrypoint.errors import UnreachableError
from entrypoint.registry.repository import Repository
from tests.configuration.kinds_of_target import KINDS

GOOD_PERMISSIONS = "{contents: read, deployments: write, checks: write, pull-requests: write}"

GOOD_WORKFLOW = """
name: Tagboat
on:
  push: {tags: ["**"]}
  schedule: [{cron: "17 * * * *"}]
permissions: {contents: read, deployments: write, checks: write, pull-requests: write}
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: tagboat/tagboat@v0.1.0
        with: {command: reconcile}
"""

GOOD_CONFIGURATION = """
targets: {here: {deployer: local}}
stages: {dev: {targets: [here]}}
smoke: [{input: {data: [[1]]}}]
"""

GOOD_ANNOTATIONS = "artifacts: {iris: {path: models/iris.bin, type: model}}\n"


class Checkout:
    """A repository that a test shapes, and what the doctor says of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = 1_700_000_000
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str]] = []
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        self.clock += 10
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_NAME": "Ann" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "ann@example.org" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_DATE": f"@{self.clock} +0000" for who in ("AUTHOR", "COMMITTER")},
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def commit(self, files: Mapping[str, str]) -> None:
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "work")

    def tag(self, *names: str) -> None:
        for name in names:
            self.git("tag", "--annotate", name, "--message", "tag")

    def examine(self, **environment: str) -> Report:
        surroundings = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root.parent), **environment}
        return examine(Patient(Repository(self.root, surroundings), surroundings, self.ask, kinds=KINDS))

    def findings(self, check: str, **environment: str) -> list[Finding]:
        return [finding for finding in self.examine(**environment).findings if finding.check == check]

    def ask(self, address: str, token: str) -> Any:
        self.asked.append((address, token))
        if address not in self.answers:
            raise UnreachableError("GitHub answered 404 to the question for its rules")
        return self.answers[address]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """An empty repository."""
    root = tmp_path / "checkout"
    root.mkdir()
    return Checkout(root)


@pytest.fixture
def healthy(checkout: Checkout) -> Checkout:
    """A repository with nothing wrong: an annotated model, registered and staged, configuration and workflow."""
    checkout.commit(
        {
            "models/iris.bin": "model",
            "dvc.yaml": GOOD_ANNOTATIONS,
            "tagboat.yaml": GOOD_CONFIGURATION,
            ".github/workflows/tagboat.yml": GOOD_WORKFLOW,
        }
    )
    checkout.tag("iris@v1.0.0", "iris#dev#1")
    return checkout

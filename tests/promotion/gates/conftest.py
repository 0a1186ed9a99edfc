"""A version that may go from dev into prod, with both stages served from shelves that the test fills."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deployers.base import Slot, Surroundings
from entrypoint.configuration.gate_settings import AnyGate
from entrypoint.configuration.promotion_settings import PromotionRule
from entrypoint.promotion.context import Candidate, Context
from entrypoint.promotion.gates import GateResult, evaluate
from entrypoint.request import Command, Request
from entrypoint.workspace import Workspace
from tests.repositories import GitRepository, environment
from tests.shelves import TellingSettings, TellingShelf, shelves

__all__ = ["shelves"]

CONFIGURATION = """\
targets:
  here: {{deployer: telling, folder: {shelf}, mute: {mute}}}
stages:
  dev: {{targets: [here]}}
  prod:
    targets: [here]
    smoke:
      - input: {{data: [[1], [2]]}}
        expect: {{equal: [same, same]}}
artifacts:
  churn: {{sample: sample.json}}
promotion:
  prod: {{from: dev, gates: [{gate}]}}
"""


class Case:
    """``old`` and ``new``: the commits of v1.0.0, which is in prod, and of v1.1.0, which is in dev."""

    def __init__(self, folder: Path, registry: GitRepository, gate: str, mute: str, **variables: str) -> None:
        self.shelf = folder / "shelf"
        shutil.copytree(registry.path, folder / "work")
        self.git = replace(registry, path=folder / "work")
        text = CONFIGURATION.format(shelf=self.shelf, gate=gate, mute=mute)
        (self.git.path / "tagboat.yaml").write_text(text)
        self.new = self.git.head
        self.old = self.git.git("rev-parse", "HEAD^")
        self.now = float(self.git.time + 100)
        self.environment = environment(XDG_STATE_HOME=str(folder / "s"), XDG_CACHE_HOME=str(folder / "c"), **variables)
        self.serve("dev", "v1.1.0", self.new)
        self.serve("prod", "v1.0.0", self.old)
        self.answer("v1.0.0", {})
        self.answer("v1.1.0", {})

    @property
    def workspace(self) -> Workspace:
        return Workspace.open(Request(command=Command.RECONCILE, directory=self.git.path, environment=self.environment,
                                      clock=lambda: self.now, fetch=False))  # fmt: skip

    @cached_property
    def deployer(self) -> TellingShelf:
        folders = {"state": self.shelf, "cache": self.shelf}
        return TellingShelf("here", TellingSettings(folder=str(self.shelf)),
                            Surroundings(environment={}, clock=lambda: self.now, **folders))  # fmt: skip

    def serve(self, stage: str, version: str, commit: str, **more: Any) -> None:
        slot = Slot(artifact="churn", stage=stage, target="here")
        self.deployer.serve(slot, version, commit, at=self.now - 50, **more)

    def empty(self, stage: str) -> None:
        self.deployer.path(Slot(artifact="churn", stage=stage, target="here")).unlink()

    def answer(self, version: str, answers: Mapping[str, Any] | None) -> None:
        (self.shelf / f"answers-{version}.json").write_bytes(msgspec.json.encode(answers))

    def figure(self, stage: str, *figures: Mapping[str, float]) -> None:
        (self.shelf / f"figures-{stage}.json").write_bytes(msgspec.json.encode(figures))

    @property
    def context(self) -> Context:
        workspace = self.workspace
        rule = workspace.configuration.promotion["prod"]
        assert isinstance(rule, PromotionRule)
        candidate = Candidate(
            artifact="churn", version="v1.1.0", commit=self.new, source="dev", stage="prod", rule=rule
        )
        return Context(workspace, workspace.read_registry(), candidate)

    @property
    def gate(self) -> AnyGate:
        (gate,) = self.context.candidate.rule.gates
        assert not isinstance(gate, str)
        return gate

    def evaluate(self) -> GateResult:
        context = self.context
        (gate,) = context.candidate.rule.gates
        return evaluate(gate, context)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    """Made once; each case has a copy."""
    git = GitRepository.make(tmp_path_factory.mktemp("registry") / "work")
    rows = msgspec.json.encode({"data": [[number] for number in range(10)]})
    git.commit({"sample.json": rows, "rows.json": b'{"data": [[1], [2]]}'})
    git.register("churn", "v1.0.0")
    git.assign("churn", "prod")
    git.commit({"model": "new"})
    git.register("churn", "v1.1.0")
    git.assign("churn", "dev")
    return git


@pytest.fixture
def case(tmp_path: Path, registry: GitRepository, shelves: None) -> Callable[..., Case]:
    def make(gate: str, mute: str = "false", **variables: str) -> Case:
        return Case(tmp_path, registry, gate, mute, **variables)

    return make

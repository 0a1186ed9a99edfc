"""A registry on real Git, with a remote, and targets that are folders: all of a promotion but the models."""

from __future__ import annotations

import copy
import json
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployers.base import Deployer, Health, Release, Slot
from entrypoint.configuration import parse
from entrypoint.configuration.kinds import KnownKinds
from entrypoint.configuration.source import WorkingTree
from entrypoint.promotion.onward import Onward
from entrypoint.promotion.outcome import PromotionVerdict
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import Registry
from entrypoint.report.verdict import SlotVerdict, Status
from entrypoint.request import Command, Request
from entrypoint.workspace import Workspace
from tests.conformance.shelf import ShelfDeployer, ShelfSettings
from tests.repositories import START, GitRepository, environment

KINDS = KnownKinds({"shelf": ShelfSettings})

STAGES = """\
targets:
  one: {deployer: shelf, folder: FOLDER/one}
  two: {deployer: shelf, folder: FOLDER/two}
stages:
  dev: {targets: [one]}
  staging: {targets: [one, two]}
  prod: {targets: [one]}
"""

PROMOTION = """\
promotion:
  staging: {from: dev}
  prod: {from: staging}
"""


class Shelved(Workspace):
    """A workspace whose targets are shelves."""

    def deployer(self, target: str) -> Deployer:
        if target not in self._deployers:
            settings = self.target(target).settings
            assert isinstance(settings, ShelfSettings)
            Path(settings.folder).mkdir(parents=True, exist_ok=True)
            self._deployers[target] = ShelfDeployer(target, settings, self.surroundings)
        return self._deployers[target]


class World:
    """``now``: the clock of every run. ``failing``: slots that no release comes up in."""

    def __init__(self, folder: Path, configuration: str = PROMOTION, origin: Path | None = None) -> None:
        self.folder = folder
        self.origin = GitRepository(origin) if origin else GitRepository.make(folder / "origin.git", bare=True)
        self.git = GitRepository.make(folder / "work")
        self.git.git("remote", "add", "origin", str(origin or "../origin.git"))
        self.configuration = STAGES + configuration
        self.now = float(START + 10_000)
        self.failing: set[Slot] = set()
        self.brought: list[tuple[Slot, str | None]] = []

    def copied(self, folder: Path, configuration: str | None = None) -> World:
        """The same world in another folder: copying files is quicker than asking Git for all of it again."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        other = copy.copy(self)
        other.folder = folder
        other.origin = GitRepository(folder / "origin.git")
        other.git = replace(self.git, path=folder / "work", counters=dict(self.git.counters))
        other.configuration = self.configuration if configuration is None else STAGES + configuration
        other.failing, other.brought = set(), []
        return other

    # The registry

    def register(self, version: str, *, artifact: str = "churn", labels: Sequence[str] = (),
                 files: Mapping[str, str] | None = None, **metrics: Any) -> str:  # fmt: skip
        """A commit with metrics, registered; pushed with the next assignment."""
        annotation = {"artifacts": {artifact: {"path": "model.pkl", "labels": list(labels)}}, "metrics": ["metrics.json"],
                      "params": ["params.yaml"]}  # fmt: skip
        commit = self.git.commit({
            "dvc.yaml": json.dumps(annotation), "metrics.json": json.dumps(metrics), "version": version,
            "params.yaml": "train: {epochs: 7}\n", "model.pkl": b"\x80\x04N.", **(files or {}),
        })  # fmt: skip
        self.git.register(artifact, version)
        return commit

    def assign(self, stage: str, version: str, *, artifact: str = "churn", live: bool = True) -> str:
        """An assignment by hand; where ``live``, every target of the stage serves it, verified."""
        tags = self.git.git("tag", "--list").split()
        counter = len([tag for tag in tags if tag.startswith(f"{artifact}#")]) + 1
        name = f"{artifact}#{stage}#{counter}"
        self.git.tag(name, f"{artifact}@{version}^{{commit}}")
        self.push()
        if live:
            workspace = self.workspace(fetch=False)
            self.bring(workspace)(workspace.slots_of([(artifact, stage)]), name)
        return name

    def push(self) -> None:
        self.git.git("push", "--quiet", "origin", "main", "--tags", "--force")

    def clone(self, name: str) -> GitRepository:
        """Another clone of the same remote, which other runs work in."""
        self.push()
        return GitRepository.clone(self.origin.path, self.folder / name)

    def stages(self, artifact: str = "churn") -> dict[str, str]:
        """What the remote's registry says."""
        return dict(self.registry().artifacts[artifact].stages)

    def registry(self) -> Registry:
        return self.workspace().read_registry()

    def tags(self) -> list[str]:
        return self.origin.git("tag", "--list").split()

    def message(self, tag: str) -> str:
        return self.origin.git("for-each-ref", "--format=%(contents)", f"refs/tags/{tag}")

    # Runs

    def workspace(self, at: GitRepository | None = None, **asked: Any) -> Shelved:
        git = at or self.git
        request = Request(**{  # type: ignore[arg-type]
            "command": Command.PROMOTE, "directory": git.path, "environment": environment() | asked.pop("variables", {}),
            "clock": lambda: self.now, "cache": self.folder / "cache", **asked,
        })  # fmt: skip
        text = textwrap.dedent(self.configuration).replace("FOLDER", str(self.folder))
        repository = Repository(request.directory, request.environment, request.token)
        return Shelved(request, repository, WorkingTree(git.path, git.path), parse(text.encode(), kinds=KINDS))

    def bring(self, workspace: Workspace) -> Callable[[Sequence[Slot], str | None], list[SlotVerdict]]:
        """Puts on the shelf what the registry says, as the pipeline would after proving it."""

        def bring(slots: Sequence[Slot], tag: str | None) -> list[SlotVerdict]:
            registry = workspace.read_registry()
            verdicts = []
            for slot in slots:
                self.brought.append((slot, tag))
                wanted = workspace.wanted(registry, slot)
                assert wanted is not None
                shelf = workspace.deployer(slot.target)
                assert isinstance(shelf, ShelfDeployer)
                release = Release(slot=slot, version=wanted.version or "", commit=wanted.commit, bundle_digest="x",
                                  tag=wanted.tag)  # fmt: skip
                if slot in self.failing:
                    shelf.mark_failed(slot, release, "it does not come up")
                    verdicts.append(SlotVerdict(artifact=slot.artifact, stage=slot.stage, target=slot.target,
                                                status=Status.FAILED))  # fmt: skip
                    continue
                for _ in shelf.switch(slot, release, release.tag):
                    pass
                shelf.mark_verified(slot, release)
                assert shelf.observe(slot).health is Health.READY
                verdicts.append(SlotVerdict(artifact=slot.artifact, stage=slot.stage, target=slot.target,
                                            status=Status.LIVE, version=wanted.version, tag=tag))  # fmt: skip
            return verdicts

        return bring

    def onward(self, *, automatic: bool = False, asked: bool = False, at: GitRepository | None = None,
               **request: Any) -> Onward:  # fmt: skip
        workspace = self.workspace(at, **request)
        return Onward(workspace, self.bring(workspace), automatic=automatic, asked=asked)

    def promote(self, stage: str, *, artifact: str = "churn", **how: Any) -> PromotionVerdict:
        """Try one promotion; its verdict."""
        onward = self.onward(**how)
        onward.into(artifact, stage)
        return onward.promotions[0]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world before anything happened in it; to be copied."""
    return World(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def begun(empty: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world as `world` has it; to be copied."""
    made = empty.copied(tmp_path_factory.mktemp("begun"))
    made.register("v1.0.0", accuracy=0.9)
    made.assign("dev", "v1.0.0")
    return made


@pytest.fixture
def make(empty: World, tmp_path: Path) -> Callable[..., World]:
    """Makes a world with this ``promotion:``."""
    return lambda configuration=PROMOTION: empty.copied(tmp_path, textwrap.dedent(configuration))


@pytest.fixture
def world(begun: World, tmp_path: Path) -> World:
    """dev → staging (two targets) → prod, without gates; churn v1.0.0 is live in dev."""
    return begun.copied(tmp_path)

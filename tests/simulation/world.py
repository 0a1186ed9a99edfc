"""People who tag, runs that are told of it late, twice or never, and are killed half-way; all from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deployers.base import Slot
from entrypoint.configuration import settings_for
from entrypoint.errors import TagboatError
from entrypoint.report.progress import Silence
from entrypoint.report.verdict import Status, Verdict
from entrypoint.request import Command, Request
from entrypoint.run import run
from entrypoint.workspace import Workspace
from tests.conformance.shelf import ShelfDeployer
from tests.registry.gto import by_gto
from tests.repositories import GitRepository, environment

ARTIFACTS = ("churn", "models/nlp:bert")
STAGES = ("dev", "prod")
MODEL = "NUMBER = {number}\ndef predict(data):\n    return data\n"

CONFIGURATION = """\
targets:
  one: {{deployer: shelf, folder: {one}, prune: true}}
  two: {{deployer: shelf, folder: {two}, prune: true}}
stages:
  dev: {{targets: [one]}}
  prod: {{targets: [one, two]}}
artifacts:
  churn: {{path: model/predictor.py, requirements: [packaging==24.2]}}
  models/nlp:bert: {{path: model/predictor.py, requirements: [packaging==24.2]}}
registration: {{preflight: false}}
promotion:
  prod: {{from: dev, automatic: true}}
"""


class Killed(Silence):
    """Kills the run at its n-th step, as an operator or a runner does."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def step(self, *_: Any, **__: Any) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise KeyboardInterrupt


class World:
    """``people``: the clone that is tagged in, by as many as like to. ``runner``: the one that runs happen in."""

    def __init__(self, folder: Path, cache: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.shelves = {name: folder / name for name in ("one", "two")}
        for shelf in self.shelves.values():
            shelf.mkdir()
        origin = GitRepository.make(folder / "origin.git", bare=True)
        self.people = GitRepository.make(folder / "people")
        self.people.git("remote", "add", "origin", str(origin.path))
        self.people.commit({"tagboat.yaml": CONFIGURATION.format(**self.shelves), "README": "models"})
        self.people.git("push", "--quiet", "origin", "main")
        self.runner = GitRepository.clone(origin.path, folder / "runner")
        self.environment = environment(XDG_STATE_HOME=str(folder / "state"), XDG_CACHE_HOME=str(cache))
        self.versions: dict[str, list[str]] = {name: [] for name in ARTIFACTS}
        self.made = 0
        self.late: list[str] = []
        self.told: list[str] = []

    # People

    def live_through(self, events: int) -> Iterator[str]:
        """So many things that people do, each told to a run now, later, twice, or never; gives what was done."""
        for number in range(events):
            self.look()
            artifact = self.random.choice(ARTIFACTS)
            fresh = len(self.versions[artifact]) < 1 + number * 4 // events
            tags = self.register(artifact) if fresh else self.change(artifact)
            self.people.git("push", "--quiet", "origin", "main", "--tags")
            for tag in tags:
                self.tell(tag)
            yield ", ".join(tags) or "nothing"

    def look(self) -> None:
        """What runs have tagged meanwhile: people go on from there."""
        self.people.git("fetch", "--quiet", "--tags", "origin")
        self.people.time += 10
        for name in self.people.git("tag", "--list", "*#*").split():
            artifact, _, rest = name.replace("=", ":").partition("#")
            counter = int(rest.rpartition("#")[2])
            self.people.counters[artifact] = max(self.people.counters.get(artifact, 0), counter)

    def register(self, artifact: str) -> list[str]:
        """A new version, put into dev."""
        self.made += 1
        version = f"v1.{self.made}.0"
        self.people.commit({"model/predictor.py": MODEL.format(number=self.made)})
        self.versions[artifact].append(version)
        return [self.people.register(artifact, version), self.people.assign(artifact, "dev")]

    def change(self, artifact: str) -> list[str]:
        """Another version into a stage, an older one mostly; or out of one; or a registration taken back."""
        stage, what = self.random.choice(STAGES), self.random.random()
        version = self.random.choice(self.versions[artifact])
        commit = self.people.git("rev-parse", f"{artifact.replace(':', '=')}@{version}^{{commit}}")
        if what < 0.55:
            return [self.people.assign(artifact, stage, commit)]
        if what < 0.7:
            return [self.people.unassign(artifact, stage, commit)]
        if what < 0.8 and len(self.versions[artifact]) > 2:
            self.versions[artifact].remove(version)
            return [self.people.deregister(artifact, version, commit)]
        self.roll_back(f"{artifact}#{stage}")
        return []

    # Runs

    def tell(self, tag: str) -> None:
        """GitHub's part: an event comes, comes late, or is lost."""
        luck = self.random.random()
        self.told.append(tag)
        if luck < 0.45:
            self.deploy(tag)
        elif luck < 0.75:
            self.late.append(tag)
        if self.late and self.random.random() < 0.2:
            self.deploy(self.late.pop(self.random.randrange(len(self.late))))
        if self.random.random() < 0.1:
            self.deploy(self.random.choice(self.told))

    def deploy(self, tag: str) -> None:
        """A run for a tag; what it says it brought live must be what the registry says, whichever tag it was."""
        killed = self.random.random() < 0.15
        progress = Killed(self.random.randint(1, 6)) if killed else Silence()
        try:
            verdict = self.run(Command.DEPLOY, ref=tag, progress=progress)
        except KeyboardInterrupt:
            return
        except TagboatError:
            return  # the tag is about nothing any more: its version was deregistered
        registry = self.workspace.read_registry()
        for slot in verdict.slots:
            assert slot.status is not Status.DEGRADED, slot
            if slot.status in {Status.LIVE, Status.UNCHANGED, Status.SUPERSEDED} and slot.version is not None:
                served = self.served(Slot(artifact=slot.artifact, stage=slot.stage, target=slot.target))
                assert served == registry.artifacts[slot.artifact].stages.get(slot.stage), (tag, slot)

    def roll_back(self, slot: str) -> None:
        """By the command, which writes a tag; where there is nothing to go back to it says so."""
        try:
            self.run(Command.ROLLBACK, ref=slot)
        except TagboatError:
            return

    def settle(self) -> Verdict:
        """What was late comes after all, in any order; then a schedule's reconcile."""
        self.random.shuffle(self.late)
        for tag in self.late:
            self.deploy(tag)
        self.late.clear()
        verdict = self.run(Command.RECONCILE, retry=True)
        self.look()
        return verdict

    def run(self, command: Command, **asked: Any) -> Verdict:
        return run(Request(command=command, directory=self.runner.path, environment=self.environment,
                           clock=lambda: float(self.people.time), **asked))  # fmt: skip

    # What is so

    @property
    def workspace(self) -> Workspace:
        return Workspace.open(Request(command=Command.RECONCILE, directory=self.runner.path,
                                      environment=self.environment))  # fmt: skip

    def served(self, slot: Slot) -> str | None:
        """What stands on the shelf."""
        shelf = ShelfDeployer.__new__(ShelfDeployer)
        shelf.shelf = self.shelves[slot.target]
        live = shelf.get(slot).live
        return live.version if live else None

    def differences(self) -> list[str]:
        """Every slot that serves something else than `gto show` prints."""
        said = by_gto(self.people.path)
        workspace = self.workspace
        found = []
        for artifact in ARTIFACTS:
            for stage in STAGES:
                wanted = said.get(artifact, {"stages": {}})["stages"].get(stage)
                for target in settings_for(workspace.configuration, artifact, stage).targets:
                    served = self.served(Slot(artifact=artifact, stage=stage, target=target))
                    if served != wanted:
                        found.append(f"{artifact}#{stage} on {target}: {served}, and GTO says {wanted}")
        return found

"""What every step of a run works with, put together once: repository, configuration, targets, caches."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from deployers.base import Deployer, Slot, Surroundings
from deployers.discovery import make_deployer
from deployers.wrapping.server_wheel import server_wheel
from entrypoint import configuration
from entrypoint.configuration import Artifact, Configuration, RegistrationSettings, StageSettings, Target
from entrypoint.configuration.policy_settings import Policies
from entrypoint.configuration.serving_settings import Smoke
from entrypoint.configuration.source import Commit, Source, WorkingTree, required
from entrypoint.errors import UsageError
from entrypoint.promotion.graph import rule_for
from entrypoint.promotion.outcome import PromotionVerdict
from entrypoint.registry import state, writing
from entrypoint.registry.repository import Repository
from entrypoint.registry.resolve import Resolution, current
from entrypoint.registry.state import Registry
from entrypoint.registry.trailers import RUN, with_trailers
from entrypoint.registry.writing import Written
from entrypoint.report.progress import Progress
from entrypoint.report.verdict import Preflight, Problem, SlotVerdict, Trigger, Verdict
from entrypoint.report.witness import Unwatched, Witness
from entrypoint.request import Command, ConfigRef, Request


class Workspace:
    """One checkout and what tagboat.yaml makes of it. ``witness``: who is shown what becomes of each slot."""

    def __init__(self, request: Request, repository: Repository, source: Source, settings: Configuration) -> None:
        self.request = request
        self.repository = repository
        self.source = source
        self.configuration = settings
        self.witness: Witness = Unwatched() if self.dry_run else request.witness(settings.report)
        self._began = time.monotonic()
        self._reading = threading.Lock()
        self._deployers: dict[str, Deployer] = {}

    @classmethod
    def open(cls, request: Request) -> Workspace:
        """Find the repository and read the configuration from where the request says."""
        repository = Repository(request.directory, request.environment, request.token)
        source, file = configuration_source(repository, request)
        content = source.find(file)
        if content is None:
            raise configuration.NoConfigurationError(file)
        return cls(request, repository, source, configuration.parse(content, file))

    # What the request says

    @property
    def progress(self) -> Progress:
        """Who is told what happens."""
        return self.request.progress

    @property
    def dry_run(self) -> bool:
        """Whether nothing may change."""
        return self.request.dry_run or self.request.command is Command.PLAN

    @property
    def actor(self) -> str:
        """Who asks, for the records: GitHub's actor, or git's user."""
        identity = self.repository.identity()
        return self.request.actor or (identity.name if identity else "unknown")

    @property
    def cache(self) -> Path:
        """What may be deleted at any time."""
        return self.request.cache or _folder(self.request.environment, "XDG_CACHE_HOME", ".cache") / "tagboat"

    @cached_property
    def surroundings(self) -> Surroundings:
        """What deployers may use of this machine."""
        environment = self.request.environment
        return Surroundings(
            environment=environment,
            state=_folder(environment, "XDG_STATE_HOME", ".local/state") / "tagboat",
            cache=self.cache,
            clock=self.request.clock,
            in_action=self.request.in_action,
            templates=self.templates,
        )

    # What tagboat.yaml says

    @property
    def policies(self) -> Policies:
        """What is refused."""
        return self.configuration.policies

    @property
    def targets(self) -> Mapping[str, Target]:
        """Every target by its name."""
        return self.configuration.targets

    @property
    def stages(self) -> Sequence[str]:
        """Every stage that tagboat.yaml knows."""
        per_artifact = (artifact.stages for artifact in self.configuration.artifacts.values())
        return sorted({*self.configuration.stages, *(stage for stages in per_artifact for stage in stages)})

    def target(self, name: str) -> Target:
        """One target's settings."""
        return self.configuration.targets[name]

    def artifact(self, name: str) -> Artifact:
        """What is particular to an artifact."""
        return self.configuration.artifacts.get(name, Artifact())

    def settings(self, slot: Slot) -> StageSettings:
        """The settings of a slot, all layers over one another."""
        return configuration.settings_for(self.configuration, slot.artifact, slot.stage)

    def only_from(self, slot: Slot) -> str | None:
        """The stage that a version must have been in before it may be in this one; None where it may come from
        anywhere."""
        rule = rule_for(self.configuration.promotion, slot.artifact, slot.stage)
        return rule.source if rule is not None and rule.skips == "refuse" else None

    def smoke(self, artifact: str) -> Sequence[Smoke]:
        """The smoke requests of a version that is in no stage yet."""
        return configuration.settings_for(self.configuration, artifact, "").smoke

    def registration(self, artifact: str) -> RegistrationSettings:
        """What a registration of the artifact does."""
        return configuration.registration_for(self.configuration, artifact)

    def read_input(self, path: str) -> bytes:
        """The content of a smoke request's input-file."""
        return required(self.source, path)

    def templates(self, kind: str) -> Mapping[str, str]:
        """The user's own templates of a kind of target, text by file name."""
        if self.configuration.templates is None:
            return {}
        folder = f"{self.configuration.templates}/{kind}"
        names = [name for name in self.source.files(folder) if name.endswith(".j2")]
        return {name: required(self.source, f"{folder}/{name}").decode(errors="replace") for name in names}

    def identity(self, slot: Slot) -> Mapping[str, Any]:
        """All settings that change what is served, as they enter the release's identity."""
        artifact = self.artifact(slot.artifact)
        wrapping: dict[str, Any] = {
            "path": artifact.path,
            "format": artifact.format,
            "requirements": artifact.requirements,
            "python": artifact.python,
            "code": artifact.code,
            "server": server_wheel(self.cache).digest,
        }
        # Absent where they are not used, so that releases of old keep their identity.
        optional = {"sample": artifact.sample, "optimize": artifact.optimize}
        wrapping |= {key: value for key, value in optional.items() if value is not None}
        settings = self.settings(slot).effective(self.target(slot.target).written)
        document = {**settings, "wrapping": wrapping}
        # As it will come back from a target's records, where tuples are lists.
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
        return plain

    # Slots and their targets

    def deployer(self, target: str) -> Deployer:
        """The deployer of a target; made at its first use."""
        if target not in self._deployers:
            self._deployers[target] = make_deployer(target, self.target(target), self.surroundings)
        return self._deployers[target]

    def slots_of(self, stages: Sequence[tuple[str, str]]) -> list[Slot]:
        """The slots of (artifact, stage) pairs: one for each target that the stage goes to."""
        return [
            Slot(artifact=artifact, stage=stage, target=target)
            for artifact, stage in stages
            for target in configuration.settings_for(self.configuration, artifact, stage).targets
        ]

    def assigned_slots(self, registry: Registry) -> list[Slot]:
        """Every slot in which the registry and tagboat.yaml together want something."""
        return self.slots_of([(name, stage) for name, artifact in registry.artifacts.items()
                              for stage in artifact.stages])  # fmt: skip

    # The registry

    def read_registry(self) -> Registry:
        """What the registry says now: tags fetched again (where there is a remote), events read again."""
        with self._reading:
            if self.request.fetch and self.repository.remote_url:
                self.repository.fetch_tags()
            return state.read(self.repository)

    def assigned(self, registry: Registry, artifact: str, stage: str) -> Resolution | None:
        """What the registry has in a stage."""
        return current(self.repository, registry, artifact, stage)

    def wanted(self, registry: Registry, slot: Slot) -> Resolution | None:
        """What is to be in a slot: what the registry assigns, where tagboat.yaml still sends the stage there."""
        if slot.target not in self.settings(slot).targets:
            return None
        return self.assigned(registry, slot.artifact, slot.stage)

    def assign(self, registry: Registry, artifact: str, version: str, stage: str) -> Written:
        """Write the assignment (unless the registry says so already) and push it, where that was not declined."""
        message = self._with_run(f"Assigning stage {stage} to artifact {artifact} version {version}")
        return writing.assign(
            self.repository, registry, artifact, version, stage, message=message, clock=self.request.clock,
            push=self.pushes,
        )  # fmt: skip

    def unassign(self, registry: Registry, artifact: str, stage: str) -> Written:
        """Write the unassignment of what is in the stage and push it, where that was not declined."""
        message = self._with_run(f"Unassigning stage '{stage}' to artifact '{artifact}'")
        return writing.unassign(
            self.repository, registry, artifact, stage, message=message, clock=self.request.clock, push=self.pushes
        )

    def _with_run(self, message: str) -> str | None:
        """A tag's message that names the run which writes it, for `tagboat audit`; None outside of one."""
        return with_trailers(message, [(RUN, self.request.run_url)]) if self.request.run_url else None

    @property
    def pushes(self) -> bool:
        """Whether tags that are written go to the remote."""
        return self.request.push and self.repository.remote_url is not None

    # The outcome

    def verdict(
        self,
        registry: Registry,
        slots: Sequence[SlotVerdict],
        trigger: Trigger,
        *,
        preflights: Sequence[Preflight] = (),
        promotions: Sequence[PromotionVerdict] = (),
        note: str = "",
    ) -> Verdict:
        """The run's verdict, with what is wrong in the registry beside it."""
        return Verdict(
            slots=tuple(slots),
            trigger=trigger,
            preflights=tuple(preflights),
            promotions=tuple(promotions),
            problems=tuple(Problem(tag=problem.tag, reason=problem.reason) for problem in registry.problems),
            warnings=tuple(registry.warnings),
            note=note,
            dry_run=self.dry_run,
            seconds=time.monotonic() - self._began,
        )


def configuration_source(repository: Repository, request: Request) -> tuple[Source, str]:
    """Where the configuration is read from, and its path there.

    In the working tree it is looked for from the folder where the command was given up to the checkout's root.
    """
    inside = PurePosixPath(request.directory.resolve().relative_to(repository.root).as_posix())
    if request.config_ref is ConfigRef.DEFAULT_BRANCH:
        return Commit(repository, repository.default_branch_tip(), inside), request.config
    if request.config_ref is ConfigRef.TAG:
        revision = f"refs/tags/{request.ref.removeprefix('refs/tags/')}" if request.ref else "HEAD"
        commit = repository.commit(revision)
        if commit is None:
            raise UsageError("config-ref: tag needs a ref that is a full tag", where=request.ref)
        return Commit(repository, commit, inside), request.config
    for folder in (inside, *inside.parents):
        if (repository.root / folder / request.config).exists():
            return WorkingTree(repository.root, repository.root / folder), request.config
    return WorkingTree(repository.root, repository.root / inside), request.config


def _folder(environment: Mapping[str, str], variable: str, default: str) -> Path:
    """A folder of the XDG base directory specification: the variable where it is absolute, else below the home."""
    named = Path(environment.get(variable, ""))
    return named if named.is_absolute() else Path(environment.get("HOME") or Path.home()) / default

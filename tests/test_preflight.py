"""What a registration pushes ahead: to every target that the artifact may come to, and to none twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from deployers.base import Deployer, Slot
from deployers.errors import ConfigurationError, UnreachableError
from entrypoint.journal import Journal
from entrypoint.preflight import push_ahead
from entrypoint.report.progress import Silence


@dataclass
class Target:
    """A target that answers with ``says``, or raises it."""

    says: str | Exception
    asked: int = 0

    def push_ahead(self, _bundle: object) -> str:
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@dataclass
class Targets:
    """As much of a workspace as is asked: dev goes to one target, prod to all."""

    targets: dict[str, Target]
    stages: tuple[str, ...] = ("dev", "prod")
    registered: Any = field(default_factory=lambda: type("Registered", (), {"artifact": "iris"}))

    def slots_of(self, stages: list[tuple[str, str]]) -> list[Slot]:
        names = sorted(self.targets)
        return [Slot(artifact, stage, name) for artifact, stage in stages
                for name in (names if stage == "prod" else names[:1])]  # fmt: skip

    def deployer(self, name: str) -> Target:
        return self.targets[name]


def pushed(targets: Targets) -> Journal:
    journal = Journal(Silence())
    push_ahead(targets, targets.registered, object(), journal)  # type: ignore[arg-type]
    return journal


def test_every_target_is_asked_once_and_what_was_done_is_told() -> None:
    targets = Targets({"eu": Target("2.0 MB sent to ghcr.io"), "us": Target("")})
    journal = pushed(targets)
    assert [target.asked for target in targets.targets.values()] == [1, 1]
    assert [(step.name, step.detail) for step in journal.timings] == [("push ahead", "eu: 2.0 MB sent to ghcr.io")]


def test_a_registry_that_is_away_is_a_warning_and_stops_no_other() -> None:
    targets = Targets({"eu": Target(UnreachableError("the registry does not answer")), "us": Target("sent")})
    journal = pushed(targets)
    assert journal.warnings == ["eu: nothing was pushed ahead: the registry does not answer"]
    assert targets.targets["us"].asked == 1


def test_a_release_that_could_never_run_there_fails_the_preflight() -> None:
    with pytest.raises(ConfigurationError, match="libgomp"):
        pushed(Targets({"eu": Target(ConfigurationError("the base lacks libgomp.so.1"))}))


def test_a_deployer_without_a_registry_has_nothing_to_bring() -> None:
    assert Deployer.push_ahead(object(), object()) == ""  # type: ignore[arg-type]

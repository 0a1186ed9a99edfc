"""A clone with a commit in it, and the ways in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entrypoint.cli import run
from entrypoint.commands.context import Context
from entrypoint.registry.repository import Repository
from tests.repositories import GitRepository, environment


@pytest.fixture
def clone(tmp_path: Path) -> GitRepository:
    repository = GitRepository.make(tmp_path / "clone")
    repository.commit({"model.txt": "one"})
    return repository


@pytest.fixture
def origin(tmp_path: Path) -> GitRepository:
    """A repository with a remote to push to: tests clone it."""
    repository = GitRepository.make(tmp_path / "origin")
    repository.commit({"model.txt": "one"})
    repository.git("config", "receive.denyCurrentBranch", "ignore")
    return repository


def opened(git: GitRepository, **variables: str) -> Repository:
    return Repository(git.path, environment(**variables))


@dataclass
class Answer:
    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)


Tagboat = Callable[..., Answer]


@pytest.fixture
def tagboat(clone: GitRepository) -> Tagboat:
    """Run a command as the console script does, in the clone (or ``at`` another folder)."""

    def call(*arguments: str, at: Path | None = None, clock: Callable[[], float] | None = None) -> Answer:
        stdout, stderr = io.StringIO(), io.StringIO()
        context = Context(at or clone.path, environment(), stdout=stdout, stderr=stderr)
        if clock:
            context.clock = clock
        code = run(context, arguments)
        return Answer(code, stdout.getvalue(), stderr.getvalue())

    return call

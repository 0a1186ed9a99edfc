"""A fresh project for each test, in surroundings that hold nothing of this machine's user."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.download.projects import Project, surroundings


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    def make(config: str | None = None) -> Project:
        folder = tmp_path / "project"
        project = Project(
            root=folder / "work",
            storage=folder / "storage",
            cache=folder / "cache",
            out=folder / "out",
            environment=surroundings(folder),
        )
        project.root.mkdir(parents=True)
        project.storage.mkdir()
        project.run("git", "init", "--quiet", "--initial-branch", "main")
        default = f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {project.storage}\n"
        project.write(".dvc/config", default if config is None else config)
        project.commit("Begin")
        return project

    return make


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    """A repository whose DVC remote is a folder."""
    return make_project()


@pytest.fixture(autouse=True)
def nobody_s_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Cloud clients read the process's own environment: it holds nothing of this machine's user."""
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)

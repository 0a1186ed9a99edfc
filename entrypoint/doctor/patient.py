"""What the checks look at, read once: the repository, its registry, its configuration, its workflows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from entrypoint.configuration import FILE, Configuration, InvalidConfigurationError, NoConfigurationError, load
from entrypoint.configuration.kinds import InstalledKinds, Kinds
from entrypoint.doctor.workflowfiles import Workflow, read_workflow
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import Registry
from entrypoint.registry.state import read as read_registry

WORKFLOWS = ".github/workflows"

Ask = Callable[[str, str], Any]
"""Asks GitHub's API: an address and a token in, the JSON answer out. Raises `UnreachableError`."""


@dataclass
class Patient:
    """``environment``: the process's variables. ``ask``: the way to GitHub's API, handed in."""

    repository: Repository
    environment: Mapping[str, str]
    ask: Ask
    config: str = FILE
    kinds: Kinds | None = None

    @cached_property
    def registry(self) -> Registry:
        """The registry as the tags here say it."""
        return read_registry(self.repository)

    @cached_property
    def loaded(self) -> Configuration | InvalidConfigurationError | NoConfigurationError:
        """The configuration of the working tree, or why there is none."""
        try:
            return load(self.repository.root, self.config, self.kinds or InstalledKinds())
        except (InvalidConfigurationError, NoConfigurationError) as error:
            return error

    @property
    def configuration(self) -> Configuration:
        """The configuration, or the defaults where there is none to be had."""
        return self.loaded if isinstance(self.loaded, Configuration) else Configuration()

    @cached_property
    def head(self) -> str | None:
        """The commit that is checked out, or None in a repository without one."""
        return self.repository.commit("HEAD")

    @cached_property
    def workflows(self) -> tuple[Workflow, ...]:
        """The workflows of the working tree."""
        folder = self.repository.root / WORKFLOWS
        if not folder.is_dir() or folder.is_symlink():
            return ()
        files = sorted(file for file in folder.iterdir() if file.suffix in {".yml", ".yaml"} and file.is_file())
        return tuple(
            read_workflow(f"{WORKFLOWS}/{file.name}", file.read_bytes()) for file in files if not file.is_symlink()
        )

"""What a report works with: the workspace, even of a repository without tagboat.yaml, and the two commits."""

from __future__ import annotations

from collections.abc import Sequence

from entrypoint.configuration import Configuration, parse
from entrypoint.registry.repository import Repository
from entrypoint.request import Request
from entrypoint.workspace import Workspace, configuration_source


def open_workspace(request: Request) -> Workspace:
    """The workspace with the configuration of where it is trusted; without one the defaults do."""
    repository = Repository(request.directory, request.environment, request.token)
    source, file = configuration_source(repository, request)
    content = source.find(file)
    settings = Configuration() if content is None else parse(content, file)
    return Workspace(request, repository, source, settings)


def bring(repository: Repository, commits: Sequence[str]) -> None:
    """Have these commits here; a shallow checkout has only one."""
    for commit in commits:
        if repository.commit(commit) is None:
            repository.fetch_commit(commit)


def fork_point(repository: Repository, base: str, head: str) -> str:
    """Where the head left the base, as far as this clone's history goes; else the base itself.

    What came to the base since then is no part of the change.
    """
    outcome = repository.git.run("merge-base", base, head, check=False)
    return outcome.text.split()[0] if outcome.code == 0 and outcome.text else base

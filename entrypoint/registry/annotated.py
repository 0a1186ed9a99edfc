"""What HEAD's artifacts.yaml adds to the registry: GTO counts the artifacts that it names (gto/index.py)."""

from __future__ import annotations

from dataclasses import dataclass

from entrypoint.errors import TagboatError
from entrypoint.registry.repository import Repository

INDEX = "artifacts.yaml"


@dataclass(frozen=True)
class Head:
    """HEAD's commit, when it was made (Unix seconds), and the artifacts that its artifacts.yaml names."""

    commit: str
    time: int
    names: tuple[str, ...]


def head(repository: Repository) -> Head | None:
    """What HEAD says, or None where it says nothing, or nothing that can be read."""
    commit = repository.commit("HEAD")
    if commit is None or repository.entry(commit, INDEX) is None:
        return None
    from entrypoint.registry.artifacts import read_index

    try:
        names = tuple(read_index(repository, commit))
    except TagboatError:
        return None  # GTO fails on such a file; the tags are still good
    return Head(commit, repository.commit_times([commit])[commit], names) if names else None

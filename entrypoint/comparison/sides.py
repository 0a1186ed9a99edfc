"""What is compared: a version, a stage, or any revision of Git."""

from __future__ import annotations

import msgspec

from entrypoint.errors import NotARegistryTagError, UsageError
from entrypoint.registry.repository import Repository
from entrypoint.registry.resolve import resolve
from entrypoint.registry.state import Registry
from entrypoint.registry.tags import shown


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side. ``label``: what its column is called. The registry's words stand where it knows the side by them."""

    label: str
    commit: str
    artifact: str | None = None
    version: str | None = None
    stage: str | None = None


def find_side(repository: Repository, registry: Registry, text: str) -> Side:
    """What a word of the command line stands for: the registry's word first, then Git's.

    Raises `UsageError` where neither knows it, and what `resolve` raises for a version or stage that is not there.
    """
    try:
        found = resolve(repository, registry, text)
    except NotARegistryTagError:
        commit = repository.commit(text) if text and len(text) <= 1000 else None
        if commit is None:
            raise UsageError(
                "neither a version or stage of the registry nor a revision of Git",
                where=shown(text),
                hint="Give churn@v1.4.0, churn#prod, a branch, a tag or a commit; see `tagboat show`.",
            ) from None
        return Side(label=called(text, commit), commit=commit)
    label = f"{found.artifact}#{found.stage}" if found.stage else f"{found.artifact}@{found.version}"
    return Side(label=label, commit=found.commit, artifact=found.artifact, version=found.version, stage=found.stage)


def called(revision: str, commit: str) -> str:
    """What a revision of Git is called in a table: itself, or the beginning of the commit's own id."""
    return commit[:12] if commit.startswith(revision) else revision

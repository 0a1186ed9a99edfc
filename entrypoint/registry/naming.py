"""What a new registry tag is called and how it is dated, so that GTO counts it as the artifact's newest event."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from entrypoint.errors import RefusedError, TagboatError
from entrypoint.registry.events import LAST_SECOND
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import Registry
from entrypoint.registry.tags import Tag, TagAction, compose, parse

if TYPE_CHECKING:
    from entrypoint.registry.inscription import Wish

_SIMPLE = frozenset({TagAction.REGISTER, TagAction.DEREGISTER, TagAction.DEPRECATE})
"""Actions that GTO names without a counter, as long as that name is free."""


_VERSIONED = frozenset({TagAction.REGISTER, TagAction.DEREGISTER})


def tag_for(registry: Registry, wish: Wish) -> Tag:
    """The tag's name, as GTO chooses it: one counter runs for an artifact, over all tags that have one."""
    version = wish.version if wish.action in _VERSIONED else None
    if wish.action in _SIMPLE:
        tag = compose(wish.action, wish.artifact, version=version, stage=wish.stage)
        if tag.name not in registry.tags:
            return tag
    counter = _highest(registry, wish.artifact) + 1
    return compose(wish.action, wish.artifact, version=version, stage=wish.stage, counter=counter)


def _highest(registry: Registry, artifact: str) -> int:
    """The highest counter of any tag of the artifact, whether or not the tag counts."""
    highest = 0
    for name in registry.tags:
        if "#" in name:
            try:
                tag = parse(name)
            except TagboatError:
                continue
            if tag.artifact == artifact:
                highest = max(highest, tag.counter or 0)
    return highest


def newest_second(repository: Repository, registry: Registry, artifact: str) -> int:
    """The last second in which anything happened to an artifact, the making of its commits included."""
    events = registry.artifacts[artifact].events if artifact in registry.artifacts else ()
    made = repository.commit_times(happened.commit for happened in events)
    return max([0, *(happened.time for happened in events), *made.values()])


def moment_for(artifact: str, newest: int, clock: Callable[[], float]) -> int:
    """When the tag is dated: now, but later than the newest event."""
    moment = max(int(clock()), newest + 1)
    if moment > LAST_SECOND:
        raise RefusedError("the newest event is dated at the end of time; no tag can be newer", where=artifact)
    return moment

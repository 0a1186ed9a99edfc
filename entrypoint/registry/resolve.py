"""From a REF to the release that it stands for, and from an event to the slots that it touches.

A REF is a full tag (``churn#prod#3``, with or without ``refs/tags/``) or GTO's shortcut: ``churn#prod`` (what is in
the stage now), ``churn@latest`` or ``churn@greatest``, ``churn@v1.4.0``. Where a shortcut could be a full tag as well
(GTO writes registrations as ``churn@v1.4.0``), the shortcut counts; with ``refs/tags/`` in front, the tag does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployers.base import TagRecord
from entrypoint.errors import ConfigurationError, NotARegistryTagError, RefusedError
from entrypoint.registry import artifacts
from entrypoint.registry.events import Event, EventKind
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import ArtifactState, Registry, VersionState
from entrypoint.registry.tags import Tag, TagAction, is_artifact, parse, shown

_LATEST = re.compile(r"(?P<artifact>.+)@(?:latest|greatest)", re.DOTALL)
_CANCELLED = frozenset({EventKind.DEREGISTRATION, EventKind.UNASSIGNMENT})


@dataclass(frozen=True)
class Resolution:
    """One version of one artifact, as an event or the present state names it.

    ``event``: GTO's word for what happened. ``version`` is None for a deprecation. ``path``: the model's file or
    folder from the top of the repository, None where the commit has no annotation for it. ``tag``: the last event
    that had a say; for a stage it can be newer than the assignment in effect (an unassignment that brought an older
    version back). ``behind``: every event that the answer rests on, for the policies.
    """

    artifact: str
    version: str | None
    stage: str | None
    commit: str
    path: str | None
    type: str | None
    event: str
    labels: tuple[str, ...] = ()
    description: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    tag: TagRecord | None = None
    behind: tuple[Event, ...] = field(default=(), repr=False)


def resolve(repository: Repository, registry: Registry, ref: str) -> Resolution:
    """The release that a REF stands for.

    Raises `NotARegistryTagError` for a text that is none, `ConfigurationError` where the registry has no such thing,
    `RefusedError` for a tag that does not count, and for a stage of an unregistered or deregistered version.
    """
    tag = meant(ref)
    if tag is None:
        artifact = registry.artifact(latest_of(ref))
        if artifact.latest_version is None:
            raise ConfigurationError("no version is registered", where=shown(ref), hint=_see(artifact))
        return _registered(repository, artifact, artifact.latest_version)
    if _is_shortcut(tag, ref):
        artifact = registry.artifact(tag.artifact)
        if tag.stage:
            found = current(repository, registry, tag.artifact, tag.stage)
            if found is None:
                raise ConfigurationError("no version is in this stage", where=shown(ref), hint=_see(artifact))
            return found
        named = artifact.named(tag.version or "")
        if len(named) > 1:
            commits = " and ".join(state.commit[:7] for state in named)
            raise RefusedError(f"this version is registered on two commits, {commits}", where=shown(ref),
                               hint="Deregister one of them.")  # fmt: skip
        if named and not artifact.deprecated:
            return _registered(repository, artifact, named[0])
        if registry.event(tag.name) is None and registry.problem(tag.name) is None:
            raise ConfigurationError("this version is not registered", where=shown(ref), hint=_see(artifact))
    return _of_event(repository, registry, counted(registry, tag.name))


def current(repository: Repository, registry: Registry, artifact: str, stage: str) -> Resolution | None:
    """What is in a stage now, or None. Raises `RefusedError` when it is a commit that no version was registered for."""
    state = registry.artifacts.get(artifact)
    assignment = state.assignments.get(stage) if state else None
    if state is None or assignment is None:
        return None
    return _described(repository, assignment, state.touches[stage].record, _grounds(state, assignment))


def counted(registry: Registry, tag: str) -> Event:
    """The event of a tag. Raises `RefusedError` for one that does not count, `ConfigurationError` for none."""
    happened = registry.event(tag)
    if happened is not None:
        return happened
    if problem := registry.problem(tag):
        raise RefusedError(f"this tag does not count: {problem.reason}", where=tag)
    raise ConfigurationError(
        "there is no such tag here",
        where=shown(tag),
        hint="git fetch --tags; in a workflow let actions/checkout have `fetch-tags: true`, and give the `token`.",
    )


def slots_touched(registry: Registry, ref: str) -> list[tuple[str, str]]:
    """The (artifact, stage) pairs that an event can have changed; of a tag that is gone, those that it would have.

    A deregistration touches every stage that its version was ever put in, a deprecation (and the event that revives
    the artifact) all of them. A shortcut for a stage means that stage alone.
    """
    tag = meant(ref)
    if tag is None or (tag.stage and _is_shortcut(tag, ref)):
        return [(tag.artifact, tag.stage)] if tag and tag.stage else []
    state = registry.artifacts.get(tag.artifact)
    if state is None:
        return [(tag.artifact, tag.stage)] if tag.stage else []
    happened = registry.event(tag.name)
    if happened is None:
        return [(tag.artifact, stage) for stage in ((tag.stage,) if tag.stage else state.touches)]
    return [(tag.artifact, stage) for stage in state.touched_by[happened.tag.name]]


def meant(ref: str) -> Tag | None:
    """A REF taken apart as a tag; None for ``@latest``. In a shortcut the artifact may have its ``:``."""
    if _LATEST.fullmatch(ref):
        return None
    artifact, mark, rest = _split(ref)
    return parse(f"{artifact.replace(':', '=')}{mark}{rest}")


def _split(ref: str) -> tuple[str, str, str]:
    match = re.search("[#@]", ref)
    return (ref[: match.start()], match[0], ref[match.end() :]) if match else (ref, "", "")


def latest_of(ref: str) -> str:
    """The artifact of a REF that ends in ``@latest`` or ``@greatest``."""
    name = ref.rpartition("@")[0].replace("=", ":")
    if not is_artifact(name):
        raise NotARegistryTagError("not an artifact's name", where=shown(ref))
    return name


def _is_shortcut(tag: Tag, ref: str) -> bool:
    return (
        not ref.startswith("refs/tags/")
        and tag.counter is None
        and tag.action in {TagAction.ASSIGN, TagAction.REGISTER}
    )


def _registered(repository: Repository, artifact: ArtifactState, version: VersionState) -> Resolution:
    if version.registration is None:
        raise RefusedError("this is no registered version", where=f"{artifact.name}@{version.version}")
    return _described(repository, version.registration, version.registration.record, (version.registration,))


def _of_event(repository: Repository, registry: Registry, happened: Event) -> Resolution:
    """What one tag did, whether or not it is still in effect."""
    state = registry.artifact(happened.artifact)
    return _described(repository, happened, happened.record, _grounds(state, happened))


def _grounds(state: ArtifactState, happened: Event) -> tuple[Event, ...]:
    """The events that one event rests on: itself, the registration of its version, the last word on its stage.

    Raises `RefusedError` for a stage or a registration of a version that is not registered (any more).
    """
    if happened.kind in _CANCELLED or happened.kind is EventKind.DEPRECATION:
        return (happened,)
    versions = [one for one in state.named(happened.version or "") if one.commit == happened.commit]
    if not versions or versions[0].registration is None:
        raise RefusedError(
            "this version was deregistered"
            if happened.version != happened.commit
            else "no version is registered for the commit of this tag",
            where=happened.tag.name,
            hint=f"tagboat register {state.name} {happened.commit[:12]}",
        )
    last = state.touches.get(happened.stage or "")
    return tuple(dict.fromkeys(one for one in (happened, versions[0].registration, last) if one is not None))


def _described(repository: Repository, happened: Event, tag: TagRecord, behind: tuple[Event, ...]) -> Resolution:
    said = artifacts.annotation(repository, happened.commit, happened.artifact) or artifacts.Annotation()
    return Resolution(
        artifact=happened.artifact,
        version=happened.version,
        stage=happened.stage,
        commit=happened.commit,
        path=said.path,
        type=said.type,
        event=happened.kind.value,
        labels=said.labels,
        description=said.description,
        meta=said.meta,
        tag=tag,
        behind=behind,
    )


def _see(artifact: ArtifactState) -> str:
    if artifact.deprecated:
        return f"{artifact.name} is deprecated."
    names = ", ".join(version.version for version in artifact.versions[:5] if version.registered)
    return f"{artifact.name} has {names}." if names else f"{artifact.name} has no registered version."

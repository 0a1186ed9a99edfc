"""Register, assign, unassign, deregister, deprecate: by GTO's rules (gto/registry.py of 1.10), each as one tag.

What the registry says already is no error: the tag that says it is returned, so that a run that was killed can be run
again, and of two runs that promote the same version one writes the tag and both succeed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from entrypoint.errors import RefusedError, UsageError
from entrypoint.registry.events import Event, EventKind
from entrypoint.registry.inscription import Means, TagWriter, Wish, Written, inscribe, kept
from entrypoint.registry.repository import Repository
from entrypoint.registry.state import ArtifactState, Registry, VersionState
from entrypoint.registry.tagobjects import TagObject
from entrypoint.registry.tags import TagAction, is_artifact, is_stage, is_version, shown
from entrypoint.registry.templating import parse_yaml
from entrypoint.registry.versions import FIRST, Bump, bump, precedence

__all__ = ["Written", "assign", "deprecate", "deregister", "register", "unassign", "version_at"]

Clock = Callable[[], float]
_DIRECT = frozenset({EventKind.REGISTRATION, EventKind.DEREGISTRATION})
_SETTINGS_LIMIT = 100_000


def register(
    repository: Repository,
    registry: Registry,
    artifact: str,
    version: str | None = None,
    *,
    ref: str = "HEAD",
    part: Bump | None = None,
    message: str | None = None,
    clock: Clock = time.time,
    push: bool = False,
    sign: bool | None = None,
) -> Written:
    """Register a version of an artifact for a commit; with no version the next one, patch by default.

    Raises `UsageError` for what GTO refuses: a second version for a commit, or a version that another commit has.
    """
    _check_names(artifact, version=version)
    commit = _commit(repository, ref)
    state = registry.artifacts.get(artifact)
    here = _versions_known(state, commit)
    active = version_at(state, commit)
    if version is None:
        version = next(iter(here)) if len(here) == 1 and active is None else None
    wanted = version or (active.version if active and part is None else None) or _next(state, part)
    wish = Wish(
        TagAction.REGISTER,
        artifact,
        commit,
        message or f"Registering artifact {artifact} version {wanted}",
        lambda now: _holds(now, artifact, wanted, commit),
        version=wanted,
        for_gto={"ref": commit, "version": wanted},
    )
    means = Means(clock, push, sign)
    if active is not None and active.version == wanted and active.registration is not None:
        return kept(repository, registry, active.registration.tag.name, wish, means)
    if here and wanted not in here:
        raise UsageError(
            f"this commit is {' and '.join(sorted(here))} of {artifact} already",
            where=commit[:12],
            hint="A commit has one version; register another commit.",
        )
    elsewhere = {e.commit for e in (state.events if state else ()) if e.kind in _DIRECT and e.version == wanted}
    if elsewhere - {commit}:
        raise UsageError(
            f"{wanted} belongs to another commit",
            where=f"{artifact}: {min(elsewhere - {commit})[:12]}",
            hint="Choose another version.",
        )
    return inscribe(repository, registry, wish, means)


def assign(
    repository: Repository,
    registry: Registry,
    artifact: str,
    version: str,
    stage: str,
    *,
    message: str | None = None,
    clock: Clock = time.time,
    push: bool = False,
    sign: bool | None = None,
    approve: Callable[[TagObject], None] | None = None,
    writer: TagWriter | None = None,
) -> Written:
    """Put a registered version in a stage. Raises `RefusedError` for a version that is not registered (any more).

    ``approve`` and ``writer``: see `Means`.
    """
    _check_names(artifact, version=version, stage=stage)
    _check_allowed(repository, stage)
    found = _registered(registry, artifact, version)
    if len(_versions_known(registry.artifacts[artifact], found.commit)) > 1:
        raise RefusedError(
            "its commit has several versions, and GTO could not tell which one is in the stage",
            where=f"{artifact}@{version}",
            hint="Register this version on a commit of its own.",
        )
    wish = Wish(
        TagAction.ASSIGN,
        artifact,
        found.commit,
        message or f"Assigning stage {stage} to artifact {artifact} version {version}",
        lambda now: _assigned(now, artifact, stage) == (version, found.commit),
        version=version,
        stage=stage,
        for_gto={"stage": stage, "version": version, "force": True, "skip_registration": True},
    )
    means = Means(clock, push, sign, writer, approve)
    if _assigned(registry, artifact, stage) == (version, found.commit):
        return kept(repository, registry, registry.artifacts[artifact].assignments[stage].tag.name, wish, means)
    return inscribe(repository, registry, wish, means)


def unassign(
    repository: Repository,
    registry: Registry,
    artifact: str,
    stage: str,
    version: str | None = None,
    *,
    message: str | None = None,
    clock: Clock = time.time,
    push: bool = False,
    sign: bool | None = None,
) -> Written:
    """Take a version out of a stage (what is in it, unless ``version`` names another that was put there)."""
    _check_names(artifact, version=version, stage=stage)
    _check_allowed(repository, stage)
    state = registry.artifact(artifact)
    assignment = state.assignments.get(stage)
    if version is not None and (assignment is None or assignment.version != version):
        found = _registered(registry, artifact, version)
        assignment = _last_assignment(state, stage, found)
    if assignment is None:
        raise UsageError(
            f"{version or 'no version'} is {'not ' if version else ''}in stage {stage}", where=artifact,
            hint=f"`tagboat show {artifact}` lists its stages.",
        )  # fmt: skip
    if assignment.version == assignment.commit:
        raise RefusedError(
            "GTO cannot take a commit out of a stage that no version was registered for",
            where=assignment.tag.name,
            hint="Register a version for the commit first, or assign another version.",
        )
    gone = assignment
    wish = Wish(
        TagAction.UNASSIGN,
        artifact,
        gone.commit,
        message or f"Unassigning stage '{stage}' to artifact '{artifact}' version '{gone.version}'",
        lambda now: _assigned(now, artifact, stage) != (gone.version, gone.commit),
        version=gone.version,
        stage=stage,
        for_gto={"stage": stage, "version": gone.version, "force": True},
    )
    return inscribe(repository, registry, wish, Means(clock, push, sign))


def deregister(
    repository: Repository,
    registry: Registry,
    artifact: str,
    version: str,
    *,
    message: str | None = None,
    clock: Clock = time.time,
    push: bool = False,
    sign: bool | None = None,
) -> Written:
    """Take a registration back; the version and its assignments are hidden then."""
    _check_names(artifact, version=version)
    found = _registered(registry, artifact, version)
    wish = Wish(
        TagAction.DEREGISTER,
        artifact,
        found.commit,
        message or f"Deregistering artifact {artifact} version {version}",
        lambda now: not _holds(now, artifact, version, found.commit),
        version=version,
        for_gto={"version": version},
    )
    return inscribe(repository, registry, wish, Means(clock, push, sign))


def deprecate(
    repository: Repository,
    registry: Registry,
    artifact: str,
    *,
    message: str | None = None,
    clock: Clock = time.time,
    push: bool = False,
    sign: bool | None = None,
) -> Written:
    """Retire an artifact: it is in no stage any more, until another event revives it."""
    _check_names(artifact)
    state = registry.artifact(artifact)
    if state.deprecated:
        raise UsageError("the artifact is deprecated already", where=artifact)
    commit = state.events[-1].commit if state.events else _commit(repository, "HEAD")
    wish = Wish(
        TagAction.DEPRECATE,
        artifact,
        commit,
        message or f"Deprecating artifact '{artifact}'",
        lambda now: artifact in now.artifacts and now.artifacts[artifact].deprecated,
        for_gto={"ref": commit},
    )
    return inscribe(repository, registry, wish, Means(clock, push, sign))


def version_at(state: ArtifactState | None, commit: str) -> VersionState | None:
    """The registered version that a commit has."""
    versions = state.versions if state else ()
    return next((one for one in versions if one.commit == commit and one.registered), None)


def next_version(state: ArtifactState | None) -> str:
    """The version that `register` would give next, where none is named."""
    return _next(state, None)


def _check_names(artifact: str, *, version: str | None = None, stage: str | None = None) -> None:
    if not is_artifact(artifact):
        raise UsageError("no name of an artifact", where=shown(artifact), hint="Such as churn, or models/nlp:bert.")
    if version is not None and not is_version(version):
        raise UsageError("not a version", where=shown(version), hint="A version looks like v1.4.0.")
    if stage is not None and not is_stage(stage):
        raise UsageError("no name of a stage", where=shown(stage), hint="Such as prod.")


def _check_allowed(repository: Repository, stage: str) -> None:
    """Hold to the list of stages in GTO's own settings, the file .gto at the top, where it has one."""
    path = repository.root / ".gto"
    if not path.is_file() or path.is_symlink() or path.stat().st_size > _SETTINGS_LIMIT:
        return
    settings = parse_yaml(path.read_bytes(), ".gto")
    allowed = settings.get("stages") if isinstance(settings, dict) else None
    if isinstance(allowed, list) and stage not in allowed:
        raise UsageError(f"no stage '{stage}' is known here", where=".gto: stages",
                         hint=f"Known are {', '.join(map(str, allowed))}.")  # fmt: skip


def _commit(repository: Repository, ref: str) -> str:
    commit = repository.commit(ref)
    if commit is None:
        raise UsageError("this names no commit", where=shown(ref))
    return commit


def _versions_known(state: ArtifactState | None, commit: str) -> set[str]:
    """The versions that a commit ever had, registered still or not: what GTO finds there."""
    events = state.events if state else ()
    return {e.version for e in events if e.kind in _DIRECT and e.commit == commit and e.version}


def _registered(registry: Registry, artifact: str, version: str) -> VersionState:
    state = registry.artifact(artifact)
    found = [one for one in state.named(version) if one.registered]
    if not found:
        there = ", ".join(one.version for one in state.versions[:5] if one.registered) or "none"
        raise RefusedError("this version is not registered", where=f"{artifact}@{version}",
                           hint=f"Registered are: {there}.")  # fmt: skip
    if len(found) > 1:
        raise RefusedError("this version is registered on several commits", where=f"{artifact}@{version}",
                           hint="Deregister all but one of them.")  # fmt: skip
    return found[0]


def _next(state: ArtifactState | None, part: Bump | None) -> str:
    """The next free version after the greatest registered one."""
    taken = {e.version for e in (state.events if state else ()) if e.kind in _DIRECT and e.version}
    active = [one.version for one in (state.versions if state else ()) if one.registered]
    if not active:
        if part is not None:
            raise UsageError("there is no version to go on from", hint="Name the first one, such as v0.1.0.")
        return FIRST if FIRST not in taken else bump(max(taken, key=precedence), Bump.PATCH)
    version = bump(max(active, key=precedence), part or Bump.PATCH)
    while version in taken:
        version = bump(version, part or Bump.PATCH)
    return version


def _holds(registry: Registry, artifact: str, version: str, commit: str) -> bool:
    state = registry.artifacts.get(artifact)
    return state is not None and any(
        one.registered and one.commit == commit for one in (state.named(version) if not state.deprecated else ())
    )


def _assigned(registry: Registry, artifact: str, stage: str) -> tuple[str | None, str] | None:
    state = registry.artifacts.get(artifact)
    assignment = state.assignments.get(stage) if state else None
    return (assignment.version, assignment.commit) if assignment else None


def _last_assignment(state: ArtifactState, stage: str, version: VersionState) -> Event | None:
    """The assignment of a version to a stage that was not taken back, though another one may hide it."""
    own = [e for e in state.events if e.stage == stage and e.commit == version.commit]
    return own[-1] if own and own[-1].kind is EventKind.ASSIGNMENT else None

"""What registering and assigning a pull request's model would change in each target, as far as may be looked.

Three depths. *Planned*: the model is downloaded and wrapped, and the deployer asked; only for who may push here.
*Compared*: the settings are held against what is live, and nothing of the pull request runs; for forks, in the half
that has credentials. *Rendered*: nothing is contacted.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence

from deployers.base import Action, Release, Slot
from deployers.wrapping.bundle import Bundle
from entrypoint.errors import TagboatError
from entrypoint.journal import Journal
from entrypoint.preparation import prepare
from entrypoint.pull_requests.document import Planned
from entrypoint.registry import artifacts
from entrypoint.registry.resolve import Resolution
from entrypoint.registry.state import Registry
from entrypoint.registry.writing import next_version
from entrypoint.workspace import Workspace

MOST_SLOTS = 50


class Depth(enum.Enum):
    """How far is looked."""

    PLANNED = "planned"
    COMPARED = "compared"
    RENDERED = "rendered"


def plan(
    workspace: Workspace, registry: Registry, names: Sequence[str], commit: str, depth: Depth
) -> Iterator[Planned]:
    """What the model at the commit would change, artifact by artifact, in every stage's targets.

    An error of one slot is its note, and stops no other.
    """
    left = MOST_SLOTS
    for name in names:
        version = next_version(registry.artifacts.get(name))
        wrapped: Bundle | TagboatError | None = None
        for slot in workspace.slots_of([(name, stage) for stage in workspace.stages]):
            if left == 0:
                return
            left -= 1
            live, reason = _live(workspace, slot) if depth is not Depth.RENDERED else (None, "")
            if depth is Depth.PLANNED and not reason:
                wrapped = wrapped or _wrapped(workspace, name, version, commit)
                if isinstance(wrapped, Bundle):
                    yield _planned(workspace, slot, version, commit, wrapped, live)
                    continue
                reason = str(wrapped)
            looked = depth is not Depth.RENDERED and live is not None
            yield _previewed(workspace, slot, version, commit, live, reason, looked=looked)


def _live(workspace: Workspace, slot: Slot) -> tuple[str | None, str]:
    """The version that serves (empty for none), and why that cannot be told."""
    try:
        release = workspace.deployer(slot.target).observe(slot).release
    except TagboatError as error:
        return None, error.message
    return release.version if release else "", ""


def _wrapped(workspace: Workspace, name: str, version: str, commit: str) -> Bundle | TagboatError:
    try:
        said = artifacts.annotation(workspace.repository, commit, name)
        wanted = Resolution(
            artifact=name, version=version, stage=None, commit=commit, path=said.path if said else None,
            type=said.type if said else None, event="registration",
        )  # fmt: skip
        return prepare(workspace, wanted, Journal(workspace.progress))
    except TagboatError as error:
        return error


def _planned(workspace: Workspace, slot: Slot, version: str, commit: str, bundle: Bundle, live: str | None) -> Planned:
    changes, note = [], ""
    try:
        release = _release(workspace, slot, version, commit, bundle.digest)
        found = workspace.deployer(slot.target).plan(release, bundle)
        changes = [change for change in found.changes if change.action is not Action.KEEP]
    except TagboatError as error:
        note = str(error)
    return Planned(artifact=slot.artifact, stage=slot.stage, target=slot.target, version=version, live=live,
                   how="planned", changes=changes, note=note)  # fmt: skip


def _previewed(
    workspace: Workspace, slot: Slot, version: str, commit: str, live: str | None, reason: str, *, looked: bool
) -> Planned:
    changes = []
    try:
        release = _release(workspace, slot, version, commit, "")
        found = workspace.deployer(slot.target).preview(release, live=looked)
        changes = [change for change in found if change.action is not Action.KEEP]
    except TagboatError as error:
        reason = reason or str(error)
    return Planned(artifact=slot.artifact, stage=slot.stage, target=slot.target, version=version, live=live,
                   how="compared" if looked else "rendered", changes=changes, note=reason)  # fmt: skip


def _release(workspace: Workspace, slot: Slot, version: str, commit: str, digest: str) -> Release:
    return Release(
        slot=slot,
        version=version,
        commit=commit,
        bundle_digest=digest,
        settings=workspace.identity(slot),
        templates=workspace.deployer(slot.target).templates(),
    )

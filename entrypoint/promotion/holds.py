"""Versions that were taken out of a stage: no promotion puts them back until a person lets it.

The registry itself remembers. A version that has been in a stage and is there no longer was rolled back, unassigned or
replaced by somebody's decision; it never comes back by itself. That needs no record of its own, holds for every way
of going back (`tagboat rollback`, `gto assign`, a tag by hand), and is the same in every clone. A person lifts it by
assigning the version again, or with `tagboat release-hold ARTIFACT#STAGE`, which writes a tag that is none of GTO's:

    tagboat/lifted/churn+prod+v1.4.0/1       (an artifact's ``:`` is written ``=``, as in GTO's tags)

It counts when it is newer than what took the version out, points to the version's commit, and is signed where
``policies.require-signature`` asks that of tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from entrypoint.configuration.policy_settings import RequireSignature
from entrypoint.errors import RefusedError
from entrypoint.promotion import graph
from entrypoint.registry.events import Event, EventKind, moment
from entrypoint.registry.inscription import Means, signs, tagger
from entrypoint.registry.remote import TagTakenError
from entrypoint.registry.signatures import Signers, signer_of
from entrypoint.registry.state import ArtifactState, Registry
from entrypoint.registry.tagobjects import TagObject
from entrypoint.registry.tags import is_version
from entrypoint.registry.versions import precedence
from entrypoint.workspace import Workspace

FOLDER = "tagboat/lifted"


@dataclass(frozen=True)
class PromotionHold:
    """A version that no promotion puts into a stage. ``event``: what took it out."""

    artifact: str
    version: str
    commit: str
    stage: str
    event: Event

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        return (
            f"{self.version} was in {self.stage} and was taken out by {self.event.tag.name} "
            f"({self.event.author or 'somebody'}, {moment(self.event.time)})"
        )

    def to_document(self) -> dict[str, Any]:
        """One element of ``holds`` in ``show --json``, and ``promotion_hold`` of a slot."""
        return {
            "artifact": self.artifact,
            "version": self.version,
            "commit": self.commit,
            "stage": self.stage,
            "taken_out_by": self.event.tag.name,
            "by": self.event.author,
            "at": self.event.when,
            "reason": self.reason,
        }

    @property
    def hint(self) -> str:
        """What a person can do."""
        return f"`tagboat release-hold {self.artifact}#{self.stage}` lets it be promoted there again."


def is_older(version: str | None, than: str | None) -> bool:
    """Whether both are semantic versions, and the first one is the lesser."""
    if version is None or than is None or not is_version(version) or not is_version(than):
        return False
    return precedence(version) < precedence(than)


def taken_out(state: ArtifactState, stage: str, commit: str) -> Event | None:
    """The event that took a commit's version out of a stage; None where it never was there, or still is."""
    current = state.assignments.get(stage)
    if current is not None and current.commit == commit:
        return None
    there = [
        position
        for position, happened in enumerate(state.events)
        if happened.kind is EventKind.ASSIGNMENT and happened.stage == stage and happened.commit == commit
    ]
    if not there:
        return None
    later = state.events[there[-1] + 1 :]
    out = (happened for happened in later if stage in state.touched_by.get(happened.tag.name, ()))
    return next(out, None) or state.touches.get(stage) or state.events[there[-1]]


def hold_of(
    workspace: Workspace, registry: Registry, artifact: str, stage: str, version: str, commit: str
) -> PromotionHold | None:
    """The hold on a version, unless a person has lifted it."""
    state = registry.artifacts.get(artifact)
    event = taken_out(state, stage, commit) if state is not None else None
    if event is None:
        return None
    hold = PromotionHold(artifact, version, commit, stage, event)
    return None if any(_lifts(workspace, hold, tag) for tag in _tags(registry, hold)) else hold


def holds(
    workspace: Workspace, registry: Registry, *, artifact: str | None = None, stage: str | None = None
) -> Iterator[PromotionHold]:
    """Every version that a rule would promote now, were it not held."""
    promotion = workspace.configuration.promotion
    for name, state in registry.artifacts.items():
        for into, source in graph.ways(promotion, name).items():
            waiting = state.assignments.get(source)
            if artifact not in (None, name) or stage not in (None, into) or waiting is None:
                continue
            there = state.assignments.get(into)
            if there is not None and is_older(waiting.version, there.version):
                continue  # not to be promoted, whoever lifts what
            hold = hold_of(workspace, registry, name, into, waiting.version or "", waiting.commit)
            if hold is not None:
                yield hold


def lift(workspace: Workspace, registry: Registry, hold: PromotionHold) -> str:
    """Write the tag that lifts a hold, and push it where tags are pushed; gives the tag's name."""
    repository = workspace.repository
    prefix = _prefix(hold)
    taken = [int(tag.name.rpartition("/")[2]) for tag in _tags(registry, hold)]
    name = f"{prefix}/{max(taken, default=0) + 1}"
    means = Means(workspace.request.clock, sign=True if workspace.policies.require_signature else None)
    tag = repository.create_tag(
        name,
        hold.commit,
        f"{workspace.actor} lets {hold.artifact} {hold.version} be promoted into {hold.stage} again\n\n{hold.reason}",
        time=max(int(means.clock()), hold.event.time + 1),
        tagger=tagger(repository),
        sign=signs(repository, means),
        signing_key=repository.git.user_setting("user.signingkey"),
    )
    if workspace.pushes:
        try:
            repository.push_tag(name)
        except TagTakenError:
            repository.delete_tag(tag)
            repository.fetch_tag(name)  # somebody else lifted it at the same time
        except Exception:
            repository.delete_tag(tag)
            raise
    return name


def _prefix(hold: PromotionHold) -> str:
    return f"{FOLDER}/{hold.artifact.replace(':', '=')}+{hold.stage}+{hold.version}"


def _tags(registry: Registry, hold: PromotionHold) -> Iterator[TagObject]:
    prefix = f"{_prefix(hold)}/"
    for name, tag in registry.tags.items():
        number = name.removeprefix(prefix)
        if number != name and number.isascii() and number.isdecimal() and len(number) < 10:
            yield tag


def _lifts(workspace: Workspace, hold: PromotionHold, tag: TagObject) -> bool:
    if not tag.annotated or tag.nested or tag.commit != hold.commit or tag.inner_name != tag.name:
        return False
    if tag.time is None or tag.time < hold.event.time:
        return False
    return _signed(workspace, workspace.policies.require_signature, tag)


def _signed(workspace: Workspace, policy: RequireSignature | None, tag: TagObject) -> bool:
    if policy is None:
        return True
    signers = Signers.of(policy.allowed_signers, policy.keyring, workspace.repository)
    try:
        signer_of(workspace.repository, tag.name, tag.object_id, signers)
    except RefusedError:
        return False
    return True

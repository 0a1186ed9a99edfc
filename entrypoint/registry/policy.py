"""Which releases are refused, by the policies of tagboat.yaml and by what a target remembers (SECURITY T8, T14, T15).

Nothing here trusts the tagged commit: branches are those of the remote, and the lists of signers are the runner's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from deployers.base import TagRecord
from entrypoint.errors import RefusedError
from entrypoint.registry.events import Event, EventKind
from entrypoint.registry.repository import Repository
from entrypoint.registry.resolve import Resolution
from entrypoint.registry.signatures import Signers, signer_of
from entrypoint.registry.state import Registry


class SignaturePolicy(Protocol):
    """`entrypoint.configuration.policy_settings.RequireSignature`: absolute paths on the runner, one of the two."""

    @property
    def allowed_signers(self) -> str | None:
        """An SSH allowed-signers file."""

    @property
    def keyring(self) -> str | None:
        """A GnuPG keyring."""


class TagPolicies(Protocol):
    """The part of `entrypoint.configuration.policy_settings.Policies` that is about tags."""

    @property
    def require_branch(self) -> str | None:
        """The branch that must contain the commit."""

    @property
    def require_signature(self) -> SignaturePolicy | None:
        """Who must have signed."""


def check_policies(repository: Repository, resolution: Resolution, policies: TagPolicies) -> None:
    """Raise `RefusedError` where a release breaks a policy.

    A signature is asked of every tag that the answer rests on: the assignment, the registration of its version, and
    the last word on the stage.
    """
    if policies.require_branch:
        check_branch(repository, resolution, policies.require_branch)
    if policies.require_signature:
        check_signatures(repository, resolution.behind, policies.require_signature)


def check_retirement(
    repository: Repository, registry: Registry, artifact: str, stage: str, policies: TagPolicies
) -> None:
    """Raise `RefusedError` where nobody who may sign said that the stage is to be empty.

    An empty stage rests on the last event that had a say in it, as a release does on its own; without this an unsigned
    tag could take down what only a signed one can put up.
    """
    state = registry.artifacts.get(artifact)
    if state is None or stage in state.assignments:
        return  # not the registry empties the slot but tagboat.yaml, which is trusted
    last = state.touches.get(stage)
    if policies.require_signature and last is not None:
        check_signatures(repository, [last], policies.require_signature)


def check_way(registry: Registry, resolution: Resolution, source: str) -> None:
    """Raise `RefusedError` where a version is in a stage that it may only come to from another one, and did not.

    ``source``: the stage before. What counts is that the version was assigned to it earlier than to this stage, by
    GTO's order of events; whether it is still there does not matter.
    """
    if resolution.stage is None or not resolution.behind:
        return
    assignment = resolution.behind[0]
    came = (
        happened
        for happened in registry.artifact(resolution.artifact).events
        if happened.kind is EventKind.ASSIGNMENT and happened.stage == source and happened.commit == resolution.commit
    )
    if not any(registry.is_later(assignment.tag.name, happened.tag.name) for happened in came):
        raise RefusedError(
            f"{resolution.version} skips {source}: it was never there before it came to {resolution.stage}",
            where=assignment.tag.name,
            hint=f"Assign it to {source} first, then to {resolution.stage} again (promotion.{resolution.stage}.skips).",
        )


def check_branch(repository: Repository, resolution: Resolution, branch: str) -> None:
    """Raise `RefusedError` unless the branch, as the remote has it now, contains the release's commit."""
    if not repository.contains(branch, resolution.commit):
        raise RefusedError(
            f"its commit {resolution.commit[:12]} is not on the branch {branch}",
            where=resolution.tag.name if resolution.tag else resolution.artifact,
            hint="Merge the commit first, then tag it (policies.require-branch).",
        )


def check_signatures(repository: Repository, events: Iterable[Event], policy: SignaturePolicy) -> None:
    """Raise `RefusedError` unless a listed signer signed the tag of every event."""
    signers = Signers.of(policy.allowed_signers, policy.keyring, repository)
    for happened in events:
        signer_of(repository, happened.tag.name, happened.object_id, signers)


def check_unmoved(registry: Registry, recorded: TagRecord | None) -> None:
    """Raise `RefusedError` when the tag that a target remembers has another object now."""
    found = registry.tag(recorded.name) if recorded else None
    if recorded and found and found.object_id != recorded.object_id:
        raise RefusedError(
            f"the tag was moved: {recorded.object_id[:12]} was deployed, and now it is {found.object_id[:12]}",
            where=recorded.name,
            hint="Put the tag back, or make a new one. To accept it once: policies.moved-tags: allow.",
        )

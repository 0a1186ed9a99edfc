"""A release before its bundle is made: enough to tell whether a slot serves it already, or has failed with it."""

from __future__ import annotations

import msgspec

from deployers.base import Deployer, Health, Observation, Release, Slot
from entrypoint.registry.resolve import Resolution
from entrypoint.workspace import Workspace


def draft_of(workspace: Workspace, slot: Slot, deployer: Deployer, wanted: Resolution) -> Release:
    """The release that the registry wants in a slot, but for its bundle's digest, which costs a download to know."""
    return Release(
        slot=slot,
        version=wanted.version or "",
        commit=wanted.commit,
        bundle_digest="",
        settings=workspace.identity(slot),
        templates=deployer.templates(),
        tag=wanted.tag,
    )


def serves(observed: Observation, draft: Release) -> bool:
    """Whether the slot serves the drafted release already, proved and in good health.

    The bundle's digest is left out: it follows from the commit, the settings and the server that the draft names, and
    comparing without it spares an unchanged slot the download. (Requirements that would resolve to newer packages
    today are no reason to roll anything out.)
    """
    return (
        observed.health is Health.READY
        and not observed.unfinished
        and observed.release is not None
        and _but_for_the_bundle(observed.release) == _but_for_the_bundle(draft)
        and any(verified.release_id == observed.release_id for verified in observed.verified)
    )


def failed_before(observed: Observation, draft: Release) -> str | None:
    """Why the drafted release is known to fail on this target, or None."""
    for failed in observed.failed:
        if _but_for_the_bundle(failed.release) == _but_for_the_bundle(draft):
            return failed.reason
    return None


def _but_for_the_bundle(release: Release) -> Release:
    return msgspec.structs.replace(release, bundle_digest="", tag=None)

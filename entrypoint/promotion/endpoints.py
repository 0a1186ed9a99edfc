"""The endpoints that gates ask: what serves a version in a stage, on each of the stage's targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployers.base import Deployer, Health, Request, Response, Slot
from entrypoint.promotion.context import Context


@dataclass(frozen=True)
class Endpoint:
    """A slot that serves a release, and the way to it."""

    slot: Slot
    release_id: str
    deployer: Deployer

    @property
    def target(self) -> str:
        """Where it is."""
        return self.slot.target

    def call(self, request: Request) -> Response:
        """Ask what is live. Raises `UnreachableError` where nothing answers."""
        return self.deployer.call(self.slot, request)


def serving(context: Context) -> tuple[Sequence[Endpoint], str]:
    """Every target of the source stage, serving the candidate, verified; or why one of them does not."""
    seen = context.seen()
    if not seen:
        return (), f"tagboat.yaml sends {context.candidate.source} to no target, so nothing is served there"
    away = [one.why_not(context.candidate) for one in seen if one.verified_since(context.candidate) is None]
    if away:
        return (), "; ".join(away)
    return _endpoints(context, context.candidate.source), ""


def incumbents(context: Context) -> tuple[Sequence[Endpoint], str]:
    """The targets of the stage ahead that serve a release now; or why there is none to be compared with."""
    seen = context.seen(context.candidate.stage)
    found = _endpoints(context, context.candidate.stage)
    if found:
        return found, ""
    unasked = [one.why_not(context.candidate) for one in seen if one.observation is None]
    return (), "; ".join(unasked) or f"nothing is served in {context.candidate.stage} yet"


def nobody_yet(context: Context) -> bool:
    """Whether the stage ahead has no version: the registry assigns none, and no target serves any."""
    seen = context.seen(context.candidate.stage)
    return context.incumbent is None and all(
        one.observation is not None and one.observation.health is Health.ABSENT for one in seen
    )


def _endpoints(context: Context, stage: str) -> Sequence[Endpoint]:
    return [
        Endpoint(one.slot, one.observation.release_id, context.workspace.deployer(one.slot.target))
        for one in context.seen(stage)
        if one.observation is not None
        and one.observation.health is Health.READY
        and one.observation.release_id is not None
    ]

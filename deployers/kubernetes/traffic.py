"""Shares of the traffic for two releases that stand side by side: exact by an HTTPRoute, else by numbers of pods."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from deployers.base import Canary, CanaryStep, Revision
from deployers.errors import CapabilityError, UnreachableError
from deployers.kubernetes import names
from deployers.kubernetes.api import Api
from deployers.kubernetes.manifests import with_share
from deployers.kubernetes.records import Records, ReleaseRecord, SlotRecord
from deployers.kubernetes.settings import Engine, KubernetesSettings, Strategy
from deployers.kubernetes.wire import Document

TOLERANCE = 5.0
"""Points by which a share that pods make may be off; what would be further off is refused before anything begins."""


def canary_of(strategy: Strategy) -> Canary | None:
    """The contract's words for a canary, or None where the strategy is another."""
    if strategy.type != "canary":
        return None
    judgement = strategy.judgement
    return Canary(
        steps=tuple(CanaryStep(weight=step.weight, pause=step.pause) for step in strategy.steps),
        requests=judgement.requests,
        error_rate=judgement.error_rate,
        latency=judgement.latency,
        drift=judgement.drift,
        patience=judgement.patience,
    )


def check(settings: KubernetesSettings, target: str) -> None:
    """Raise `CapabilityError` for a canary whose shares cannot be had, saying what would make them so."""
    if settings.strategy.type != "canary" or settings.route is not None or settings.engine is Engine.KSERVE:
        return
    where = f"targets.{target}.strategy"
    if settings.autoscaling is not None or settings.keda is not None:
        raise CapabilityError(
            "shares of the traffic cannot be made by numbers of pods that something else scales",
            where=where,
            hint="Set `route` (an HTTPRoute has exact weights), or leave the scaling away.",
        )
    for step in settings.strategy.steps:
        real = share(settings.replicas, step.weight)
        if abs(real - step.weight) > TOLERANCE:
            enough = next(
                (count for count in range(1, 1001) if abs(share(count, step.weight) - step.weight) <= TOLERANCE), 1000
            )
            raise CapabilityError(
                f"{settings.replicas} pods cannot make a share of {step.weight} %: the nearest is {real:.0f} %",
                where=where,
                hint=f"Set `replicas: {enough}` or more, another weight, or `route` for exact weights.",
            )


def pods_for(replicas: int, weight: int) -> int:
    """How many pods beside the old ones make about this share, at least one."""
    return max(1, round(replicas * weight / (100 - weight)))


def share(replicas: int, weight: int) -> float:
    """The share that `pods_for` makes, in percent."""
    pods = pods_for(replicas, weight)
    return 100 * pods / (replicas + pods)


def split(
    api: Api, kept: Records, record: SlotRecord, settings: KubernetesSettings, weights: Mapping[Revision, int]
) -> None:
    """Give the candidate its share, by applying what is stored of both releases otherwise.

    Raises `UnreachableError` where there is no candidate beside a live release.
    """
    candidate = record.operation.release if record.operation is not None else None
    old = kept.release(record.live.id) if record.live is not None else None
    new = kept.release(candidate.id) if candidate is not None else None
    if old is None or new is None:
        raise UnreachableError("there is no candidate", where=str(record.slot), hint="Deploy a release first.")
    weight = weights.get(Revision.CANDIDATE, 0)
    name = names.slot_name(record.slot)
    if settings.engine is Engine.KSERVE:
        api.apply(with_share(_stored(new, "InferenceService", name), weight), force=settings.force_conflicts)
        return
    if settings.route is not None:
        shares = [(name, 100 - weight), (f"{name}-candidate", weight)]
        backends = [{"name": each, "port": settings.port, "weight": share} for each, share in shares]
        route = _stored(new, "HTTPRoute", name)
        route["spec"]["rules"] = [{**rule, "backendRefs": backends} for rule in route["spec"]["rules"]]
        api.apply(route, force=True)
        return
    deployment = _stored(new, "Deployment", new.workload)
    deployment["spec"]["replicas"] = pods_for(settings.replicas, weight)
    api.apply(deployment, force=settings.force_conflicts)
    service = _stored(old, "Service", name)
    service["spec"]["selector"] = names.selector(record.slot)
    api.apply(service, force=settings.force_conflicts)


def _stored(release: ReleaseRecord, kind: str, name: str) -> Document:
    for each in release.documents:
        if each["kind"] == kind and each["metadata"]["name"] == name:
            return copy.deepcopy(each)
    raise UnreachableError(f"the release has no {kind} {name}", where=f"{release.release.slot}")

"""Shares of the traffic for two releases that stand side by side: exact by an HTTPRoute, else by numbers of pods."""

from __future__ import annotations

from collections.abc import Mapping

from deployers.base import Revision, Slot
from deployers.errors import CapabilityError, UnreachableError
from deployers.kubernetes import names
from deployers.kubernetes.api import DEPLOYMENT, SERVICE, Api, Document, Kind
from deployers.kubernetes.records import SlotRecord
from deployers.kubernetes.settings import KubernetesSettings

ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute")

TOLERANCE = 5.0
"""Points by which a share that pods make may be off; what would be further off is refused before anything begins."""


def check(settings: KubernetesSettings, target: str) -> None:
    """Raise `CapabilityError` for a canary whose shares cannot be had, saying what would make them so."""
    if settings.strategy.type != "canary" or settings.route is not None:
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
    api: Api, slot: Slot, record: SlotRecord, settings: KubernetesSettings, weights: Mapping[Revision, int]
) -> None:
    """Give the candidate its share. Raises `UnreachableError` where there is none."""
    if record.operation is None or record.operation.release is None or record.workload is None:
        raise UnreachableError("there is no candidate", where=str(slot), hint="Deploy a release first.")
    weight = weights.get(Revision.CANDIDATE, 0)
    name = names.slot_name(slot)
    candidate = names.release_name(slot, record.operation.release.id)
    if settings.route is not None:
        route = _live(api, ROUTE, name)
        backends = [
            {"name": name, "port": settings.port, "weight": 100 - weight},
            {"name": f"{name}-candidate", "port": settings.port, "weight": weight},
        ]
        rules = [{**rule, "backendRefs": backends} for rule in route["spec"]["rules"]]
        api.apply(_ours(route, {**_own_spec(route), "rules": rules}), force=True)
        return
    deployment = _live(api, DEPLOYMENT, candidate)
    deployment["spec"]["replicas"] = pods_for(settings.replicas, weight)
    api.replace(deployment)
    service = _live(api, SERVICE, name)
    service["spec"]["selector"] = names.selector(slot)
    api.replace(service)


def _live(api: Api, kind: Kind, name: str) -> Document:
    found = api.get(kind, name)
    if found is None:
        raise UnreachableError(f"the {kind.kind} {name} is not there", where=api.where)
    return found


def _own_spec(route: Document) -> Document:
    return {key: value for key, value in route["spec"].items() if key in {"parentRefs", "hostnames"}}


def _ours(live: Document, spec: Document) -> Document:
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "labels") if key in live["metadata"]}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata, "spec": spec}

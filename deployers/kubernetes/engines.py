"""What runs a slot's pods: a Deployment of ours behind a Service, or an InferenceService of KServe's."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Protocol

from deployers.base import Request, Response, Slot
from deployers.errors import CapabilityError, UnreachableError
from deployers.kubernetes import names
from deployers.kubernetes.api import DEPLOYMENT, POD, SERVICE, Api, Kind
from deployers.kubernetes.rollout import Progress, progress
from deployers.kubernetes.settings import Engine as Wanted
from deployers.kubernetes.settings import KubernetesSettings
from deployers.kubernetes.wire import Document

INFERENCE_SERVICE = Kind("serving.kserve.io/v1beta1", "InferenceService")

PORT = 8080

REVISION = "serving.knative.dev/revision"
"""Knative's label of a pod."""


class Engine(Protocol):
    """Knows one kind of workload."""

    kind: Kind
    templates: frozenset[str]
    """Our templates that make its objects; the others are left out."""

    def progress(self, api: Api, workload: Document, labels: Mapping[str, str]) -> Progress:
        """How far it is rolled out. ``labels`` select its pods."""

    def ask(self, api: Api, slot: Slot, request: Request, release_id: str | None) -> Response:
        """Send a request as a client would, or with a release id to that release alone. Raises `UnreachableError`."""


class DeploymentEngine:
    """Our own Deployment and Service."""

    kind = DEPLOYMENT
    templates = frozenset({
        "candidate-service", "deployment", "horizontalpodautoscaler", "httproute", "ingress", "networkpolicy",
        "poddisruptionbudget", "scaledobject", "service", "serviceaccount", "servicemonitor",
    })  # fmt: skip

    def __init__(self, port: int) -> None:
        self.port = port

    def progress(self, api: Api, workload: Document, labels: Mapping[str, str]) -> Progress:  # noqa: ARG002
        """By the Deployment's own status."""
        return progress(workload)

    def ask(self, api: Api, slot: Slot, request: Request, release_id: str | None) -> Response:
        """Through the service, or the candidate's."""
        name = names.slot_name(slot)
        if release_id is not None:
            name = f"{name}-candidate"
            if api.get(SERVICE, name) is None:
                raise UnreachableError("there is no candidate", where=str(slot), hint="Deploy a release first.")
        return api.ask(SERVICE, name, self.port, request)


class KserveEngine:
    """KServe's InferenceService. Its own ways in differ by mode and gateway, so its pods are asked directly."""

    kind = INFERENCE_SERVICE
    templates = frozenset({"inferenceservice", "networkpolicy", "serviceaccount"})

    def progress(self, api: Api, workload: Document, labels: Mapping[str, str]) -> Progress:
        """Ready by its own word, for the generation that we applied, and every pod of ours is ready."""
        status = workload.get("status", {})
        pods = api.objects(POD, labels)
        ready = sum(map(is_ready, pods))
        wanted = max(1, int(workload["spec"]["predictor"].get("minReplicas") or 1))
        transition = status.get("modelStatus", {})
        if transition.get("transitionStatus") in {"BlockedByFailedLoad", "InvalidSpec"}:
            said = (transition.get("lastFailureInfo") or {}).get("message") or transition["transitionStatus"]
            return Progress(ready=ready, wanted=wanted, done=False, failed=str(said))
        seen = int(status.get("observedGeneration") or 0) >= int(workload["metadata"].get("generation") or 0)
        conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
        done = seen and conditions.get("Ready") == "True" and ready >= wanted and ready == len(pods)
        return Progress(ready=ready, wanted=wanted, done=done)

    def ask(self, api: Api, slot: Slot, request: Request, release_id: str | None) -> Response:
        """One of the pods that clients meet, or of the release's."""
        labels = names.selector(slot, release_id)
        revision = self._revision(api, slot) if release_id is None else None
        if revision is not None:
            labels[REVISION] = revision
        pods = [pod for pod in api.objects(POD, labels) if is_ready(pod)]
        if not pods:
            raise UnreachableError("no pod is ready", where=str(slot), hint="`tagboat status` says how the slot fares.")
        for pod in pods[:-1]:
            # One that has gone since they were listed is no reason to call the slot silent.
            with contextlib.suppress(UnreachableError):
                return api.ask(POD, pod["metadata"]["name"], PORT, request)
        return api.ask(POD, pods[-1]["metadata"]["name"], PORT, request)

    def _revision(self, api: Api, slot: Slot) -> str | None:
        """Knative's revision that most clients meet; None in raw mode, which has none."""
        service = api.get(self.kind, names.slot_name(slot)) or {}
        shares = service.get("status", {}).get("components", {}).get("predictor", {}).get("traffic") or []
        shares = [each for each in shares if each.get("revisionName")]
        if not shares:
            return None
        return str(max(shares, key=lambda each: int(each.get("percent") or 0))["revisionName"])


def engine_of(settings: KubernetesSettings) -> Engine:
    """The engine that a target asks for."""
    return KserveEngine() if settings.engine is Wanted.KSERVE else DeploymentEngine(settings.port)


def check(settings: KubernetesSettings, target: str) -> None:
    """Refuse what cannot work, and of KServe what it does not do or does otherwise than it says.

    Raises `CapabilityError`.
    """
    where = f"targets.{target}"
    if settings.pushed.model == "object-storage" and settings.network.enabled and not settings.network.egress:
        raise CapabilityError(
            "the model lies in a store, and the NetworkPolicy lets no pod open a connection to it",
            where=f"{where}.network",
            hint="Set `network: {egress: true}`, or `network: {enabled: false}` where you have a policy of your own.",
        )
    if settings.autoscaling is not None and settings.keda is not None:
        raise CapabilityError(
            "`autoscaling` and `keda` would both count the same pods", where=where, hint="Leave one of them away."
        )
    if settings.engine is not Wanted.KSERVE:
        return
    if settings.strategy.type != "rolling" and settings.kserve_mode == "raw":
        raise CapabilityError(
            f"KServe's raw deployments ignore a canary's share, so `strategy: {settings.strategy.type}` cannot be had",
            where=f"{where}.strategy",
            hint="Use `kserve-mode: knative`, or `engine: deployment`.",
        )
    unsaid = {
        "image.model": settings.pushed.model == "object-storage",
        "autoscaling.memory": settings.autoscaling is not None and settings.autoscaling.memory is not None,
    }
    for name in (name for name, asked in unsaid.items() if asked):
        raise CapabilityError(
            f"with `engine: kserve`, {name} is not passed on",
            where=f"{where}.{name}",
            hint="Leave it away, or use `engine: deployment`.",
        )
    ours = {"ingress": settings.ingress, "route": settings.route, "keda": settings.keda, "monitor": settings.monitor}
    asked = [name for name, value in ours.items() if value is not None]
    if asked:
        raise CapabilityError(
            f"with `engine: kserve`, {', '.join(asked)} is KServe's own business",
            where=f"{where}.{asked[0]}",
            hint="Set it up for KServe, add a template of your own, or use `engine: deployment`.",
        )


def is_ready(pod: Document) -> bool:
    """Whether a pod takes requests, and is not on its way out."""
    conditions = pod.get("status", {}).get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]

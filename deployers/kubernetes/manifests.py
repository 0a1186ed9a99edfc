"""The objects of a release: what templates/kubernetes/ makes of it, checked before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from deployers.base import JSON, Release, Slot
from deployers.errors import RefusedError
from deployers.kubernetes import names
from deployers.kubernetes.engines import INFERENCE_SERVICE, DeploymentEngine, Engine, KserveEngine, engine_of
from deployers.kubernetes.safety import check_pods
from deployers.kubernetes.settings import KubernetesSettings
from deployers.kubernetes.wire import Document
from deployers.rendering import Templates
from deployers.wrapping.images import places

PRE_STOP = 5
"""Seconds that a pod goes on serving after it was told to end, until every node has heard of it."""

WORKLOAD = f"{names.DOMAIN}/workload"
"""The label by which a Deployment selects its pods."""

CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}

KINDS = {
    "ServiceAccount": "", "NetworkPolicy": "networking.k8s.io", "Deployment": "apps",
    "InferenceService": "serving.kserve.io", "PodDisruptionBudget": "policy", "HorizontalPodAutoscaler": "autoscaling",
    "ScaledObject": "keda.sh", "Service": "", "Ingress": "networking.k8s.io", "HTTPRoute": "gateway.networking.k8s.io",
    "ServiceMonitor": "monitoring.coreos.com",
}  # fmt: skip
"""The kinds that our templates make and the groups they are of, in the order in which they are applied."""

ORDER = tuple(KINDS)

MODES = {"raw": "RawDeployment", "knative": "Serverless"}
"""KServe's own names of its modes."""

TRAFFIC = {"Service", "Ingress", "HTTPRoute"}
"""Kinds that bring clients to a release."""


class Manifests(msgspec.Struct, frozen=True, kw_only=True):
    """A release's objects. ``workload``: the name of what runs its pods; ``labels``: what selects those."""

    workload: str
    labels: Mapping[str, str]
    documents: Sequence[Document]
    side_by_side: bool = False
    candidate_service: str | None = None

    def before_traffic(self) -> list[Document]:
        """What a release needs to run beside another one, but for what brings clients to it."""
        kept = [each for each in self.documents if each["kind"] not in TRAFFIC or self._is_candidates(each)]
        return [with_share(each, 0) if each["kind"] == "InferenceService" else each for each in kept]

    def traffic(self) -> list[Document]:
        """What brings clients to it; an InferenceService does that itself."""
        bringing = {*TRAFFIC, "InferenceService"}
        return [each for each in self.documents if each["kind"] in bringing and not self._is_candidates(each)]

    def lasting(self) -> list[Document]:
        """All but what is there for the trial alone."""
        return [each for each in self.documents if not self._is_candidates(each)]

    def _is_candidates(self, document: Document) -> bool:
        return bool(document["kind"] == "Service" and document["metadata"]["name"] == self.candidate_service)


def manifests(
    release: Release,
    *,
    image: str,
    settings: KubernetesSettings,
    templates: Templates,
    namespace: str,
    environment: Mapping[str, str],
) -> Manifests:
    """Render a release. ``image``: a reference by digest; ``environment``: the runner's, for the link to the run.

    Raises `ConfigurationError` and `RefusedError` for templates that make what they must not.
    """
    slot = release.slot
    name = names.slot_name(slot)
    engine = engine_of(settings)
    kserve = engine.kind == INFERENCE_SERVICE
    side_by_side = settings.strategy.type != "rolling"
    # KServe keeps a release beside another one inside one object.
    workload = names.release_name(slot, release.id) if side_by_side and not kserve else name
    workload_selector = {**names.selector(slot), WORKLOAD: workload}
    labels = {**settings.labels, **names.release_labels(release), WORKLOAD: workload}
    candidate = f"{name}-candidate" if side_by_side and not kserve else None
    annotations = {**settings.annotations, **names.release_annotations(release, environment)}
    volatile = {f"{names.DOMAIN}/run", f"{names.DOMAIN}/tag"}
    grace = math.ceil(PRE_STOP + settings.drain + 5)
    values: dict[str, JSON] = {
        "name": name,
        "namespace": namespace,
        "workload": workload,
        "candidate_service": candidate,
        "side_by_side": side_by_side,
        "labels": labels,
        "slot_labels": {**settings.labels, **names.slot_labels(slot)},
        "annotations": annotations,
        "pod_annotations": {key: value for key, value in annotations.items() if key not in volatile},
        "slot_selector": names.selector(slot),
        "workload_selector": workload_selector,
        "service_selector": workload_selector if side_by_side else names.selector(slot),
        "image": image,
        "replicas": None if settings.autoscaling or settings.keda else settings.replicas,
        "fewest": fewest(settings),
        "most": settings.autoscaling.max if settings.autoscaling else settings.replicas,
        "kserve_annotations": {**annotations, "serving.kserve.io/deploymentMode": MODES[settings.kserve_mode]},
        "pod_security": pod_security(settings),
        "env": variables(release, settings),
        "fetch_env": variables(release, settings, told=False),
        "fetch_command": list(places.FETCH_COMMAND),
        "model_folder": places.MODEL,
        "container_security": CONTAINER_SECURITY,
        "resources": resources(settings),
        "tolerations": [msgspec.to_builtins(each) for each in settings.tolerations],
        "grace": grace,
        "pre_stop": PRE_STOP,
        "startup_failures": max(3, math.ceil(settings.start_timeout / 2)),
        "deadline": math.ceil(settings.start_timeout) + 60,
        "backends": [{"name": name, "port": settings.port, "weight": 100}],
        "monitor_labels": {**names.slot_labels(slot), **(settings.monitor.labels if settings.monitor else {})},
        "monitor_interval": f"{settings.monitor.interval:.0f}s" if settings.monitor else None,
        "release": {"id": release.id, "version": release.version, "commit": release.commit,
                    "artifact": slot.artifact, "stage": slot.stage},
        "settings": _plain(settings),
    }  # fmt: skip
    values["tolerations"] = [{k: v for k, v in each.items() if v is not None} for each in values["tolerations"]]
    chosen = [name for name in templates.names() if not _is_another_engines(name, engine)]
    documents = [each for template in chosen for each in templates.documents(template, values)]
    _check(documents, namespace, settings, set(templates.theirs))
    for each in documents:
        metadata = each["metadata"]
        metadata["namespace"] = namespace
        metadata["labels"] = {**metadata.get("labels", {}), **names.slot_labels(slot)}
    documents.sort(key=lambda each: (_place(each["kind"]), each["metadata"]["name"]))
    # The release's own: a rolling update has pods of the old one under the same workload, which prove nothing.
    pods = {**workload_selector, names.RELEASE: release.id}
    return Manifests(
        workload=workload, labels=pods, documents=documents, side_by_side=side_by_side, candidate_service=candidate
    )


def as_stored(slot: Slot, release_id: str, workload: str, documents: Sequence[Document]) -> Manifests:
    """The objects of a release that was applied before, as they were stored."""
    candidate = f"{names.slot_name(slot)}-candidate"
    beside = any(each["kind"] == "Service" and each["metadata"]["name"] == candidate for each in documents)
    return Manifests(
        workload=workload,
        labels=names.selector(slot, release_id),
        documents=documents,
        side_by_side=beside,
        candidate_service=candidate if beside else None,
    )


def with_share(document: Document, weight: int) -> Document:
    """An InferenceService whose newest revision gets this share of the clients, in percent (Knative mode)."""
    predictor = {**document["spec"]["predictor"], "canaryTrafficPercent": weight}
    return {**document, "spec": {**document["spec"], "predictor": predictor}}


def variables(release: Release, settings: KubernetesSettings, *, told: bool = True) -> list[Document]:
    """The server's environment: who it is and how it behaves (``told``), and what the target adds."""
    server = release.settings.get("server", {})
    own = {
        "TAGBOAT_RELEASE": release.id,
        "TAGBOAT_STAGE": release.slot.stage,
        "TAGBOAT_SETTINGS": msgspec.json.encode({"drain": settings.drain, **server}, order="deterministic").decode(),
        "HOME": "/tmp",  # noqa: S108 - the pod's own scratch volume, the only place it may write to
    }
    found: list[Document] = [{"name": name, "value": value} for name, value in settings.env.items()]
    found += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": key.secret, "key": key.key}}}
        for name, key in settings.env_from_secrets.items()
    ]
    return [*found, *({"name": name, "value": value} for name, value in own.items() if told)]


def resources(settings: KubernetesSettings) -> Document:
    """What a pod's container asks for and may have."""
    asked = settings.resources
    requests: dict[str, str] = {"cpu": asked.cpu, "memory": asked.memory}
    limits: dict[str, str] = {"memory": asked.memory_limit or asked.memory}
    if asked.cpu_limit is not None:
        limits["cpu"] = asked.cpu_limit
    if asked.gpu:
        # Extended resources are asked for by their limit, and both have to be equal.
        requests[asked.gpu_resource] = limits[asked.gpu_resource] = str(asked.gpu)
    return {"requests": requests, "limits": limits}


def fewest(settings: KubernetesSettings) -> int:
    """The fewest pods that there will be."""
    if settings.autoscaling is not None:
        return settings.autoscaling.min
    return settings.keda.min if settings.keda is not None else settings.replicas


def pod_security(settings: KubernetesSettings) -> Document:
    """The security context of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": settings.run_as_user,
        "runAsGroup": settings.run_as_user,
        "fsGroup": settings.run_as_user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _is_another_engines(template: str, engine: Engine) -> bool:
    """Whether a template of ours, or what stands in for it, is of an engine that is not asked for."""
    name = template.removesuffix(".yaml.j2")
    return name in DeploymentEngine.templates | KserveEngine.templates and name not in engine.templates


def _place(kind: str) -> int:
    return ORDER.index(kind) if kind in ORDER else 0


def _check(documents: Sequence[Document], namespace: str, settings: KubernetesSettings, theirs: set[str]) -> None:
    """Refuse what leaves the namespace, is of a kind that is not allowed, or gives pods more than they need."""
    where = f"templates/kubernetes ({', '.join(sorted(theirs))})" if theirs else "templates/kubernetes"
    seen = set()
    for each in documents:
        kind, metadata = each.get("kind"), each.get("metadata")
        if not isinstance(kind, str) or not isinstance(each.get("apiVersion"), str) or not isinstance(metadata, dict):
            raise RefusedError("a template makes something without apiVersion, kind and metadata", where=where)
        if not isinstance(metadata.get("name"), str):
            raise RefusedError(f"a template makes a {kind} without a name", where=where)
        group = each["apiVersion"].rpartition("/")[0]
        # Other groups have kinds of the same name: a Service of Knative's, an Ingress of OpenShift's for all of it.
        if KINDS.get(kind) != group and kind not in settings.allow_kinds:
            raise RefusedError(
                f"a template makes a {kind} of {each['apiVersion']}, which is not allowed here",
                where=where,
                hint=f"Add {kind} to the target's `allow-kinds` where templates of the repository may make it.",
            )
        if metadata.get("namespace", namespace) != namespace:
            raise RefusedError(f"a template leaves the namespace {namespace}: {metadata['namespace']}", where=where)
        named = (kind, metadata["name"])
        if named in seen:
            raise RefusedError(f"two templates make the {kind} {metadata['name']}", where=where)
        seen.add(named)
        check_pods(each, where=where)


def _plain(settings: KubernetesSettings) -> dict[str, Any]:
    """The settings as templates see them: every key, by its name with underscores."""

    def plain(value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            return {field: plain(getattr(value, field)) for field in value.__struct_fields__}
        if isinstance(value, Mapping):
            return {key: plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value

    shown: dict[str, Any] = {**plain(settings), "image": plain(settings.pushed)}
    for secret in ("token",):
        shown.pop(secret, None)
    return shown

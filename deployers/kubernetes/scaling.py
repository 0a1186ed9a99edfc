"""Who says how many pods there are: we, or an autoscaler; and how the word passes from one to the other.

A Deployment without ``replicas`` leaves their number to whoever scales it. By the rules of server-side apply a field
that its only owner no longer names falls back to its default, which here is one pod: so somebody else is given the
field before we leave it (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).
"""

from __future__ import annotations

from collections.abc import Sequence

from deployers.kubernetes.api import DEPLOYMENT, SCALE_MANAGER, Api
from deployers.kubernetes.records import Reference
from deployers.kubernetes.wire import FIELD_MANAGER, Document

SCALERS = {"HorizontalPodAutoscaler", "ScaledObject"}

CONTROLLER = "kube-controller-manager"
"""By this name the cluster's autoscaler owns a number of pods."""


def yielding(inventory: Sequence[Reference]) -> frozenset[str]:
    """The managers whose number of pods gives way to ours without a conflict: those that we set to work ourselves."""
    ours = any(each.kind in SCALERS for each in inventory)
    return frozenset({SCALE_MANAGER, CONTROLLER} if ours else {SCALE_MANAGER})


def hand_over(api: Api, live: Document | None, document: Document) -> None:
    """Before a Deployment is applied that names no number of pods: let what there is outlive our naming it."""
    if live is not None and _leaves_number(document) and _is_ours(live):
        api.apply(_number_alone(document, live), manager=SCALE_MANAGER)


def as_it_will_be(live: Document | None, document: Document) -> Document:
    """The document with the number of pods that `hand_over` keeps, for a dry run that hands nothing over."""
    if live is None or not _leaves_number(document):
        return document
    return {**document, "spec": {**document["spec"], "replicas": live["spec"]["replicas"]}}


def as_strong(api: Api, old: str | None, workload: str, documents: Sequence[Document]) -> None:
    """Let a new workload that an autoscaler counts begin with as many pods as the old one has."""
    new = next((each for each in documents if each["metadata"]["name"] == workload and _leaves_number(each)), None)
    if new is None or old is None or old == workload:
        return
    before, there = api.get(DEPLOYMENT, old), api.get(DEPLOYMENT, workload)
    if before is not None and there is not None and before["spec"]["replicas"] > there["spec"]["replicas"]:
        api.scale(workload, int(before["spec"]["replicas"]))


def on_trial(document: Document, workload: str, replicas: int | None) -> Document:
    """A Deployment with fewer pods, while it is tried."""
    if replicas is None or document["kind"] != "Deployment" or document["metadata"]["name"] != workload:
        return document
    if "replicas" not in document["spec"]:
        return document
    return {**document, "spec": {**document["spec"], "replicas": min(replicas, document["spec"]["replicas"])}}


def _leaves_number(document: Document) -> bool:
    return document["kind"] == "Deployment" and "replicas" not in document["spec"]


def _is_ours(live: Document) -> bool:
    """Whether our own applies name the number of pods."""
    return any(
        entry.get("manager") == FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in live["metadata"].get("managedFields", [])
    )


def _number_alone(document: Document, live: Document) -> Document:
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": {"name": document["metadata"]["name"]},
        "spec": {"replicas": live["spec"]["replicas"]},
    }

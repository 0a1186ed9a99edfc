"""KServe's controller, as far as a deployer can see it: an InferenceService becomes Deployments, one for each revision.

After kserve/pkg/controller/v1beta1/inferenceservice. In raw mode there is one Deployment, and a canary's share is
ignored; in Knative's a new predictor is a new revision, and the old one stays while the new has a share.
"""

from __future__ import annotations

import copy
import hashlib
import json

from tests.fakes.kubernetes.resources import with_defaults
from tests.fakes.kubernetes.store import Document, Key, Store, now

OWN = ("canaryTrafficPercent", "minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "labels", "annotations")


def settle(store: Store, service: Document) -> None:
    """Move its Deployments one step towards what it asks for."""
    metadata, predictor = service["metadata"], service["spec"]["predictor"]
    mode = metadata.get("annotations", {}).get("serving.kserve.io/deploymentMode", "Serverless")
    space = metadata["namespace"]
    pod = {key: value for key, value in predictor.items() if key not in OWN}
    labels = predictor.get("labels", {})
    digest = hashlib.sha256(json.dumps([pod, labels], sort_keys=True).encode()).hexdigest()[:5]
    base = f"{metadata['name']}-predictor"
    name = base if mode == "RawDeployment" else f"{base}-{digest}"
    own = {"app": f"isvc.{name}"} if mode == "RawDeployment" else {"serving.knative.dev/revision": name}
    wanted = with_defaults(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": space, "labels": own, "ownerReferences": [owner(service)]},
            "spec": {
                "replicas": predictor.get("minReplicas", 1),
                "selector": {"matchLabels": own},
                "template": {"metadata": {"labels": {**labels, **own}}, "spec": copy.deepcopy(pod)},
            },
        }
    )
    key = Key("apps", "deployments", space, name)
    live = store.get(key)
    if live is None:
        live = store.put(key, wanted)
    elif live["spec"] != wanted["spec"]:
        live = store.put(key, {**live, "spec": wanted["spec"]})
    status = live.get("status", {})
    replicas = live["spec"]["replicas"]
    whole = status.get("observedGeneration") == live["metadata"]["generation"]
    ready = whole and status.get("updatedReplicas") == status.get("replicas") == status.get("readyReplicas") == replicas
    if ready and mode != "RawDeployment" and "canaryTrafficPercent" not in predictor:
        for other in store.list("apps", "deployments", space):
            if other["metadata"]["name"].startswith(f"{base}-") and other["metadata"]["name"] != name:
                store.delete(key._replace(name=other["metadata"]["name"]))
    others = [
        each["metadata"]["name"]
        for each in store.list("apps", "deployments", space)
        if each["metadata"]["name"].startswith(f"{base}-") and each["metadata"]["name"] != name
    ]
    percent = predictor.get("canaryTrafficPercent", 100 if ready or not others else 0)
    traffic = [{"revisionName": name, "percent": percent, "latestRevision": True}]
    traffic += [{"revisionName": each, "percent": 100 - percent} for each in others[:1]]
    told = {
        "components": {"predictor": {"traffic": [] if mode == "RawDeployment" else traffic}},
        "observedGeneration": metadata["generation"],
        "conditions": [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now()}],
        "modelStatus": {"transitionStatus": "UpToDate" if ready else "InProgress"},
    }
    before = {each["type"]: each for each in service.get("status", {}).get("conditions", [])}
    if before.get("Ready", {}).get("status") == told["conditions"][0]["status"]:
        told["conditions"] = [before["Ready"]]
    store.update(
        Key("serving.kserve.io", "inferenceservices", space, metadata["name"]),
        lambda each: each.update(status=told),
    )


def owner(service: Document) -> Document:
    """An owner reference."""
    metadata = service["metadata"]
    return {"apiVersion": service["apiVersion"], "kind": "InferenceService", "name": metadata["name"],
            "uid": metadata["uid"], "controller": True}  # fmt: skip

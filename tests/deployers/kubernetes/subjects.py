"""A namespace of a cluster as a conformance subject: a fake one, or the real one of TAGBOAT_TEST_KUBECONFIG."""

import functools
import json
import os
import shutil
import time
from pathlib import Path

import msgspec

from deployers.base import Release, Slot, Surroundings
from deployers.conformance import Subject
from deployers.kubernetes import names
from deployers.kubernetes.deployer import KubernetesDeployer
from deployers.kubernetes.settings import KubernetesSettings
from deployers.wrapping.bundle import Bundle

REAL_IMAGE = "TAGBOAT_TEST_IMAGE"
"""An image that the real cluster can pull, as `tagboat image` makes it, by its digest."""

IGNORED = ("Lease", "Event", "Pod", "ReplicaSet")


@functools.cache
def client_of(kubeconfig):
    """The client of a kubeconfig."""
    from kubernetes import config

    return config.new_client_from_config(config_file=str(kubeconfig), persist_config=False)


class NamedImages:
    """Images that are there already, named by their bundle's digest; broken ones say so in their name."""

    def reference(self, bundle):
        broken = "broken" in bundle.folder.name
        served = os.environ.get(REAL_IMAGE)
        if served is not None and not broken:
            return served
        return f"registry.example/{'broken' if broken else 'models'}@{bundle.digest}"

    def push(self, bundle):
        return "nothing to send"


class ClusterSubject(Subject):
    """Survives pickling: of the cluster it knows the kubeconfig alone."""

    processes = True
    preload = ("kubernetes.client", "kubernetes.config")
    patience = 20.0
    canary = "hunter2-canary-77aa"

    def __init__(self, folder: Path, kubeconfig: Path, settings=None, namespace="models") -> None:
        self.folder = folder
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.written = {"image": {"repository": "registry.example/models"}, "replicas": 2, **(settings or {})}

    def settings(self):
        written = {"namespace": self.namespace, **self.written, "kubeconfig": str(self.kubeconfig)}
        return msgspec.convert(written, KubernetesSettings)

    def deployer(self):
        surroundings = Surroundings(
            environment={"PATH": "/usr/bin:/bin", "SECRET": self.canary},
            state=self.folder / "state",
            cache=self.folder / "cache",
            clock=time.time,
        )
        return KubernetesDeployer(
            "cluster",
            self.settings(),
            surroundings,
            images=NamedImages(),
            lease_patience=3.0,
            lease_duration=1.0,
        )

    def slot(self, name="model"):
        return Slot(artifact=name, stage="prod", target="cluster")

    def release(self, slot, version, tag=None):
        bundle = Bundle(self.folder / "bundles" / version, f"sha256:{version.encode().hex():0<64}")
        bundle.folder.mkdir(parents=True, exist_ok=True)
        release = Release(
            slot=slot,
            version=version,
            commit="c" * 40,
            bundle_digest=bundle.digest,
            settings={"server": {}, "target": {"token": "${env:SECRET}"}},
            tag=tag,
        )
        return release, bundle

    def broken(self, slot, version):
        return self.release(slot, f"{version}-broken")

    # Without the deployer

    def fetch(self, path, method="GET", body=None):
        """A request with the kubeconfig's own credentials; headers and body. Raises `LookupError` for a refusal."""
        client = client_of(self.kubeconfig)
        headers = {"content-type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        client.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        answer = client.rest_client.pool_manager.request(
            method, client.configuration.host + path, body=body, headers=headers, timeout=10, retries=False
        )
        if answer.status >= 400:
            raise LookupError(answer.status)
        return answer.headers, answer.data

    def served(self, slot):
        address = f"/api/v1/namespaces/{self.namespace}/services/{names.slot_name(slot)}:80/proxy/health/ready"
        try:
            headers, _ = self.fetch(address)
        except LookupError:
            return None
        return headers.get("x-tagboat-release")

    def objects(self, *kinds):
        """Everything in the namespace, by (kind, name)."""
        found = {}
        for path, kind in ALL:
            if kinds and kind not in kinds:
                continue
            group = "/api/v1" if "/" not in path else f"/apis/{path.rpartition('/')[0]}"
            _, body = self.fetch(f"{group}/namespaces/{self.namespace}/{path.rpartition('/')[2]}")
            for item in json.loads(body)["items"]:
                found[kind, item["metadata"]["name"]] = item
        return found

    def lose_caches(self):
        shutil.rmtree(self.folder / "bundles")

    def stranger(self):
        name = names.slot_name(self.slot())
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-mine"}, "data": {"a": "b"}}
        self.fetch(f"/api/v1/namespaces/{self.namespace}/configmaps", "POST", json.dumps(body).encode())
        return lambda: self.objects("ConfigMap").get(("ConfigMap", f"{name}-mine"), {}).get("data") == {"a": "b"}

    def snapshot(self):
        def kept(kind, item):
            """Without what controllers change."""
            gone = {"managedFields": None} if kind == "ConfigMap" else {"managedFields": None, "resourceVersion": None}
            return {**item, "status": None, "metadata": {**item["metadata"], **gone}}

        return {key: kept(key[0], item) for key, item in self.objects().items() if key[0] not in IGNORED}

    def leftovers(self):
        """Workloads beyond one a slot, candidates' services, and objects of slots that have no record."""
        found = self.objects()
        slots = {
            item["metadata"]["labels"].get(names.INSTANCE)
            for (kind, _), item in found.items()
            if kind == "ConfigMap" and item["metadata"].get("labels", {}).get(names.RECORD) == names.SLOT_RECORD
        }
        left = []
        per_slot = {}
        for (kind, name), item in found.items():
            slot = item["metadata"].get("labels", {}).get(names.INSTANCE)
            if slot is None or kind in IGNORED:
                continue
            if slot not in slots:
                left.append(f"{kind} {name}")
            if kind == "Deployment":
                per_slot.setdefault(slot, []).append(name)
            if kind == "Service" and name.endswith("-candidate"):
                left.append(f"{kind} {name}")
        return left + [f"workloads {', '.join(several)}" for several in per_slot.values() if len(several) > 1]


class KserveSubject(ClusterSubject):
    """A namespace whose releases are KServe's to run. What killed processes leave is looked at without KServe."""

    processes = False

    def served(self, slot):
        """What a pod of the revision that clients meet says; asked again where that pod went meanwhile."""
        for _ in range(20):
            try:
                return self._served(slot)
            except LookupError:
                time.sleep(0.05)
        return None

    def _served(self, slot):
        name = names.slot_name(slot)
        service = self.objects("InferenceService").get(("InferenceService", name), {})
        shares = service.get("status", {}).get("components", {}).get("predictor", {}).get("traffic", [])
        met = max(shares, key=lambda each: each["percent"], default={}).get("revisionName")
        for (_, pod), item in self.objects("Pod").items():
            labels = item["metadata"]["labels"]
            ready = any(each["type"] == "Ready" and each["status"] == "True" for each in item["status"]["conditions"])
            if (
                ready
                and labels.get(names.INSTANCE) == name
                and met in {None, labels.get("serving.knative.dev/revision")}
            ):
                headers, _ = self.fetch(f"/api/v1/namespaces/{self.namespace}/pods/{pod}:8080/proxy/health/ready")
                return headers.get("x-tagboat-release")
        return None


ALL = (
    ("pods", "Pod"),
    ("services", "Service"),
    ("serviceaccounts", "ServiceAccount"),
    ("configmaps", "ConfigMap"),
    ("apps/v1/deployments", "Deployment"),
    ("apps/v1/replicasets", "ReplicaSet"),
    ("autoscaling/v2/horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    ("policy/v1/poddisruptionbudgets", "PodDisruptionBudget"),
    ("networking.k8s.io/v1/networkpolicies", "NetworkPolicy"),
    ("coordination.k8s.io/v1/leases", "Lease"),
    ("serving.kserve.io/v1beta1/inferenceservices", "InferenceService"),
)

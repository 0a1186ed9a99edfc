"""What the control plane and the kubelets do: deployments become replica sets, those become pods, and pods start.

One thread settles everything after each change, by the rules of the deployment controller
(k8s.io/kubernetes/pkg/controller/deployment): never fewer available than ``maxUnavailable`` allows, never more pods
than ``maxSurge`` allows, and ``ProgressDeadlineExceeded`` when nothing has moved for too long.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import threading
import time
from typing import Any

from tests.fakes.kubernetes import kserve
from tests.fakes.kubernetes.pods import Script, Servers
from tests.fakes.kubernetes.resources import pod_defaults
from tests.fakes.kubernetes.store import Key, Store, now

Document = dict[str, Any]

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
TURN = 0.02
"""Seconds between two looks at whether something has changed."""

PAUSE = 0.25
"""Seconds between two looks at what time alone changes: starts and deadlines."""


class Controllers:
    """Settles a store until closed. ``hurry``: seconds of deadlines pass so many times as fast."""

    def __init__(self, store: Store, servers: Servers, *, hurry: float = 1.0) -> None:
        self.store = store
        self.servers = servers
        self.hurry = hurry
        self.moved: dict[str, tuple[Any, float]] = {}
        self.closed = threading.Event()
        self.paused = threading.Event()
        self.thread = threading.Thread(target=self.run, name="controllers", daemon=True)

    def run(self) -> None:
        """Settle after each change, and now and then for what only time brings."""
        settled, at = -1, 0.0
        while not self.closed.is_set():
            with self.store.changed:
                due = self.store.version != settled or time.monotonic() - at > PAUSE
                if due and not self.paused.is_set():
                    settled, at = self.store.version, time.monotonic()
                    self.settle()
                self.store.changed.wait(TURN)

    def settle(self) -> None:
        """One turn of every controller."""
        for service in self.store.list("serving.kserve.io", "inferenceservices"):
            kserve.settle(self.store, service)
        for deployment in self.store.list("apps", "deployments"):
            self.settle_deployment(deployment)
        for replica_set in self.store.list("apps", "replicasets"):
            self.settle_replica_set(replica_set)
        for pod in self.store.list("", "pods"):
            self.settle_pod(pod)

    # Deployments

    def settle_deployment(self, deployment: Document) -> None:
        """Move its replica sets one step towards what it asks for."""
        metadata, spec = deployment["metadata"], deployment["spec"]
        space, name = metadata["namespace"], metadata["name"]
        digest = hashlib.sha256(json.dumps(spec["template"], sort_keys=True).encode()).hexdigest()[:10]
        owned = [each for each in self.store.list("apps", "replicasets", space) if owns(deployment, each)]
        current = next((each for each in owned if each["metadata"]["labels"][HASH] == digest), None)
        if current is None:
            revision = 1 + max((int(each["metadata"]["annotations"][REVISION]) for each in owned), default=0)
            current = self.create_replica_set(deployment, f"{name}-{digest}", digest, revision)
        old = [each for each in owned if each["metadata"]["name"] != current["metadata"]["name"]]
        wanted = spec["replicas"]
        rolling = spec["strategy"].get("rollingUpdate", {})
        surge = share(rolling.get("maxSurge", 0), wanted, math.ceil)
        absent = share(rolling.get("maxUnavailable", 0), wanted, math.floor)
        if surge == absent == 0:
            absent = 1
        theirs = sum(each["spec"]["replicas"] for each in old)
        room = max(0, wanted + surge - theirs)
        self.scale(current, min(wanted, max(room, min(current["spec"]["replicas"], wanted))))
        available = sum(self.ready(each) for each in [current, *old])
        spare = max(0, available - (wanted - absent))
        for each in old:
            unready = each["spec"]["replicas"] - self.ready(each)
            fewer = unready or min(each["spec"]["replicas"], spare)
            spare -= 0 if unready else fewer
            self.scale(each, each["spec"]["replicas"] - fewer)
        self.report(deployment, current, old, wanted)
        done = [each for each in old if each["spec"]["replicas"] == 0 and not self.pods_of(each)]
        done.sort(key=lambda each: int(each["metadata"]["annotations"][REVISION]))
        for each in done[: max(0, len(done) - spec["revisionHistoryLimit"])]:
            self.store.delete(Key("apps", "replicasets", space, each["metadata"]["name"]))

    def create_replica_set(self, deployment: Document, name: str, digest: str, revision: int) -> Document:
        """The replica set of a pod template."""
        template = json.loads(json.dumps(deployment["spec"]["template"]))
        template["metadata"]["labels"] = {**template["metadata"]["labels"], HASH: digest}
        space = deployment["metadata"]["namespace"]
        document = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": space,
                "labels": template["metadata"]["labels"],
                "annotations": {REVISION: str(revision)},
                "ownerReferences": [reference(deployment)],
            },
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": template["metadata"]["labels"]},
                "template": template,
            },
            "status": {},
        }
        return self.store.put(Key("apps", "replicasets", space, name), document)

    def scale(self, replica_set: Document, replicas: int) -> None:
        """Ask for so many pods."""
        if replica_set["spec"]["replicas"] != replicas:
            replica_set["spec"]["replicas"] = replicas
            space, name = replica_set["metadata"]["namespace"], replica_set["metadata"]["name"]
            self.store.update(
                Key("apps", "replicasets", space, name), lambda each: each["spec"].update(replicas=replicas)
            )

    def report(self, deployment: Document, current: Document, old: list[Document], wanted: int) -> None:
        """Write the deployment's status."""
        metadata = deployment["metadata"]
        updated = len(self.pods_of(current))
        ready, theirs = self.ready(current), sum(self.ready(each) for each in old)
        total = updated + sum(len(self.pods_of(each)) for each in old)
        complete = updated == wanted and ready == wanted and total == wanted
        place = (metadata["generation"], updated, ready, theirs, total)
        before, since = self.moved.get(metadata["uid"], (None, 0.0))
        if before != place:
            since = time.monotonic()
            self.moved[metadata["uid"]] = (place, since)
        late = (time.monotonic() - since) * self.hurry > deployment["spec"]["progressDeadlineSeconds"]
        name = current["metadata"]["name"]
        if complete:
            progress = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
        elif late:
            progress = ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
        else:
            progress = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        enough = ready + theirs >= wanted
        conditions = [
            condition("Available", "True" if enough else "False", "MinimumReplicasAvailable", ""),
            condition("Progressing", *progress),
        ]
        failure = next((each for each in current.get("status", {}).get("conditions", [])), None)
        if failure is not None:
            conditions.append(failure)
        status = {
            "observedGeneration": metadata["generation"],
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": ready + theirs,
            "availableReplicas": ready + theirs,
            "unavailableReplicas": max(0, total - ready - theirs),
            "conditions": conditions,
        }
        key = Key("apps", "deployments", metadata["namespace"], metadata["name"])
        self.store.update(key, lambda each: each.update(status=status))

    # Replica sets

    def settle_replica_set(self, replica_set: Document) -> None:
        """Make or end pods until there are as many as it asks for."""
        space, name = replica_set["metadata"]["namespace"], replica_set["metadata"]["name"]
        key = Key("apps", "replicasets", space, name)
        pods = self.pods_of(replica_set)
        wanted = replica_set["spec"]["replicas"]
        script = self.servers.script(replica_set["spec"]["template"]["spec"])
        if script.kind == "quota" and len(pods) < wanted:
            message = f'pods "{name}-" is forbidden: {OVER_QUOTA}'
            failed = condition("ReplicaFailure", "True", "FailedCreate", message)
            self.store.update(key, lambda each: each["status"].update(conditions=[failed]))
            self.warn(replica_set, "FailedCreate", f"Error creating: {message}")
            return
        for _ in range(wanted - len(pods)):
            self.create_pod(replica_set)
        pods.sort(key=lambda pod: is_ready(pod))
        for pod in pods[: max(0, len(pods) - wanted)]:
            self.store.delete(Key("", "pods", space, pod["metadata"]["name"]))
        left = self.pods_of(replica_set)
        counts = {"replicas": len(left), "readyReplicas": sum(map(is_ready, left)), "observedGeneration": 1}
        self.store.update(
            key, lambda each: each.update(status={**counts, "availableReplicas": counts["readyReplicas"]})
        )

    def create_pod(self, replica_set: Document) -> None:
        """A pod from the template."""
        template = json.loads(json.dumps(replica_set["spec"]["template"]))
        space = replica_set["metadata"]["namespace"]
        name = f"{replica_set['metadata']['name']}-{secrets.token_hex(3)[:5]}"
        pod_defaults(template["spec"])
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template["metadata"],
                "name": name,
                "namespace": space,
                "ownerReferences": [reference(replica_set)],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending", "conditions": []},
        }
        self.store.put(Key("", "pods", space, name), document)

    def pods_of(self, replica_set: Document) -> list[Document]:
        """Its pods."""
        space = replica_set["metadata"]["namespace"]
        return [pod for pod in self.store.list("", "pods", space) if owns(replica_set, pod)]

    def ready(self, replica_set: Document) -> int:
        """How many of its pods are ready."""
        return sum(map(is_ready, self.pods_of(replica_set)))

    # Pods

    def settle_pod(self, pod: Document) -> None:
        """Bring a pod to where its script says."""
        script = self.servers.script(pod["spec"])
        age = time.time() - parse_time(pod)
        key = Key("", "pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        status = pod_status(pod, script, ready=script.kind == "serve" and age * self.hurry >= script.starts_in)
        if status != pod["status"]:
            self.store.update(key, lambda each: each.update(status=status))
            self.tell(pod, script)

    def tell(self, pod: Document, script: Script) -> None:
        """The events that go along with a failure."""
        image = pod["spec"]["containers"][0]["image"]
        if script.kind == "unschedulable":
            self.warn(pod, "FailedScheduling", UNSCHEDULABLE)
        elif script.kind == "pull-error":
            self.warn(pod, "Failed", f'Failed to pull image "{image}": not found')
        elif script.kind == "never-ready":
            self.warn(pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
        elif script.kind in {"crash", "oom"}:
            self.warn(pod, "BackOff", "Back-off restarting failed container model in pod")

    def warn(self, about: Document, reason: str, message: str) -> None:
        """An event of type Warning; the same one again counts on."""
        metadata = about["metadata"]
        digest = hashlib.sha256(f"{metadata['uid']}{reason}{message}".encode()).hexdigest()[:16]
        key = Key("", "events", metadata["namespace"], f"{metadata['name']}.{digest}")
        if self.store.get(key) is not None:
            return
        self.store.put(
            key,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": key.name, "namespace": key.namespace},
                "involvedObject": {"kind": about["kind"], "name": metadata["name"], "namespace": key.namespace,
                                   "uid": metadata["uid"]},
                "reason": reason,
                "message": message,
                "type": "Warning",
                "count": 1,
                "firstTimestamp": now(),
                "lastTimestamp": now(),
            },
        )  # fmt: skip


OVER_QUOTA = "exceeded quota: compute, requested: limits.memory=1Gi, used: limits.memory=8Gi, limited: 8Gi"
UNSCHEDULABLE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available."


def pod_status(pod: Document, script: Script, *, ready: bool) -> Document:
    """The status of a pod whose container behaves by a script."""
    before = {each["type"]: each for each in pod["status"].get("conditions", [])}

    def told(kind: str, status: str, reason: str = "", message: str = "") -> Document:
        old = before.get(kind)
        fresh = condition(kind, status, reason, message)
        same = old is not None and all(old.get(name) == fresh.get(name) for name in ("status", "reason", "message"))
        return old if same and old is not None else fresh

    if script.kind == "unschedulable":
        return {"phase": "Pending", "conditions": [told("PodScheduled", "False", "Unschedulable", UNSCHEDULABLE)]}
    image = pod["spec"]["containers"][0]["image"]
    states: dict[str, tuple[Document, Document]] = {
        "pull-error": ({"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}}, {}),
        "config-error": (
            {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "keys" not found'}},
            {},
        ),
        "crash": (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=model"}},
            {"terminated": {"exitCode": 2, "reason": "Error"}},
        ),
        "oom": (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=model"}},
            {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        ),
    }
    state, last = states.get(script.kind, ({"running": {"startedAt": pod["metadata"]["creationTimestamp"]}}, {}))
    if ready and script.restarts:
        last = {"terminated": {"exitCode": 1, "reason": "Error"}}
    word = "True" if ready else "False"
    container = {
        "name": pod["spec"]["containers"][0]["name"],
        "image": image,
        "ready": ready,
        "started": "running" in state,
        "restartCount": script.restarts or 3 if last else 0,
        "state": state,
        "lastState": last,
    }
    return {
        "phase": "Running" if "running" in state or last else "Pending",
        "podIP": "10.0.0.1",
        "conditions": [told("PodScheduled", "True"), told("Initialized", "True"),
                       told("ContainersReady", word), told("Ready", word)],
        "containerStatuses": [container],
    }  # fmt: skip


def is_ready(pod: Document) -> bool:
    """Whether a pod takes requests."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def owns(owner: Document, owned: Document) -> bool:
    """Whether one object is the other's controller."""
    uid = owner["metadata"]["uid"]
    return any(each["uid"] == uid for each in owned["metadata"].get("ownerReferences", []))


def reference(owner: Document) -> Document:
    """An owner reference."""
    metadata = owner["metadata"]
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"],
            "uid": metadata["uid"], "controller": True, "blockOwnerDeletion": True}  # fmt: skip


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Document:
    """A condition that has just been reached."""
    told = {"type": kind, "status": status, "lastTransitionTime": now()}
    return {**told, **({"reason": reason} if reason else {}), **({"message": message} if message else {})}


def share(value: int | str, of: int, rounded: Any) -> int:
    """An absolute number, or a percentage of something."""
    if isinstance(value, str) and value.endswith("%"):
        return int(rounded(of * int(value[:-1]) / 100))
    return int(value)


def parse_time(pod: Document) -> float:
    """When a pod was made, in Unix seconds; whole ones, as the API keeps them."""
    import calendar

    return calendar.timegm(time.strptime(pod["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ"))

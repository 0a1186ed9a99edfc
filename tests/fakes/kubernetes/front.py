"""A real cluster in the fake one's place: a front on loopback that passes everything on to a real API server.

Real: the API server with its schemas, field managers, admission and watches, and the controllers behind it. Simulated:
one node, on which the tests' pods are bound, since no image of theirs can be pulled. The node's pods come up, fail and
answer by their scripts, as the fake's do; requests to them and their logs are answered here. Faults are the fake's too,
and what no operator has brought along (routes, monitors, KServe) gets a definition for as long as the tests run.

Everything happens in the namespace ``models``, which is made, and refused where it is somebody else's.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from urllib3.exceptions import HTTPError

from tests.fakes.kubernetes import kserve
from tests.fakes.kubernetes.controllers import Controllers, is_ready
from tests.fakes.kubernetes.machinery import ApiError
from tests.fakes.kubernetes.resources import BUILT_IN, CUSTOM, Resource
from tests.fakes.kubernetes.server import PATH, Cluster, Fault, Handler, matches_all
from tests.fakes.kubernetes.store import Document, Key, now
from tests.fakes.kubernetes.upstream import ApiStore, Upstream

REAL_CLUSTER = "TAGBOAT_TEST_KUBECONFIG"
NAMESPACE = "models"
MARK = "tagboat.dev/test"
BEAT = 10.0
"""Seconds between two signs of life of the node."""

TURN = 0.05
"""Seconds between two looks at the pods."""

MORE = (
    Resource("", "v1", "resourcequotas", "ResourceQuota"),
    Resource("", "v1", "nodes", "Node", namespaced=False),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False),
)
STAYS = re.compile(r"default|.*-ca\.crt")
"""Names of the objects that the control plane gives to every namespace."""


class RealCluster(Cluster):
    """The cluster of a kubeconfig, behind a front of the fake's address and token."""

    store: ApiStore  # type: ignore[assignment]

    def __init__(self, kubeconfig: Path, *, hurry: float = 1.0) -> None:
        super().__init__(hurry=hurry)
        self.http.RequestHandlerClass = type("Bound", (Front,), {"cluster": self})
        self.upstream = Upstream(kubeconfig)
        self.store = ApiStore(self.upstream, (*BUILT_IN, *CUSTOM, *MORE), NAMESPACE)
        self.node = f"tagboat-test-{secrets.token_hex(4)}"
        self.controllers = Node(self.store, self.servers, self.node, hurry=hurry)
        self.definitions: list[str] = []

    @property
    def pod_settings(self) -> Document:
        """The settings of a target whose pods the node is to have."""
        return {"node-selector": {MARK: self.node}, "tolerations": [{"key": MARK, "operator": "Exists"}]}

    def __enter__(self) -> Self:
        """Make the namespace, what definitions are missing, and the node; then serve."""
        space = self.upstream.ask("GET", f"/api/v1/namespaces/{NAMESPACE}")
        if space[0] == 200 and MARK not in space[1]["metadata"].get("labels", {}):
            message = f"the cluster has a namespace {NAMESPACE} that is not the tests' own: use another cluster"
            raise RuntimeError(message)
        metadata = {"name": NAMESPACE, "labels": {MARK: "true"}}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.upstream.need("POST", "/api/v1/namespaces", namespace, unless=[409])
        for each in CUSTOM:
            self.define(each)
        super().__enter__()
        self.clear()
        return self

    def __exit__(self, *arguments: object) -> None:
        """Take everything away that was made."""
        self.clear()
        super().__exit__(*arguments)
        for name in self.definitions:
            self.store.delete(Key("apiextensions.k8s.io", "customresourcedefinitions", "", name))
        self.store.delete(Key("", "nodes", "", self.node))

    def define(self, resource: Resource) -> None:
        """Let the server keep objects of a kind that it does not know, whatever is in them."""
        name = f"{resource.plural}.{resource.group}"
        path = f"/apis/{resource.group}/{resource.version}"
        if self.upstream.ask("GET", path)[0] == 404:
            self.definitions.append(name)
            self.upstream.need(
                "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(resource), unless=[409]
            )
        for _ in waiting(30):
            if self.upstream.ask("GET", f"{path}/namespaces/{NAMESPACE}/{resource.plural}")[0] == 200:
                return

    def clear(self) -> None:
        """Leave nothing in the namespace, and wait until what controllers do about it is done."""
        for _ in waiting(60):
            left = [key for key in self.store.objects if not STAYS.fullmatch(key.name) and key.resource != "events"]
            if not left:
                return
            for key in left:
                self.store.delete(key, 0 if key.resource == "pods" else None)

    def pods_behind(self, namespace: str, service: str) -> list[Document]:
        """The ready pods that a service selects, but for those that are on their way out."""
        found = self.store.get(Key("", "services", namespace, service))
        if found is None:
            raise ApiError(404, "NotFound", f'services "{service}" not found')
        wanted = found["spec"].get("selector") or {}
        return [
            pod
            for pod in self.store.list("", "pods", namespace)
            if is_ready(pod)
            and "deletionTimestamp" not in pod["metadata"]
            and matches_all(pod["metadata"].get("labels", {}), wanted)
        ]


def cluster_of(environment: Mapping[str, str], *, hurry: float = 1.0) -> Cluster:
    """The cluster that tests are to use: a real one where TAGBOAT_TEST_KUBECONFIG names it, else a fake one."""
    given = environment.get(REAL_CLUSTER)
    return Cluster(hurry=hurry) if given is None else RealCluster(Path(given), hurry=hurry)


def definition(resource: Resource) -> Document:
    """A definition that takes whatever it is given."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{resource.group}",
            "labels": {MARK: "true"},
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": resource.group,
            "scope": "Namespaced",
            "names": {"plural": resource.plural, "kind": resource.kind},
            "versions": [
                {
                    "name": resource.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": anything},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


class Node(Controllers):
    """One node's kubelet, and KServe's controller: by the same scripts as the fake's, against a real API server."""

    store: ApiStore  # type: ignore[assignment]

    def __init__(self, store: ApiStore, servers: Any, name: str, *, hurry: float) -> None:
        super().__init__(store, servers, hurry=hurry)  # type: ignore[arg-type]
        self.name = name
        self.beaten = 0.0

    def run(self) -> None:
        """Look after the pods until closed."""
        while not self.closed.wait(TURN):
            if not self.paused.is_set():
                self.settle()

    def settle(self) -> None:
        """One turn. What goes wrong on the way, as an object that goes meanwhile, is for the next one to see."""
        with contextlib.suppress(AssertionError, KeyError):
            if time.monotonic() - self.beaten > BEAT:
                self.beat()
            for service in self.store.list("serving.kserve.io", "inferenceservices"):
                kserve.settle(self.store, service)  # type: ignore[arg-type]
            for pod in self.store.list("", "pods"):
                self.look_after(pod)

    def look_after(self, pod: Document) -> None:
        """Bind a pod, end it, or bring it to where its script says."""
        metadata = pod["metadata"]
        key = Key("", "pods", metadata["namespace"], metadata["name"])
        if pod["spec"].get("nodeName") is None and self.servers.script(pod["spec"]).kind != "unschedulable":
            target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
            named = {"name": metadata["name"], "namespace": metadata["namespace"]}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": named, "target": target}
            self.store.upstream.ask("POST", self.store.path(key, "/binding"), binding)
        elif "deletionTimestamp" in metadata:
            self.store.delete(key, 0)
        else:
            self.settle_pod(pod)

    def beat(self) -> None:
        """Say that the node is there, and has room."""
        self.beaten = time.monotonic()
        key = Key("", "nodes", "", self.name)
        if self.store.get(key) is None:
            self.store.upstream.need("POST", "/api/v1/nodes", node(self.name), unless=[409])
        self.store.update(key, lambda each: each.update(status=node(self.name)["status"]))


def node(name: str) -> Document:
    """A node with room for all the tests' pods, and for nobody else's."""
    room = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "500Gi"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "a test's own",
             "lastHeartbeatTime": now(), "lastTransitionTime": now()}  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {MARK: name, "kubernetes.io/os": "linux", "kubernetes.io/hostname": name}},
        "spec": {"taints": [{"key": MARK, "value": "true", "effect": "NoSchedule"}]},
        "status": {"capacity": room, "allocatable": room, "conditions": [ready]},
    }


class Front(Handler):
    """One request: to a pod or its log it is answered here, any other is passed on."""

    cluster: RealCluster

    def route(self, path: str, query: dict[str, str], body: bytes, *, cut: bool, fault: Fault | None) -> None:
        """Find what is asked for."""
        match = PATH.match(path)
        if match is not None and (self.command, match["plural"]) in self.cluster.forbidden:
            message = f'{match["plural"]} is forbidden: User "fake" cannot do that here'
            raise ApiError(403, "Forbidden", message)
        rest = (match["rest"] or "") if match is not None else ""
        if match is not None and (rest.startswith("/proxy") or rest == "/log"):
            super().route(path, query, body, cut=cut, fault=fault)
            return
        if query.get("watch") in {"1", "true", "True"} and self.cluster.store.compacted.is_set():
            self.cluster.store.compacted.clear()
            self.answer(410, ApiError(410, "Expired", "too old resource version").document())
            return
        if self.command in {"PATCH", "POST"} and match is not None and match["plural"] == "deployments":
            self.limit(body)
        self.pass_on(body, cut=cut, fault=fault)

    def limit(self, body: bytes) -> None:
        """Where a script says that a workload is beyond the quota: a quota that it is beyond."""
        over = [part for part, script in self.cluster.servers.scripts.items() if script.kind == "quota"]
        if any(part.encode() in body for part in over):
            metadata = {"name": "compute", "namespace": NAMESPACE}
            quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata,
                     "spec": {"hard": {"limits.memory": "1Ki"}}}  # fmt: skip
            path = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas"
            self.cluster.upstream.need("POST", path, quota, unless=[409])
            for _ in waiting(10):
                if "used" in self.cluster.upstream.need("GET", f"{path}/compute").get("status", {}):
                    return

    def pass_on(self, body: bytes, *, cut: bool, fault: Fault | None) -> None:
        """The real server's answer, as it comes."""
        kept = ("content-type", "accept", "user-agent")
        headers = {name: value for name in kept if (value := self.headers.get(name))}
        answer = self.cluster.upstream.open(self.command, self.path, body or None, headers)
        try:
            if fault is not None and fault.after_write:
                answer.read()
                raise ApiError(fault.status, "Fault", "a fault after the write")
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers.get("content-type", "application/json"))
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for part in answer.stream(65536, decode_content=True) if not cut else self.once(answer):
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                self.wfile.flush()
                if not self.cluster.alive:
                    break
            if cut:
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError, HTTPError):
            self.close_connection = True
        finally:
            answer.close() if self.close_connection else answer.release_conn()

    @staticmethod
    def once(answer: Any) -> Any:
        """Nothing of an answer but, of a watch, its first line."""
        if "watch=1" in (answer.geturl() or "") or re.search(r"[?&]watch=", answer.geturl() or ""):
            yield next(answer.stream(65536, decode_content=True), b"")
        else:
            answer.read()


def waiting(seconds: float) -> Any:
    """Look again and again. Raises `AssertionError` when the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        threading.Event().wait(0.1)
    raise AssertionError(f"not within {seconds:.0f} s")

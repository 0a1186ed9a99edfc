"""The fake cluster over HTTP, for the real client library: a part of the Kubernetes API that behaves as the real one.

    with Cluster() as cluster:
        cluster.kubeconfig(folder)              # a file that any client takes
        cluster.servers.scripts["broken"] = Script(kind="crash")
        cluster.fail(when("PATCH", "/deployments/"), status=429)

What is checked against what Kubernetes publishes: fields, types and field managers (`schemas`). What is not here: the
scheduler, admission, quotas that count, autoscaling, webhooks, websockets.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

from tests.fakes.kubernetes.controllers import Controllers, is_ready
from tests.fakes.kubernetes.machinery import ApiError, Machinery, Options
from tests.fakes.kubernetes.pods import Servers
from tests.fakes.kubernetes.resources import BUILT_IN, CUSTOM, Resource
from tests.fakes.kubernetes.schemas import NEWEST, Schemas
from tests.fakes.kubernetes.store import Document, Key, Store

PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?P<rest>/.*)?)?\Z"
)

TOKEN = "fake-cluster-token"


class Fault(NamedTuple):
    """What goes wrong with a request: a status before anything happens, after the write, or a connection cut.

    ``slow``: seconds that it takes before it is done as if nothing were wrong.
    """

    when: Callable[[str, str], bool]
    status: int = 500
    after_write: bool = False
    cut: bool = False
    slow: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()


class Cluster:
    """A cluster on loopback. ``custom``: which custom resources are installed; ``hurry``: see `Controllers`."""

    def __init__(
        self,
        *,
        version: str = NEWEST,
        custom: tuple[Resource, ...] = CUSTOM,
        hurry: float = 1.0,
        host: str = "127.0.0.1",
    ) -> None:
        self.store = Store()
        self.schemas = Schemas(version)
        self.machinery = Machinery(self.store, self.schemas)
        self.resources = (*BUILT_IN, *custom)
        self.servers = Servers()
        self.controllers = Controllers(self.store, self.servers, hurry=hurry)
        self.faults: list[Fault] = []
        self.forbidden: list[tuple[str, str]] = []
        self.requests: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self.turn = 0
        self.http = ThreadingHTTPServer((host, 0), type("Bound", (Handler,), {"cluster": self}))
        self.http.daemon_threads = True
        self.alive = True
        self.url = f"http://{host}:{self.http.server_address[1]}"
        for name in ("default", "kube-system", "models"):
            self.add_namespace(name)

    def __enter__(self) -> Self:
        """Serve."""
        self.controllers.thread.start()
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.alive = False
        self.controllers.closed.set()
        self.http.shutdown()
        self.http.server_close()
        self.controllers.thread.join()

    @property
    def pod_settings(self) -> Document:
        """The settings that a target's pods need to run here: none."""
        return {}

    def add_namespace(self, name: str) -> None:
        """A namespace more."""
        metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
        self.store.put(Key("", "namespaces", "", name), {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def kubeconfig(self, folder: Path, *, namespace: str = "models") -> Path:
        """A kubeconfig with the context ``fake``."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {"token": TOKEN}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": namespace}}],
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        path.chmod(0o600)
        return path

    def fail(self, when: Callable[[str, str], bool], times: int = 1, **how: Any) -> None:
        """Let the next requests of a kind fail."""
        with self.lock:
            self.faults += [Fault(when, **how)] * times

    def next_fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets; each one is met once."""
        with self.lock:
            self.requests.append((method, path))
            found = next((fault for fault in self.faults if fault.when(method, path)), None)
            if found is not None:
                self.faults.remove(found)
            return found

    def resource_at(self, match: re.Match[str]) -> Resource:
        """The resource that a path names."""
        group, version = match["group"] or "", match["version"] or "v1"
        for each in self.resources:
            if (each.group, each.version, each.plural) == (group, version, match["plural"]):
                return each
        raise ApiError(404, "NotFound", "the server could not find the requested resource")

    def pods_behind(self, namespace: str, service: str) -> list[Document]:
        """The ready pods that a service selects."""
        found = self.store.get(Key("", "services", namespace, service))
        if found is None:
            raise ApiError(404, "NotFound", f'services "{service}" not found')
        wanted = found["spec"].get("selector") or {}
        pods = self.store.list("", "pods", namespace)
        return [pod for pod in pods if is_ready(pod) and matches_all(pod["metadata"].get("labels", {}), wanted)]

    def through_service(self, namespace: str, service: str, method: str, path: str, body: bytes) -> Any:
        """A request as a client of the service would send it: to any of its ready pods, in turn."""
        pods = self.pods_behind(namespace, service)
        if not pods:
            raise ApiError(503, "ServiceUnavailable", f'no endpoints available for service "{service}"')
        with self.lock:
            self.turn += 1
            pod = pods[self.turn % len(pods)]
        return self.servers.answer(pod, method, path, body)


def when(method: str, part: str) -> Callable[[str, str], bool]:
    """Requests of a method whose path has a part."""
    return lambda given, path: given == method and part in path


def matches_all(labels: dict[str, str], wanted: dict[str, str]) -> bool:
    """Whether labels have all of these values."""
    return all(labels.get(name) == value for name, value in wanted.items())


def selector(text: str) -> Callable[[Document], bool]:
    """A label selector: ``a=b,c!=d,e,!f,g in (h,i)``."""
    tests: list[Callable[[dict[str, str]], bool]] = []
    for part in re.split(r",(?![^()]*\))", text):
        part = part.strip()
        if not part:
            continue
        among = re.fullmatch(r"(\S+)\s+(in|notin)\s+\((.*)\)", part)
        equal = re.fullmatch(r"([^=!\s]+)\s*(==|=|!=)\s*(\S*)", part)
        if among:
            values = {value.strip() for value in among[3].split(",")}
            tests.append(lambda labels, m=among, v=values: (labels.get(m[1]) in v) == (m[2] == "in"))
        elif equal:
            tests.append(lambda labels, m=equal: (labels.get(m[1]) == m[3]) == (m[2] != "!="))
        elif part.startswith("!"):
            tests.append(lambda labels, name=part[1:]: name not in labels)
        else:
            tests.append(lambda labels, name=part: name in labels)
    return lambda document: all(test(document["metadata"].get("labels") or {}) for test in tests)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    cluster: Cluster
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes, and would wait for each other

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_one(self) -> None:
        """Answer, with the faults that were ordered."""
        address = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else b""
        fault = self.cluster.next_fault(self.command, self.path)
        try:
            if fault is not None and fault.slow:
                threading.Event().wait(fault.slow)
                fault = None
            if fault is not None and not fault.after_write and not fault.cut:
                raise ApiError(fault.status, "Fault", "a fault that the test asked for")
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                raise ApiError(401, "Unauthorized", "Unauthorized")
            query = dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
            self.route(address.path, query, body, cut=fault is not None and fault.cut, fault=fault)
        except ApiError as error:
            self.answer(error.code, error.document(), fault.headers if fault else ())
        except BrokenPipeError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_one

    def route(self, path: str, query: dict[str, str], body: bytes, *, cut: bool, fault: Fault | None) -> None:
        """Find what is asked for."""
        if path in {"/version", "/api", "/apis", "/api/v1"} or re.fullmatch(r"/apis/[^/]+/[^/]+", path):
            self.answer(200, self.discovery(path))
            return
        match = PATH.match(path)
        if match is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        resource = self.cluster.resource_at(match)
        name = urllib.parse.unquote(match["name"] or "")
        rest = match["rest"] or ""
        if (self.command, resource.plural) in self.cluster.forbidden:
            message = f'{resource.plural}.{resource.group or "core"} is forbidden: User "fake" cannot do that here'
            raise ApiError(403, "Forbidden", message)
        key = Key(resource.group, resource.plural, match["namespace"] or "", name)
        if rest.startswith("/proxy"):
            self.proxy(key, rest.removeprefix("/proxy") or "/", query, body)
        elif rest == "/log":
            self.log(key, query)
        elif query.get("watch") in {"1", "true", "True"}:
            self.watch(resource, key, query, cut=cut)
        else:
            found = self.act(resource, key, rest.lstrip("/"), query, body)
            if cut:
                self.close_connection = True
                self.connection.close()
                return
            if fault is not None:
                raise ApiError(fault.status, "Fault", "a fault after the write")
            self.answer(201 if self.command == "POST" else 200, found)

    def act(self, resource: Resource, key: Key, sub: str, query: dict[str, str], body: bytes) -> Document:
        """The verbs on objects."""
        machinery = self.cluster.machinery
        if self.command == "GET":
            return machinery.get(resource, key) if key.name else self.list(resource, key, query)
        try:
            document = yaml.safe_load(body) if body else {}
        except yaml.YAMLError:
            raise ApiError(400, "BadRequest", "the body is neither JSON nor YAML") from None
        options = Options(
            manager=query.get("fieldManager") or self.headers.get("user-agent", "unknown").partition("/")[0],
            dry_run=query.get("dryRun") == "All",
            force=query.get("force", "").lower() == "true",
            strict=query.get("fieldValidation") == "Strict",
        )
        kind = self.headers.get("content-type", "")
        if self.command == "POST":
            return machinery.create(resource, key, document, options)
        if self.command == "PUT":
            return machinery.replace(resource, key, document, options, sub)
        if self.command == "DELETE":
            return machinery.delete(resource, key, document, dry_run=options.dry_run)
        if "apply-patch" in kind:
            if "fieldManager" not in query:
                raise ApiError(422, "Invalid", "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
            return machinery.apply(resource, key, document, options)
        return machinery.patch(resource, key, document, options, kind, sub)

    def list(self, resource: Resource, key: Key, query: dict[str, str]) -> Document:
        """Objects, page by page where asked."""
        store = self.cluster.store
        with store.changed:
            items = [each for each in store.list(key.group, key.resource, key.namespace) if self.wanted(query)(each)]
            version = str(store.version)
        start = int(query.get("continue") or 0)
        limit = int(query.get("limit") or 0) or len(items)
        more = str(start + limit) if start + limit < len(items) else ""
        metadata = {"resourceVersion": version, **({"continue": more} if more else {})}
        return {"apiVersion": resource.api_version, "kind": f"{resource.kind}List", "metadata": metadata,
                "items": items[start : start + limit]}  # fmt: skip

    def wanted(self, query: dict[str, str]) -> Callable[[Document], bool]:
        """Label and field selectors together."""
        by_label = selector(query.get("labelSelector", ""))
        fields = [part.split("=", 1) for part in query.get("fieldSelector", "").split(",") if "=" in part]

        def fits(document: Document) -> bool:
            for path, value in fields:
                inner: Any = document
                for step in path.rstrip("=").split("."):
                    inner = inner.get(step) if isinstance(inner, dict) else None
                if inner != value.lstrip("="):
                    return False
            return by_label(document)

        return fits

    def watch(self, resource: Resource, key: Key, query: dict[str, str], *, cut: bool) -> None:
        """Changes as they come, a line each."""
        store, wanted = self.cluster.store, self.wanted(query)
        after = int(query.get("resourceVersion") or 0) or store.version
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        if after + 1 < store.oldest():
            error = ApiError(410, "Expired", f"too old resource version: {after} ({store.oldest()})")
            self.chunk({"type": "ERROR", "object": error.document()})
            self.wfile.write(b"0\r\n\r\n")
            return
        deadline = threading.Event()
        limit = threading.Timer(float(query.get("timeoutSeconds") or 300), deadline.set)
        limit.daemon = True
        limit.start()
        try:
            for event in store.watch(
                after,
                lambda event: (
                    event.key[:2] == key[:2] and key.namespace in {"", event.key.namespace} and wanted(event.object)
                ),
                lambda: self.cluster.alive and not deadline.is_set(),
            ):
                if event is None:
                    continue
                self.chunk({"type": event.kind, "object": event.object})
                if cut:
                    self.close_connection = True
                    self.connection.close()
                    return
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            limit.cancel()

    def chunk(self, document: Document) -> None:
        """A line of a stream."""
        line = json.dumps(document).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()

    def proxy(self, key: Key, path: str, query: dict[str, str], body: bytes) -> None:
        """A request to what a service or pod serves; ``name:port`` and ``scheme:name:port`` are its names."""
        cluster = self.cluster
        parts = key.name.split(":")
        name = parts[1] if len(parts) == 3 else parts[0]
        full = path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        if key.resource == "services":
            status, headers, content = cluster.through_service(key.namespace, name, self.command, full, body)
        else:
            pod = cluster.store.get(key._replace(name=name))
            if pod is None:
                raise ApiError(404, "NotFound", f'pods "{name}" not found')
            if pod["status"].get("phase") != "Running" or not is_ready(pod):
                raise ApiError(503, "ServiceUnavailable", "error trying to reach service: connection refused")
            status, headers, content = cluster.servers.answer(pod, self.command, full, body)
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log(self, key: Key, query: dict[str, str]) -> None:
        """A container's log."""
        pod = self.cluster.store.get(key)
        if pod is None:
            raise ApiError(404, "NotFound", f'pods "{key.name}" not found')
        script = self.cluster.servers.script(pod["spec"])
        if script.kind in {"pull-error", "unschedulable", "config-error"}:
            raise ApiError(400, "BadRequest", f'container "model" in pod "{key.name}" is waiting to start')
        lines = script.log.splitlines(keepends=True)[-int(query.get("tailLines") or 100_000) :]
        content = "".join(lines).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def discovery(self, path: str) -> Document:
        """Which resources there are."""
        resources = self.cluster.resources
        if path == "/version":
            major, minor, _ = self.cluster.schemas.version.split(".")
            return {"major": major, "minor": minor, "gitVersion": f"v{self.cluster.schemas.version}"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = sorted({(each.group, each.version) for each in resources if each.group})
            versions = [
                ({"groupVersion": f"{group}/{version}", "version": version}, group) for group, version in groups
            ]
            listed = [{"name": group, "versions": [v], "preferredVersion": v} for v, group in versions]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        found = [each for each in resources if each.api_version == version]
        if not found:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        listed = [
            {"name": each.plural, "kind": each.kind, "namespaced": each.namespaced, "verbs": ["get", "list", "patch"]}
            for each in found
        ]
        return {"kind": "APIResourceList", "groupVersion": version, "resources": listed}

    def answer(self, code: int, document: Document, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Send a document."""
        content = json.dumps(document).encode()
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

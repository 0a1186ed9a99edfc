"""Every call to the API server; nothing else of this package talks to it.

Objects are plain dictionaries. Reads and server-side applies are tried again (see `wire`), since doing them twice is
doing them once; writes that depend on a version are not.
"""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import urllib3

from deployers.base import Request, Response
from deployers.errors import ConfigurationError, UnreachableError
from deployers.kubernetes.wire import (
    FIELD_MANAGER,
    JSON,
    ConflictError,
    Document,
    GoneError,
    NotFoundError,
    Wire,
    cause_of,
    lines_of,
    status_of,
)

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

SCALE_MANAGER = "tagboat-scale"
"""Has the number of pods where we set it and an autoscaler is to change it."""

PAGE = 250
LARGEST_ANSWER = 64 * 1024 * 1024

REPLICAS = ".spec.replicas"


class Kind(NamedTuple):
    """A kind of object; ``plural`` None where discovery has to say it."""

    api_version: str
    kind: str
    plural: str | None = None


DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
EVENT = Kind("v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")


class Api:
    """The calls of one namespace. ``sleep`` is handed in, so that tests do not wait."""

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        *,
        where: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.wire = Wire(client, where=where, sleep=sleep)
        self.namespace = namespace
        self.where = where
        self._plurals: dict[Kind, str] = {}

    # Objects

    def get(self, kind: Kind, name: str) -> Document | None:
        """An object, or None."""
        return self._found("GET", self._path(kind, name))

    def objects(self, kind: Kind, labels: Mapping[str, str] | None = None, *, fields: str = "") -> list[Document]:
        """The objects of a kind with these labels, page by page."""
        query = {"limit": str(PAGE), "labelSelector": _selector(labels or {}), "fieldSelector": fields}
        items: list[Document] = []
        while True:
            page = self._found("GET", self._path(kind), {key: value for key, value in query.items() if value}) or {}
            items += [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page.get("items", [])]
            query["continue"] = page.get("metadata", {}).get("continue", "")
            if not query["continue"]:
                return items

    def apply(
        self,
        document: Document,
        *,
        dry_run: bool = False,
        force: bool = False,
        yielding: frozenset[str] = frozenset(),
        manager: str = FIELD_MANAGER,
    ) -> Document:
        """Server-side apply, with unknown fields refused. Managers of ``yielding`` give a number of pods up.

        Raises `ConflictError` naming each field and who owns it, `RefusedError` for what the server does not admit.
        """
        kind = Kind(document["apiVersion"], document["kind"])
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        path = self._path(kind, document["metadata"]["name"])
        how = "application/apply-patch+yaml"
        try:
            return self.wire.object("PATCH", path, query, document, content_type=how, again=True)
        except ConflictError as error:
            if not error.contested or not error.contested <= {(REPLICAS, each) for each in yielding}:
                raise
        return self.wire.object("PATCH", path, {**query, "force": "true"}, document, content_type=how, again=True)

    def create(self, document: Document) -> Document:
        """Make an object. Raises `ConflictError` where it is there already."""
        kind = Kind(document["apiVersion"], document["kind"])
        return self.wire.object("POST", self._path(kind), {"fieldManager": FIELD_MANAGER}, document)

    def replace(self, document: Document) -> Document:
        """Write an object that was read before. Raises `ConflictError` where it has changed since."""
        kind = Kind(document["apiVersion"], document["kind"])
        path = self._path(kind, document["metadata"]["name"])
        return self.wire.object("PUT", path, {"fieldManager": FIELD_MANAGER}, document)

    def scale(self, name: str, replicas: int) -> None:
        """Set a Deployment's number of pods, where something else than us owns it from then on."""
        path = f"{self._path(DEPLOYMENT, name)}/scale"
        body = {"spec": {"replicas": replicas}}
        query = {"fieldManager": SCALE_MANAGER}
        self.wire.object("PATCH", path, query, body, content_type="application/merge-patch+json", again=True)

    def delete(self, document: Document) -> bool:
        """Remove an object that was read before, and what it owns; False where it is gone already.

        Its uid is a precondition: an object of the same name that somebody made since is left alone.
        """
        kind = Kind(document["apiVersion"], document["kind"])
        body = {"propagationPolicy": "Background", "preconditions": {"uid": document["metadata"]["uid"]}}
        return self._found("DELETE", self._path(kind, document["metadata"]["name"]), {}, body) is not None

    def watch(self, kind: Kind, labels: Mapping[str, str], *, since: str, seconds: float) -> Iterator[Document]:
        """The changes of objects for at most so many seconds, as ``{"type", "object"}``.

        Ends early when the connection breaks; raises `GoneError` when the history is no longer kept. Either way the
        caller lists again.
        """
        query = {"watch": "1", "labelSelector": _selector(labels), "resourceVersion": since}
        query["timeoutSeconds"] = str(max(1, round(seconds)))
        try:
            answer = self.wire.send("GET", self._path(kind), query, stream=True, timeout=seconds + 5)
            with answer:
                if answer.status != 200:
                    self.wire.refuse(answer.status, answer.read(), "GET", self._path(kind))
                for line in lines_of(answer):
                    event = json.loads(line)
                    if event.get("type") == "ERROR":
                        if event.get("object", {}).get("code") == 410:
                            raise GoneError("the history is no longer kept", where=self.where)
                        return
                    yield event
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return

    def log(self, pod: str, container: str, *, lines: int, previous: bool = False) -> list[str]:
        """The last lines of a container's log; none where there is none."""
        query = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        try:
            answer = self.wire.send("GET", f"{self._path(POD, pod)}/log", query)
        except urllib3.exceptions.HTTPError:
            return []
        return answer.data.decode(errors="replace").splitlines()[-lines:] if answer.status == 200 else []

    def ask(self, kind: Kind, name: str, port: int | str, request: Request) -> Response:
        """Send a request to a service or pod through the API server's proxy. Raises `UnreachableError`."""
        path, _, query = request.path.partition("?")
        # A label of a port by its number or name; the path goes on behind it as it stands.
        address = f"{self._path(kind, f'{name}:{port}')}/proxy{path}"
        began = time.monotonic()
        try:
            answer = self.wire.send(
                request.method,
                address,
                dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
                body=request.body or None,
                headers=request.headers,
                timeout=request.timeout,
                stream=True,
            )
            with answer:
                content = answer.read(LARGEST_ANSWER + 1, decode_content=True)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(
                f"no answer through the API server: {cause_of(error)}", where=f"{self.where}: {kind.kind} {name}"
            ) from error
        if len(content) > LARGEST_ANSWER:
            raise UnreachableError(f"the answer is larger than {LARGEST_ANSWER} bytes", where=f"{kind.kind} {name}")
        status = status_of(content) if answer.status in {403, 404, 502, 503} else None
        if status is not None:
            if answer.status == 403:
                self.wire.refuse(403, content, request.method, address)
            raise UnreachableError(str(status.get("message")), where=f"{self.where}: {kind.kind} {name}")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(status=answer.status, headers=headers, body=content, seconds=time.monotonic() - began)

    def has(self, kind: Kind) -> bool:
        """Whether the cluster knows the kind."""
        return self._plural(kind) is not None

    # How

    def _path(self, kind: Kind, name: str | None = None) -> str:
        plural = self._plural(kind)
        if plural is None:
            raise ConfigurationError(
                f"the cluster has no {kind.kind} of {kind.api_version}",
                where=self.where,
                hint="Install the operator that brings it, or leave the setting away that asks for it.",
            )
        root = "/api/v1" if "/" not in kind.api_version else f"/apis/{kind.api_version}"
        path = f"{root}/namespaces/{self.namespace}/{plural}"
        return f"{path}/{urllib.parse.quote(name, safe=':')}" if name is not None else path

    def _plural(self, kind: Kind) -> str | None:
        if kind.plural is not None:
            return kind.plural
        if kind not in self._plurals:
            root = "/api/v1" if "/" not in kind.api_version else f"/apis/{kind.api_version}"
            found = (self._found("GET", root) or {}).get("resources", [])
            for each in found:
                if each["kind"] == kind.kind and "/" not in each["name"] and each.get("namespaced", True):
                    self._plurals[kind] = each["name"]
        return self._plurals.get(kind)

    def _found(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: JSON = None
    ) -> Document | None:
        try:
            return self.wire.object(method, path, query or {}, body, again=True)
        except NotFoundError:
            return None


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" if value else name for name, value in labels.items())

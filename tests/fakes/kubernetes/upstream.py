"""A real API server, with the verbs of the fake's store: what the simulated nodes and the tests read and write there."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.fakes.kubernetes.resources import Resource
from tests.fakes.kubernetes.store import Document, Key

WITH_STATUS = ("pods", "deployments", "replicasets", "inferenceservices", "nodes")
"""Resources whose status is written by itself."""


class Upstream:
    """Requests with a kubeconfig's credentials."""

    def __init__(self, kubeconfig: Path) -> None:
        from kubernetes import config

        self.client = config.new_client_from_config(config_file=str(kubeconfig), persist_config=False)

    def open(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        """Send a request; the answer, its body not read yet."""
        told = {"content-type": "application/json", **(headers or {})}
        self.client.update_params_for_auth(told, [], ["BearerToken"], path, method, None)
        return self.client.rest_client.pool_manager.request(
            method,
            self.client.configuration.host + path,
            body=body,
            headers=told,
            timeout=60,
            retries=False,
            preload_content=False,
        )

    def ask(
        self, method: str, path: str, document: Document | None = None, kind: str = "application/json"
    ) -> tuple[int, Document]:
        """Status and document of an answer."""
        body = None if document is None else json.dumps(document).encode()
        answer = self.open(method, path, body, {"content-type": kind})
        try:
            content = answer.read()
        finally:
            answer.release_conn()
        return answer.status, json.loads(content) if content.strip().startswith(b"{") else {}

    def need(self, method: str, path: str, document: Document | None = None, *, unless: Iterable[int] = ()) -> Document:
        """The document of an answer that is no refusal but for these. Raises `AssertionError`."""
        status, found = self.ask(method, path, document)
        assert status < 400 or status in set(unless), f"{method} {path}: {status} {found.get('message')}"
        return found


class ApiStore:
    """The part of `Store` that is used from outside the fake, on a real API server; ``namespace`` is the tests' own."""

    def __init__(self, upstream: Upstream, resources: tuple[Resource, ...], namespace: str) -> None:
        self.upstream = upstream
        self.resources = {(each.group, each.plural): each for each in resources}
        self.namespace = namespace
        self.compacted = threading.Event()

    def path(self, key: Key, sub: str = "") -> str:
        """Where an object, or without a name a list, is."""
        resource = self.resources[key.group, key.resource]
        base = f"/apis/{key.group}/{resource.version}" if key.group else f"/api/{resource.version}"
        space = f"/namespaces/{key.namespace or self.namespace}" if resource.namespaced else ""
        name = f"/{urllib.parse.quote(key.name)}" if key.name else ""
        return f"{base}{space}/{key.resource}{name}{sub}"

    def get(self, key: Key) -> Document | None:
        """An object, or None."""
        status, found = self.upstream.ask("GET", self.path(key))
        return found if status == 200 else None

    def list(self, group: str, resource: str, namespace: str = "", matches: Any = None) -> list[Document]:
        """The objects of a resource, in the order of their names."""
        known = self.resources[group, resource]
        found = self.upstream.need("GET", self.path(Key(group, resource, namespace, "")))["items"]
        found = [{"apiVersion": known.api_version, "kind": known.kind, **each} for each in found]
        return [each for each in found if matches is None or matches(each)]

    @property
    def objects(self) -> list[Key]:
        """Where everything in the namespace is, in the order of the resources."""
        return [
            Key(group, plural, self.namespace, each["metadata"]["name"])
            for (group, plural), resource in self.resources.items()
            if resource.namespaced
            for each in self.list(group, plural)
        ]

    def put(self, key: Key, document: Document) -> Document:
        """Write an object and its status."""
        live = self.get(key)
        if live is None:
            made = self.upstream.need("POST", self.path(key._replace(name="")), document, unless=[409])
        else:
            metadata = {**document["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
            made = self.upstream.need("PUT", self.path(key), {**document, "metadata": metadata}, unless=[404, 409])
        if document.get("status") and key.resource in WITH_STATUS:
            self.update(key, lambda each: each.update(status=document["status"]))
        return made

    def update(self, key: Key, change: Callable[[Document], None]) -> None:
        """Change an object as a controller does, again where somebody else was quicker; nothing where it is gone."""
        for _ in range(10):
            document = self.get(key)
            if document is None:
                return
            before = json.dumps(document.get("spec"))
            change(document)
            own_status = key.resource in WITH_STATUS and json.dumps(document.get("spec")) == before
            status, _ = self.upstream.ask("PUT", self.path(key, "/status" if own_status else ""), document)
            if status != 409:
                return

    def delete(self, key: Key, grace: int | None = None) -> None:
        """Remove an object, after ``grace`` seconds where a pod is to end at once."""
        options = "" if grace is None else f"?gracePeriodSeconds={grace}"
        self.upstream.need("DELETE", self.path(key) + options, unless=[404, 409])

    def forget_history(self) -> None:
        """Compact: the next watch is told 410."""
        self.compacted.set()

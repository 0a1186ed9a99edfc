"""Every call to the API server; nothing else of this package talks to it.

Objects are plain dictionaries. Reads and server-side applies are tried again when the server is busy, fails or breaks
off, since doing them twice is doing them once; writes that depend on a version are not.
"""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import urllib3

from deployers.base import Request, Response
from deployers.errors import ConfigurationError, RefusedError, TagboatError, UnreachableError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON = Any
Document = dict[str, JSON]

FIELD_MANAGER = "tagboat"

ATTEMPTS = 6
PAGE = 250
TIMEOUT = 60.0
LARGEST_ANSWER = 64 * 1024 * 1024

BUSY = {429, 500, 502, 503, 504}


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


class ConflictError(TagboatError):
    """409: the object is there already, has changed meanwhile, or another field manager owns a field."""


class GoneError(TagboatError):
    """410: the history that was to be watched is no longer kept."""


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
        self.client = client
        self.namespace = namespace
        self.where = where
        self.sleep = sleep
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

    def apply(self, document: Document, *, dry_run: bool = False, force: bool = False) -> Document:
        """Server-side apply, with unknown fields refused.

        Raises `ConflictError` naming each field and who owns it, `RefusedError` for what the server does not admit.
        """
        kind = Kind(document["apiVersion"], document["kind"])
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        path = self._path(kind, document["metadata"]["name"])
        return self._object("PATCH", path, query, document, content_type="application/apply-patch+yaml", again=True)

    def create(self, document: Document) -> Document:
        """Make an object. Raises `ConflictError` where it is there already."""
        kind = Kind(document["apiVersion"], document["kind"])
        return self._object("POST", self._path(kind), {"fieldManager": FIELD_MANAGER}, document)

    def replace(self, document: Document) -> Document:
        """Write an object that was read before. Raises `ConflictError` where it has changed since."""
        kind = Kind(document["apiVersion"], document["kind"])
        path = self._path(kind, document["metadata"]["name"])
        return self._object("PUT", path, {"fieldManager": FIELD_MANAGER}, document)

    def scale(self, name: str, replicas: int) -> None:
        """Set a Deployment's number of pods, where something else than us owns it from then on."""
        path = f"{self._path(DEPLOYMENT, name)}/scale"
        body = {"spec": {"replicas": replicas}}
        query = {"fieldManager": f"{FIELD_MANAGER}-scale"}
        self._object("PATCH", path, query, body, content_type="application/merge-patch+json", again=True)

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
            answer = self._send("GET", self._path(kind), query, stream=True, timeout=seconds + 5)
            with answer:
                if answer.status != 200:
                    self._raise(answer.status, answer.read(), "GET", self._path(kind))
                for line in _lines(answer):
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
            answer = self._send("GET", f"{self._path(POD, pod)}/log", query)
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
            answer = self._send(
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
                f"no answer through the API server: {_cause(error)}", where=f"{self.where}: {kind.kind} {name}"
            ) from error
        if len(content) > LARGEST_ANSWER:
            raise UnreachableError(f"the answer is larger than {LARGEST_ANSWER} bytes", where=f"{kind.kind} {name}")
        status = _status(content) if answer.status in {403, 404, 502, 503} else None
        if status is not None:
            if answer.status == 403:
                self._raise(403, content, request.method, address)
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
            return self._object(method, path, query or {}, body, again=True)
        except _NotFoundError:
            return None

    def _object(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: JSON = None,
        *,
        content_type: str = "application/json",
        again: bool = False,
    ) -> Document:
        encoded = json.dumps(body).encode() if body is not None else None
        headers = {"content-type": content_type, "accept": "application/json"}
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS or not again
            try:
                answer = self._send(method, path, query, body=encoded, headers=headers)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if last:
                    raise UnreachableError(
                        f"the API server does not answer: {_cause(error)}",
                        where=self.where,
                        hint="Check the target's address and the network, then run the same command again.",
                    ) from error
                self.sleep(_pause(attempt, None))
                continue
            if answer.status < 300:
                found: Document = json.loads(answer.data)
                return found
            if answer.status in BUSY and not last:
                self.sleep(_pause(attempt, answer.headers.get("retry-after")))
                continue
            self._raise(answer.status, answer.data, method, path)
        raise AssertionError("every attempt returns or raises")

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """One request, with the client's own credentials, which it renews where they expire."""
        sent = {"user-agent": FIELD_MANAGER, **(headers or {})}
        self.client.update_params_for_auth(sent, [], ["BearerToken"], path, method, None)
        url = self.client.configuration.host + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        answer: urllib3.BaseHTTPResponse = self.client.rest_client.pool_manager.request(
            method,
            url,
            body=body,
            headers=sent,
            timeout=urllib3.Timeout(connect=min(timeout, 15.0), read=timeout),
            retries=False,
            redirect=False,
            preload_content=not stream,
        )
        return answer

    def _raise(self, code: int, content: bytes, method: str, path: str) -> None:
        status = _status(content) or {}
        message = str(status.get("message") or content[:300].decode(errors="replace"))
        where = f"{self.where}: {'/'.join(path.split('/')[-2:])}"
        if code == 404:
            if message.startswith("namespaces "):
                raise ConfigurationError(
                    message, where=self.where, hint="Create the namespace first: Tagboat makes and removes none."
                )
            raise _NotFoundError(message, where=where)
        if code == 401:
            raise ConfigurationError(
                "the API server does not know us", where=self.where, hint="Check the target's `auth` and credentials."
            )
        if code == 403:
            raise RefusedError(message, where=where, hint="docs/kubernetes.md lists the rights that are needed.")
        if code == 409:
            raise ConflictError(message, where=where, hint=_conflict_hint(status))
        if code == 410:
            raise GoneError(message, where=where)
        if code in BUSY:
            raise UnreachableError(f"{message} (status {code})", where=where, hint="Run the same command again.")
        raise RefusedError(f"{method} was refused: {message}", where=where)


class _NotFoundError(TagboatError):
    """404."""


def _status(content: bytes) -> Document | None:
    """The API server's own words, where an answer is its own."""
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("kind") == "Status" else None


def _conflict_hint(status: Document) -> str | None:
    causes: Sequence[Document] = (status.get("details") or {}).get("causes") or ()
    if any(cause.get("reason") == "FieldManagerConflict" for cause in causes):
        return "Let that manager give the field up, or set `force-conflicts: true` on the target to take it over."
    return "Somebody else changes it; run the same command again."


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" if value else name for name, value in labels.items())


def _pause(attempt: int, retry_after: str | None) -> float:
    """Seconds before the next attempt: what the server asks for, up to a minute, else ever more."""
    if retry_after is not None and retry_after.isdecimal():
        return float(min(60, int(retry_after)))
    return float(min(8.0, 0.25 * 2**attempt))


def _cause(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split())[:300] or type(error).__name__


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    waiting = b""
    for chunk in answer.stream(amt=None, decode_content=True):
        *whole, waiting = (waiting + chunk).split(b"\n")
        yield from (line for line in whole if line)

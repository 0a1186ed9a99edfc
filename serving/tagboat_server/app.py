"""The ASGI application: one dispatch table from paths to what answers them.

Each method of the model is ``/<name>`` and ``/methods/<name>``; a name that means something else here
(`RESERVED`) only the latter.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping, MutableMapping
from typing import Any, Callable, NamedTuple, Optional

import msgspec

from tagboat_server import documentation
from tagboat_server.errors import Rejection
from tagboat_server.execution import Execution
from tagboat_server.logs import Log
from tagboat_server.metrics import CONTENT_TYPE, Metrics
from tagboat_server.model import LoadedModel
from tagboat_server.protocols.native import NativeMethod
from tagboat_server.spec import Settings
from tagboat_server.state import State

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RESERVED = {"docs", "health", "interface.json", "invocations", "methods", "metrics", "openapi.json", "ping", "v2"}
"""First parts of paths that no method takes; some are kept free for other protocols."""

JSON = b"application/json"


class Page(NamedTuple):
    """An answer to GET."""

    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Application:
    """Answers requests; while the process drains, every answer closes its connection.

    The release is put into every answer's headers by `server`, so that uvicorn's own answers have it too.
    """

    def __init__(
        self, model: LoadedModel, state: State, settings: Settings, metrics: Metrics, execution: Execution, log: Log
    ) -> None:
        self.state = state
        self.settings = settings
        self.metrics = metrics
        self.log = log
        release = state.identity.release
        self.methods: dict[str, NativeMethod] = {}
        for name, method in model.methods.items():
            native = NativeMethod(name, method, release=release, execution=execution, metrics=metrics, log=log)
            self.methods[f"/methods/{name}"] = native
            if name not in RESERVED:
                self.methods[f"/{name}"] = native
        signatures = {name: method.signature for name, method in model.methods.items()}
        self.openapi = documentation.openapi(state.identity, signatures, RESERVED, settings.max_body)
        self.pages: dict[str, Callable[[], Page]] = {
            "/": lambda: Page(307, b"text/plain", b"", ((b"location", b"/docs"),)),
            "/health/live": lambda: self.health(alive=True),
            "/health/ready": lambda: self.health(alive=self.state.ready),
            "/metrics": lambda: Page(200, CONTENT_TYPE.encode(), self.metrics.page()),
            "/openapi.json": lambda: Page(200, JSON, self.openapi),
            "/docs": lambda: Page(200, b"text/html; charset=utf-8", documentation.page(), documentation.HEADERS),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        method: Optional[NativeMethod] = None
        rows: Optional[int] = None
        try:
            native = self.methods.get(scope["path"])
            if native is not None:
                method = native
                answer, rows = await self.predict(native, scope, receive)
            else:
                answer = self.fetch(scope)
        except Rejection as rejection:
            answer = refusal(rejection)
            if rejection.status in {400, 413, 415, 422}:
                self.metrics.refused.labels(method.name if method else "", rejection.reason).inc()
        except ClientGoneError:
            self.account(scope, method, 499, started, None)
            return
        await self.respond(answer, scope, send)
        self.account(scope, method, answer.status, started, rows)

    async def predict(self, method: NativeMethod, scope: Scope, receive: Receive) -> tuple[Page, int]:
        """Answer a call of the model."""
        if scope["method"] != "POST":
            raise Rejection(405, f"{scope['method'][:20]} is not for methods of the model", headers={"allow": "POST"})
        headers = dict(scope["headers"])
        body = await read_body(headers, receive, self.settings.max_body)
        answer = await method(headers, body)
        return Page(200, JSON, answer.body), answer.rows

    def fetch(self, scope: Scope) -> Page:
        """Answer anything else."""
        page = self.pages.get(scope["path"])
        if page is None:
            names = ", ".join(path for path in self.methods if not path.startswith("/methods/") or path[9:] in RESERVED)
            raise Rejection(404, "there is nothing here", hint=f"Methods of the model: {names}. See /docs.")
        if scope["method"] not in {"GET", "HEAD"}:
            raise Rejection(405, f"{scope['method'][:20]} is not for this page", headers={"allow": "GET, HEAD"})
        return page()

    def health(self, *, alive: bool) -> Page:
        """Whether the process lives, or is ready for requests; and which release it is."""
        identity = self.state.identity
        body = {
            "status": "ok" if alive else "draining" if self.state.draining else "loading",
            "release": identity.release,
            "stage": identity.stage,
            "artifact": identity.artifact,
            "version": identity.version,
            "ready": self.state.ready,
        }
        return Page(200 if alive else 503, JSON, msgspec.json.encode(body), ((b"cache-control", b"no-store"),))

    async def respond(self, page: Page, scope: Scope, send: Send) -> None:
        """Send an answer."""
        headers: list[tuple[bytes, bytes]] = [
            (b"content-type", page.content_type),
            (b"content-length", str(len(page.body)).encode()),
            *page.headers,
        ]
        if self.state.draining and last_of_connection(scope):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        await send({"type": "http.response.body", "body": page.body})

    def account(
        self, scope: Scope, method: Optional[NativeMethod], status: int, started: float, rows: Optional[int]
    ) -> None:
        """Count and log an answered request."""
        seconds = time.perf_counter() - started
        name = method.name if method else scope["path"] if scope["path"] in self.pages else "other"
        self.metrics.requests.labels(name, str(status)).inc()
        self.metrics.latency.labels(name).observe(seconds)
        if self.log.access:
            self.log.event(
                "request",
                method=scope["method"][:20],
                path=scope["path"][:200],
                status=status,
                seconds=round(seconds, 6),
                rows=rows,
                release=self.state.identity.release,
                client=scope["client"][0] if scope.get("client") else None,
            )


class ClientGoneError(Exception):
    """The client left before its request was whole."""


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `Rejection` 413 as soon as it is known to be too large, announced or not."""
    too_large = Rejection(413, f"the body is larger than {limit} bytes", reason="size")
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit:
        raise too_large
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise too_large
        return body
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise too_large
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()


def refusal(rejection: Rejection) -> Page:
    """A refusal as an answer."""
    extra = tuple((name.encode(), value.encode()) for name, value in rejection.headers.items())
    return Page(rejection.status, JSON, msgspec.json.encode(rejection.document()), extra)


def last_of_connection(scope: Scope) -> bool:
    """Whether no further request has already arrived on the connection, so that closing it after this loses none."""
    connection = scope.get("tagboat.connection")
    return connection is None or not connection.pipeline

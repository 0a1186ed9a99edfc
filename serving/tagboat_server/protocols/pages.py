"""What is there to be fetched: health, metrics, the description of the interface."""

from __future__ import annotations

import functools
from typing import Any, Callable

import msgspec

from tagboat_server import documentation
from tagboat_server.metrics import CONTENT_TYPE, Metrics
from tagboat_server.protocols.base import JSON, Context, Request, Response, Route

NO_STORE = ((b"cache-control", b"no-store"),)


class Page(Route):
    """An answer to GET that needs nothing of the request."""

    methods = ("GET", "HEAD")

    def __init__(self, label: str, make: Callable[[], Response]) -> None:
        self.label = label
        self.make = make

    async def __call__(self, request: Request) -> Response:  # noqa: ARG002 - the contract's
        """Make it."""
        return self.make()


def routes(context: Context, metrics: Metrics) -> dict[str, Route]:
    """The pages by their paths."""

    @functools.lru_cache(maxsize=1)
    def openapi() -> bytes:
        # Made when it is first asked for: a server need not describe itself to start.
        from tagboat_server.openapi.document import document

        return document(context)

    state = context.state
    pages: dict[str, Callable[[], Response]] = {
        "/": lambda: Response(307, b"text/plain", b"", ((b"location", b"/docs"),)),
        "/health/live": lambda: health(context, good=state.alive),
        "/health/ready": lambda: health(context, good=state.ready),
        "/metrics": lambda: Response(200, CONTENT_TYPE.encode(), metrics.page()),
        "/openapi.json": lambda: Response(200, JSON, openapi()),
        "/docs": lambda: Response(200, b"text/html; charset=utf-8", documentation.page(), documentation.HEADERS),
    }
    return {path: Page(path, make) for path, make in pages.items()}


def health(context: Context, *, good: bool) -> Response:
    """Whether the process lives, or is ready for requests; and which release it is."""
    identity, state = context.identity, context.state
    body: dict[str, Any] = {
        "status": "ok" if good else state.standing,
        "release": identity.release,
        "stage": identity.stage,
        "artifact": identity.artifact,
        "version": identity.version,
        "ready": state.ready,
    }
    return Response(200 if good else 503, JSON, msgspec.json.encode(body), NO_STORE)

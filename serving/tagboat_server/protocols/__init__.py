"""The ways in which a model can be asked; each module is one protocol, and `table` joins them.

Where two protocols claim one path, the one that stands later in `PROTOCOLS` has it; `RESERVED` names the paths that no
method of a model takes.
"""

from __future__ import annotations

from typing import Optional

from tagboat_server.errors import Rejection
from tagboat_server.protocols import native, open_inference
from tagboat_server.protocols.base import Context, Response, Route, refusal

PROTOCOLS = (native, open_inference)
"""From the weakest claim on a path to the strongest."""

RESERVED = {"docs", "health", "interface.json", "invocations", "methods", "metrics", "openapi.json", "ping", "v2"}
"""First parts of paths that no method takes: a method of such a name stands under ``/methods/`` alone."""


def table(context: Context) -> dict[str, Route]:
    """The dispatch table: what answers at which path."""
    joined: dict[str, Route] = {}
    for protocol in PROTOCOLS:
        found = protocol.routes(context)
        if protocol is native:
            found = {path: route for path, route in found.items() if path[1:] not in RESERVED}
        joined.update(found)
    return joined


def method_paths(context: Context) -> list[str]:
    """Where each method of the model stands."""
    return [f"/methods/{name}" if name in RESERVED else f"/{name}" for name in context.calls]


def absence(context: Context, path: str) -> Optional[Rejection]:
    """Why nothing stands at a path, where the protocol whose paths begin like this one can tell."""
    for protocol in PROTOCOLS:
        prefix = getattr(protocol, "PREFIX", None)
        if prefix is not None and path.startswith(prefix) and hasattr(protocol, "absence"):
            found: Rejection = protocol.absence(context, path)
            return found
    return None


def refusal_at(path: str, rejection: Rejection) -> Response:
    """A refusal where nothing stands, in the form of the protocol whose paths begin like this one."""
    for protocol in PROTOCOLS:
        prefix = getattr(protocol, "PREFIX", None)
        if prefix is not None and path.startswith(prefix):
            refused: Response = protocol.refuse(rejection)
            return refused
    return refusal(rejection)

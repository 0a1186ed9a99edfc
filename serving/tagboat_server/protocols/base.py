"""What every protocol is made of: routes, which take a whole request and give a whole answer.

A protocol is a module with ``routes(context)``: its paths, all of them known when the model is loaded, and what stands
there. `protocols.table` joins them into the one dispatch table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple, Optional

import msgspec

from tagboat_server.calling import Call
from tagboat_server.errors import Rejection
from tagboat_server.model import LoadedModel
from tagboat_server.spec import Identity, Settings
from tagboat_server.state import State

JSON = b"application/json"

RESERVED = {
    "docs",
    "execution-parameters",
    "health",
    "interface.json",
    "invocations",
    "methods",
    "metrics",
    "openapi.json",
    "ping",
    "v2",
    "version",
}
"""First parts of paths that no method takes: a method of such a name stands under ``/methods/`` alone."""

COUNTED = {400, 413, 415, 422}
"""Refusals that are the sender's: they are counted by reason and column."""


class Request(NamedTuple):
    """A request that has arrived whole. ``path`` is percent-decoded; header names are in lower case."""

    method: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


class Response(NamedTuple):
    """An answer. ``rows``: how many rows the model answered, for the log. ``label``: the method, where the path does
    not tell."""

    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    rows: Optional[int] = None
    label: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Context:
    """What protocols are given at load.

    ``default``: the method that is called where a protocol names none. ``sample``: a body of our own protocol.
    """

    model: LoadedModel
    identity: Identity
    settings: Settings
    state: State
    calls: Mapping[str, Call]
    default: Optional[str]
    sample: Optional[bytes] = None


class Route:
    """What stands at one path. ``label``: its name in metrics, bounded: never text of a client's."""

    methods: tuple[str, ...] = ("POST",)
    label: str = ""

    async def __call__(self, request: Request) -> Response:
        """Answer. Raises `Rejection`, which `refuse` turns into an answer."""
        raise NotImplementedError

    def refuse(self, rejection: Rejection) -> Response:
        """A refusal in the protocol's own form; this is ours."""
        return refusal(rejection)


def refusal(rejection: Rejection) -> Response:
    """A refusal in our form."""
    return Response(rejection.status, JSON, msgspec.json.encode(rejection.document()), headers_of(rejection))


def headers_of(rejection: Rejection) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that a refusal brings along, such as Retry-After."""
    return tuple((name.encode(), value.encode()) for name, value in rejection.headers.items())


def default_method(model: LoadedModel) -> Optional[str]:
    """``predict``, or the only method there is, or the first in the model's own order."""
    return "predict" if "predict" in model.methods else next(iter(model.methods), None)

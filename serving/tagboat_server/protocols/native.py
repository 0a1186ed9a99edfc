"""Our own protocol: ``POST /<method>`` with ``{"data": …}``, answered by ``{"predictions": …, "release": …}``.

``data`` is a list of records, an object of columns, or a list of rows. Each method also stands at
``/methods/<method>``, where no other protocol ever speaks; a model whose MLEM metadata describes its interface stands
there alone, because ``/<method>`` is MLEM's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import msgspec

from tagboat_server.calling import SMALL, Call
from tagboat_server.codecs import encode
from tagboat_server.errors import Rejection
from tagboat_server.protocols.base import JSON, RESERVED, Context, Request, Response, Route

JSON_TYPES = (b"application/json", b"text/json")


def routes(context: Context) -> dict[str, Route]:
    """Every method at its paths."""
    found: dict[str, Route] = {}
    for name, call in context.calls.items():
        route = NativeMethod(call, context.identity.release)
        found.update(dict.fromkeys(paths(context, name), route))
    return found


def operations(context: Context) -> dict[str, dict[str, Any]]:
    """What OpenAPI says of each method, at the shortest of its paths."""
    # Imported when it is asked for: a server need not describe itself to start.
    from tagboat_server.openapi.native import described_method

    return {paths(context, name)[0]: described_method(context, name, paths(context, name)[0]) for name in context.calls}


def paths(context: Context, name: str) -> list[str]:
    """Where a method stands, the shortest path first."""
    everywhere = f"/methods/{name}"
    if name in RESERVED or context.model.interface is not None:
        return [everywhere]
    return [f"/{name}", everywhere]


class NativeMethod(Route):
    """One method of the model, by our protocol."""

    def __init__(self, call: Call, release: Optional[str]) -> None:
        self.call = call
        self.label = call.name
        self.tail = b',"release":' + msgspec.json.encode(release) + b"}"

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        check_content(request.headers)
        call = self.call
        body = request.body
        taken = call.decode(body) if len(body) <= SMALL else await call.apart(len(body), call.decode, body)
        result = await call.run(taken)
        size = getattr(result, "nbytes", 0)
        predictions = encoded(call, result) if size <= SMALL else await call.apart(size, encoded, call, result)
        return Response(200, JSON, b'{"predictions":' + predictions + self.tail, (), taken.rows)


def encoded(call: Call, result: object) -> bytes:
    """A result as JSON. Raises `Rejection` 500 for what has no form in JSON."""
    made: bytes = call.guarded(encode, result, of_input=False)
    return made


def check_content(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body that says it is not JSON, or that is compressed. Without a content type it is taken for JSON."""
    given = headers.get(b"content-type", b"")
    if given != JSON and given:
        check_type(given)
    check_encoding(headers)


def check_encoding(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body that is compressed as a whole."""
    if b"content-encoding" in headers and headers[b"content-encoding"].strip().lower() not in {b"identity", b""}:
        raise Rejection(
            415, "compressed bodies are not taken", hint="Send it as it is.", headers={"accept-encoding": "identity"}
        )


def check_type(given: bytes) -> None:
    """Refuse a content type other than JSON in UTF-8."""
    content, _, parameters = given.partition(b";")
    content = content.strip().lower()
    if content and content not in JSON_TYPES and not content.endswith(b"+json"):
        shown = content.decode("latin-1")[:100]
        raise Rejection(415, f"the body is {shown}, not application/json", hint="Send content-type: application/json.")
    charset = parameters.lower().replace(b" ", b"").replace(b'"', b"")
    if b"charset=" in charset and not any(
        name in charset for name in (b"charset=utf-8", b"charset=utf8", b"charset=us-ascii")
    ):
        raise Rejection(415, "the body must be UTF-8", hint="Leave charset away, or set it to utf-8.")

"""Refusals in the protocol's form: ``{"error": "…"}``, one text that says where, what and what to do."""

from __future__ import annotations

import msgspec

from tagboat_server.errors import Rejection
from tagboat_server.protocols.base import JSON, Response, headers_of


def message_of(rejection: Rejection) -> str:
    """All that a refusal says, in one text."""
    # What the model itself refuses has the path of our own protocol's body.
    path = rejection.path if rejection.reason != "model" else None
    text = f"{path}: {rejection.message}" if path else rejection.message
    if rejection.identity is not None:
        text += f" (id {rejection.identity})"
    return f"{text}. {rejection.hint}" if rejection.hint else text


def refusal(rejection: Rejection) -> Response:
    """A refusal."""
    body = msgspec.json.encode({"error": message_of(rejection)})
    return Response(rejection.status, JSON, body, headers_of(rejection))

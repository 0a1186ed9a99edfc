"""The operations of MLEM's REST."""

from __future__ import annotations

from typing import Any

from tagboat_server.mlem.interface import Exposed
from tagboat_server.openapi import described
from tagboat_server.openapi.examples import Sample
from tagboat_server.openapi.operations import Answer, Body, Media, Schema, closed, of_json, operation, refusals, usual
from tagboat_server.protocols.base import Context

TAG = "MLEM"

DETAIL: Schema = {
    "oneOf": [
        {"title": "error", **closed({"error": {"type": "string"}})},
        {
            "title": "detail",
            **closed({"detail": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]}}),
        },
    ]
}
"""A refusal: MLEM's, or FastAPI's."""

FILE: Body = {
    "multipart/form-data": Media(closed({"file": {"type": "string", "contentMediaType": "application/octet-stream"}}))
}


def described_interface() -> dict[str, Any]:
    """``/interface.json``."""
    schema = {"type": "object", "required": ["methods", "version", "meta"]}
    answers = {"200": Answer("The methods, their arguments and their types, in MLEM's words.", of_json(schema))}
    return {"get": operation("interface", TAG, "What MLEM's clients ask first.", answers=answers)}


def described_method(context: Context, method: Exposed) -> dict[str, Any]:
    """One method."""
    binary = any(argument.described.get("type") == "binary" for argument in method.arguments)
    result: Body = of_json(described.given(method.returns))
    if method.returns.get("type") == "binary":
        result = {"application/octet-stream": Media({"type": "string"})}
    answers = {
        "200": Answer("The bare result.", result),
        **refusals(DETAIL, {**usual(context.settings.max_body), "400": "MLEM's word for what it cannot read."}),
    }
    body = FILE if binary else body_of(context, method)
    identity = f"mlem.{method.name}"
    return {"post": operation(identity, TAG, f"Call {method.own} of the model.", body=body, answers=answers)}


def body_of(context: Context, method: Exposed) -> Body:
    """The arguments by their names."""
    sample = Sample(context.sample if not method.several else None)
    needed = [argument for argument in method.arguments if argument.required]
    known = None if method.several else context.calls[method.own].signature.input
    main = needed[0].name if needed else None
    schemas = {
        argument.name: described.taken(argument.described, known if argument.name == main else None)
        for argument in method.arguments
    }
    examples = {argument.name: described.example(argument.described, sample) for argument in needed}
    schema = closed(schemas, [argument.name for argument in needed])
    return of_json(schema, examples if None not in examples.values() else None)

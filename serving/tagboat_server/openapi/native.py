"""Our own protocol's operations."""

from __future__ import annotations

from typing import Any

from tagboat_server.calling import Call
from tagboat_server.mlem.interface import Argument
from tagboat_server.mlem.signatures import signature_of
from tagboat_server.openapi import described
from tagboat_server.openapi.examples import Sample, example_of
from tagboat_server.openapi.operations import (
    ERROR_REFERENCE,
    Answer,
    Media,
    Schema,
    closed,
    of_json,
    operation,
    refusals,
    usual,
)
from tagboat_server.openapi.schemas import output_schema, schema_of
from tagboat_server.protocols.base import Context
from tagboat_server.signature import Anything

TAG = "Tagboat"


def described_method(context: Context, name: str, path: str) -> dict[str, Any]:
    """One method at one of its paths."""
    call = context.calls[name]
    schema, example = data_of(context, call)
    answer = closed({"predictions": output_schema(call.signature.output), "release": {"type": ["string", "null"]}})
    examples = {"example": {"data": example}} if example is not None else {}
    answers = {
        "200": Answer("The model's answer.", of_json(answer)),
        **refusals(ERROR_REFERENCE, usual(context.settings.max_body)),
    }
    body = {"application/json": Media(closed({"data": schema}), examples)}
    identity = path.strip("/").replace("/", ".")
    return {"post": operation(identity, TAG, f"Call {name} of the model.", body=body, answers=answers)}


def data_of(context: Context, call: Call) -> tuple[Schema, Any]:
    """The schema of ``data``, and an example, or None where nothing is known."""
    sample = Sample(context.sample)
    arguments = arguments_of(context, call.name)
    if not isinstance(call.signature.input, Anything) or not arguments:
        return schema_of(call.signature.input), example_of(call.signature.input, sample)
    needed = [argument for argument in arguments if argument.required]
    if len(needed) <= 1:
        only = (needed or list(arguments))[0].described
        return described.taken(only), described.example(only, sample)
    schemas = {argument.own: schema_of_argument(argument) for argument in arguments}
    examples = {argument.own: example_of_argument(argument) for argument in needed}
    known = all(value is not None for value in examples.values())
    return closed(schemas, [argument.own for argument in needed]), examples if known else None


def arguments_of(context: Context, name: str) -> tuple[Argument, ...]:
    """What MLEM's metadata says of a method's arguments; `predict` stands for a function."""
    if context.model.interface is None:
        return ()
    methods = context.model.interface.methods
    found = methods.get(name) or (methods.get("__call__") if name == "predict" else None)
    return found.arguments if found is not None else ()


def schema_of_argument(argument: Argument) -> Schema:
    """The schema of one of several arguments: our own layouts where we have some."""
    signature = signature_of(argument.described)
    return described.taken(argument.described) if isinstance(signature, Anything) else schema_of(signature)


def example_of_argument(argument: Argument) -> Any:
    """An example of one of several arguments."""
    signature = signature_of(argument.described)
    if isinstance(signature, Anything):
        return described.example(argument.described, Sample(None))
    return example_of(signature, Sample(None))

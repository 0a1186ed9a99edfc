"""The operations of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from tagboat_server.codecs.cells import family
from tagboat_server.openapi.examples import Sample, array_of, example_array, record_of
from tagboat_server.openapi.operations import (
    Answer,
    Media,
    Schema,
    closed,
    of_json,
    operation,
    refusals,
    usual,
)
from tagboat_server.openapi.schemas import columns_of
from tagboat_server.protocols.open_inference.datatypes import BYTES, DTYPES, datatype_named
from tagboat_server.signature import Signature, Tensor, Tensors

TAG = "Open Inference Protocol"

ERROR = closed({"error": {"type": "string"}})

PARAMETERS: Schema = {"type": ["object", "null"]}
RELEASE: Schema = {"type": "object"}
NAME: Schema = {"type": "string"}

SHAPE: Schema = {"type": "array", "items": {"type": "integer"}}

TENSORS: Schema = {
    "type": "array",
    "items": closed({"name": NAME, "datatype": NAME, "shape": SHAPE}),
}

METADATA = closed(
    {
        "name": NAME,
        "versions": {"type": "array", "items": NAME},
        "platform": NAME,
        "inputs": TENSORS,
        "outputs": TENSORS,
        "parameters": RELEASE,
    }
)

OCTETS = "application/octet-stream"

BINARY = "Binary data may follow the JSON, whose length then stands in `Inference-Header-Content-Length`."


class Input(NamedTuple):
    """One input of a request: its name, datatype, shape, and elements."""

    name: str
    datatype: str
    shape: list[int]
    data: Any


def inputs_of(signature: Signature, sample: Sample, single: str) -> Optional[list[Input]]:
    """The inputs of a request with one row, or None where nothing is known. ``single``: the name of the only array."""
    columns = columns_of(signature)
    if columns:
        record = record_of(columns, sample)
        typed = {str(column.name): column.dtype for column in columns}
        return [Input(name, datatype_for(typed[name], value), [1], [value]) for name, value in record.items()]
    if isinstance(signature, Tensors):
        tensors = [(each.name, each, example_array(each.dtype, each.shape)) for each in signature.inputs]
    elif isinstance(signature, Tensor):
        tensors = [(single, signature, array_of(signature, sample))]
    else:
        return None
    if any(value is None for _, _, value in tensors):
        return None
    return [
        Input(
            name,
            datatype_named(tensor.dtype),
            [size or 1 for size in tensor.shape] or [1],
            value if tensor.shape else [value],
        )
        for name, tensor, value in tensors
    ]


def datatype_for(dtype: str, value: Any) -> str:
    """The datatype of a column's value, by the value where the column takes several types."""
    if family(dtype) in {"scalar", "any"}:
        return {bool: "BOOL", int: "INT64", float: "FP64"}.get(type(value), BYTES)
    return datatype_named(dtype)


def server() -> dict[str, dict[str, Any]]:
    """What is asked of the server itself."""
    about = closed(
        {"name": NAME, "version": NAME, "extensions": {"type": "array", "items": NAME}, "parameters": RELEASE}
    )
    told: dict[str, dict[str, Any]] = {
        "/v2": {"get": operation("v2", TAG, "The server.", answers={"200": Answer("Its name.", of_json(about))})}
    }
    for word, text in (("live", "Whether the process lives."), ("ready", "Whether new requests are welcome.")):
        form = of_json(closed({word: {"type": "boolean"}, "parameters": RELEASE}))
        answers = {"200": Answer("Yes.", form), "503": Answer("No.", form)}
        told[f"/v2/health/{word}"] = {"get": operation(f"v2.{word}", TAG, text, answers=answers)}
    return told


def model(
    path: str, name: str, method: str, example: Optional[list[Input]], outputs: list[str], max_body: int
) -> dict[str, dict[str, Any]]:
    """What is asked of a model. ``path``: of its metadata; ``outputs``: their names, as far as they are known."""
    identity = f"v2.{name}"
    ready = of_json(closed({"name": NAME, "ready": {"type": "boolean"}, "parameters": RELEASE}))
    answers = {"200": Answer("The inputs and outputs.", of_json(METADATA))}
    readiness = {"200": Answer("It may be asked.", ready), "503": Answer("Not now.", ready)}
    described = {"inputs": [each._asdict() for each in example]} if example else None
    body = of_json(request_schema(outputs), described)
    output = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {"name": NAME, "shape": SHAPE, "datatype": {"enum": list(DTYPES)}, "data": {"type": "array"}},
    }
    result: Schema = {
        "type": "object",
        "required": ["model_name", "outputs", "parameters"],
        "properties": {
            "model_name": NAME,
            "model_version": NAME,
            "id": NAME,
            "outputs": {"type": "array", "items": output},
            "parameters": RELEASE,
        },
    }
    inferred = {
        "200": Answer("The outputs.", {**of_json(result), OCTETS: Media({"type": "string", "format": "binary"})}),
        **refusals(ERROR, usual(max_body)),
    }
    return {
        path: {"get": operation(identity, TAG, f"Inputs and outputs of {method}.", answers=answers)},
        f"{path}/ready": {
            "get": operation(f"{identity}.ready", TAG, f"Whether {method} may be asked.", answers=readiness)
        },
        f"{path}/infer": {
            "post": operation(
                f"{identity}.infer",
                TAG,
                f"Call {method} of the model.",
                body=body,
                answers=inferred,
                description=BINARY,
            )
        },
    }


def request_schema(outputs: list[str]) -> Schema:
    """The body of ``infer``; that the data has the shape's size is beyond JSON Schema."""
    tensor = closed(
        {
            "name": NAME,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 32},
            "datatype": {"enum": list(DTYPES)},
            "data": {"type": "array", "description": "All elements, in one list or nested as the shape says."},
            "parameters": PARAMETERS,
        },
        ["name", "shape", "datatype", "data"],
    )
    output = closed({"name": {"enum": outputs} if outputs else NAME, "parameters": PARAMETERS}, ["name"])
    return closed(
        {
            "inputs": {"type": "array", "items": tensor, "minItems": 1},
            "id": {"type": ["string", "null"]},
            "parameters": PARAMETERS,
            "outputs": {"type": ["array", "null"], "items": output},
        },
        ["inputs"],
    )

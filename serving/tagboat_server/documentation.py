"""The description of the interface: OpenAPI 3.1 made from the signatures, and a page that shows it offline."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import msgspec

from tagboat_server import __version__
from tagboat_server.codecs.cells import family
from tagboat_server.signature import Column, Frame, Method, Signature, Tensor, Tensors
from tagboat_server.spec import Identity

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
)
"""What the page may do: talk to this server and nothing else."""

TYPES: dict[str, list[str]] = {
    "float": ["number"],
    "int": ["integer"],
    "bool": ["boolean"],
    "text": ["string"],
    "time": ["string"],
    "scalar": ["string", "number", "boolean"],
}
"""A family of dtypes in JSON Schema's words."""

EXAMPLES: dict[str, Any] = {"float": 0.5, "int": 1, "bool": True, "text": "text", "time": "2024-01-31T12:00:00"}


def openapi(identity: Identity, methods: Mapping[str, Method], reserved: Collection[str], max_body: int) -> bytes:
    """The document that ``/openapi.json`` answers."""
    paths: dict[str, Any] = {}
    for name, method in methods.items():
        path = f"/methods/{name}" if name in reserved else f"/{name}"
        paths[path] = {"post": operation(name, method, max_body)}
    paths.update(
        {
            "/health/live": {"get": page_operation("live", "Whether the process lives.", {"200": "It does."})},
            "/health/ready": {
                "get": page_operation(
                    "ready",
                    "Whether new requests are welcome.",
                    {"200": "They are.", "503": "Not yet, or not any more."},
                )
            },
            "/metrics": {
                "get": page_operation(
                    "metrics", "Figures for Prometheus.", {"200": "In its text format."}, "text/plain"
                )
            },
        }
    )
    version = identity.version or "0"
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": identity.artifact,
            "version": version,
            "description": f"The model {identity.artifact} {version}, served by tagboat-server {__version__}.",
        },
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}},
        "x-tagboat": {"release": identity.release, "stage": identity.stage},
    }
    return msgspec.json.encode(document)


def operation(name: str, method: Method, max_body: int) -> dict[str, Any]:
    """One method of the model."""
    example = example_of(method.input)
    content: dict[str, Any] = {
        "schema": {
            "type": "object",
            "required": ["data"],
            "additionalProperties": False,
            "properties": {"data": schema_of(method.input)},
        }
    }
    if example is not None:
        content["example"] = {"data": example}
    answer = {
        "type": "object",
        "required": ["predictions", "release"],
        "properties": {"predictions": output_schema(method.output), "release": {"type": ["string", "null"]}},
    }
    errors = {
        "400": "The body is no JSON.",
        "413": f"The body is larger than {max_body} bytes.",
        "415": "The body says that it is not JSON, or is compressed.",
        "422": "The body does not fit the model's signature; `path` names the place.",
        "500": "The model failed; the log has the traceback under `id`.",
        "503": "Too many requests wait; try again after `Retry-After` seconds.",
        "504": "The model took too long.",
    }
    return {
        "operationId": name,
        "summary": f"Call {name} of the model.",
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": {
                "description": "The model's answer.",
                "headers": {"X-Tagboat-Release": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": answer}},
            },
            **{
                status: {
                    "description": text,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, text in errors.items()
            },
        },
    }


def page_operation(
    name: str, summary: str, answers: Mapping[str, str], content_type: str = "application/json"
) -> dict[str, Any]:
    """Something that is fetched."""
    schema = {"type": "object"} if content_type == "application/json" else {"type": "string"}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            status: {"description": text, "content": {content_type: {"schema": schema}}}
            for status, text in answers.items()
        },
    }


def schema_of(signature: Signature) -> dict[str, Any]:
    """The JSON Schema of ``data``."""
    if isinstance(signature, Frame):
        return table_schema(signature.columns)
    if isinstance(signature, Tensor):
        return array_schema(signature.dtype, signature.shape, nullable=signature.nullable)
    if isinstance(signature, Tensors):
        if signature.columnar:
            return table_schema([Column(each.name, each.dtype) for each in signature.inputs])
        parts = {each.name: array_schema(each.dtype, each.shape) for each in signature.inputs}
        return {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}
    return {"description": "The model's files do not say what it takes."}


def table_schema(columns: Sequence[Column]) -> dict[str, Any]:
    """Records, columns or rows."""
    cells = {str(column.name): cell_schema(column.dtype, nullable=column.nullable) for column in columns}
    required = [str(column.name) for column in columns if not column.optional]
    closed: dict[str, Any] = {"type": "object", "required": required, "additionalProperties": False}
    lists = {name: {"type": "array", "minItems": 1, "items": cell} for name, cell in cells.items()}
    width = len(cells)
    row = {"type": "array", "prefixItems": list(cells.values()), "minItems": width, "maxItems": width}
    return {
        "oneOf": [
            {"title": "records", "type": "array", "minItems": 1, "items": {**closed, "properties": cells}},
            {"title": "columns", **closed, "properties": lists},
            {"title": "rows", "type": "array", "minItems": 1, "items": row},
        ]
    }


def array_schema(dtype: str, shape: Sequence[Optional[int]], *, nullable: bool = False) -> dict[str, Any]:
    """Nested lists; the outermost has at least one row."""
    schema = cell_schema(dtype, nullable=nullable)
    for depth, size in reversed(list(enumerate(shape))):
        schema = {"type": "array", "items": schema}
        if size is not None:
            schema.update(minItems=size, maxItems=size)
        elif depth == 0:
            schema["minItems"] = 1
    return schema


def cell_schema(dtype: str, *, nullable: bool) -> dict[str, Any]:
    """A single value."""
    types = TYPES.get(family(dtype))
    if types is None:
        return {}
    types = [*types, "null"] if nullable else types
    schema: dict[str, Any] = {"type": types if len(types) > 1 else types[0]}
    if family(dtype) == "time":
        schema["format"] = "date-time"
    return schema


def output_schema(signature: Optional[Signature]) -> dict[str, Any]:
    """The JSON Schema of ``predictions``; a number that JSON lacks is null."""
    if isinstance(signature, Tensor):
        return array_schema(signature.dtype, signature.shape, nullable=family(signature.dtype) == "float")
    return {}


def example_of(signature: Signature) -> Any:
    """A value of ``data`` that fits, or None where nothing is known."""
    if isinstance(signature, Frame):
        return [{str(each.name): example_cell(each.dtype) for each in signature.columns if not each.optional}]
    if isinstance(signature, Tensors) and signature.columnar:
        return [{each.name: example_cell(each.dtype) for each in signature.inputs}]
    if isinstance(signature, Tensors):
        return {each.name: example_array(each.dtype, each.shape) for each in signature.inputs}
    if isinstance(signature, Tensor):
        return example_array(signature.dtype, signature.shape)
    return None


def example_array(dtype: str, shape: Sequence[Optional[int]]) -> Any:
    """Nested lists of a shape, with one row; None where they would fill pages."""
    size = 1
    for each in shape:
        size *= each or 1
    if size > 1000:
        return None
    value = example_cell(dtype)
    for each in reversed(shape):
        value = [value] * (each or 1)
    return value


def example_cell(dtype: str) -> Any:
    """A single value."""
    return EXAMPLES.get(family(dtype), 1)


def page() -> bytes:
    """The page at ``/docs``: reads ``/openapi.json`` and lets one try each method; fetches nothing from elsewhere."""
    return (Path(__file__).parent / "docs.html").read_bytes()


ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "message": {"type": "string", "description": "What was wrong."},
                "path": {"type": "string", "description": "Where in the body, such as data[3].age."},
                "hint": {"type": "string", "description": "What to do about it."},
                "type": {"type": "string", "description": "The type of the model's exception."},
                "id": {"type": "string", "description": "The log has the traceback under this id."},
            },
        }
    },
}

"""Whole documents as GitHub sends them: what the fake knows, and the rest as GitHub's description says it looks.

GitHub's documents have some dozens of required fields, addresses mostly, that nothing here reads. They are filled from
the description's own examples and types, so that the client library meets documents of the real shape.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.github.description import Description, Document

PLAIN: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.0, "boolean": False}
FORMATS = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "uri": "https://example.com/somewhere",
    "email": "somebody@example.com",
    "uri-template": "https://example.com/{somewhere}",
}


def complete(description: Description, schema: Document, given: Any) -> Any:
    """``given`` with every required field that it lacks."""
    schema = description.resolved(schema)
    if given is None:
        return None
    for word in ("oneOf", "anyOf"):
        if word in schema:
            return complete(description, _choice(description, schema[word], given), given)
    if isinstance(given, list):
        items = schema.get("items", {})
        return [complete(description, items, each) for each in given]
    if not isinstance(given, dict):
        return given
    properties, required = _object(description, schema)
    filled = {name: complete(description, properties.get(name, {}), value) for name, value in given.items()}
    return {name: _made(description, properties[name]) for name in required if name not in filled} | filled


def _object(description: Description, schema: Document) -> tuple[Document, list[str]]:
    """The properties and the required ones, with those of all parts together."""
    properties, required = dict(schema.get("properties", {})), list(schema.get("required", []))
    for part in schema.get("allOf", ()):
        more, needed = _object(description, description.resolved(part))
        properties |= more
        required += needed
    return properties, required


def _choice(description: Description, choices: list[Document], given: Any) -> Document:
    kind = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}.get(type(given), "")
    resolved = [description.resolved(each) for each in choices]
    fitting = [each for each in resolved if each.get("type", "object") == kind]
    if isinstance(given, dict):
        fitting.sort(key=lambda each: -len(set(given) & set(_object(description, each)[0])))
    return fitting[0] if fitting else {}


def _made(description: Description, schema: Document) -> Any:
    """A value of the schema's shape."""
    schema = description.resolved(schema)
    if schema.get("nullable"):
        return None
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema and "type" not in schema:
            return _made(description, schema[word][0])
    kind = schema.get("type", "object")
    if kind == "object":
        return complete(description, schema, {})
    if kind == "array":
        return []
    if "enum" in schema:
        return schema["enum"][0]
    if "format" in schema and schema["format"] in FORMATS:
        return FORMATS[schema["format"]]
    return schema.get("example", PLAIN[kind])

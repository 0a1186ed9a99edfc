"""What Kubernetes publishes of its types: the OpenAPI definitions that PyPI's kubernetes-validate carries.

Server-side apply needs to know which lists are maps and by which keys (``x-kubernetes-list-type``,
``x-kubernetes-list-map-keys``); strict validation needs to know which fields there are.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate

Schema = dict[str, Any]

FOLDER = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"

NEWEST = "1.37.0"


class Schemas:
    """The definitions of one version, such as ``1.37.0``; kinds that it lacks may have any fields."""

    def __init__(self, version: str = NEWEST) -> None:
        self.version = version
        self.definitions: dict[str, Schema] = definitions(version)
        self.roots = {
            (each["group"], each["version"], each["kind"]): schema
            for schema in self.definitions.values()
            for each in schema.get("x-kubernetes-group-version-kind", [])
        }

    def root(self, document: dict[str, Any]) -> Schema:
        """The schema of an object; an empty one for a custom resource."""
        group, _, version = document.get("apiVersion", "").rpartition("/")
        found = self.roots.get((group, version, document.get("kind", "")))
        if found is not None:
            return found
        metadata = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
        return {"type": "object", "properties": {"metadata": metadata}, "x-open": True}

    def resolved(self, schema: Schema) -> Schema:
        """The schema, with the definition it refers to under it."""
        reference = schema.get("$ref")
        if reference is None:
            return schema
        return {**self.definitions[reference.rpartition("/")[2]], **{k: v for k, v in schema.items() if k != "$ref"}}

    def child(self, schema: Schema, key: str) -> Schema:
        """The schema of a field; an empty one where nothing is known."""
        schema = self.resolved(schema)
        if key in schema.get("properties", {}):
            return self.resolved(schema["properties"][key])
        additional = schema.get("additionalProperties")
        return self.resolved(additional) if isinstance(additional, dict) else {}

    def items(self, schema: Schema) -> Schema:
        """The schema of a list's items."""
        return self.resolved(self.resolved(schema).get("items", {}))

    def problems(self, value: Any, schema: Schema, path: str = "") -> Iterator[str]:
        """What strict decoding would complain of: unknown fields and wrong types, in the API server's words."""
        schema = self.resolved(schema)
        kinds = types_of(schema)
        if kinds and not any(fits(value, kind) for kind in kinds) and value is not None:
            yield f'wrong type at "{path}": expected {" or ".join(sorted(kinds))}'
        elif isinstance(value, dict):
            for key, inner in value.items():
                at = f"{path}.{key}" if path else key
                known = key in schema.get("properties", {}) or isinstance(schema.get("additionalProperties"), dict)
                if schema.get("properties") and not known and not schema.get("x-open"):
                    yield f'unknown field "{at}"'
                else:
                    yield from self.problems(inner, self.child(schema, key), at)
            yield from (f'missing field "{path}.{key}"' for key in schema.get("required", []) if value.get(key) is None)
        elif isinstance(value, list):
            for place, inner in enumerate(value):
                yield from self.problems(inner, self.items(schema), f"{path}[{place}]")


@functools.cache
def definitions(version: str) -> dict[str, Schema]:
    """All definitions of a version, read once."""
    text = (FOLDER / f"v{version}-local" / "_definitions.json").read_text()
    found: dict[str, Schema] = json.loads(text)["$defs"]
    return found


def types_of(schema: Schema) -> set[str]:
    """The JSON types that a schema allows; none where it does not say."""
    kinds: set[str] = set()
    for each in [schema, *schema.get("oneOf", [])]:
        given = each.get("type", [])
        kinds |= {given} if isinstance(given, str) else set(given)
    return kinds - {"null"}


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a JSON type."""
    if kind in {"integer", "number"}:
        wanted = int if kind == "integer" else (int, float)
        return isinstance(value, wanted) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "boolean": bool, "object": dict, "array": list}[kind])

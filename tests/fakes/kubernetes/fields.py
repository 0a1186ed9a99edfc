"""Server-side apply: who owns which field, what an apply changes, and where two managers disagree.

After "Server-Side Apply" of Kubernetes' documentation and KEP-555: a field set is a tree, written as ``fieldsV1``; a
conflict is a field that another manager owns and that would get another value; what a manager applied before and does
not apply any more goes, unless somebody else owns it too.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

from tests.fakes.kubernetes.schemas import Schema, Schemas

Path = tuple[str, ...]
"""Steps of ``fieldsV1``: ``f:name``, ``k:{"name":"x"}``, ``v:value``; a list's item itself ends in ``.``."""

IDENTITY = {("f:apiVersion",), ("f:kind",), ("f:metadata", "f:name"), ("f:metadata", "f:namespace")}
SERVER_OWNED = {"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid", "selfLink"}
ABSENT = object()


class Fields:
    """Field sets of objects, by the published schemas."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def of(self, document: dict[str, Any]) -> set[Path]:
        """Every field that a document gives a value to."""
        found = set(self.leaves(document, self.schemas.root(document), ()))
        ours = {path for path in found if not (path[0] == "f:metadata" and path[1:2] and path[1][2:] in SERVER_OWNED)}
        return {path for path in ours if path[:2] not in IDENTITY and path[:1] not in IDENTITY}

    def leaves(self, value: Any, schema: Schema, path: Path) -> Iterable[Path]:
        """The leaves below a value."""
        schema = self.schemas.resolved(schema)
        if isinstance(value, dict) and value and schema.get("x-kubernetes-map-type") != "atomic":
            for key, inner in value.items():
                yield from self.leaves(inner, self.schemas.child(schema, key), (*path, f"f:{key}"))
        elif isinstance(value, list) and schema.get("x-kubernetes-list-type") == "map":
            for item in value:
                own = (*path, self.key_of(item, schema))
                yield (*own, ".")
                yield from self.leaves(item, self.schemas.items(schema), own)
        elif isinstance(value, list) and schema.get("x-kubernetes-list-type") == "set":
            for item in value:
                yield (*path, f"v:{json.dumps(item)}")
        else:
            yield path

    def key_of(self, item: dict[str, Any], schema: Schema) -> str:
        """The step that leads to an item of a list that is a map."""
        keys = schema["x-kubernetes-list-map-keys"]
        defaults = {"protocol": "TCP"}
        return "k:" + json.dumps({key: item.get(key, defaults.get(key)) for key in keys}, separators=(",", ":"))

    def get(self, document: Any, schema: Schema, path: Path) -> Any:
        """The value at a path, or `ABSENT`."""
        value = document
        for step in path:
            schema = self.schemas.resolved(schema)
            if step == ".":
                return True
            if step.startswith("f:"):
                if not isinstance(value, dict) or step[2:] not in value:
                    return ABSENT
                value, schema = value[step[2:]], self.schemas.child(schema, step[2:])
            elif step.startswith("k:"):
                found = [item for item in value or [] if self.key_of(item, schema) == step]
                if not found:
                    return ABSENT
                value, schema = found[0], self.schemas.items(schema)
            elif json.loads(step[2:]) not in (value or []):
                return ABSENT
            else:
                return True
        return value

    def remove(self, document: Any, schema: Schema, path: Path) -> None:
        """Take the value at a path away, and what is empty after that."""
        if not path:
            return
        schema = self.schemas.resolved(schema)
        step, rest = path[0], path[1:]
        if step.startswith("f:") and isinstance(document, dict) and step[2:] in document:
            key = step[2:]
            if not rest:
                del document[key]
                return
            self.remove(document[key], self.schemas.child(schema, key), rest)
            if document[key] in ({}, []):
                del document[key]
        elif isinstance(document, list):
            if step.startswith("k:"):
                for item in [item for item in document if self.key_of(item, schema) == step]:
                    if rest in {(), (".",)}:
                        document.remove(item)
                    else:
                        self.remove(item, self.schemas.items(schema), rest)
            elif step.startswith("v:") and json.loads(step[2:]) in document:
                document.remove(json.loads(step[2:]))

    def merged(self, live: Any, applied: Any, schema: Schema) -> Any:
        """What is live, with what is applied over it."""
        schema = self.schemas.resolved(schema)
        if isinstance(applied, dict) and isinstance(live, dict) and schema.get("x-kubernetes-map-type") != "atomic":
            result = dict(live)
            for key, inner in applied.items():
                result[key] = self.merged(live.get(key), inner, self.schemas.child(schema, key))
            return result
        if isinstance(applied, list) and isinstance(live, list):
            kind = schema.get("x-kubernetes-list-type")
            if kind == "set":
                return [*live, *(item for item in applied if item not in live)]
            if kind == "map":
                items = self.schemas.items(schema)
                theirs = {self.key_of(item, schema): item for item in live}
                for item in applied:
                    key = self.key_of(item, schema)
                    theirs[key] = self.merged(theirs.get(key), item, items)
                return list(theirs.values())
        return copy.deepcopy(applied)


class Manager:
    """One entry of ``managedFields``."""

    def __init__(self, name: str, operation: str, fields: set[Path], time: str, version: str, sub: str = "") -> None:
        self.name = name
        self.operation = operation
        self.fields = fields
        self.time = time
        self.version = version
        self.sub = sub

    def shown(self) -> str:
        """As a conflict names it: its version only where it did not apply."""
        name = f'"{self.name}"' + (f' with subresource "{self.sub}"' if self.sub else "")
        return name if self.operation == "Apply" else f"{name} using {self.version}"

    def document(self) -> dict[str, Any]:
        """As the API shows it."""
        tree: dict[str, Any] = {}
        for path in sorted(self.fields):
            inner = tree
            for step in path:
                inner = inner.setdefault(step, {})
        entry = {"manager": self.name, "operation": self.operation, "apiVersion": self.version, "time": self.time,
                 "fieldsType": "FieldsV1", "fieldsV1": tree}  # fmt: skip
        return {**entry, "subresource": self.sub} if self.sub else entry

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Manager:
        """From what `document` made."""
        found = set(paths_of(entry.get("fieldsV1", {}), ()))
        return cls(
            entry["manager"],
            entry["operation"],
            found,
            entry["time"],
            entry["apiVersion"],
            entry.get("subresource", ""),
        )


def paths_of(tree: dict[str, Any], path: Path) -> Iterable[Path]:
    """The paths of a ``fieldsV1`` tree."""
    for step, inner in tree.items():
        if inner:
            yield from paths_of(inner, (*path, step))
        else:
            yield (*path, step)


def shown(path: Path) -> str:
    """A path as the API server's messages write it, ``.spec.containers[name="x"].image``."""
    text = ""
    for step in path:
        if step.startswith("f:"):
            text += f".{step[2:]}"
        elif step.startswith("k:"):
            keys = ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(step[2:]).items())
            text += f"[{keys}]"
    return text

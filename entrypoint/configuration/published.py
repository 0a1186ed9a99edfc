"""The schema for editors (tagboat.schema.json) and the reference for readers, both made from the structs.

``python -P -m entrypoint.configuration.published`` writes them anew; a test holds them up to date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from entrypoint.configuration.kinds import InstalledKinds, Kinds
from entrypoint.configuration.reference import reference
from entrypoint.configuration.schema import Configuration, Target
from entrypoint.publication import SCHEMA_URL

SCHEMA_FILE = Path(__file__).with_name("tagboat.schema.json")
DOCUMENTATION = Path(__file__).resolve().parent.parent.parent / "docs" / "configuration.md"
BEGIN = "<!-- reference: written by python -P -m entrypoint.configuration.published -->"
END = "<!-- end of the reference -->"

MEASURES = {
    "bytes": {"type": ["integer", "string"], "pattern": "^[0-9]+(\\.[0-9]+)? ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)?$"},
    "seconds": {"type": ["number", "string"], "pattern": "^[0-9]+(\\.[0-9]+)? ?(ms|s|m|h|d)?$"},
}
"""How `deployers.settings.Size` and `Duration` are written; `entrypoint.configuration.scalars` reads them."""


def embedded(kinds: Kinds) -> dict[str, type[msgspec.Struct]]:
    """The deployers that come with Tagboat: only these can be published with it."""
    found = {name: kinds.settings_type(name) for name in kinds.names()}
    return {name: kind for name, kind in found.items() if kind.__module__.split(".")[0] == "deployers"}


def json_schema(deployers: dict[str, type[msgspec.Struct]]) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of tagboat.yaml.

    Targets of other deployers than these are left open. The loader is the judge: it accepts a little more
    (`python: 3.11` without quotes, say, which an editor takes for a number).
    """
    _, definitions = msgspec.json.schema_components([Configuration, *deployers.values()], ref_template="#/$defs/{name}")
    definitions = {name: _polished(definition) for name, definition in definitions.items()}
    definitions.pop("Struct", None)  # the base class, which Target.settings names
    definitions["Target"] = _target(definitions, deployers)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_URL,
        **definitions.pop(Configuration.__name__),
        "title": "tagboat.yaml",
        "$defs": definitions,
    }


def _target(definitions: dict[str, Any], deployers: dict[str, type[msgspec.Struct]]) -> dict[str, Any]:
    """A target: the common keys beside the keys of its deployer."""
    common = {key: definitions["Target"]["properties"][key] for key in ("deployer", "prune")}
    alternatives: list[dict[str, Any]] = []
    for name, kind in deployers.items():
        own = definitions.pop(kind.__name__)
        alternatives.append(
            {
                **own,
                "properties": {**common, "deployer": {**common["deployer"], "const": name}, **own["properties"]},
                "required": ["deployer", *own.get("required", [])],
            }
        )
    other = {**common, "deployer": {**common["deployer"], "not": {"enum": list(deployers)}}}
    alternatives.append({"type": "object", "properties": other, "required": ["deployer"]})
    return {"description": (Target.__doc__ or "").split(".")[0] + ".", "anyOf": alternatives}


def _polished(node: Any) -> Any:
    """msgspec's schema with our units, and without defaults that only repeat what is absent."""
    if isinstance(node, list):
        return [_polished(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _polished(value) for key, value in node.items()}
    if isinstance(node.get("default"), dict) or node.get("default") in (None, []):
        node.pop("default", None)
    unit = node.pop("x-unit", None)
    if unit is not None:
        node |= MEASURES[unit]
    return {key: value for key, value in node.items() if not key.startswith("x-")}


def documentation(text: str, deployers: dict[str, type[msgspec.Struct]]) -> str:
    """The text of docs/configuration.md with its reference made anew."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{reference(deployers)}\n{END}{after}"


def outputs(kinds: Kinds) -> Iterator[tuple[Path, str]]:
    """Every file that is made here, with the text it should hold."""
    deployers = embedded(kinds)
    yield SCHEMA_FILE, json.dumps(json_schema(deployers), indent=2, ensure_ascii=False) + "\n"
    yield DOCUMENTATION, documentation(DOCUMENTATION.read_text(encoding="utf-8"), deployers)


if __name__ == "__main__":
    for file, content in outputs(InstalledKinds()):
        file.write_text(content, encoding="utf-8")

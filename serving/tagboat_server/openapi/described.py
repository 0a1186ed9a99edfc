"""JSON Schema and examples from MLEM's descriptions of types, as `mlem.reading` takes them."""

from __future__ import annotations

from typing import Any, Optional

from tagboat_server.mlem.interface import Described
from tagboat_server.mlem.signatures import frame_of, signature_of
from tagboat_server.openapi.examples import Sample, example_of
from tagboat_server.openapi.operations import Schema, closed
from tagboat_server.openapi.schemas import cell_schema, lists_schema, records_schema, schema_of
from tagboat_server.signature import Anything, Frame, Signature, Tensor

KEYS = {"int": "^-?[0-9]+$", "float": "^-?[0-9]+(\\.[0-9]+)?$"}
"""What the keys of an object look like where they are numbers."""


def taken(described: Described, known: Optional[Signature] = None) -> Schema:
    """What a type takes. ``known``: the signature by which it is read, which knows where values may be missing."""
    kind = described.get("type")
    if kind == "dataframe":
        columns = known.columns if isinstance(known, Frame) else frame_of(described).columns
        return closed({"values": {"oneOf": [records_schema(columns), lists_schema(columns)]}})
    if kind == "series":
        columns = frame_of(described).columns
        return {"oneOf": [records_schema(columns), lists_schema(columns)]}
    if kind == "number":
        return cell_schema(str(described["dtype"]), nullable=False)
    if kind == "array":
        size = described.get("size")
        return {
            "type": "array",
            "items": taken(described["dtype"]),
            **({} if size is None else {"minItems": size, "maxItems": size}),
        }
    if kind in {"list", "tuple"}:
        items = [taken(item) for item in described["items"]]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if kind == "dict":
        return closed({str(key): taken(item) for key, item in described["item_types"].items()})
    if kind == "d_dict":
        pattern = KEYS.get(described["key_type"]["ptype"])
        keys = {"propertyNames": {"pattern": pattern}} if pattern else {}
        return {"type": "object", "additionalProperties": taken(described["value_type"]), **keys}
    if kind == "binary":
        return {"type": "string", "contentEncoding": "base64"}
    if kind == "primitive" and described.get("ptype") == "NoneType":
        return {"type": "null"}
    if kind == "ndarray" and described.get("shape") is None:
        return {"type": "array", "minItems": 1}
    signature = signature_of(described)
    if isinstance(known, Tensor) and isinstance(signature, Tensor):
        return schema_of(known)
    return {} if isinstance(signature, Anything) else schema_of(signature)


def example(described: Described, sample: Sample) -> Any:
    """A value that fits, or None where none is known."""
    kind = described.get("type")
    if kind in {"dataframe", "series"}:
        records = example_of(frame_of(described), sample)
        return {"values": records} if kind == "dataframe" else records
    if kind == "number":
        return 1
    if kind == "array":
        rows = sample.data if isinstance(sample.data, list) and len(sample.data) == described.get("size") else None
        return rows or [example(described["dtype"], Sample(None))] * (described.get("size") or 1)
    if kind in {"list", "tuple"}:
        return [example(item, Sample(None)) for item in described["items"]]
    if kind == "dict":
        return {str(key): example(item, Sample(None)) for key, item in described["item_types"].items()}
    if kind == "d_dict":
        return {"1": example(described["value_type"], Sample(None))}
    if kind == "binary":
        return "AAEC"
    signature = signature_of(described)
    return None if isinstance(signature, Anything) else example_of(signature, sample)


def given(described: Described) -> Schema:
    """What a type's result is in JSON. Numbers that JSON lacks are null."""
    kind = described.get("type")
    if kind == "dataframe":
        names = [str(name) for name in described["columns"]]
        rows = {"type": "array", "items": {"type": "object", "required": names}}
        return {"type": "object", "required": ["values"], "properties": {"values": rows}}
    if kind in {"array", "list", "tuple", "series"}:
        return {"type": "array"}
    if kind == "ndarray":
        return {"type": "array"} if described.get("shape") != [] else {}
    if kind in {"dict", "d_dict"}:
        return {"type": "object"}
    return {}

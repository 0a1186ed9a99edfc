"""The signature in an ``MLmodel`` document in our words (mlflow.org, "Model Signatures")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from tagboat_server.errors import ModelError
from tagboat_server.signature import Anything, Column, Frame, Method, NamedTensor, Signature, Tensor, Tensors

BINARY = "binary"
"""MLflow's type of bytes, which JSON has as text in base64."""

DTYPES = {
    BINARY: "str",
    "boolean": "bool",
    "datetime": "datetime64[ns]",
    "double": "float64",
    "float": "float32",
    "integer": "int32",
    "long": "int64",
    "string": "str",
}
"""MLflow's types of columns, and ours; arrays, objects and maps are any value."""

WHOLE = {BINARY, "boolean", "integer", "long"}
"""Types that MLflow does not let be missing."""


def declared(signature: Any, *, where: str) -> Method:
    """What the model takes and gives back, `Anything` where the document does not say."""
    if not signature:
        return Method(Anything())
    try:
        taken = schema_of(signature.get("inputs"))
        given = answered(schema_of(signature.get("outputs")))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the signature in MLmodel cannot be read: {error}", where=where) from None
    return Method(taken, given)


def answered(given: Signature) -> Optional[Signature]:
    """The output, None where the document does not say: one column without a name is one value a row."""
    if isinstance(given, Tensor):
        return Tensor(given.dtype, (None,) if given.shape == (None, 1) else given.shape)
    return None if isinstance(given, Anything) else given


def binary_columns(signature: Any) -> list[str]:
    """The names of the input's columns of bytes."""
    parts = json.loads((signature or {}).get("inputs") or "[]")
    return [str(part["name"]) for part in parts if part["type"] == BINARY and "name" in part]


def schema_of(text: Optional[str]) -> Signature:
    """One side of a signature, which is JSON inside of YAML."""
    parts: Sequence[Mapping[str, Any]] = json.loads(text) if text else []
    if not parts:
        return Anything()
    if all(part["type"] == "tensor" for part in parts):
        return tensors_of(parts)
    if all("name" in part for part in parts):
        return Frame(tuple(column_of(part) for part in parts))
    dtypes = {DTYPES.get(str(part["type"]), "any") for part in parts}
    dtype = dtypes.pop() if len(dtypes) == 1 else "any"
    return Tensor(dtype, (None, len(parts)), nullable=not WHOLE & {str(part["type"]) for part in parts})


def column_of(part: Mapping[str, Any]) -> Column:
    """A column; MLflow lets numbers and text be missing, and whole columns that are not required."""
    kind = str(part["type"])
    optional = part.get("required", True) is False or part.get("optional", False) is True
    return Column(str(part["name"]), DTYPES.get(kind, "any"), nullable=kind not in WHOLE, optional=optional)


def tensors_of(parts: Sequence[Mapping[str, Any]]) -> Signature:
    """Arrays, by name where they have one."""
    found = [
        NamedTensor(
            str(part.get("name", "")),
            dtype_of(str(part["tensor-spec"]["dtype"])),
            tuple(None if size == -1 else int(size) for size in part["tensor-spec"]["shape"]),
        )
        for part in parts
    ]
    if len(found) == 1 and not found[0].name:
        # To MLflow NaN is a number as any other.
        return Tensor(found[0].dtype, found[0].shape, nullable=found[0].dtype.startswith("float"))
    return Tensors(tuple(found))


def dtype_of(name: str) -> str:
    """The name of a dtype of NumPy's; text of any length is text."""
    return "str" if name.startswith(("<U", "str")) else name

"""From MLEM's description of a type to our signature."""

from __future__ import annotations

from tagboat_server.mlem.interface import Described
from tagboat_server.signature import Anything, Column, Frame, Signature, Tensor

PRIMITIVES = {"bool": "bool", "float": "float64", "int": "int64", "str": "str"}
"""MLEM's single values, and our dtypes."""


def signature_of(described: Described) -> Signature:
    """Our signature of a type; `Anything` for what has no place in ours."""
    kind = described.get("type")
    if kind == "dataframe":
        return frame_of(described)
    if kind == "ndarray" and described.get("shape") is not None:
        return Tensor(str(described["dtype"]), tuple(described["shape"]))
    if kind == "primitive" and described.get("ptype") in PRIMITIVES:
        return Tensor(PRIMITIVES[described["ptype"]], ())
    return Anything()


def frame_of(described: Described) -> Frame:
    """The table that a dataframe's or a series' description tells of."""
    columns = tuple(
        Column(name if isinstance(name, int) else str(name), str(dtype))
        for name, dtype in zip(described["columns"], described["dtypes"])
    )
    return Frame(columns, tuple(described.get("index_cols") or ()))

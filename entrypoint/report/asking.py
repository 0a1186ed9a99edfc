"""How to ask a served model: a line for curl in each of the server's protocols, ready to be copied.

The rows are the first of the bundle's sample, or made of the signature: then their form is right, and what the model
says of zeros is its own affair.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from deployers.wrapping.bundle import SAMPLE, Bundle

DATATYPES = {"float": "FP64", "int": "INT64", "bool": "BOOL"}
"""By the beginning of a dtype's name; everything else is BYTES, which is text."""

Line = tuple[str, str]
"""The protocol's name, and the command."""


def curl_lines(bundle: Bundle, url: str, method: str) -> list[Line]:
    """The commands that ask ``method`` of the server at ``url``. ``[]`` where the signature does not tell a form."""
    described = bundle.description
    row = _row(bundle, method)
    if row is None:
        return []
    whole = {"data": [row]}
    lines = [("Tagboat", _curl(f"{url}/methods/{quote(method, safe='')}", whole))]
    tensors = _tensors(described.methods[method]["input"], row)
    model = quote(described.name, safe="")
    lines.append(("Open Inference", _curl(f"{url}/v2/models/{model}:{quote(method, safe='')}/infer", tensors)))
    if method == "predict":
        records = isinstance(row, dict)
        body = {"dataframe_records": [row]} if records else {"instances": [row]}
        lines.append(("SageMaker, MLflow", _curl(f"{url}/invocations", body)))
        if described.format == "mlem":
            values = {"values": [row]} if records else [row]
            lines.append(("MLEM", _curl(f"{url}/predict", {"data": values})))
    return lines


def _row(bundle: Bundle, method: str) -> Any:
    """One row as a record or a list; None where nothing tells what it looks like."""
    taken = bundle.description.methods[method].get("input") or {}
    if bundle.description.sample is not None:
        data = json.loads((bundle.folder / SAMPLE).read_bytes())["data"]
        if isinstance(data, dict) and all(isinstance(values, list) and values for values in data.values()):
            return {name: values[0] for name, values in data.items()}
        if isinstance(data, list) and data:
            return _named(data[0], taken)
    if taken.get("kind") == "dataframe":
        columns = [column for column in taken["columns"] if not column.get("optional")]
        return {str(column["name"]): _value(column["dtype"]) for column in columns}
    shape = taken.get("shape") or []
    if taken.get("kind") == "tensor" and len(shape) == 2 and isinstance(shape[1], int):
        return [_value(taken["dtype"])] * shape[1]
    return None


def _named(row: Any, taken: Mapping[str, Any]) -> Any:
    """A row of a list by the names of its columns, where there are any."""
    if isinstance(row, list) and taken.get("kind") == "dataframe":
        return {str(column["name"]): value for column, value in zip(taken["columns"], row, strict=False)}
    return row


def _tensors(taken: Mapping[str, Any], row: Any) -> dict[str, Any]:
    """The row as the inputs of the Open Inference Protocol: a column each, or one matrix."""
    if isinstance(row, dict):
        dtypes = {str(column["name"]): column["dtype"] for column in taken.get("columns", ())}
        columns = [(name, value, dtypes.get(name, "")) for name, value in row.items()]
        return {
            "inputs": [
                {"name": name, "shape": [1], "datatype": _datatype(dtype, value), "data": [value]}
                for name, value, dtype in columns
            ]
        }
    datatype = _datatype(taken.get("dtype", ""), row[0] if row else 0.0)
    return {"inputs": [{"name": "rows", "shape": [1, len(row)], "datatype": datatype, "data": row}]}


def _datatype(dtype: str, value: Any) -> str:
    plain = dtype.lower().removeprefix("u")
    if isinstance(value, str):
        return "BYTES"
    found = next((word for start, word in DATATYPES.items() if plain.startswith(start)), None)
    return found or ("BOOL" if isinstance(value, bool) else "FP64")


def _value(dtype: str) -> Any:
    """A harmless value of a dtype."""
    plain = dtype.lower().removeprefix("u")
    values = {"float": 0.0, "any": 0.0, "int": 0, "bool": False, "datetime": "2026-01-31T12:00:00"}
    return next((value for start, value in values.items() if plain.startswith(start)), "text")


def _curl(url: str, body: Any) -> str:
    """A command for a shell, whatever the names of the columns hold."""
    text = json.dumps(body, ensure_ascii=True)
    return f"curl {shlex.quote(url)} -H 'content-type: application/json' -d {shlex.quote(text)}"

"""Tensors in gRPC's messages: raw, as in `binary`, or element by element in the field of their datatype."""

from __future__ import annotations

from typing import Any

import numpy

from tagboat_server.errors import Rejection
from tagboat_server.protocols.open_inference import binary
from tagboat_server.protocols.open_inference.datatypes import datatype_of, dtype_of, size_of

FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Which field of the contents holds a datatype's elements; FP16 comes raw only."""

WIDE = {"int_contents": numpy.int32, "uint_contents": numpy.uint32}
"""The dtypes of fields that hold elements of narrower ones."""


def read(request: Any) -> dict[str, numpy.ndarray[Any, Any]]:
    """All inputs by name. Raises `Rejection`."""
    raw = len(request.raw_input_contents)
    if raw and raw != len(request.inputs):
        message = f"there are {len(request.inputs)} inputs and {raw} raw_input_contents"
        raise Rejection(400, message, path="raw_input_contents", reason="document")
    found: dict[str, numpy.ndarray[Any, Any]] = {}
    for place, tensor in enumerate(request.inputs):
        path = f"inputs.{tensor.name[:100]}"
        if not raw:
            found[tensor.name] = from_contents(tensor, path)
            continue
        if tensor.HasField("contents"):
            raise Rejection(400, "the input has both contents and raw contents", path=path, reason="document")
        data = request.raw_input_contents[place]
        found[tensor.name] = binary.read(data, 0, len(data), dtype_of(tensor.datatype, path), list(tensor.shape), path)
    return found


def from_contents(tensor: Any, path: str) -> numpy.ndarray[Any, Any]:
    """An input's array, from the one field that its datatype's elements come in."""
    dtype, shape = dtype_of(tensor.datatype, path), list(tensor.shape)
    size = size_of(shape, path)
    field = FIELDS.get(tensor.datatype)
    if field is None:
        raise Rejection(400, f"{tensor.datatype} comes in raw_input_contents only", path=path, reason="datatype")
    others = [each.name for each, _ in tensor.contents.ListFields() if each.name != field]
    if others:
        message = f"{tensor.datatype} comes in {field}, not in {others[0]}"
        raise Rejection(400, message, path=path, reason="datatype")
    elements = getattr(tensor.contents, field)
    if len(elements) != size:
        message = f"the shape asks for {size} elements, there are {len(elements)}"
        raise Rejection(400, message, path=path, reason="shape")
    if dtype.kind == "O":
        array = numpy.empty(size, dtype=object)
        array[:] = list(elements)
        return array.reshape(shape)
    wide = numpy.fromiter(elements, WIDE.get(field, dtype), size)
    array = wide.astype(dtype, copy=False)
    wrong = array != wide if wide.dtype.kind in "iu" else numpy.zeros(0, bool)
    if wrong.any():
        place = int(wrong.argmax())
        message = f"{int(wide[place])} is out of the range of {tensor.datatype}"
        raise Rejection(422, message, path=f"{path}[{place}]", reason="range")
    return array.reshape(shape)


def write(response: Any, tensors: dict[str, numpy.ndarray[Any, Any]], *, raw: bool) -> None:
    """Put outputs into an answer: raw where that was asked for or there is no other way, else element by element."""
    raw = raw or any(datatype_of(array.dtype) not in FIELDS for array in tensors.values())
    for name, array in tensors.items():
        datatype = datatype_of(array.dtype)
        output = response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        if raw:
            response.raw_output_contents.append(bytes(binary.write(array)))
        elif datatype == "BYTES":
            elements = [each.encode() if isinstance(each, str) else each or b"" for each in array.reshape(-1).tolist()]
            output.contents.bytes_contents.extend(elements)
        else:
            getattr(output.contents, FIELDS[datatype]).extend(array.reshape(-1).tolist())

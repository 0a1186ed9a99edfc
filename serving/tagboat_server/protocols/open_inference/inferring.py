"""``infer`` over HTTP: the request's JSON and binary data to arrays, and the outputs back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import msgspec
import numpy

from tagboat_server.errors import Rejection
from tagboat_server.protocols.base import JSON, Request, Response, Route
from tagboat_server.protocols.native import check_content
from tagboat_server.protocols.open_inference import binary, json_tensors
from tagboat_server.protocols.open_inference.datatypes import datatype_of, dtype_of
from tagboat_server.protocols.open_inference.documents import ABSENT, InferRequest, InputTensor, flag, read
from tagboat_server.protocols.open_inference.models import Model
from tagboat_server.protocols.open_inference.refusing import refusal

Array = numpy.ndarray

OCTETS = b"application/octet-stream"


class Infer(Route):
    """One method of the model, by this protocol."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.call = model.call
        self.label = model.call.name
        head: dict[str, Any] = {"model_name": model.name}
        if model.version is not None:
            head["model_version"] = model.version
        self.head = {**head, "parameters": model.parameters}

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        size = len(request.body)
        asked, arrays = await self.call.apart(size, self.taken, request.headers, request.body)
        given = self.model.fit(arrays) if size < LARGE else await self.call.apart(size, self.model.fit, arrays)
        result = await self.call.run(given)
        size = getattr(result, "nbytes", 0)
        return await self.call.apart(size, self.answer, asked, result, given.rows)  # type: ignore[no-any-return]

    def refuse(self, rejection: Rejection) -> Response:
        """A refusal in this protocol's form."""
        return refusal(rejection)

    def taken(self, headers: Mapping[bytes, bytes], body: bytes) -> tuple[InferRequest, dict[str, Array]]:
        """The request, and its inputs by name."""
        json_length = binary.json_length(headers.get(binary.JSON_LENGTH), body)
        check_type(headers, mixed=json_length is not None)
        if json_length is None:
            asked, at = read(body), None
        else:
            asked, at = read(memoryview(body)[:json_length]), json_length
        arrays: dict[str, Array] = {}
        for tensor in asked.inputs:
            arrays[tensor.name], at = one_input(tensor, body, at)
        if at is not None and at != len(body):
            raise Rejection(400, f"{len(body) - at} bytes are behind the last input's data", reason="binary")
        return asked, arrays

    def answer(self, asked: InferRequest, result: Any, rows: int) -> Response:
        """The answer."""
        tensors = self.model.tensors(result)
        default = flag(asked.parameters, "binary_data_output", "request") or False
        outputs: list[dict[str, Any]] = []
        parts: list[Any] = []
        for name, in_binary in requested(asked, list(tensors), default=default):
            array = tensors[name]
            output: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array.dtype)}
            if in_binary:
                part = binary.write(array)
                output["parameters"] = {"binary_data_size": len(part)}
                parts.append(part)
            else:
                output["data"] = elements(array)
            outputs.append(output)
        document = {**self.head, "outputs": outputs}
        if asked.id is not None:
            document["id"] = asked.id
        head = msgspec.json.encode(document)
        if not parts:
            return Response(200, JSON, head, (), rows)
        length = ((b"inference-header-content-length", str(len(head)).encode()),)
        return Response(200, OCTETS, b"".join([head, *parts]), length, rows)


def one_input(tensor: InputTensor, body: bytes, at: Optional[int]) -> tuple[Array, Optional[int]]:
    """One input's array, and where in the body the next one's binary data begins; None where there is none."""
    path = f"inputs.{tensor.name[:100]}"
    dtype = dtype_of(tensor.datatype, path)
    size = (tensor.parameters or {}).get("binary_data_size")
    if size is None:
        if tensor.data is ABSENT:
            raise Rejection(400, "the input has neither data nor binary_data_size", path=path, reason="document")
        return json_tensors.read(bytes(tensor.data), dtype, tensor.shape, path), at
    if tensor.data is not ABSENT:
        raise Rejection(400, "the input has both data and binary_data_size", path=path, reason="document")
    if type(size) is not int or size < 0:
        raise Rejection(400, "binary_data_size is no length", path=path, reason="binary")
    if at is None:
        raise Rejection(
            400,
            "there is no binary data",
            path=path,
            hint="The header Inference-Header-Content-Length says where the JSON ends.",
            reason="binary",
        )
    if size > len(body) - at:
        message = f"the input wants {size} bytes of binary data, {len(body) - at} are there"
        raise Rejection(400, message, path=path, reason="binary")
    return binary.read(body, at, size, dtype, tensor.shape, path), at + size


def requested(asked: InferRequest, names: list[str], *, default: bool) -> list[tuple[str, bool]]:
    """The outputs to be answered, in their order, and which of them in binary. Raises `Rejection` 400."""
    if not asked.outputs:
        return [(name, default) for name in names]
    wanted = []
    for output in asked.outputs:
        if output.name not in names:
            known = ", ".join(names)
            raise Rejection(400, f"there is no output {output.name[:100]!r}, there is {known[:500]}", path="outputs")
        in_binary = flag(output.parameters, "binary_data", f"outputs.{output.name[:100]}")
        wanted.append((output.name, default if in_binary is None else in_binary))
    return wanted


def elements(array: Array) -> list[Any]:
    """All elements in one list, row after row, as JSON has them."""
    values = array.reshape(-1).tolist()
    if array.dtype.kind != "O":
        return list(values)
    return [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]


def check_type(headers: Mapping[bytes, bytes], *, mixed: bool) -> None:
    """Refuse a body that says it is something else, or compressed. ``mixed``: binary data follows the JSON."""
    given = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if mixed and given == OCTETS:
        headers = {name: value for name, value in headers.items() if name != b"content-type"}
    check_content(headers)


LARGE = 512 * 1024
"""Bytes of a body whose numbers are checked in a thread."""

"""Tensors in binary: row after row, little-endian, without padding.

Text is a run of elements, each behind its length in four bytes. Numbers become arrays over the body itself, but where
they do not lie at a multiple of their size, which most code that computes with them needs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Optional

import numpy

from tagboat_server.errors import Rejection
from tagboat_server.protocols.open_inference.datatypes import size_of

LENGTH = struct.Struct("<I")

JSON_LENGTH = b"inference-header-content-length"
"""The header that says where the JSON ends and the binary data begins."""


def json_length(given: Optional[bytes], body: bytes) -> Optional[int]:
    """How many bytes of a body are its JSON; None where all are. Raises `Rejection` 400."""
    if given is None:
        return None
    text = given.strip()
    if not text.isdigit() or len(text) > 18 or int(text) > len(body):
        raise Rejection(
            400,
            f"the header Inference-Header-Content-Length is no length within the body's {len(body)} bytes",
            reason="binary",
        )
    return int(text)


def read(data: Any, start: int, size: int, dtype: Any, shape: Sequence[int], path: str) -> numpy.ndarray[Any, Any]:
    """The array of ``size`` bytes of ``data`` from ``start`` on. Raises `Rejection` 400 where they are not its shape.

    Text becomes an array of bytes.
    """
    count = size_of(shape, path)
    if dtype.kind == "O":
        return texts(data, start, size, count, path).reshape(tuple(shape))
    if count * dtype.itemsize != size:
        message = f"the shape asks for {count * dtype.itemsize} bytes, there are {size}"
        raise Rejection(400, message, path=path, reason="shape")
    if dtype.kind == "b":
        array = numpy.frombuffer(data, numpy.uint8, count, start)
        if array.max() > 1:
            place = int((array > 1).argmax())
            message = f"true or false is a byte 1 or 0, not {int(array[place])}"
            raise Rejection(422, message, path=f"{path}[{place}]", reason="type")
        return array.view(bool).reshape(tuple(shape))
    array = numpy.frombuffer(data, dtype, count, start).reshape(tuple(shape))
    return array if array.flags.aligned else array.copy()


def texts(data: Any, start: int, size: int, count: int, path: str) -> numpy.ndarray[Any, Any]:
    """The elements of a run of text."""
    view = memoryview(data)[start : start + size]
    if size < count * LENGTH.size:
        message = f"the shape asks for {count} elements, {size} bytes are too few"
        raise Rejection(400, message, path=path, reason="shape")
    array = numpy.empty(count, dtype=object)
    at = 0
    for place in range(count):
        if at + LENGTH.size > size:
            raise cut(path, place)
        length = LENGTH.unpack_from(view, at)[0]
        at += LENGTH.size
        if at + length > size:
            raise cut(path, place)
        array[place] = bytes(view[at : at + length])
        at += length
    if at != size:
        message = f"the shape asks for {count} elements, {size - at} bytes are behind them"
        raise Rejection(400, message, path=path, reason="shape")
    return array


def cut(path: str, place: int) -> Rejection:
    """The answer to an element that ends behind the data."""
    return Rejection(400, "the binary data ends within this element", path=f"{path}[{place}]", reason="binary")


def write(array: numpy.ndarray[Any, Any]) -> Any:
    """An output's binary data: its own memory where that lies as it has to, else a copy."""
    if array.dtype.kind == "O":
        parts = []
        for value in array.reshape(-1).tolist():
            element = b"" if value is None else value.encode() if isinstance(value, str) else value
            parts += (LENGTH.pack(len(element)), element)
        return b"".join(parts)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return numpy.ascontiguousarray(little).reshape(-1).view(numpy.uint8)

"""NumPy's ``.npy`` files: the array is a view of the body, and nothing is ever unpickled.

The format is NumPy's (``numpy.lib.format``): a magic string, a version, the length of a header, the header as a literal
of Python's, the numbers. The header is not believed: what it says must be exactly what follows.
"""

from __future__ import annotations

import ast
import functools
import io
import math
from typing import Any

import numpy
from numpy.lib import format as npy_format

from tagboat_server.errors import Rejection

LONGEST = 10_000
"""Bytes of a header, as NumPy itself bounds it since 1.24."""

MOST_DIMENSIONS = 32


def read(body: bytes) -> numpy.ndarray[Any, Any]:
    """The array, which nobody may write into. Raises `Rejection` 400 for what is no such file, 422 for its dtype."""
    start, shape, fortran, dtype = header_of(body)
    if dtype.hasobject:
        raise Rejection(
            422,
            "the file holds Python objects, which are not read",
            path="npy",
            hint="Save text as str.",
            reason="type",
        )
    if len(shape) > MOST_DIMENSIONS or any(type(size) is not int or size < 0 for size in shape):
        raise Rejection(400, "the npy header tells no shape of an array", path="npy", reason="npy")
    count = math.prod(shape)
    if count * dtype.itemsize != len(body) - start or not dtype.itemsize:
        message = f"the npy header tells of {count * dtype.itemsize} bytes, the file has {len(body) - start}"
        raise Rejection(400, message, path="npy", reason="npy")
    if not count:
        raise Rejection(422, "there are no rows", path="npy", reason="empty")
    array = numpy.frombuffer(body, dtype, count, start).reshape(shape, order="F" if fortran else "C")
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def header_of(body: bytes) -> tuple[int, tuple[int, ...], bool, numpy.dtype[Any]]:
    """Where the numbers begin, their shape, whether columns come first, and their dtype."""
    prefix = npy_format.MAGIC_PREFIX
    version = tuple(body[len(prefix) : len(prefix) + 2])
    at = len(prefix) + 2
    width = 2 if version == (1, 0) else 4
    length = int.from_bytes(body[at : at + width], "little")
    end = at + width + length
    if not body.startswith(prefix) or version not in {(1, 0), (2, 0), (3, 0)} or end > len(body) or length > LONGEST:
        raise Rejection(400, "the body is no npy file", path="npy", hint="Write it with numpy.save.", reason="npy")
    return end, *told(body[at + width : end], "utf-8" if version == (3, 0) else "latin-1")


@functools.lru_cache(maxsize=64)
def told(header: bytes, encoding: str) -> tuple[tuple[int, ...], bool, numpy.dtype[Any]]:
    """What a header says; most bodies have the one of the body before."""
    try:
        if b"\\" in header:
            raise ValueError("NumPy escapes nothing")  # and Python would warn of some escapes, in the log
        said = ast.literal_eval(header.decode(encoding))
        dtype = npy_format.descr_to_dtype(said["descr"])
        return tuple(said["shape"]), bool(said["fortran_order"]), dtype
    except Exception as error:  # noqa: BLE001 - a parser of literals, of dtypes and of text raises what it likes
        message = f"the npy header cannot be read: {type(error).__name__}"
        raise Rejection(400, message, path="npy", reason="npy") from None


def write(array: numpy.ndarray[Any, Any]) -> bytes:
    """The file of an array of plain values."""
    out = io.BytesIO()
    npy_format.write_array(out, numpy.ascontiguousarray(array) if array.ndim else array, allow_pickle=False)
    return out.getvalue()

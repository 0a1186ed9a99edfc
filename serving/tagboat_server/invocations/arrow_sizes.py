"""How large an Arrow stream becomes, read from its own framing before anything is unpacked.

A few bytes can stand for gigabytes: by compression, and by buffers that are named many times. pyarrow has no bound of
its own, so what it would allocate is added up first; it allocates what these very headers say. Whatever is not framed
as the format has it ("Encapsulated message format" of Arrow's columnar format, in FlatBuffers) is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple, Optional

CONTINUATION = b"\xff\xff\xff\xff"
SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3


class MisframedError(Exception):
    """The bytes are not framed as the format has it."""


class Message(NamedTuple):
    """One message of an Arrow stream. ``size``: bytes of its buffers when unpacked."""

    kind: int
    rows: int
    size: int


def messages(stream: bytes) -> Iterator[Message]:
    """The messages of an Arrow stream. Raises `MisframedError`."""
    try:
        yield from framed(stream)
    except struct.error:
        raise MisframedError from None


def framed(stream: bytes) -> Iterator[Message]:
    """As `messages`; raises `struct.error` too."""
    at = 0
    while at < len(stream):
        if stream[at : at + 4] == CONTINUATION:
            at += 4
        (length,) = struct.unpack_from("<i", stream, at)
        at += 4
        if length == 0:
            return
        if not 0 < length <= len(stream) - at:
            raise MisframedError
        metadata = FlatTable.root(stream[at : at + length])
        body_at = at + length
        (body_length,) = struct.unpack("<q", metadata.scalar(3, 8) or bytes(8))
        if not 0 <= body_length <= len(stream) - body_at:
            raise MisframedError
        kind = (metadata.scalar(1, 1) or b"\0")[0]
        rows, size = 0, body_length
        if kind == RECORD_BATCH:
            rows, size = batch(metadata.table(2), stream, body_at, body_length)
        yield Message(kind, rows, size)
        at = body_at + body_length


def batch(header: FlatTable, stream: bytes, at: int, length: int) -> tuple[int, int]:
    """The rows of a record batch, and the bytes of its buffers when unpacked."""
    (rows,) = struct.unpack("<q", header.scalar(0, 8) or bytes(8))
    packed = header.place(3) is not None
    size = 0
    for offset, extent in header.pairs(2):
        if offset < 0 or extent < 0 or offset + extent > length:
            raise MisframedError
        if packed and extent:
            (unpacked,) = struct.unpack_from("<q", stream, at + offset)
            size += extent if unpacked == -1 else unpacked
            if unpacked < -1:
                raise MisframedError
        else:
            size += extent
    if rows < 0:
        raise MisframedError
    return rows, size


class FlatTable:
    """A table of a FlatBuffer: fields by number, each perhaps absent."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        (back,) = struct.unpack("<i", self.take(at, 4))
        self.entries = at - back
        (self.extent,) = struct.unpack("<H", self.take(self.entries, 2))

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        """The table that a buffer begins with."""
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def take(self, at: int, count: int) -> bytes:
        """Bytes that must be there."""
        if at < 0 or at + count > len(self.data):
            raise MisframedError
        return self.data[at : at + count]

    def place(self, field: int) -> Optional[int]:
        """Where a field is, or None where it is absent."""
        entry = 4 + 2 * field
        if entry + 2 > self.extent:
            return None
        (offset,) = struct.unpack("<H", self.take(self.entries + entry, 2))
        return self.at + offset if offset else None

    def scalar(self, field: int, count: int) -> Optional[bytes]:
        """The bytes of a number, or None."""
        at = self.place(field)
        return None if at is None else self.take(at, count)

    def target(self, field: int) -> int:
        """What a field points to, which must be there."""
        at = self.place(field)
        if at is None:
            raise MisframedError
        return at + int(struct.unpack("<I", self.take(at, 4))[0])

    def table(self, field: int) -> FlatTable:
        """A table in a field."""
        return FlatTable(self.data, self.target(field))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two 64-bit numbers."""
        if self.place(field) is None:
            return
        at = self.target(field)
        (count,) = struct.unpack("<I", self.take(at, 4))
        yield from struct.iter_unpack("<qq", self.take(at + 4, 16 * count))

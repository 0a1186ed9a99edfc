"""How large a Parquet file becomes, read from its own framing before anything is unpacked.

As `arrow_sizes` for Arrow: the footer says where the pages of each column begin, each page's header says how large it
becomes, and pyarrow allocates what they say. Both are read here, since pyarrow 26 ends the process when it is asked for
a column of a damaged footer. They are structs of ``parquet.thrift`` in Thrift's compact protocol; of a struct only the
fields that are wanted are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tagboat_server.invocations.arrow_sizes import MisframedError

MAGIC = b"PAR1"
MOST_DEPTH = 8
MOST_CHUNKS = 100_000
OLD_WRITERS_PADDING = 100
"""Bytes behind a column chunk that Arrow reads for files of parquet-mr before 1.2.9 (PARQUET-816)."""

ALL = "all"
FOOTER: Mapping[int, Any] = {3: ALL, 4: [{1: [{3: {5: ALL, 7: ALL, 9: ALL, 11: ALL}}], 3: ALL}]}
"""FileMetaData: rows; of each row group its rows, and of each column chunk values, size and where its pages begin."""
PAGE: Mapping[int, Any] = {2: ALL, 3: ALL}
"""PageHeader: the size when unpacked, and as it is."""


class Footer(NamedTuple):
    """What a footer says: the most rows and values of a column that it tells of, and each chunk's start and length."""

    rows: int
    chunks: list[tuple[int, int]]


def footer(body: bytes) -> Footer:
    """The footer of a file. Raises `MisframedError`."""
    length = int.from_bytes(body[-8:-4], "little")
    if body[:4] != MAGIC or body[-4:] != MAGIC or length + 12 > len(body):
        raise MisframedError
    said = Compact(body, len(body) - 8 - length).struct(FOOTER)
    rows = 0
    chunks: list[tuple[int, int]] = []
    values: dict[int, int] = {}
    for group in said.get(4, []):
        rows += max(0, group.get(3, 0))
        for place, chunk in enumerate(group.get(1, [])):
            told = chunk.get(3, {})
            starts = [told[field] for field in (9, 11) if told.get(field, 0) > 0]
            if not starts or told.get(7, -1) < 0:
                raise MisframedError
            values[place] = values.get(place, 0) + max(0, told.get(5, 0))
            chunks.append((min(starts), told[7]))
    return Footer(max(rows, said.get(3, 0), *values.values(), 0), chunks)


def pages(body: bytes, start: int, length: int) -> Iterator[int]:
    """The unpacked bytes of each page of a column chunk. Raises `MisframedError`."""
    end = start + length
    if start < 0 or length < 0 or end > len(body):
        raise MisframedError
    at = start
    while at < end + OLD_WRITERS_PADDING:
        header = Compact(body, at)
        try:
            said = header.struct(PAGE)
            sizes = said[2], said[3]
            if min(sizes) < 0:
                raise MisframedError
        except (MisframedError, KeyError):
            if at >= end:
                return
            raise MisframedError from None
        yield max(sizes)
        at = header.at + said[3]


class Compact:
    """Reads Thrift's compact protocol from a place on; keeps what is wanted and passes over the rest.

    What is wanted of a struct is told by a mapping from its fields to `ALL` for a whole number, to a mapping for a
    struct, to a list with a mapping for a list of structs.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.kept = 0

    def struct(self, wanted: Mapping[int, Any], depth: int = 0) -> dict[int, Any]:
        """A struct's wanted fields, those that it has. Raises `MisframedError`."""
        self.check(depth)
        found: dict[int, Any] = {}
        field = 0
        while True:
            head = self.byte()
            if head == 0:
                return found
            field = field + (head >> 4) if head >> 4 else self.number()
            kind, shape = head & 0x0F, wanted.get(field)
            if shape is ALL and kind in {4, 5, 6}:
                found[field] = self.number()
            elif isinstance(shape, Mapping) and kind == 12:
                found[field] = self.struct(shape, depth + 1)
            elif isinstance(shape, list) and kind == 9:
                found[field] = self.structs(shape[0], depth + 1)
            elif shape is not None:
                raise MisframedError
            elif kind not in {1, 2}:  # the value of a truth is in its type
                self.skip(kind, depth + 1)

    def structs(self, wanted: Mapping[int, Any], depth: int) -> list[dict[int, Any]]:
        """A list of structs."""
        count, kind = self.list_head()
        self.kept += count
        if (kind != 12 and count) or self.kept > MOST_CHUNKS:
            raise MisframedError
        return [self.struct(wanted, depth) for _ in range(count)]

    def skip(self, kind: int, depth: int) -> None:
        """Pass over one value."""
        self.check(depth)
        if kind in {1, 2, 3}:
            self.at += 1
        elif kind in {4, 5, 6}:
            self.varint()
        elif kind == 7:
            self.at += 8
        elif kind == 8:
            length = self.varint()
            self.at += length
        elif kind in {9, 10}:
            count, inner = self.list_head()
            for _ in range(count):
                self.skip(inner, depth + 1)
        elif kind == 12:
            self.struct({}, depth + 1)
        else:
            raise MisframedError

    def list_head(self) -> tuple[int, int]:
        """How many values a list has, and of which type."""
        head = self.byte()
        count = head >> 4 if head >> 4 < 15 else self.varint()
        if count > len(self.data) - self.at:
            raise MisframedError
        return count, head & 0x0F

    def byte(self) -> int:
        """The next byte."""
        if self.at >= len(self.data):
            raise MisframedError
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        """An unsigned number of at most 64 bits."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise MisframedError

    def number(self) -> int:
        """A signed number."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def check(self, depth: int) -> None:
        """Refuse what is nested too deeply, or goes on behind the end."""
        if depth > 2 * MOST_DEPTH or self.at > len(self.data):
            raise MisframedError

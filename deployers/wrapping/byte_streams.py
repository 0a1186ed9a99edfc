"""Streams that are read once, forwards, in bounded memory: files, what is compressed in them, and parts of them."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Protocol

CHUNK = 1 << 16
LZMA_MEMORY = 256 << 20
"""Bytes that an LZMA decoder may claim; the highest preset needs 65 MB."""


class Malformed(Exception):  # noqa: N818  (a verdict on a file, raised and caught in the scan)
    """The bytes are not what they are read as (any more), or beyond a budget."""


class Input(Protocol):
    """A stream that is read once, forwards."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; fewer only at the end."""

    def skip(self, size: int, /) -> None:
        """Pass over bytes; raises `Malformed` where there are fewer."""

    def peek(self) -> bytes:
        """The next byte without taking it; empty at the end."""


class Buffered:
    """An `Input` over anything with ``read``. ``seek``: skip by seeking, where the file can."""

    def __init__(self, file: IO[bytes] | io.RawIOBase, *, tick: Callable[[], None], seek: bool = False) -> None:
        self._file, self._tick, self._seek = file, tick, seek
        self._buffer, self._at = b"", 0

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; fewer only at the end."""
        end = self._at + size
        if end <= len(self._buffer):
            content = self._buffer[self._at : end]
            self._at = end
            return content
        parts = [self._buffer[self._at :]]
        missing = size - len(parts[0])
        self._buffer, self._at = b"", 0
        while missing > 0:
            chunk = self._file.read(max(missing, CHUNK))
            if not chunk:
                break
            parts.append(chunk[:missing])
            self._buffer, self._at = chunk, min(missing, len(chunk))
            missing -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int, /) -> None:
        """Pass over bytes; raises `Malformed` where there are fewer."""
        here = min(size, len(self._buffer) - self._at)
        self._at += here
        size -= here
        if size > CHUNK and self._seek:
            # One byte less than asked for, so that the end of the file is noticed by the read below.
            self._file.seek(size - 1, io.SEEK_CUR)
            size = 1
        while size > 0:
            self._tick()
            passed = len(self.read(min(size, CHUNK)))
            if not passed:
                raise Malformed("the end is missing")
            size -= passed

    def peek(self) -> bytes:
        """The next byte without taking it; empty at the end."""
        if self._at == len(self._buffer):
            self._buffer, self._at = self._file.read(CHUNK) or b"", 0
        return self._buffer[self._at : self._at + 1]


class Window:
    """The next ``size`` bytes of a stream, as an `Input` of their own."""

    def __init__(self, source: Input, size: int) -> None:
        self._source, self._left = source, size

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes of the window."""
        content = self._source.read(min(size, self._left))
        self._left -= len(content)
        return content

    def skip(self, size: int, /) -> None:
        """Pass over bytes of the window."""
        if size > self._left:
            raise Malformed("the end is missing")
        self._source.skip(size)
        self._left -= size

    def peek(self) -> bytes:
        """The next byte of the window."""
        return self._source.peek() if self._left else b""

    def finish(self) -> None:
        """Pass over what is left of the window."""
        self._source.skip(self._left)
        self._left = 0


class Inflated:
    """What is compressed in a file, a piece at a time; no answer is longer than was asked for."""

    def __init__(self, file: IO[bytes], head: bytes) -> None:
        self._file = file
        self._pending = b""
        self._zlib = zlib.decompressobj(wbits=47) if head.startswith((b"x", b"\x1f\x8b")) else None
        self._other: bz2.BZ2Decompressor | lzma.LZMADecompressor = (
            bz2.BZ2Decompressor() if head.startswith(b"BZh") else lzma.LZMADecompressor(memlimit=LZMA_MEMORY)
        )

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; empty only at the end."""
        try:
            content = self._zlib_read(self._zlib, size) if self._zlib else self._other_read(size)
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            raise Malformed(f"not readable as compressed: {error}") from error
        return content

    def _zlib_read(self, inflate: zlib._Decompress, size: int) -> bytes:
        while not inflate.eof:
            piece = inflate.unconsumed_tail or self._file.read(CHUNK)
            content = inflate.decompress(piece, size)
            if content or not piece:
                return content
        return b""

    def _other_read(self, size: int) -> bytes:
        while not self._other.eof:
            piece = self._file.read(CHUNK) if self._other.needs_input else b""
            if self._other.needs_input and not piece:
                return b""
            content = self._other.decompress(piece, size)
            if content:
                return content
        return b""


def compressed(head: bytes) -> bool:
    """Whether a file that begins with these bytes is in one of the forms that joblib compresses with."""
    magic = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x5d\x00\x00")
    return head.startswith(magic) or head[:2] in {b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"}

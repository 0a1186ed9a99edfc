"""Read a pickle's opcodes and their arguments from a stream, in bounded memory: `pickletools.genops` reads a whole
array into memory, and stops where joblib's array bytes begin. What is too large to be a name is passed over.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from typing import Any, Final

from deployers.wrapping.byte_streams import Input, Malformed, Window

LONGEST_STRING = 1_000
"""Characters of a string that may still be a name."""

LONGEST_LINE = 1_000_000


class Unknown:
    """A value that is not followed."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()

OPCODES: Final = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
COUNTS: Final = {
    pickletools.TAKEN_FROM_ARGUMENT1: struct.Struct("<B"),
    pickletools.TAKEN_FROM_ARGUMENT4: struct.Struct("<i"),
    pickletools.TAKEN_FROM_ARGUMENT4U: struct.Struct("<I"),
    pickletools.TAKEN_FROM_ARGUMENT8U: struct.Struct("<Q"),
}
NUMBERS: Final = {"BININT", "BININT1", "BININT2", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT"}
TWO_LINES: Final = {"GLOBAL", "INST"}


class Opcodes:
    """The opcodes of one pickle. ``on_bytes`` is handed the content of every bytes object, which it need not read."""

    def __init__(self, source: Input, on_bytes: Callable[[Window], None]) -> None:
        self._source, self._read, self._on_bytes = source, source.read, on_bytes

    def next(self) -> tuple[pickletools.OpcodeInfo, Any]:
        """The next opcode and its argument: None where it takes none, a list of lines, a value, or `UNKNOWN`.

        Raises `Malformed` at the end of the stream, and where no opcode is.
        """
        code = self._read(1)
        opcode = OPCODES.get(code)
        if opcode is None:
            raise Malformed(f"no opcode {code[0]:#04x}" if code else "the end is missing")
        descriptor = opcode.arg
        if descriptor is None:
            return opcode, None
        kind = descriptor.n
        if kind >= 0:
            raw = self.exactly(kind)
            if opcode.name in NUMBERS:
                return opcode, int.from_bytes(raw, "little", signed=opcode.name == "BININT")
            return opcode, UNKNOWN
        if kind == pickletools.UP_TO_NEWLINE:
            return opcode, [self._line() for _ in range(2 if opcode.name in TWO_LINES else 1)]
        return opcode, self._counted(opcode.name, COUNTS[kind])

    def exactly(self, size: int) -> bytes:
        """So many bytes, or `Malformed`."""
        content = self._read(size)
        if len(content) < size:
            raise Malformed("the end is missing")
        return content

    def _counted(self, name: str, count: struct.Struct) -> Any:
        (size,) = count.unpack(self.exactly(count.size))
        if size < 0:
            raise Malformed("a negative length")
        if "UNICODE" in name or "STRING" in name:
            return self._text(size)
        if name == "LONG1" and size <= 8:
            return int.from_bytes(self.exactly(size), "little", signed=True)
        window = Window(self._source, size)
        if "BYTE" in name:
            self._on_bytes(window)
        window.finish()
        return UNKNOWN

    def _text(self, size: int) -> Any:
        if size > 4 * LONGEST_STRING:
            self._source.skip(size)
            return UNKNOWN
        try:
            return self.exactly(size).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return UNKNOWN

    def _line(self) -> str:
        content = bytearray()
        while (byte := self._read(1)) != b"\n":
            if not byte or len(content) > LONGEST_LINE:
                raise Malformed("a line without an end")
            content += byte
        return content.decode("utf-8", "replace")

"""What an ELF file needs: the dynamic section, read by its program headers. System V ABI, and elf(5).

Files come out of wheels, so every offset is checked. Only what images are made for is read: 64 bits, little-endian.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import msgspec

MACHINES = {62: "amd64", 183: "arm64"}

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 5, 14, 15, 29

LARGEST_COUNT = 4096
"""Entries of a dynamic section or headers; real ones have dozens."""


class Dynamic(msgspec.Struct, frozen=True, kw_only=True):
    """``needed``: DT_NEEDED. ``paths``: DT_RPATH and DT_RUNPATH, unexpanded. ``machine``: in Go's words, or None."""

    machine: str | None
    needed: tuple[str, ...] = ()
    soname: str | None = None
    paths: tuple[str, ...] = ()


def read(path: Path) -> Dynamic | None:
    """What the file says, or None where it is no ELF file or a broken one (the loader would refuse it, too)."""
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                return _dynamic(content)
            except (struct.error, ValueError, IndexError, OverflowError, StopIteration):
                return None


def _dynamic(content: mmap.mmap) -> Dynamic:
    machine = MACHINES.get(struct.unpack_from("<H", content, 18)[0])
    if content[4] != 2 or content[5] != 1:  # 32 bits, or big-endian
        return Dynamic(machine=None)
    (headers,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    loads: list[tuple[int, int, int]] = []
    table: list[tuple[int, int]] = []
    for number in range(min(count, LARGEST_COUNT)):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", content, headers + number * size)
        if kind == PT_LOAD:
            loads.append((address, offset, length))
        elif kind == PT_DYNAMIC:
            entries = min(length // 16, LARGEST_COUNT)
            table = [struct.unpack_from("<qQ", content, offset + entry * 16) for entry in range(entries)]
    strings = next((value for tag, value in table if tag == DT_STRTAB), None)
    if strings is None:
        return Dynamic(machine=machine)
    base = next(
        offset + strings - address for address, offset, length in loads if address <= strings < address + length
    )

    def text(at: int) -> str:
        end = content.find(b"\0", base + at, base + at + 4096)
        if end < 0:
            raise ValueError("a string without an end")
        return content[base + at : end].decode("utf-8", "replace")

    named = {tag: [text(value) for found, value in table if found == tag]
             for tag in (DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH)}  # fmt: skip
    paths = [path for value in (*named[DT_RPATH], *named[DT_RUNPATH]) for path in value.split(":") if path]
    return Dynamic(
        machine=machine,
        needed=tuple(named[DT_NEEDED]),
        soname=next(iter(named[DT_SONAME]), None),
        paths=tuple(paths),
    )

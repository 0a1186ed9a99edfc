"""The sums that arriving bytes are held against: the MD5 that the commit names, and a SHA-256 of our own.

DVC names objects by MD5; the bundle's digest and everything after rest on SHA-256. Both are taken in one pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from entrypoint.downloading.pointers import LEGACY

_CHUNK = 2**20
_SAMPLE = 512
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"


class _Sum(Protocol):
    def update(self, piece: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Sums:
    """Counts and hashes the bytes of one object as they pass; ``size`` in bytes."""

    def __init__(self, hash_name: str) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256(usedforsecurity=True)
        self._md5 = hashlib.md5(usedforsecurity=False)
        ways = (False, True) if hash_name == LEGACY else ()
        self._legacy = [_TextSum(whole_file=way) for way in ways]

    def update(self, piece: bytes) -> None:
        """Take in the next bytes."""
        self.size += len(piece)
        self._sha256.update(piece)
        self._md5.update(piece)
        for legacy in self._legacy:
            legacy.update(piece)

    @property
    def sha256(self) -> str:
        """Of the bytes themselves, in hexadecimal."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        """Of the bytes themselves, in hexadecimal."""
        return self._md5.hexdigest()

    def agree_with(self, value: str) -> bool:
        """Whether the bytes are the object that is named by ``value`` (with or without ``.dir``)."""
        named = value.removesuffix(".dir")
        sums: Sequence[_Sum] = self._legacy or [self._md5]
        return any(one.hexdigest() == named for one in sums)


class _TextSum:
    """The MD5 of DVC before 3.0: CRLF counts as LF in what looks like text.

    Looked at in chunks of 1 MiB, as dvc_data/hashfile/hash.py does (``Dos2UnixHashStreamFile``). Releases before 2.9
    judged a file by its first 512 bytes alone (``whole_file``); for a file of one chunk both are the same.
    """

    def __init__(self, *, whole_file: bool) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._chunk = bytearray()
        self._whole_file = whole_file
        self._is_text: bool | None = None

    def update(self, piece: bytes, /) -> None:
        self._chunk += piece
        while len(self._chunk) >= _CHUNK:
            self._take(self._md5, bytes(self._chunk[:_CHUNK]))
            del self._chunk[:_CHUNK]

    def hexdigest(self) -> str:
        so_far = self._md5.copy()
        kept = self._is_text
        if self._chunk:
            self._take(so_far, bytes(self._chunk))
        self._is_text = kept
        return so_far.hexdigest()

    def _take(self, md5: _Sum, chunk: bytes) -> None:
        if self._is_text is None or not self._whole_file:
            self._is_text = _looks_like_text(chunk[:_SAMPLE])
        md5.update(chunk.replace(b"\r\n", b"\n") if self._is_text else chunk)


def _looks_like_text(sample: bytes) -> bool:
    """As dvc_data/hashfile/istextfile.py decides: no NUL, and at most 30 % of the bytes outside printable ASCII."""
    return b"\0" not in sample and len(sample.translate(None, _TEXT)) <= 0.30 * len(sample)

"""The static scan: what would loading this model import? Nothing is loaded to find out.

A scan can't prove a pickle harmless; it shows what is out of the ordinary before the model's code is run in an
environment that sees no credential. Neither fickling 0.1.12 nor picklescan 1.0 reads what joblib writes (arrays in the
middle of the stream), and both take a pickle's arrays into memory, so the opcodes are followed by `pickle_imports`.
"""

from __future__ import annotations

import ast
import enum
import time
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO

import msgspec

from deployers.wrapping import known_imports
from deployers.wrapping.byte_streams import Buffered, Inflated, Input, Malformed, compressed
from deployers.wrapping.pickle_imports import Import, imports

RULES = 2
"""Raise it whenever the same files may be judged otherwise."""

LONGEST = 600.0
"""Seconds for all files together."""

PICKLES = {".pkl", ".pickle", ".joblib", ".sav", ".dat", ".p", ".pt", ".pth", ".ckpt", ".dill", ".cloudpickle"}
"""Endings of files that are said to be pickles, whatever they begin with."""

MAXIMUM_MEMBERS = 10_000
DEEPEST_ZIP = 3


class Severity(enum.StrEnum):
    """How grave a finding is."""

    DANGEROUS = "dangerous"
    """Known to run code, or hidden from the scan on purpose."""
    UNKNOWN = "unknown"
    """Outside the allow-list."""
    UNREADABLE = "unreadable"
    """Not followed to the end: what comes after is not known."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """``file``: path inside the model, with ``!`` before a member of an archive. ``detail``: the import, or why not."""

    file: str
    detail: str
    severity: Severity


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """``pickles``: how many streams were followed. ``findings``: what was not expected, sorted."""

    pickles: int
    findings: tuple[Finding, ...] = ()

    def beyond(self, allowed: Collection[str]) -> tuple[Finding, ...]:
        """The findings but for imports of the modules that are allowed; dangerous ones stay."""
        return tuple(finding for finding in self.findings if not _allowed(finding, allowed))


class _OutOfTime(Exception):  # noqa: N818
    """The scan takes too long."""


def scan(
    folder: Path, *, model: str | None = None, clock: Callable[[], float] = time.monotonic, longest: float = LONGEST
) -> Scan:
    """Scan every file of a model. ``model``: the path that is loaded, scanned as a pickle if it may be one."""
    deadline = clock() + longest

    def tick() -> None:
        if clock() > deadline:
            raise _OutOfTime

    return _Scanner(tick, model).folder(folder)


class _Scanner:
    def __init__(self, tick: Callable[[], None], model: str | None) -> None:
        self.tick, self.model = tick, model
        self.pickles = 0
        self.findings: set[Finding] = set()

    def folder(self, folder: Path) -> Scan:
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            name = path.relative_to(folder).as_posix()
            try:
                with path.open("rb") as file:
                    self._file(file, name, claimed=path.suffix.lower() in PICKLES, seekable=True)
            except _OutOfTime:
                self._unreadable(name, "the scan took too long")
                break
        return Scan(pickles=self.pickles, findings=tuple(sorted(self.findings)))

    def _file(self, file: IO[bytes], name: str, *, claimed: bool, seekable: bool, depth: int = 0) -> None:
        head = file.read(16)
        file.seek(0)
        try:
            if head.startswith(b"PK\x03\x04"):
                self._zip(file, name, depth)
            elif head.startswith(b"\x93NUMPY"):
                self._npy(Buffered(file, tick=self.tick, seek=seekable), name)
            elif compressed(head):
                self._compressed(file, head, name, claimed=claimed)
            elif head.startswith((b"ZF", b"\x04\x22\x4d\x18")) and claimed:
                self._unreadable(name, "a compression that the scan doesn't know")
            else:
                self._stream(Buffered(file, tick=self.tick, seek=seekable), head, name, claimed=claimed)
        except (Malformed, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            self._unreadable(name, str(error))

    def _compressed(self, file: IO[bytes], head: bytes, name: str, *, claimed: bool) -> None:
        source = Buffered(Inflated(file, head), tick=self.tick)  # type: ignore[arg-type]
        try:
            first = source.peek()
        except Malformed:
            if claimed:
                raise
            return
        self._stream(source, first, name, claimed=claimed)

    def _stream(self, source: Input, head: bytes, name: str, *, claimed: bool) -> None:
        """A pickle, or several in a row, as `torch.save` once wrote them."""
        if head.startswith(b"\x80") or claimed:
            while self._pickle(source, name) and source.peek() == b"\x80":
                pass
        elif name == self.model or head[:1] in b"(]}cl":
            self._perhaps(source, name)

    def _pickle(self, source: Input, name: str) -> bool:
        self.pickles += 1
        try:
            for found in imports(source, tick=self.tick):
                self._found(found, name)
        except Malformed as error:
            self._unreadable(name, str(error))
            return False
        return True

    def _perhaps(self, source: Input, name: str) -> None:
        """A file that nothing calls a pickle, but protocols 0 and 1 have no mark: it counts if it is one to its end."""
        collected: list[Import] = []
        try:
            collected.extend(imports(source, tick=self.tick))
        except Malformed:
            return
        self.pickles += 1
        for found in collected:
            self._found(found, name)

    def _npy(self, source: Input, name: str) -> None:
        """NumPy's own format: a pickle follows the header if the array holds objects (numpy.lib.format)."""
        major = source.read(8)[6:7]
        width = 2 if major == b"\x01" else 4
        size = int.from_bytes(source.read(width), "little")
        if size > 1_000_000:
            raise Malformed("a header of more than a megabyte")
        try:
            header = ast.literal_eval(source.read(size).decode("latin-1").strip())
            objects = "O" in str(header["descr"])
        except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
            raise Malformed("a header that can't be read") from error
        if objects:
            self._pickle(source, name)

    def _zip(self, file: IO[bytes], name: str, depth: int) -> None:
        if depth >= DEEPEST_ZIP:
            raise Malformed("archives inside archives inside archives")
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MAXIMUM_MEMBERS:
                raise Malformed(f"an archive of more than {MAXIMUM_MEMBERS} members")
            for member in members:
                self.tick()
                with archive.open(member) as content:
                    claimed = Path(member.filename).suffix.lower() in PICKLES
                    # Of a member one can go back only by inflating it again, which a bomb makes slow: time bounds it.
                    inner = f"{name}!{member.filename}"
                    self._file(content, inner, claimed=claimed, seekable=False, depth=depth + 1)

    def _found(self, found: Import, name: str) -> None:
        if known_imports.dangerous(found):
            self.findings.add(Finding(file=name, detail=_printable(str(found)), severity=Severity.DANGEROUS))
        elif not known_imports.expected(found):
            self.findings.add(Finding(file=name, detail=_printable(str(found)), severity=Severity.UNKNOWN))

    def _unreadable(self, name: str, reason: str) -> None:
        self.findings.add(Finding(file=name, detail=_printable(reason), severity=Severity.UNREADABLE))


def _allowed(finding: Finding, modules: Collection[str]) -> bool:
    if finding.severity is not Severity.UNKNOWN:
        return False
    module, _, name = finding.detail.rpartition(".")
    return known_imports.allowed(Import(module, name), modules)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:300]


def lines(findings: Collection[Finding]) -> Iterator[str]:
    """The findings for a person, one a line."""
    says = {
        Severity.DANGEROUS: "imports {}, which can run anything",
        Severity.UNKNOWN: "imports {}, which is outside the allow-list",
        Severity.UNREADABLE: "could not be scanned to the end: {}",
    }
    for finding in findings:
        yield f"{finding.file}: {says[finding.severity].format(finding.detail)}"

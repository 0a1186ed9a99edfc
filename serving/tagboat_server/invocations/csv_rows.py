"""CSV after RFC 4180: each cell is read as its column's dtype wants it, an empty one is a missing value.

A header is there only where the content type says ``header=present``. Rows of plain numbers are rows of JSON but for
their brackets, and are read by the same quick decoder; all else cell by cell. In columns of which no dtype is known a
bare number is a number, a bare true or false is that, anything else is text; so is all that stands in quotes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import msgspec

from tagboat_server.codecs import Decoder, Fitting
from tagboat_server.codecs.cells import family
from tagboat_server.codecs.matrices import MatrixReader
from tagboat_server.errors import Rejection
from tagboat_server.invocations import Taken, moved
from tagboat_server.invocations.splits import columns_of
from tagboat_server.signature import Anything, Column, Signature, Tensor

CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n|\Z)')
PLAIN = b"0123456789eE+-.,\n"
"""What numbers and what is between them are written with."""
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d{1,40}", re.ASCII)
PLACE = re.compile(r"data\[(\d+)\](?:\[(\d+)\]|\.(.*))?", re.DOTALL)
NAMED = re.compile(r"data\.(.*)\[(\d+)\]", re.DOTALL)
WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
LONGEST = 300


class Row(NamedTuple):
    """One record: on which line it begins, its cells, and which of them stood in quotes; None where none did."""

    line: int
    cells: list[str]
    quoted: Optional[list[bool]]


class CsvReader:
    """Reads CSV for one method. ``decode``, ``fitting``: what reads our own protocol's body, or arrays, for it."""

    def __init__(self, decode: Decoder, fitting: Fitting, signature: Signature) -> None:
        self.decode = decode
        self.fitting = fitting
        self.any = isinstance(signature, Anything)
        self.names: Optional[list[str]] = None
        self.cell = Column("", "any", nullable=True)
        """What a cell is where the columns have no names."""
        named = columns_of(signature)
        self.by_name = {str(column.name): column for column in named or ()}
        if named is not None:
            self.names = list(self.by_name)
        elif isinstance(signature, Tensor):
            self.cell = Column("", signature.dtype, signature.nullable)
        self.flat = isinstance(signature, Tensor) and len(signature.shape) == 1
        self.fits = self.any or named is not None or (isinstance(signature, Tensor) and len(signature.shape) in {1, 2})
        self.matrix = MatrixReader(len(self.by_name)) if self.by_name else None
        self.quick = not self.flat and all(
            family(column.dtype) not in {"text", "time"} for column in self.by_name.values() or [self.cell]
        )

    def __call__(self, body: bytes, *, header: bool) -> Taken:
        """The checked input. Raises `Rejection`."""
        if not self.fits:
            raise Rejection(415, "CSV cannot hold what the model takes", hint="Send application/json.")
        taken = self.named_numbers(body) if header else self.numbers(body)
        if taken is not None:
            return taken
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = body.count(b"\n", 0, error.start) + 1
            raise Rejection(400, f"the body is not UTF-8: {error.reason}", path=f"csv line {line}") from None
        rows = rows_of(text)
        names = self.header(rows) if header else None
        if not rows:
            raise Rejection(422, "there are no rows", path="csv", reason="empty")
        try:
            return Taken(self.decode(self.converted(rows, names)), "csv")
        except Rejection as rejection:
            refused = moved(rejection, lambda path: self.place(path, rows, names))
            if not header and self.names is not None and refused.path and refused.path.startswith("csv line 1,"):
                refused.hint = "Is the first line a header? Then send content-type: text/csv; header=present."
            raise refused from None

    def numbers(self, body: bytes) -> Optional[Taken]:
        """Rows of nothing but numbers, or None where they are not, or something is wrong with them."""
        plain = as_json(body) if self.quick else None
        if plain is None:
            return None
        try:
            return Taken(self.decode(plain), "csv")
        except Rejection:
            return None

    def named_numbers(self, body: bytes) -> Optional[Taken]:
        """The same behind a header, whose names may be in any order."""
        first, _, rest = body.partition(b"\n")
        names = first.rstrip(b"\r").decode("utf-8", "replace").split(",")
        if names == self.names:
            return self.numbers(rest)
        if self.matrix is None or len(names) != len(self.by_name) or self.by_name.keys() != set(names):
            return None
        plain = as_json(rest)
        matrix = None if plain is None else self.matrix(plain)
        if matrix is None:
            return None
        try:
            return Taken(self.fitting.columns({name: matrix[:, at] for at, name in enumerate(names)}), "csv")
        except Rejection:
            return None

    def header(self, rows: list[Row]) -> list[str]:
        """Take the names off the rows, and check them. Raises `Rejection`."""
        if not rows:
            raise Rejection(422, "there is no header", path="csv line 1", reason="empty")
        names = rows.pop(0).cells
        if self.any:
            return names
        if self.names is None:
            message = "the model has no column names"
            raise Rejection(422, message, path="csv header", hint="Send the rows alone.", reason="unknown-column")
        for place, name in enumerate(names):
            path = f"csv header, column {name}"[:LONGEST]
            if name not in self.by_name:
                raise Rejection(422, f"the column {name[:100]!r} is unknown", path=path, reason="unknown-column")
            if name in names[:place]:
                raise Rejection(422, f"the column {name[:100]!r} is there twice", path=path, reason="layout")
        for name, column in self.by_name.items():
            if name not in names and not column.optional:
                message = f"the column {name!r} is missing"
                raise Rejection(422, message, path=f"csv header, column {name}", reason="missing-column")
        return names

    def converted(self, rows: Sequence[Row], names: Optional[list[str]]) -> bytes:
        """Our own protocol's body for these rows."""
        given = names if names is not None else self.names
        width = 1 if self.flat else len(given) if given is not None else len(rows[0].cells)
        for place, row in enumerate(rows):
            if len(row.cells) != width:
                message = f"expected {width} cells, got {len(row.cells)}"
                raise Rejection(422, message, path=f"data[{place}]", reason="width")
        kinds = [family(self.by_name.get(name, self.cell).dtype) for name in given or [""] * width]
        columns = [values_of(rows, at, kind) for at, kind in enumerate(kinds)]
        if self.flat:
            return msgspec.json.encode({"data": columns[0]})
        if names is None:
            return msgspec.json.encode({"data": list(zip(*columns))})
        if self.any:
            return msgspec.json.encode({"data": [dict(zip(names, row)) for row in zip(*columns)]})
        return msgspec.json.encode({"data": dict(zip(names, columns))})

    def place(self, path: str, rows: Sequence[Row], names: Optional[list[str]]) -> str:
        """A place in our own protocol's body as a line and a column."""
        given = names if names is not None else self.names
        named = NAMED.fullmatch(path)
        if named and int(named[2]) < len(rows):
            return f"csv line {rows[int(named[2])].line}, column {named[1]}"[:LONGEST]
        found = PLACE.fullmatch(path)
        if found is None or int(found[1]) >= len(rows):
            return "csv"
        line = f"csv line {rows[int(found[1])].line}"
        if found[2]:
            at = int(found[2])
            return f"{line}, column {given[at] if given is not None and at < len(given) else at + 1}"[:LONGEST]
        if found[3]:
            return f"{line}, column {found[3]}"[:LONGEST]
        return f"{line}, column 1" if self.flat else line


def as_json(body: bytes) -> Optional[bytes]:
    """Our own protocol's body for rows of nothing but numbers, or None where there is anything else."""
    plain = body.replace(b"\r\n", b"\n") if b"\r" in body else body
    plain = plain[:-1] if plain.endswith(b"\n") else plain
    if not plain or plain.translate(None, PLAIN):
        return None
    return b'{"data":[[' + plain.replace(b"\n", b"],[") + b"]]}"


def rows_of(text: str) -> list[Row]:
    """The records of a CSV. Raises `Rejection` 400 where it is none."""
    lines = text.replace("\r\n", "\n")
    if '"' in lines or "\r" in lines:
        return parsed(text)
    rows = [Row(line, cells.split(","), None) for line, cells in enumerate(lines.split("\n"), 1)]
    if rows[-1].cells == [""]:
        rows.pop()
    return rows


def parsed(text: str) -> list[Row]:
    """As `rows_of`, for what has quotes in it."""
    rows: list[Row] = []
    at, line = 0, 1
    while at < len(text):
        quoted: list[bool] = []
        row = Row(line, [], quoted)
        separator = ","
        while separator == ",":
            found = CELL.match(text, at)
            if found is None:
                raise Rejection(
                    400,
                    "a quotation mark or line break stands where none may be",
                    path=f"csv line {line}, column {len(row.cells) + 1}",
                    hint='Put cells with commas, quotes or line breaks in quotes, and double the quotes: "6"" pipe".',
                    reason="csv",
                )
            inner, bare, separator = found.groups()
            row.cells.append(bare if inner is None else inner.replace('""', '"'))
            quoted.append(inner is not None)
            line += inner.count("\n") if inner else 0
            at = found.end()
        line += 1
        rows.append(row)
    return rows


def values_of(rows: Sequence[Row], at: int, kind: str) -> list[Any]:
    """One column as the values that it wants."""
    texts = [row.cells[at] for row in rows]
    if kind == "float" and all(map(NUMBER.fullmatch, texts)):
        values = list(map(float, texts))
        if all(map(math.isfinite, values)):
            return values
    return [
        value_of(text, row.quoted is not None and row.quoted[at], kind, place, at)
        for place, (text, row) in enumerate(zip(texts, rows))
    ]


def value_of(text: str, quoted: bool, kind: str, row: int, column: int) -> Any:
    """A cell as the value that its column wants; text where it is none, which the decoder will refuse."""
    if not text:
        return "" if quoted and kind in {"text", "scalar", "any"} else None
    if kind in {"text", "time"}:
        return text
    if kind == "bool":
        return WORDS.get(text, text)
    if kind in {"scalar", "any"} and (quoted or text in WORDS):
        return text if quoted else WORDS[text]
    if kind != "float" and WHOLE.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise Rejection(422, f"{text[:40]} is out of range", path=f"data[{row}][{column}]", reason="range")
        return value
    return text

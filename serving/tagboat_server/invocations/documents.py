"""JSON on ``/invocations``: one table says which form a document is, and nothing is guessed.

    a list                                   rows or records
    {"data": …}                              our own protocol's body
    {"dataframe_split": {"columns", "data"}} MLflow: rows, with their columns' names in any order
    {"dataframe_records": [{…}]}             MLflow: records
    {"instances": …}                         MLflow and TensorFlow Serving: rows, records, columns, named arrays
    {"inputs": …}                            MLflow: the same

Two of these keys in one document, none of them, or any other beside them but an empty ``params``, are refused.
"""

from __future__ import annotations

import re
from typing import Any, Optional

import msgspec

from tagboat_server.codecs import Decoder
from tagboat_server.codecs.decoding import malformed
from tagboat_server.errors import Rejection
from tagboat_server.invocations import Taken, moved
from tagboat_server.invocations.splits import SplitReader
from tagboat_server.signature import Signature, Tensors

FORMS = ("data", "dataframe_split", "dataframe_records", "instances", "inputs")

OWN = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"data"[ \t\r\n]*:')
"""How our own protocol's body begins, mostly."""

PLACE = re.compile(r"data(?=[.\[]|\Z)")
FIRST = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"(dataframe_split|dataframe_records|instances|inputs)"[ \t\r\n]*:')
"""How one of MLflow's begins."""

BLANK = b" \t\r\n"
PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
VALUE = msgspec.json.Decoder(msgspec.Raw)
RECORDS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
COLUMNS = msgspec.json.Decoder(dict[str, msgspec.Raw])
SINGLES = msgspec.json.Decoder(list[tuple[msgspec.Raw]])


class DocumentReader:
    """Reads JSON documents for one method. ``decode``: what reads our own protocol's body for it."""

    def __init__(self, decode: Decoder, signature: Signature, split: SplitReader) -> None:
        self.decode = decode
        self.signature = signature
        self.split = split

    def __call__(self, body: bytes) -> Taken:
        """The checked input. Raises `Rejection`."""
        if OWN.match(body):
            try:
                return Taken(self.decode(body), "data", own=True)
            except Rejection as rejection:
                if rejection.reason != "body":
                    raise
        elif body.lstrip(BLANK)[:1] == b"[":
            return self.bare(body)
        taken = self.quick(body)
        if taken is not None:
            return taken
        parts = parts_of(body)
        form = form_of(parts)
        raw = bytes(parts[form])
        if form == "data":
            return Taken(self.decode(wrapped(raw)), "data", own=True)
        if form == "dataframe_split":
            return Taken(self.split(raw), form)
        try:
            return Taken(self.decode(wrapped(self.named(form, raw))), form)
        except Rejection as rejection:
            raise moved(rejection, lambda path: renamed(path, form)) from None

    def quick(self, body: bytes) -> Optional[Taken]:
        """A document that begins with the only key that it has, in one go; None where that is not for us to read."""
        found = FIRST.match(body)
        if found is None:
            return None
        form, rest = found[1].decode(), body[found.end() :]
        if form == "dataframe_split":
            split = self.split.parsed(body)
            return None if split is None else Taken(self.split.read(split), form)
        if b'"data"' in rest or b"\\" in rest or not self.plain(form, rest):
            # Our own key might come a second time, and count.
            return None
        try:
            return Taken(self.decode(b'{"data":' + rest), form)
        except Rejection:
            return None

    def plain(self, form: str, rest: bytes) -> bool:
        """Whether a value is as our own protocol has it."""
        first = rest.lstrip(BLANK)[:1]
        if isinstance(self.signature, Tensors):
            return first == b"[" and self.signature.columnar
        return form != "dataframe_records" or (first == b"[" and rest.lstrip(BLANK)[1:].lstrip(BLANK)[:1] == b"{")

    def bare(self, body: bytes) -> Taken:
        """A list that stands alone."""
        if b":" in body:
            # With a key behind the list, it would break out of what we put it into.
            check(VALUE, body)
        try:
            return Taken(self.decode(wrapped(body)))
        except Rejection as rejection:
            if rejection.reason == "json":
                # The place is to be counted in what was sent.
                check(VALUE, body)
            raise moved(rejection, lambda path: path[len("data") :].lstrip(".") or None) from None

    def named(self, form: str, raw: bytes) -> bytes:
        """The value of one of MLflow's keys, as our own protocol takes it."""
        first = raw[:1]
        if form == "dataframe_records" and not (first == b"[" and raw[1:].lstrip(BLANK)[:1] in {b"{", b"]"}):
            raise Rejection(422, "expected a list of records", path=form, reason="layout")
        if isinstance(self.signature, Tensors):
            if first == b"[" and not self.signature.columnar and raw[1:].lstrip(BLANK)[:1] == b"{":
                return by_name(raw)
            if first == b"{" and self.signature.columnar:
                return flattened(raw)
        return raw


def wrapped(raw: bytes) -> bytes:
    """A value as our own protocol's body."""
    return b'{"data":' + raw + b"}"


def renamed(path: str, form: str) -> str:
    """A place in our own protocol's body as one under another key."""
    return form + path[len("data") :] if PLACE.match(path) else path


def parts_of(body: bytes) -> dict[str, msgspec.Raw]:
    """The values of a document by their keys, none of them read yet. Raises `Rejection`."""
    parts: dict[str, msgspec.Raw] = check(PARTS, body)
    return parts


def check(decoder: Any, body: bytes) -> Any:
    """Parse what must be JSON. Raises `Rejection`: 400 where it is none, 422 where it is another type."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise Rejection(422, "expected an object or a list", hint=known(), reason="body") from None
    except RecursionError:
        raise Rejection(400, "the JSON is nested too deeply", reason="json") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(body, str(error)) from None


def form_of(parts: dict[str, Any]) -> str:
    """Which form a document is. Raises `Rejection` 422 where it is none, or several."""
    found = [form for form in FORMS if form in parts]
    if len(found) != 1:
        message = "the document has none of the keys that are known here" if not found else f"{' and '.join(found)} are"
        message += "" if not found else " in one document"
        raise Rejection(422, message, hint=known(), reason="body")
    form = found[0]
    for key in parts:
        if key == "params" and form != "data":
            if bytes(parts[key]).strip(BLANK) not in {b"null", b"{}"}:
                raise Rejection(422, "the model's method takes no parameters", path="params", reason="body")
        elif key != form:
            raise Rejection(422, f"unknown key {key[:100]!r} beside {form!r}", path=key[:300], reason="body")
    return form


def known() -> str:
    """What may be sent."""
    return f"Send a list of rows or records, or an object with one of {', '.join(FORMS)}."


def by_name(raw: bytes) -> bytes:
    """One object of arrays, from a list with an object for each row. Raises `Rejection`."""
    rows: list[dict[str, msgspec.Raw]] = check(RECORDS, raw)
    names = list(rows[0])
    for place, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            odd = min(row.keys() ^ rows[0].keys())[:100]
            raise Rejection(422, f"{odd!r} is not in every row", path=f"data[{place}]", reason="layout")
    columns = {name: b"[" + b",".join(bytes(row[name]) for row in rows) + b"]" for name in names}
    return joined(columns)


def flattened(raw: bytes) -> bytes:
    """Columns that came as arrays of one value a row, ``[[3], [4]]``, as lists of values; anything else as it is."""
    columns: dict[str, bytes] = {name: bytes(value) for name, value in check(COLUMNS, raw).items()}
    for name, value in columns.items():
        if value[:1] == b"[" and value[1:].lstrip(BLANK)[:1] == b"[":
            try:
                cells = [bytes(single[0]) for single in SINGLES.decode(value)]
            except (msgspec.DecodeError, RecursionError):
                continue
            columns[name] = b"[" + b",".join(cells) + b"]"
    return joined(columns)


def joined(columns: dict[str, bytes]) -> bytes:
    """An object of JSON from values that are JSON already."""
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + value for name, value in columns.items()) + b"}"

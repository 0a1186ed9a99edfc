"""A request's body, checked against a method's signature while it is parsed.

msgspec parses and checks in one go and tells where it stopped; what it cannot know (lengths of columns, ranges,
mixed layouts) is checked after. Every refusal names the place in the body: ``data[3].age``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, Optional

import msgspec

from tagboat_server.codecs.cells import WORDS, import_ahead
from tagboat_server.errors import Rejection
from tagboat_server.signature import Anything, Frame, Signature, Tensor, Tensors

PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<where>.*)`)?", re.DOTALL)
FIELD = re.compile(r"Object (?P<problem>missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)
TYPES = re.compile(r"Expected `(?P<wanted>.*?)`, got `(?P<got>.*)`", re.DOTALL)
LENGTH = re.compile(r"Expected `array` of (?:at (?:least|most) )?length (?:>= |<= )?(?P<length>\d+)", re.DOTALL)

LONGEST = 300
"""Characters of the sender's own text that an answer repeats."""


class Input(NamedTuple):
    """A checked input: what the model is called with, and how many rows it has."""

    value: Any
    rows: int


Decoder = Callable[[bytes], Input]
"""From a body to a checked input. Raises `Rejection`."""


def decoder_for(signature: Signature, *, tables: bool = False) -> Decoder:
    """The decoder of a signature, made once at load. ``tables``: the model takes an `exact.Table` for a dataframe."""
    import_ahead(dtypes_of(signature))
    if isinstance(signature, Frame):
        from tagboat_server.codecs.frames import FrameDecoder, TableDecoder

        return TableDecoder(signature) if tables else FrameDecoder(signature)
    if isinstance(signature, Tensor):
        from tagboat_server.codecs.tensors import TensorDecoder

        return TensorDecoder(signature)
    if isinstance(signature, Tensors):
        from tagboat_server.codecs.tensors import tensors_decoder

        return tensors_decoder(signature)
    if isinstance(signature, Anything):
        from tagboat_server.codecs.tensors import AnythingDecoder

        return AnythingDecoder()
    raise TypeError(signature)


def dtypes_of(signature: Signature) -> list[str]:
    """The dtypes that a signature names."""
    if isinstance(signature, Frame):
        return [column.dtype for column in signature.columns]
    if isinstance(signature, Tensors):
        return [tensor.dtype for tensor in signature.inputs]
    return [signature.dtype] if isinstance(signature, Tensor) else []


class Body:
    """Parses ``{"data": …}`` with ``data`` of one type.

    ``columns`` names the places of a row given as a list; ``odd`` maps names that no struct takes to stand-ins.
    """

    def __init__(self, data_type: Any, columns: tuple[str, ...] = (), odd: Optional[Mapping[str, str]] = None) -> None:
        body = msgspec.defstruct("Body", [("data", data_type)], forbid_unknown_fields=True)
        self.decoder = msgspec.json.Decoder(body)
        self.columns = columns
        self.odd = odd or {}

    def __call__(self, body: bytes) -> Any:
        """The value of ``data``. Raises `Rejection`: 400 for what is no JSON, 422 for what does not fit."""
        try:
            return self.decoder.decode(self.renamed(body) if self.odd else body).data
        except msgspec.ValidationError as error:
            text = str(error)
            for name, stand_in in self.odd.items():
                text = text.replace(stand_in, name)
            raise self.refusal(text) from None
        except RecursionError:
            raise Rejection(400, "the JSON is nested too deeply", reason="json") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise malformed(body, str(error)) from None

    def renamed(self, body: bytes) -> bytes:
        """The body with stand-ins for odd names."""
        document = msgspec.json.decode(body)
        data = document.get("data") if isinstance(document, dict) else None
        if isinstance(data, dict):
            document["data"] = {self.odd.get(name, name): values for name, values in data.items()}
        elif isinstance(data, list):
            document["data"] = [
                {self.odd.get(name, name): value for name, value in row.items()} if isinstance(row, dict) else row
                for row in data
            ]
        return msgspec.json.encode(document)

    def refusal(self, text: str) -> Rejection:
        """What msgspec found, in the sender's words."""
        found = PLACE.fullmatch(text)
        what, where = (found["what"], (found["where"] or "").lstrip(".")) if found else (text, "")
        field = FIELD.fullmatch(what)
        if field and not where:
            name = field["name"][:LONGEST]
            if field["problem"] == "missing required":
                return Rejection(422, 'the body needs "data"', path="data", hint='{"data": …}', reason="body")
            return Rejection(422, f'unknown key {name!r} beside "data"', path=name, reason="body")
        if field:
            name = field["name"][:LONGEST]
            problem = "is missing" if field["problem"] == "missing required" else "is unknown"
            reason = "missing-column" if problem == "is missing" else "unknown-column"
            return Rejection(422, f"the column {name!r} {problem}", path=f"{where}.{name}"[:LONGEST], reason=reason)
        where = where[:LONGEST] or ""
        length = LENGTH.fullmatch(what)
        if length:
            return Rejection(422, f"expected a list of {length['length']} values", path=where or None, reason="width")
        types = TYPES.fullmatch(what)
        if types:
            message = f"expected {wanted(types['wanted'])}, got {WORDS.get(types['got'], types['got'])}"
            return Rejection(422, message + self.column_at(where), path=where or None, reason="type")
        return Rejection(422, what[:LONGEST] + self.column_at(where), path=where or None, reason="value")

    def column_at(self, where: str) -> str:
        """The name of the column that a place in a row means, to be put behind a message."""
        place = re.fullmatch(r"data\[\d+\]\[(\d+)\]", where)
        if place is None or int(place[1]) >= len(self.columns):
            return ""
        return f" (column {self.columns[int(place[1])]!r})"


def wanted(types: str) -> str:
    """Alternatives as msgspec lists them, in the sender's words."""
    names = [WORDS.get(name.strip(), name.strip()) for name in types.split("|")]
    if "a number" in names and "a whole number" in names and "text" not in names:
        names.remove("a number")
    return " or ".join(names)


def malformed(body: bytes, text: str) -> Rejection:
    """The answer to what is no JSON: where it breaks; for NaN and Infinity, which JSON lacks, the place in the data."""
    if b"NaN" in body or b"Infinity" in body:
        place = not_finite(body)
        if place is not None:
            message = "NaN and Infinity are no numbers of JSON"
            return Rejection(422, message, path=place or None, hint="Send null for what is missing.", reason="nan")
    position = re.search(r"\(byte (\d+)\)", text)
    if not body.strip():
        message = "the body is empty"
    elif position:
        message = f"malformed JSON at byte {position[1]}: {re.sub(r'JSON is malformed: | .byte .*', '', text)}"
    elif "truncated" in text:
        message = f"malformed JSON at byte {len(body)}: the body ends too early"
    else:
        message = f"malformed JSON: {text[:LONGEST]}"
    return Rejection(400, message, hint='Send {"data": …} as JSON in UTF-8.', reason="json")


def not_finite(body: bytes) -> Optional[str]:
    """The path of the first NaN or Infinity of a body that is JSON otherwise, or None."""
    try:
        waiting: list[tuple[str, Any]] = [("", json.loads(body))]
    except (ValueError, RecursionError):
        return None
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return path[:LONGEST]
        if isinstance(value, dict):
            parts = [(f"{path}.{name}" if path else str(name), part) for name, part in value.items()]
        elif isinstance(value, list):
            parts = [(f"{path}[{place}]", part) for place, part in enumerate(value)]
        else:
            continue
        waiting.extend(reversed(parts))
    return None

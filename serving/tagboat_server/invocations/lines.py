"""JSON lines: each line is one row or one record. What is wrong is told by the line, counted from one."""

from __future__ import annotations

import re
from typing import Optional

import msgspec

from tagboat_server.codecs import Decoder
from tagboat_server.codecs.decoding import malformed
from tagboat_server.errors import Rejection
from tagboat_server.invocations import Taken, moved

PLACE = re.compile(r"data\[(\d+)\]\.?(.*)", re.DOTALL)
VALUE = msgspec.json.Decoder(msgspec.Raw)
BLANK = b" \t\r"


class LinesReader:
    """Reads JSON lines for one method. ``decode``: what reads our own protocol's body for it."""

    def __init__(self, decode: Decoder) -> None:
        self.decode = decode

    def __call__(self, body: bytes) -> Taken:
        """The checked input. Raises `Rejection`."""
        lines = body.split(b"\n")
        while lines and not lines[-1].strip(BLANK):
            lines.pop()
        for number, line in enumerate(lines, 1):
            check_line(line, number)
        try:
            return Taken(self.decode(b'{"data":[' + b",".join(lines) + b"]}"))
        except Rejection as rejection:
            raise moved(rejection, in_lines) from None


def check_line(line: bytes, number: int) -> None:
    """Refuse a line that is not one value of JSON."""
    try:
        VALUE.decode(line)
    except RecursionError:
        raise Rejection(400, "the JSON is nested too deeply", path=f"line {number}", reason="json") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise wrong_line(line, number, error) from None


def wrong_line(line: bytes, number: int, error: Exception) -> Rejection:
    """The refusal of a line that is no JSON."""
    refused = malformed(line, str(error))
    refused.hint = "Each line is one row or record, as JSON."
    if not line.strip(BLANK):
        refused.message = "the line is empty"
    refused.path = f"line {number}" + (f": {refused.path}" if refused.path else "")
    return refused


def in_lines(path: str) -> Optional[str]:
    """A place in our own protocol's body as one in a line."""
    found = PLACE.fullmatch(path)
    if found is None:
        return None if path == "data" else path
    line = f"line {int(found[1]) + 1}"
    return f"{line}: {found[2]}" if found[2] else line

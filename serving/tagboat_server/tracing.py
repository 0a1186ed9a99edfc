"""The trace that a request is part of, as its caller says (W3C Trace Context, level 2).

    from tagboat_server.tracing import current

``current()`` is the `Trace` of the request that is being answered, for model code that calls something else in its
turn: ``current().headers()`` are the headers to send along. None where the caller said nothing that is well formed,
and in a call that answers several requests at once.

Nothing of it is believed before it has been checked, and what is sent on is made anew from its parts.
"""

from __future__ import annotations

import contextvars
import re
from collections.abc import Iterable
from typing import NamedTuple, Optional

TRACEPARENT = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
KEY = rb"[a-z0-9][a-z0-9_\-*/@]{0,255}"
VALUE = rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
MEMBER = re.compile(KEY + rb"=" + VALUE)

MOST_MEMBERS = 32
LONGEST_STATE = 512
"""Characters of ``tracestate`` that must be passed on; a longer one is dropped, as its sender is told to expect."""

Headers = Iterable[tuple[bytes, bytes]]


class Trace(NamedTuple):
    """Ids in lower-case hex: ``trace`` 32 digits, ``span`` 16 (the caller's own). ``flags``: bit 0 says sampled."""

    trace: str
    span: str
    flags: int
    state: str = ""

    @property
    def parent(self) -> str:
        """The value of ``traceparent``."""
        return f"00-{self.trace}-{self.span}-{self.flags:02x}"

    def headers(self) -> dict[str, str]:
        """What a further request is to say, so that it belongs to the trace."""
        said = {"traceparent": self.parent}
        return {**said, "tracestate": self.state} if self.state else said


CURRENT: contextvars.ContextVar[Optional[Trace]] = contextvars.ContextVar("tagboat_trace", default=None)


def current() -> Optional[Trace]:
    """The trace of the request that is being answered, if there is one."""
    return CURRENT.get()


def read(headers: Headers) -> Optional[Trace]:
    """What a request's headers (names in lower case) say of its trace, or None where that is not well formed."""
    parents = [value for name, value in headers if name == b"traceparent"]
    found = TRACEPARENT.fullmatch(parents[0].strip(b" \t")) if len(parents) == 1 else None
    if found is None or found["version"] == b"ff" or (found["version"] == b"00" and found["more"]):
        return None
    trace, span = found["trace"].decode(), found["span"].decode()
    if not trace.strip("0") or not span.strip("0"):
        return None
    return Trace(trace, span, int(found["flags"], 16) & 3, state_of(headers))


def state_of(headers: Headers) -> str:
    """The list of ``tracestate``, put together from all its headers; empty where any part of it is malformed."""
    given = b",".join(value for name, value in headers if name == b"tracestate")
    if len(given) > 2 * LONGEST_STATE:
        return ""
    members = [member for member in (part.strip(b" \t") for part in given.split(b",")) if member]
    keys = {member.partition(b"=")[0] for member in members}
    if len(members) > MOST_MEMBERS or len(keys) < len(members) or not all(map(MEMBER.fullmatch, members)):
        return ""
    state = b",".join(members).decode()
    return state if len(state) <= LONGEST_STATE else ""

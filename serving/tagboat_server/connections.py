"""One connection: uvicorn's httptools protocol, with the bounds that it lacks.

Uvicorn (0.54) has no limit on the size of headers, no time limit on a request that arrives, none on a connection
that never sends one, none on a client that does not read its answer, and none on how many connections there are.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Callable, Optional

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tagboat_server.errors import Rejection
from tagboat_server.leaving import Probe
from tagboat_server.spec import Settings

IDLE_ENOUGH = 1.0
"""Seconds that a connection has been idle before it may be closed for a newer one."""

STATUS_LINES = {int(each): f"HTTP/1.1 {int(each)} {each.phrase}\r\n".encode() for each in HTTPStatus}

LAST = b"content-length: %d\r\nconnection: close\r\n\r\n"

PIPELINED = 32
"""Requests that may wait on one connection behind the one being answered."""


class Connection(HttpToolsProtocol):
    """One connection. Made by `connection_factory`, which binds ``settings`` and ``limit``."""

    def __init__(
        self, *arguments: Any, settings: Settings, limit: Callable[[], int], joined: list[Any], **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.settings = settings
        self.joined = joined
        self.limit = limit
        self.deadline: Optional[asyncio.TimerHandle] = None
        self.write_deadline: Optional[asyncio.TimerHandle] = None
        self.probe: Optional[Probe] = None
        self.asked: list[Any] = []
        self.head_bytes = 0
        self.discarded = 0
        self.begun = False
        self.in_head = False
        self.in_body = False
        self.idle_since = 0.0

    def connection_made(self, transport: Any) -> None:
        """Take a connection; above the limit one that has been idle longest makes room, else this one is refused."""
        crowded = len(self.connections) >= self.limit()
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        if crowded and not self.make_room():
            self.refuse(503, "too many connections", retry=True)
            return
        self.set_deadline(self.settings.keep_alive, transport.close)

    def make_room(self) -> bool:
        """Close the connection that has been idle longest, if one has been for long enough."""
        now = self.loop.time()
        idle = [
            other
            for other in self.connections
            if isinstance(other, Connection)
            and other is not self
            and other.idle
            and now - other.idle_since > IDLE_ENOUGH
        ]
        if not idle:
            return False
        oldest = min(idle, key=lambda other: other.idle_since)
        oldest.transport.close()
        self.connections.discard(oldest)
        return True

    @property
    def idle(self) -> bool:
        """Whether nothing has been asked that is not answered."""
        return not self.in_head and not self.in_body and (self.cycle is None or self.cycle.response_complete)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Forget the connection."""
        self.clear_deadline()
        self.clear_write_deadline()
        if self.probe is not None:
            self.probe.stop()
        self.forget()
        super().connection_lost(exc)

    def eof_received(self) -> Optional[bool]:  # type: ignore[override]
        """A client that has said all it wants still gets the answers it waits for; uvicorn would hang up."""
        if self.cycle is None or self.in_head or self.in_body or self.cycle.response_complete:
            return None
        self.cycle.keep_alive = False
        self.probe = Probe(self.loop, self.transport, self.unanswered)
        return True

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self.transport.is_closing():
            return
        if not self.in_body and not self.in_head:
            self.in_head = True
            self.head_bytes = 0
            self.clear_deadline()
        self.begun = False
        super().data_received(data)
        if (self.in_head or self.in_body) and not self.transport.is_closing():
            self.await_rest(len(data))

    def await_rest(self, size: int) -> None:
        """Bound what has arrived in part, after ``size`` more bytes; a request that arrives at once needs no timer."""
        if self.in_head:
            if not self.begun:
                self.head_bytes += size
            if self.head_bytes > self.settings.max_header:
                self.refuse(431, f"the headers are larger than {self.settings.max_header} bytes")
            elif self.deadline is None:
                self.set_deadline(self.settings.header_timeout, functools.partial(self.expire, "headers"))
        elif self.deadline is None:
            self.set_deadline(self.settings.body_timeout, functools.partial(self.expire, "body"))

    def on_message_begin(self) -> None:
        """Let the application see its connection."""
        super().on_message_begin()
        self.in_head = self.begun = True
        self.head_bytes = 0
        self.discarded = 0
        self.scope["tagboat.connection"] = self  # type: ignore[typeddict-unknown-key]

    def on_headers_complete(self) -> None:
        """Begin with the body."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.settings.max_header:
            self.refuse(431, f"the headers are larger than {self.settings.max_header} bytes")
            return
        self.in_head = False
        self.in_body = True
        self.clear_deadline()
        super().on_headers_complete()
        self.scope["tagboat.cycle"] = self.cycle  # type: ignore[typeddict-unknown-key]
        if self.asked and self.asked[-1].response_complete:
            self.asked = []
        self.asked.append(self.cycle)
        if len(self.pipeline) > PIPELINED:
            self.cut()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; what comes after the answer is dropped, up to a bound."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_complete:
            self.discarded += len(body)
            if self.discarded > 4 * self.settings.max_body:
                self.cut()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self.transport.is_closing():
            return
        self.in_body = False
        self.idle_since = self.loop.time()
        self.clear_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Become idle, or go on with the next request of the pipeline."""
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, and break it off if its last answer is never read."""
        super().timeout_keep_alive_handler()
        self.start_write_deadline()

    def pause_writing(self) -> None:
        """The client does not read: give it a while."""
        super().pause_writing()
        self.start_write_deadline()

    def resume_writing(self) -> None:
        """The client reads again."""
        self.clear_write_deadline()
        super().resume_writing()

    def expire(self, part: str) -> None:
        """End a request that takes too long to arrive."""
        if any(cycle is not self.cycle or self.in_head for cycle in self.unanswered()):
            # Reading is paused behind a request that the model still works at: the client is not the slow one.
            self.set_deadline(self.settings.header_timeout, functools.partial(self.expire, part))
        elif self.in_body and self.cycle is not None and self.cycle.response_started:
            self.cut()
        else:
            self.refuse(408, f"the {part} of the request took too long")

    def answer(self, cycle: Any, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer whole and in one write, for which `cycle.send` needs two, and looks for line breaks in our own words.

        ``headers`` have neither a length nor a connection's fate, and nobody but us has made them.
        """
        head = [STATUS_LINES[status], self.common_headers()]
        for name, value in headers:
            if b"\n" in value or b"\r" in value:
                raise ValueError("a header of several lines")
            head += (name, b": ", value, b"\r\n")
        head.append(b"content-length: %d\r\n\r\n" % len(body) if cycle.keep_alive else LAST % len(body))
        if cycle.scope["method"] != "HEAD":
            head.append(body)
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"".join(head))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def common_headers(self) -> bytes:
        """The headers of every answer, joined once for each list of them that uvicorn makes (every second)."""
        given = self.server_state.default_headers
        known = self.joined
        if known[0] is not given:
            known[:] = given, b"".join(name + b": " + value + b"\r\n" for name, value in given)
        made: bytes = known[1]
        return made

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, as uvicorn does, but in our form."""
        self.refuse(400, msg)

    def refuse(self, status: int, message: str, *, retry: bool = False) -> None:
        """Answer without the application, and close; no answer where an earlier one would have to come first."""
        if self.transport.is_closing():
            return
        if any(cycle.response_started or cycle is not self.cycle for cycle in self.unanswered()):
            self.cut()
            return
        body = msgspec.json.encode(Rejection(status, message).document())
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        lines += [name + b": " + value for name, value in self.server_state.default_headers]
        lines += [b"content-type: application/json", b"content-length: " + str(len(body)).encode()]
        lines += [b"connection: close"] + ([b"retry-after: 1"] if retry else [])
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.forget()
        self.transport.close()
        self.start_write_deadline()

    def unanswered(self) -> list[Any]:
        """The requests of the connection that have no whole answer yet, oldest first."""
        return [cycle for cycle in self.asked if not cycle.response_complete]

    def cut(self) -> None:
        """Break the connection off."""
        self.forget()
        self.transport.abort()

    def forget(self) -> None:
        """Tell all requests that nobody waits for them any more; a call of the model that is not begun is dropped.

        Uvicorn tells the newest only, and later; the others write to a closed transport, which uvloop resents.
        """
        for cycle in self.unanswered():
            cycle.disconnected = True
            cycle.message_event.set()
            task = cycle.scope.get("tagboat.task")
            if task is not None:
                task.cancel()
        self.asked = []
        self.pipeline.clear()

    def set_deadline(self, seconds: float, then: Callable[[], Any]) -> None:
        """Do something when the time is up, instead of what was to be done before."""
        self.clear_deadline()
        self.deadline = self.loop.call_later(seconds, then)

    def clear_deadline(self) -> None:
        """Let the time not be up."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def start_write_deadline(self) -> None:
        """Break the connection off if it is still there, and stuck, after ``body_timeout``."""
        self.clear_write_deadline()
        if self.transport is not None:
            self.write_deadline = self.loop.call_later(self.settings.body_timeout, self.cut)

    def clear_write_deadline(self) -> None:
        """Leave the connection alone."""
        if self.write_deadline is not None:
            self.write_deadline.cancel()
            self.write_deadline = None


def connection_factory(settings: Settings, limit: Callable[[], int]) -> Callable[..., Connection]:
    """What uvicorn makes connections with."""
    return functools.partial(Connection, settings=settings, limit=limit, joined=[None, b""])

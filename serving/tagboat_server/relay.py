"""Passes bytes between clients of gRPC and grpcio's server, which listens on a private Unix socket.

grpcio (1.85) cannot be asked to let its clients go: when it ends, it cancels every call that has arrived and that no
code of ours has seen yet. It has no bound on connections either. So the connections are ours. To let a client go, a
GOAWAY frame is put between two frames of what it is sent (RFC 9113, 6.8), with the highest stream's number: the client
sends what comes next on a new connection, which another server takes, and closes this one after its last answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, Callable, Optional

LINGER = 60.0
"""Seconds that a client may take to read the last of what it was sent."""

HEADER = 9
"""Bytes of a frame's header, the first three of which are the length of what follows."""

GOAWAY = b"\0\0\x08\x07\0\0\0\0\0" + b"\x7f\xff\xff\xff" + b"\0\0\0\0"
"""The frame: no error, and no stream will be refused that has begun."""


class Frames:
    """Where frames begin in a stream of them that arrives in pieces."""

    def __init__(self) -> None:
        self.head = b""
        self.left = 0

    @property
    def between(self) -> bool:
        """Whether the next byte begins a frame."""
        return not self.left and not self.head

    def pass_over(self, data: bytes) -> Optional[int]:
        """Go on; gives the place of the last beginning of a frame in ``data``, its end included, or None."""
        at, found = 0, None
        while at < len(data):
            if self.left:
                step = min(self.left, len(data) - at)
                self.left -= step
            else:
                step = min(HEADER - len(self.head), len(data) - at)
                self.head += data[at : at + step]
                if len(self.head) == HEADER:
                    self.left = int.from_bytes(self.head[:3], "big")
                    self.head = b""
            at += step
            if self.between:
                found = at
        return found


class Side(asyncio.Protocol):
    """One of the two ends; what arrives here goes out at the ``other``, as fast as that one takes it."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.other: Optional[Side] = None
        self.transport: Any = None
        self.waiting: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        """Send what has come for us meanwhile."""
        self.transport = transport
        for data in self.waiting:
            transport.write(data)
        self.waiting = []

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self.other is not None:
            self.other.send(data)

    def send(self, data: bytes) -> None:
        """Send, now or once there is a connection."""
        if self.transport is None:
            self.waiting.append(data)
        else:
            self.transport.write(data)

    def pause_writing(self) -> None:
        """This end does not read: take nothing more at the other."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """This end reads again."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """An end that says no more has left."""
        return False

    def connection_lost(self, exc: Optional[Exception]) -> None:  # noqa: ARG002 - the contract's
        """Close both."""
        self.pair.close()


class Server(Side):
    """The end towards grpcio's server."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(pair)
        self.frames = Frames()

    def data_received(self, data: bytes) -> None:
        """Pass on, with the GOAWAY at the first chance after it was asked for."""
        place = self.frames.pass_over(data)
        if self.pair.leaving and place is not None:
            self.pair.leaving = False
            data = data[:place] + GOAWAY + data[place:]
        super().data_received(data)


class Pair:
    """A client's connection, and the one to grpcio's server for it. ``gone`` is called when both are closed."""

    def __init__(self, gone: Callable[[Pair], None]) -> None:
        self.client = Side(self)
        self.server = Server(self)
        self.client.other = self.server
        self.server.other = self.client
        self.gone = gone
        self.leaving = False
        self.closed = False

    def let_go(self) -> None:
        """Tell the client to go."""
        if self.closed:
            return
        if self.server.frames.between and self.client.transport is not None and self.server.transport is not None:
            self.client.transport.write(GOAWAY)
        else:
            self.leaving = True

    def close(self) -> None:
        """Close both ends."""
        if self.closed:
            return
        self.closed = True
        for side in (self.client, self.server):
            if side.transport is not None:
                side.transport.close()
                asyncio.get_running_loop().call_later(LINGER, side.transport.abort)
        self.gone(self)

    def abort(self) -> None:
        """Break both ends off."""
        for side in (self.client, self.server):
            if side.transport is not None:
                side.transport.abort()
        self.close()


class Relay:
    """Accepts on ``listener`` and connects each client, of at most ``limit()`` at once, to the Unix socket ``path``."""

    def __init__(self, listener: socket.socket, path: str, limit: Callable[[], int]) -> None:
        self.listener = listener
        self.path = path
        self.limit = limit
        self.pairs: set[Pair] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.accepting: Optional[asyncio.AbstractServer] = None
        self.empty = asyncio.Event()
        self.empty.set()

    async def open(self, backlog: int) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        self.accepting = await loop.create_server(self.take, sock=self.listener, backlog=backlog)

    def take(self) -> asyncio.Protocol:
        """The protocol of a new client's connection; above the limit it is closed at once."""
        pair = Pair(self.left)
        if len(self.pairs) >= self.limit():
            return Refused()
        self.pairs.add(pair)
        self.empty.clear()
        task = asyncio.get_running_loop().create_task(self.connect(pair))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return pair.client

    async def connect(self, pair: Pair) -> None:
        """Make the connection to grpcio's server."""
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: pair.server, self.path)
        except OSError:
            pair.close()
            return
        if pair.closed:
            pair.server.transport.abort()

    def left(self, pair: Pair) -> None:
        """Forget a client."""
        self.pairs.discard(pair)
        if not self.pairs:
            self.empty.set()

    def stop_accepting(self) -> None:
        """Accept no more."""
        if self.accepting is not None:
            self.accepting.close()

    async def drain(self, seconds: float) -> None:
        """Let every client go, and wait until all are gone, or the time is up."""
        self.stop_accepting()
        for pair in list(self.pairs):
            pair.let_go()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.empty.wait(), seconds)

    def close(self) -> None:
        """Break off what is left."""
        self.stop_accepting()
        for pair in list(self.pairs):
            pair.abort()


class Refused(asyncio.Protocol):
    """A client's connection for which there is no room."""

    def connection_made(self, transport: Any) -> None:
        """Close it."""
        transport.close()

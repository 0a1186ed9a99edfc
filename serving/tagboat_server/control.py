"""The control socket: how whoever started the server asks for its standing, its listening socket, its end.

A Unix stream socket of mode 0600. One line of JSON asks, one line answers; a listening descriptor comes with the
line by SCM_RIGHTS. A thread of its own, so that it answers while a model loads.

    {"op": "status"}               -> {"release", "stage", "ready", "draining", "listening": […], "pid", "since", …}
    {"op": "share"}                -> {"ok": true, "address"} and a copy of the listening descriptor
    {"op": "listen"} + descriptor  -> {"ok": true, "address"}, and the server accepts there
    {"op": "drain", "grace": 30}   -> {"ok": true}, and the server drains; with "last": true nobody accepts after it
    anything that cannot be        -> {"ok": false, "error": "…"}
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Protocol

import msgspec

from tagboat_server.channel import LONGEST, Document, receive, send
from tagboat_server.errors import ListenError
from tagboat_server.listening import address_of, bind_unix, identity_of, remove_own
from tagboat_server.state import State

if TYPE_CHECKING:
    from tagboat_server.server import Server

PATIENCE = 5.0
"""Seconds that a client of the control socket may take for anything."""

Answer = tuple[Document, Optional[socket.socket]]


class Controlled(Protocol):
    """What answers for itself: one server, or one that stands for several. Called from any thread."""

    def status(self) -> Document:
        """How it stands."""

    def loaded(self) -> bool:
        """Whether it can be asked for anything else."""

    def share(self) -> socket.socket:
        """A copy of the listening socket. Raises `ListenError`."""

    def listen(self, listener: socket.socket) -> str:
        """Accept there from now on; returns the address. Raises `ListenError`."""

    def drain(self, grace: Optional[float], last: bool) -> None:
        """Drain; None leaves the grace to the settings. ``last``: nobody goes on accepting where this server does."""


class OneServer:
    """This process's own server, once there is one."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.server: Optional[Server] = None

    def status(self) -> Document:
        """The state's own document."""
        return self.state.document()

    def loaded(self) -> bool:
        """Whether the model is loaded and the server listens to us."""
        return self.server is not None and self.state.loaded

    def share(self) -> socket.socket:
        """See `Server.share`."""
        return self.there().share()

    def listen(self, listener: socket.socket) -> str:
        """See `Server.listen`."""
        server = self.there()
        listened = server.listen(listener, shared=True)
        return asyncio.run_coroutine_threadsafe(listened, server.loop).result(PATIENCE)

    def drain(self, grace: Optional[float], last: bool) -> None:
        """See `Server.begin_drain`."""
        server = self.there()
        grace = server.settings.drain if grace is None else grace
        server.loop.call_soon_threadsafe(functools.partial(server.begin_drain, max(0.0, grace), "control", last=last))

    def there(self) -> Server:
        """The server. Raises `ListenError` where there is none yet."""
        if self.server is None:
            raise ListenError("the model is still being loaded")
        return self.server


class Control:
    """Listens at ``path`` from the start, and answers for what is ``controlled``."""

    def __init__(self, path: Path, controlled: Controlled) -> None:
        self.path = path.absolute()
        self.controlled = controlled
        self.listener = bind_unix(self.path)
        self.file = identity_of(self.path)
        self.listener.setblocking(True)
        self.listener.listen(16)
        threading.Thread(target=self.accept, name="control", daemon=True).start()

    def close(self) -> None:
        """Remove the socket's file; the thread ends with the process."""
        remove_own(self.path, self.file)

    def accept(self) -> None:
        """Serve one client after the other, each in a thread, so that a slow one keeps nobody waiting."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.settimeout(PATIENCE)
            threading.Thread(
                target=converse, args=(client, self.controlled), name="control-client", daemon=True
            ).start()


def converse(
    client: socket.socket, controlled: Controlled, waiting: bytes = b"", descriptors: Optional[list[int]] = None
) -> None:
    """Answer a client's lines until it leaves. ``waiting``, ``descriptors``: what it has sent already."""
    descriptors = [] if descriptors is None else descriptors
    with client, contextlib.suppress(OSError):
        try:
            while len(waiting) <= LONGEST:
                line, separator, rest = waiting.partition(b"\n")
                if separator:
                    waiting = rest
                    answer, shared = answer_to(line, descriptors, controlled)
                    if shared is None:
                        send(client, answer)
                    else:
                        with shared:
                            send(client, answer, shared.fileno())
                    continue
                data, received = receive(client)
                descriptors += received
                if not data:
                    return
                waiting += data
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def answer_to(line: bytes, descriptors: list[int], controlled: Controlled) -> Answer:
    """Do what a line asks; takes the descriptor that it needs off the list."""
    try:
        asked = msgspec.json.decode(line, type=Document)
        operation = asked.get("op")
        if operation == "status":
            return controlled.status(), None
        if not controlled.loaded():
            return {"ok": False, "error": "the model is still being loaded"}, None
        if operation == "share":
            shared = controlled.share()
            return {"ok": True, "address": address_of(shared)}, shared
        if operation == "listen":
            return {"ok": True, "address": controlled.listen(listener_of(descriptors))}, None
        if operation == "drain":
            controlled.drain(float(asked["grace"]) if "grace" in asked else None, bool(asked.get("last", False)))
            return {"ok": True}, None
        return {"ok": False, "error": "op is none of status, share, listen, drain"}, None
    except (msgspec.DecodeError, ValueError, TypeError, OSError) as error:
        return {"ok": False, "error": str(error)}, None
    except ListenError as error:
        return {"ok": False, "error": error.message}, None
    except (RuntimeError, concurrent.futures.CancelledError):
        return {"ok": False, "error": "this server is ending"}, None
    except concurrent.futures.TimeoutError:
        return {"ok": False, "error": "the server does not answer"}, None


def listener_of(descriptors: list[int]) -> socket.socket:
    """The socket that came with a line. Raises `ListenError`."""
    if not descriptors:
        raise ListenError("no descriptor came with the line")
    listener = socket.socket(fileno=descriptors.pop(0))
    if not can_listen(listener):
        listener.close()
        raise ListenError("the descriptor is no socket that can listen")
    return listener


def can_listen(listener: socket.socket) -> bool:
    """Whether a descriptor is a bound stream socket, connected to nobody; it may listen already or not."""
    if listener.type != socket.SOCK_STREAM or not listener.getsockname():
        return False
    try:
        listener.getpeername()
    except OSError:
        return True
    return False

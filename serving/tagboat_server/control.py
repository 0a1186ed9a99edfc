"""The control socket: how whoever started the server asks for its standing, its listening socket, its end.

A Unix stream socket of mode 0600. One line of JSON asks, one line answers; a listening descriptor comes with the
line by SCM_RIGHTS. A thread of its own, so that it answers while a model loads.

    {"op": "status"}               -> {"release", "stage", "ready", "draining", "listening": […], "pid", "since", …}
    {"op": "share"}                -> {"ok": true, "address"} and a copy of the listening descriptor
    {"op": "listen"} + descriptor  -> {"ok": true, "address"}, and the server accepts there
    {"op": "drain", "grace": 30}   -> {"ok": true}, and the server drains
    anything that cannot be        -> {"ok": false, "error": "…"}
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import Any, Optional

import msgspec

from tagboat_server.errors import ListenError
from tagboat_server.listening import address_of, bind_unix, identity_of, remove_own
from tagboat_server.server import Server
from tagboat_server.state import State

PATIENCE = 5.0
"""Seconds that a client of the control socket may take for anything."""

LONGEST = 64 * 1024
"""Bytes of a line."""

Answer = tuple[dict[str, Any], Optional[socket.socket]]


class Control:
    """Listens at ``path`` from the start; knows the server once there is one."""

    def __init__(self, path: Path, state: State) -> None:
        self.path = path.absolute()
        self.state = state
        self.server: Optional[Server] = None
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
            threading.Thread(target=self.serve, args=(client,), name="control-client", daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """Answer a client's lines until it leaves."""
        client.settimeout(PATIENCE)
        with client, contextlib.suppress(OSError):
            waiting = b""
            descriptors: list[int] = []
            try:
                while len(waiting) <= LONGEST:
                    line, separator, rest = waiting.partition(b"\n")
                    if separator:
                        waiting = rest
                        answer, shared = self.answer(line, descriptors)
                        reply(client, answer, shared)
                        continue
                    data, received = receive(client)
                    descriptors += received
                    if not data:
                        return
                    waiting += data
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def answer(self, line: bytes, descriptors: list[int]) -> Answer:
        """Do what a line asks."""
        try:
            asked = msgspec.json.decode(line, type=dict[str, Any])
            operation = asked.get("op")
            if operation == "status":
                return self.state.document(), None
            server = self.server
            if server is None or not self.state.loaded:
                return {"ok": False, "error": "the model is still being loaded"}, None
            if operation == "share":
                shared = server.share()
                return {"ok": True, "address": address_of(shared)}, shared
            if operation == "listen":
                return {"ok": True, "address": self.listen(server, descriptors)}, None
            if operation == "drain":
                grace = float(asked.get("grace", server.settings.drain))
                server.loop.call_soon_threadsafe(server.begin_drain, max(0.0, grace), "control")
                return {"ok": True}, None
            return {"ok": False, "error": "op is none of status, share, listen, drain"}, None
        except (msgspec.DecodeError, ValueError, TypeError, OSError) as error:
            return {"ok": False, "error": str(error)}, None
        except ListenError as error:
            return {"ok": False, "error": error.message}, None
        except RuntimeError:
            return {"ok": False, "error": "this server is ending"}, None

    def listen(self, server: Server, descriptors: list[int]) -> str:
        """Let the server accept on a descriptor that came with the line."""
        if not descriptors:
            raise ListenError("no descriptor came with the line")
        listener = socket.socket(fileno=descriptors.pop(0))
        if not can_listen(listener):
            listener.close()
            raise ListenError("the descriptor is no socket that can listen")
        return asyncio.run_coroutine_threadsafe(server.listen(listener), server.loop).result(PATIENCE)


def can_listen(listener: socket.socket) -> bool:
    """Whether a descriptor is a bound stream socket, connected to nobody; it may listen already or not."""
    if listener.type != socket.SOCK_STREAM or not listener.getsockname():
        return False
    try:
        listener.getpeername()
    except OSError:
        return True
    return False


def receive(client: socket.socket) -> tuple[bytes, list[int]]:
    """Some bytes and the descriptors that came with them."""
    descriptors = array.array("i")
    data, ancillary, _, _ = client.recvmsg(LONGEST, socket.CMSG_SPACE(4 * descriptors.itemsize))
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return data, list(descriptors)


def reply(client: socket.socket, answer: dict[str, Any], shared: Optional[socket.socket]) -> None:
    """Send an answer, and a descriptor if there is one."""
    line = msgspec.json.encode(answer) + b"\n"
    if shared is None:
        client.sendall(line)
        return
    with shared:
        rights = array.array("i", [shared.fileno()])
        client.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

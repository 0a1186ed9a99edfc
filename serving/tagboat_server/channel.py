"""Lines of JSON over a Unix stream socket, with descriptors beside them; and the end of it that asks."""

from __future__ import annotations

import array
import collections
import concurrent.futures
import contextlib
import os
import socket
import threading
from typing import Any, Optional

import msgspec

PATIENCE = 5.0
"""Seconds for which a line may be full before it counts as broken."""

LONGEST = 64 * 1024
"""Bytes of a line."""

CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Keeps a descriptor that arrives out of a child that is started at that moment (Linux)."""

Document = dict[str, Any]


def receive(line: socket.socket) -> tuple[bytes, list[int]]:
    """Some bytes and the descriptors that came with them."""
    descriptors = array.array("i")
    data, ancillary, _, _ = line.recvmsg(LONGEST, socket.CMSG_SPACE(4 * descriptors.itemsize), CLOSE_ON_EXEC)
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return data, list(descriptors)


def send(line: socket.socket, document: Document, descriptor: Optional[int] = None) -> None:
    """Send a line, and a descriptor if there is one."""
    text = msgspec.json.encode(document) + b"\n"
    if descriptor is None:
        line.sendall(text)
        return
    rights = array.array("i", [descriptor])
    sent = line.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    if sent < len(text):
        line.sendall(text[sent:])


class Line:
    """The end that asks. Answers come in the order of the questions; any thread may ask, one alone may `hear`."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.line.settimeout(PATIENCE)
        self.lock = threading.Lock()
        self.asked: collections.deque[concurrent.futures.Future[Document]] = collections.deque()
        self.heard = b""
        self.ended = False

    def fileno(self) -> int:
        """For selectors."""
        return self.line.fileno()

    def ask(self, document: Document, descriptor: Optional[int] = None) -> concurrent.futures.Future[Document]:
        """Ask; the answer, or ConnectionError once the other end is gone, comes by the future."""
        future: concurrent.futures.Future[Document] = concurrent.futures.Future()
        with self.lock:
            if not self.ended:
                self.asked.append(future)
                # Where it has ended, `hear` will find that out, and tell everyone who waits.
                with contextlib.suppress(OSError):
                    send(self.line, document, descriptor)
                return future
        future.set_exception(ConnectionError("it has ended"))
        return future

    def expect(self) -> concurrent.futures.Future[Document]:
        """What the other end will say unasked, before it answers anything."""
        future: concurrent.futures.Future[Document] = concurrent.futures.Future()
        self.asked.append(future)
        return future

    def hear(self) -> bool:
        """Take what has arrived; False when the other end is gone."""
        try:
            data = self.line.recv(LONGEST)
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        *lines, self.heard = (self.heard + data).split(b"\n")
        for text in lines:
            with self.lock:
                future = self.asked.popleft()
            future.set_result(msgspec.json.decode(text, type=Document))
        return True

    def close(self) -> None:
        """Close this end; whoever still waits is told so."""
        with self.lock:
            self.ended = True
            waiting = list(self.asked)
            self.asked.clear()
            self.line.close()
        for future in waiting:
            future.set_exception(ConnectionError("it has ended"))

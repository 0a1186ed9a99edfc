"""The private line to a server of ours: one JSON line there, one back, descriptors beside them.

The server's half is tagboat_server's; the two meet in docs/serving.md. Both ends of the line belong to one user: the
socket lies in a folder that nobody else may enter.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import time
from pathlib import Path
from typing import Any

import msgspec

from deployers.local.sockets import HOST, connected

LONGEST_ANSWER = 64 * 1024

CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Keeps a listening socket that passes through here out of children (Linux; elsewhere it passes too quickly)."""


class ControlError(Exception):
    """The server does not answer on its control socket, or answers that it can't."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says of itself. ``listening``: where it accepts, as ``http://host:port`` or ``unix:path``."""

    release: str | None = None
    ready: bool = False
    draining: bool = False
    listening: tuple[str, ...] = ()

    @property
    def public(self) -> bool:
        """Whether it accepts connections on any port; its private socket does not count."""
        return any(address.startswith("http:") for address in self.listening)

    def serves(self, port: int) -> bool:
        """Whether it accepts connections on the port of this machine."""
        return f"http://{HOST}:{port}" in self.listening


class Control:
    """Asks one server. Every call raises `ControlError` when there is no answer in time."""

    def __init__(self, path: Path, timeout: float = 5.0) -> None:
        self.path = path
        self.timeout = timeout

    def status(self) -> Status:
        """How it is."""
        answer, descriptors = self._ask({"op": "status"})
        _close(descriptors)
        try:
            return msgspec.convert(answer, Status)
        except msgspec.ValidationError as error:
            raise ControlError(f"an answer that no server of ours gives: {error}") from error

    def share(self, port: int) -> socket.socket:
        """The listening socket of that port, as a descriptor of our own; the server keeps its own."""
        answer, descriptors = self._ask({"op": "share"})
        listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        found = next((listener for listener in listeners if _is_on(listener, port)), None)
        for listener in listeners:
            if listener is not found:
                listener.close()
        if found is None:
            raise ControlError(f"it shares no socket on port {port}: {answer}")
        return found

    def listen(self, listener: socket.socket) -> None:
        """Hand it a listening socket to accept on, from now on."""
        _close(self._ask({"op": "listen"}, listener)[1])

    def drain(self, grace: float, *, last: bool) -> None:
        """Have it accept no more, finish what is open for at most ``grace`` seconds, and end.

        ``last``: no other server goes on with its listening sockets, so that it may shut who is new out.
        """
        _close(self._ask({"op": "drain", "grace": grace, "last": last})[1])

    def _ask(self, question: dict[str, Any], passed: socket.socket | None = None) -> tuple[dict[str, Any], list[int]]:
        descriptors: list[int] = []
        try:
            with connected(self.path, self.timeout) as line:
                text = msgspec.json.encode(question) + b"\n"
                if passed is None:
                    line.sendall(text)
                else:
                    socket.send_fds(line, [text], [passed.fileno()])
                answer = msgspec.json.decode(_read_line(line, descriptors, time.monotonic() + self.timeout))
        except (OSError, msgspec.MsgspecError) as error:
            _close(descriptors)
            raise ControlError(f"no answer to {question['op']}: {error}") from error
        except BaseException:
            _close(descriptors)
            raise
        if not isinstance(answer, dict) or "error" in answer or answer.get("ok") is False:
            _close(descriptors)
            raise ControlError(f"{question['op']} was refused: {answer}")
        return answer, descriptors


def _read_line(line: socket.socket, descriptors: list[int], deadline: float) -> bytes:
    """Read up to the newline; descriptors that come along are put into the list at once, so that none is lost."""
    size = array.array("i").itemsize
    text = b""
    while not text.endswith(b"\n"):
        line.settimeout(max(deadline - time.monotonic(), 0.001))
        part, ancillary, _, _ = line.recvmsg(65536, socket.CMSG_SPACE(8 * size), CLOSE_ON_EXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.extend(array.array("i", content[: len(content) - len(content) % size]))
        if not part:
            raise ConnectionError("the line ended early")
        text += part
        if len(text) > LONGEST_ANSWER:
            raise ConnectionError("an answer without end")
    return text


def _is_on(listener: socket.socket, port: int) -> bool:
    with contextlib.suppress(OSError):
        return listener.family == socket.AF_INET and listener.getsockname() == (HOST, port)
    return False


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)

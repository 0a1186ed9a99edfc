"""A server that somebody watches: on a port of its own, its log on the terminal, ended with the one who watches it.

It is a `Preflight` with a port. Whoever started it may be killed at any moment: the leash ends the server then, and
everything that it started.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from deployers.errors import ConfigurationError, ReleaseFailedError
from deployers.local import processes
from deployers.local.control import ControlError
from deployers.local.servers import EXIT_MARGIN, Server
from deployers.local.sockets import BACKLOG

PAUSE = 0.1
"""Seconds between two looks at the log."""

Tell = Callable[[str], None]


@contextlib.contextmanager
def reserved(host: str, port: int) -> Iterator[socket.socket]:
    """The address, ours alone and not listened on yet: one that is taken should fail before a model is wrapped.

    ``port``: 0 for any. Raises `ConfigurationError`.
    """
    where = f"{host}:{port}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise ConfigurationError(f"no such address: {error}", where=where) from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            reason = "the port is taken" if error.errno == errno.EADDRINUSE else f"cannot be listened on: {error}"
            raise ConfigurationError(reason, where=where, hint="Give another one; --port 0 takes any.") from error
        yield listener


def open_to(server: Server, listener: socket.socket) -> str:
    """Have the server accept on the reserved address; its URL. Raises `ReleaseFailedError`."""
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    listener.listen(BACKLOG)
    try:
        server.control.listen(listener)
    except ControlError as error:
        raise ReleaseFailedError(f"the server did not take the port: {error}", where=url) from error
    return url


def attend(
    server: Server, tell: Tell, *, announce: Callable[[], None], grace: float, leaving: Callable[[], None]
) -> None:
    """Tell every line that the server says, until an interrupt; then let it drain, and return when it is gone.

    ``announce`` is called first: whoever hears of the server may end it at once. ``grace``: seconds that open
    connections may finish. ``leaving`` is called when the draining begins; a second interrupt breaks it off. Raises
    `ReleaseFailedError` where the server ends by itself.
    """
    log = Tail(server.folder)
    with contextlib.closing(log):
        try:
            announce()
            while server.alive:
                log.tell(tell)
                time.sleep(PAUSE)
        except KeyboardInterrupt:
            leaving()
            with contextlib.suppress(ControlError):
                server.control.drain(grace, last=True)
            for _ in processes.waiting(grace + EXIT_MARGIN):
                log.tell(tell)
                if not server.alive:
                    break
            log.tell(tell)
            return
        time.sleep(PAUSE)  # what keeps the log may be a little behind
        log.tell(tell)
    ended = processes.exit_status(server.record.pid, within=2.0)
    manner = "" if ended is None else f" (exit code {ended})" if ended >= 0 else f" (signal {-ended})"
    raise ReleaseFailedError(f"the server ended by itself{manner}", hint="Its last lines say why.")


class Tail:
    """The lines of a server's log, also while it is turned over."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log"
        self._file: int | None = None
        self._rest = b""

    def tell(self, tell: Tell) -> None:
        """Every line that has come since the last time."""
        while True:
            self._read(tell)
            if not self._turned_over():
                return
            self._read(tell)  # what came just before it was turned over
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self, tell: Tell) -> None:
        if self._file is None:
            with contextlib.suppress(FileNotFoundError):
                self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        while self._file is not None and (text := os.read(self._file, 65536)):
            *lines, self._rest = (self._rest + text).split(b"\n")
            for line in lines:
                tell(line.decode("utf-8", "replace"))

    def _turned_over(self) -> bool:
        """Whether another file stands at the log's path than the one that is open."""
        if self._file is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return False

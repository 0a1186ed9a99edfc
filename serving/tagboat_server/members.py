"""The supervisor's children: the process that loads the model, and the workers; each with a line to it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Optional

from tagboat_server.channel import Document, Line, send

BOOT = (
    "import sys; sys.path[:] = {path!r}; from tagboat_server.template import main; "
    "main({descriptor}, {supervisor}, {folder!r}, {may_fork})"
)
"""What a child runs first: it finds modules where we have found them, and nowhere else."""

PLACES_FILE = "connections"
"""The file of `Balance`, in the workers' shared folder."""

FLAGS = {"isolated": "-I", "ignore_environment": "-E", "no_user_site": "-s", "no_site": "-S"}
"""Attributes of `sys.flags` that a child inherits, and the interpreter's options for them."""


@dataclasses.dataclass(eq=False)
class Loader:
    """A process that loads the model. ``loaded``: what it says of that; it may take long."""

    pid: int
    line: Line
    loaded: concurrent.futures.Future[Document]

    def kill(self) -> None:
        """End it; it is our child and not yet waited for, so the process id is its own."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


@dataclasses.dataclass(eq=False)
class Member:
    """A worker. ``heard``: when it last answered; ``leave_by``: when it must be gone, once it is to go.

    ``stuck``: how many answers in a row say that its model is stuck.
    """

    number: int
    pid: int
    line: Line
    heard: float
    started: float = dataclasses.field(default_factory=time.time)
    status: Document = dataclasses.field(default_factory=dict)
    listens: list[concurrent.futures.Future[Document]] = dataclasses.field(default_factory=list)
    asked: Optional[concurrent.futures.Future[Document]] = None
    asked_at: float = float("-inf")
    leave_by: Optional[float] = None
    stuck: int = 0

    @property
    def ready(self) -> bool:
        """Whether it serves: it says so, and accepts wherever it was told to."""
        return self.leave_by is None and bool(self.status.get("ready")) and all(map(granted, self.listens))

    def document(self) -> Document:
        """What the control socket tells of it."""
        return {"worker": self.number, "pid": self.pid, "ready": self.ready, "since": self.started}

    def greet(self, shared: Path, grpc: Optional[tuple[str, int]]) -> None:
        """Say the first word, for which it waits.

        ``shared``: the folder of what all workers write into; ``grpc``: the host and port where all answer gRPC.
        """
        with contextlib.suppress(OSError):
            send(self.line.line, {"supervisor": os.getpid(), "shared": str(shared), "grpc": grpc})

    def listen(self, listener: socket.socket) -> concurrent.futures.Future[Document]:
        """Have it accept there."""
        answer = self.line.ask({"op": "listen"}, listener.fileno())
        self.listens.append(answer)
        return answer

    def look(self, now: float, pause: float) -> None:
        """Ask how it stands, ``pause`` seconds after the last time, and once that was answered."""
        if now - self.asked_at >= pause and (self.asked is None or self.asked.done()):
            self.asked_at = now
            self.asked = self.line.ask({"op": "status"})
            self.asked.add_done_callback(self.note)

    def note(self, answer: concurrent.futures.Future[Document]) -> None:
        """Take what it says."""
        if answer.exception() is None:
            self.status = answer.result()
            self.heard = time.monotonic()
            self.stuck = self.stuck + 1 if self.status.get("status") == "stuck" else 0

    def leave(self, grace: float, margin: float, *, last: bool = False) -> None:
        """Have it drain; after ``margin`` seconds more it is late. ``last``: nobody goes on where it accepts."""
        self.leave_by = min(self.leave_by or float("inf"), time.monotonic() + grace + margin)
        self.line.ask({"op": "drain", "grace": grace, "last": last})

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def granted(answer: concurrent.futures.Future[Document]) -> bool:
    """Whether what was asked has been done."""
    return answer.done() and answer.exception() is None and bool(answer.result().get("ok"))


def start_loader(folder: Path, *, may_fork: bool) -> Loader:
    """Start a process that loads the bundle's model. From the main thread: it dies with the thread that started it."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.set_inheritable(True)
        code = BOOT.format(
            path=sys.path, descriptor=theirs.fileno(), supervisor=os.getpid(), folder=str(folder), may_fork=may_fork
        )
        options = [option for name, option in FLAGS.items() if getattr(sys.flags, name)]
        pid = os.posix_spawn(sys.executable, [sys.executable, *options, "-c", code], dict(os.environ))
    line = Line(ours)
    return Loader(pid, line, line.expect())

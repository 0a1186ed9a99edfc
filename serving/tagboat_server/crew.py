"""The supervisor's children as a whole: it starts what is missing, hears them, and buries them.

Where the model can be shared, one process loads it and forks every worker (`template`). A worker is adopted by the
supervisor, so that it outlives the template. Where it cannot, each worker is a process that has loaded by itself.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import selectors
import socket
import time
from pathlib import Path
from typing import Any, Callable, Optional

from tagboat_server import metrics_sharing, parentage
from tagboat_server.balance import Balance
from tagboat_server.channel import Document, Line
from tagboat_server.errors import ModelError, ServerError
from tagboat_server.logs import Log
from tagboat_server.members import PLACES_FILE, Loader, Member, start_loader
from tagboat_server.restarts import Restarts


class Crew:
    """``count`` workers of one bundle. ``shared``: a folder of theirs alone. ``joined``: is told of each new worker.

    Everything here belongs to the main thread.
    """

    def __init__(self, folder: Path, count: int, shared: Path, log: Log, joined: Callable[[Member], None]) -> None:
        self.folder = folder
        self.count = count
        self.shared = shared
        self.log = log
        self.joined = joined
        self.members: list[Member] = []
        self.loaders: list[Loader] = []
        self.template: Optional[Loader] = None
        self.coming: set[int] = set()
        self.unclaimed: dict[int, int] = {}
        self.failure: Optional[ServerError] = None
        self.grpc: Optional[tuple[str, int]] = None
        self.may_fork = parentage.adopt_orphans()
        self.restarts = Restarts()
        self.balance = Balance(shared / PLACES_FILE)
        self.selector = selectors.DefaultSelector()

    @property
    def gone(self) -> bool:
        """Whether there is no worker, and none on its way."""
        return not self.members and not self.coming

    def fill(self) -> None:
        """Start what is missing, if now is the time."""
        if not self.restarts.due:
            return
        missing = self.count - len(self.coming) - sum(1 for member in self.members if member.leave_by is None)
        if self.template is not None:
            for _ in range(missing):
                self.bring("fork", self.template)
            return
        # The first one will tell whether it can be forked.
        wanted = min(missing, 1) if self.may_fork else missing
        for _ in range(wanted - sum(1 for loader in self.loaders if not loader.loaded.done())):
            loader = start_loader(self.folder, may_fork=self.may_fork)
            self.loaders.append(loader)
            self.watch(loader.line)
            loader.loaded.add_done_callback(lambda answer, loader=loader: self.has_loaded(loader, answer))

    def has_loaded(self, loader: Loader, answer: concurrent.futures.Future[Document]) -> None:
        """Make a loader the template, or a worker."""
        if answer.exception() is not None:
            return
        said = answer.result()
        if not said["ok"]:
            error = said["error"]
            self.not_loaded(ServerError(error["message"], where=error["where"], hint=error["hint"]))
        elif said["forkable"]:
            self.template = loader
        else:
            if self.may_fork:
                self.may_fork = False
                self.log.event("workers-share-no-memory", reason=said["reason"])
            self.loaders.remove(loader)
            self.bring("become", loader)
            self.drop(loader.line)

    def not_loaded(self, error: ServerError) -> None:
        """Give up where there never was a worker; later, try again."""
        if self.restarts.began:
            self.log.event("load-failed", **error.document())
            self.crashed()
        else:
            self.failure = error

    def bring(self, operation: str, loader: Loader) -> None:
        """Have a loader ``fork`` a worker, or ``become`` one."""
        taken = {member.number for member in self.members} | self.coming
        number = next(number for number in range(len(taken) + 1) if number not in taken)
        self.coming.add(number)
        ours, theirs = socket.socketpair()
        with theirs:
            answer = loader.line.ask({"op": operation, "worker": number}, theirs.fileno())
        if operation == "become":
            self.add(number, loader.pid, ours)
        else:
            answer.add_done_callback(lambda answer: self.has_forked(number, answer, ours))

    def has_forked(self, number: int, answer: concurrent.futures.Future[Document], line: socket.socket) -> None:
        """Take the new worker, if there is one."""
        if answer.exception() is None:
            self.add(number, answer.result()["pid"], line)
        else:
            self.coming.discard(number)
            line.close()

    def add(self, number: int, pid: int, line: socket.socket) -> None:
        """Take a worker into the crew."""
        self.coming.discard(number)
        self.restarts.began = True
        member = Member(number, pid, Line(line), time.monotonic())
        self.members.append(member)
        self.watch(member.line)
        self.log.event("worker-started", worker=number, pid=pid)
        member.greet(self.shared, self.grpc)
        self.joined(member)
        status = self.unclaimed.pop(pid, None)
        if status is not None:
            self.lost(member, status)

    def watch(self, line: Line) -> None:
        """Hear a line whenever it has something to say."""
        self.selector.register(line, selectors.EVENT_READ, lambda: self.hear(line))

    def hear(self, line: Line) -> bool:
        """Take what a child says; a worker that has closed its line, and has not ended, is ended."""
        if line.hear():
            return True
        self.drop(line)
        for member in self.members:
            if member.line is line:
                member.kill()
        return False

    def drop(self, line: Line) -> None:
        """Listen to a line no more."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(line)
        line.close()

    def bury(self) -> None:
        """Wait for children that have ended."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                member = find(self.members, pid)
                loader = find(self.loaders, pid)
                if member is not None:
                    self.lost(member, status)
                elif loader is not None:
                    self.lost_loader(loader, status)
                elif self.coming:
                    # A worker may be gone before the template has told us that there is one.
                    self.unclaimed[pid] = status

    def lost(self, member: Member, status: int) -> None:
        """Forget a worker that has ended; whether it is missed depends on why."""
        self.members.remove(member)
        self.drop(member.line)
        metrics_sharing.forget(self.shared, member.number)
        self.balance.forget(member.number)
        expected = member.leave_by is not None
        event = "worker-ended" if expected else "worker-died"
        self.log.event(event, worker=member.number, pid=member.pid, **parentage.manner(status))
        if not expected:
            self.crashed()

    def crashed(self) -> None:
        """Count what makes a new worker necessary, and say so when it is too often."""
        before = self.restarts.too_many
        self.restarts.note()
        if self.restarts.too_many and not before:
            self.log.event("workers-crash-again-and-again", pause=round(self.restarts.next - time.monotonic(), 1))

    def lost_loader(self, loader: Loader, status: int) -> None:
        """Forget a process that loaded, or had loaded, the model."""
        self.loaders.remove(loader)
        # What it said with its last breath counts.
        while self.hear(loader.line):
            pass
        if loader is self.template:
            self.template = None
        how = parentage.manner(status)
        self.log.event("loader-ended", pid=loader.pid, **how)
        if loader.loaded.exception() is not None:
            manner = " ".join(f"{key} {value}" for key, value in how.items())
            self.not_loaded(ModelError(f"the process that loads the model has ended: {manner}"))

    def end(self) -> None:
        """Kill all that still live, and wait for them."""
        children = [*self.members, *self.loaders]
        for child in children:
            child.kill()
        for child in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, 0)


def find(children: list[Any], pid: int) -> Any:
    """The child with this process id, or None."""
    return next((child for child in children if child.pid == pid), None)

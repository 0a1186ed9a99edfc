"""The supervisor of several workers: it runs no model code, holds the sockets, and sees that the workers are there.

    supervisor ── template (loads the model, forks)
       ├── worker 0      each a whole server; all accept on the same listening sockets
       └── worker 1

A worker that ends is replaced, at once or ever more slowly (`restarts`); so is one whose model is stuck, after it has
drained. The listening sockets stay open meanwhile, and connections wait in their queue. What the control socket is
asked is asked of every worker.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import selectors
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Optional

from tagboat_server.channel import Document
from tagboat_server.control import PATIENCE, Control
from tagboat_server.crew import Crew
from tagboat_server.errors import ListenError
from tagboat_server.grpc_port import GrpcPort
from tagboat_server.listening import Addresses, address_of
from tagboat_server.logs import Log
from tagboat_server.members import Member
from tagboat_server.spec import Identity, Settings
from tagboat_server.state import State

TICK = 0.1
"""Seconds between two looks at everything."""

PAUSE = 0.25
"""Seconds between two questions to a worker how it stands."""

MARGIN = 5.0
"""Seconds beyond its grace after which a draining worker is killed."""

SILENCE = 30.0
"""Seconds at least for which a worker may answer nothing; twice ``request-timeout`` where that is more."""


STUCK_ANSWERS = 2
"""Answers in a row by which a worker is stuck: one may be of a moment in which the machine was busy elsewhere."""


def run(
    folder: Path,
    identity: Identity,
    settings: Settings,
    count: int,
    *,
    tcp: Optional[tuple[str, int]],
    uds: Optional[Path],
    control: Optional[Path],
    host: str,
) -> int:
    """Bind, load, serve by ``count`` workers, drain; gives the exit code. Raises `ServerError` when it cannot start."""
    log = Log(access=settings.access_log)
    with contextlib.ExitStack() as held:
        addresses = held.enter_context(Addresses(tcp, uds))
        grpc_port = held.enter_context(GrpcPort(host, settings, identity))
        shared = held.enter_context(tempfile.TemporaryDirectory(prefix="tagboat-"))
        supervisor = Supervisor(identity, settings, addresses.listeners, log)
        crew = Crew(folder, count, Path(shared), log, supervisor.joined)
        crew.grpc = grpc_port.address
        told = Control(control, supervisor) if control is not None else None
        try:
            supervisor.live(crew)
        finally:
            if told is not None:
                told.close()
    log.event("ended")
    return 0


class Supervisor:
    """Answers for its workers, to the main thread and those of the control socket; ``lock`` guards what both change."""

    def __init__(self, identity: Identity, settings: Settings, listeners: list[socket.socket], log: Log) -> None:
        self.settings = settings
        self.log = log
        self.state = State(identity, listening=[address_of(listener) for listener in listeners])
        self.listeners = dict(zip(self.state.listening, listeners))
        self.members: list[Member] = []
        self.open = False
        self.shared = False
        self.lock = threading.RLock()
        self.signals: list[int] = []
        self.awake, self.wake = socket.socketpair()
        self.wake.setblocking(False)

    # What the control socket asks.

    def status(self) -> Document:
        """As one server's, and how each worker stands."""
        with self.lock:
            workers = [member.document() for member in self.members]
            ready = self.state.ready and any(worker["ready"] for worker in workers)
            standing = self.state.standing if ready or not self.state.ready else "crashing"
            listening = list(self.state.listening) if self.state.loaded else []
            own = {"ready": ready, "status": standing, "listening": listening, "workers": workers}
            return {**self.state.document(), **own}

    def loaded(self) -> bool:
        """Whether there was a worker ready."""
        return self.state.loaded

    def share(self) -> socket.socket:
        """A copy of the listening socket, TCP before Unix. Raises `ListenError`."""
        with self.lock:
            if not self.listeners:
                raise ListenError("this server listens nowhere")
            tcp = [listener for listener in self.listeners.values() if listener.family != socket.AF_UNIX]
            self.shared = True
            return (tcp or list(self.listeners.values()))[0].dup()

    def listen(self, listener: socket.socket) -> str:
        """Have every worker accept there, now and later. Raises `ListenError`."""
        address = address_of(listener)
        with self.lock:
            if self.state.draining or address in self.listeners:
                listener.close()
                if self.state.draining:
                    raise ListenError("this server drains")
                return address
            self.shared = True
            self.listeners[address] = listener
            answers = [member.listen(listener) for member in self.members]
        refusals = [refusal for refusal in map(refusal_of, answers) if refusal is not None]
        with self.lock:
            if answers and len(refusals) == len(answers):
                self.listeners.pop(address, listener).close()
                for member in self.members:
                    member.listens = [answer for answer in member.listens if answer not in answers]
                raise ListenError(refusals[0])
            self.state.listening.append(address)
        return address

    def drain(self, grace: Optional[float], last: bool) -> None:
        """Have every worker drain; the supervisor ends when all are gone."""
        self.begin_drain(self.settings.drain if grace is None else max(0.0, grace), "control", last=last)

    def begin_drain(self, grace: float, cause: str, *, last: bool = False) -> None:
        """Let go of the listening sockets, so that the last worker's copy is the last, and tell the workers."""
        with self.lock:
            if not self.state.draining:
                self.state.draining = True
                self.log.event("draining", cause=cause, grace=grace, workers=len(self.members))
                for listener in self.listeners.values():
                    listener.close()
                self.listeners.clear()
                self.state.listening.clear()
            for member in self.members:
                member.leave(grace, MARGIN, last=last or not self.shared)
        with contextlib.suppress(BlockingIOError):
            self.wake.send(b"\0")

    # The main thread's part.

    def live(self, crew: Crew) -> None:
        """Keep the workers until all are drained. Raises `ServerError` when the model cannot be loaded."""
        self.members = crew.members
        crew.selector.register(self.awake, selectors.EVENT_READ, lambda: self.awake.recv(4096))
        signal.set_wakeup_fd(self.wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self.signals.append(number))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            while crew.failure is None and not (self.state.draining and crew.gone):
                ready = crew.selector.select(TICK)
                with self.lock:
                    for key, _ in ready:
                        key.data()
                    self.obey()
                    crew.bury()
                    self.look(crew)
                    if not self.state.draining and crew.failure is None:
                        crew.fill()
        finally:
            signal.set_wakeup_fd(-1)
            crew.end()
        if crew.failure is not None:
            raise crew.failure

    def obey(self) -> None:
        """Do what signals have asked for: drain; at the second SIGINT, end."""
        while self.signals:
            number = signal.Signals(self.signals.pop(0))
            if number == signal.SIGINT and self.state.draining:
                for member in self.members:
                    member.kill()
            self.begin_drain(self.settings.drain, number.name)

    def look(self, crew: Crew) -> None:
        """Ask the workers how they stand; send those away that are stuck, and kill those that are late or dumb."""
        now = time.monotonic()
        for member in self.members:
            member.look(now, PAUSE)
            if member.leave_by is not None:
                if now > member.leave_by:
                    member.kill()
            elif now - member.heard > max(SILENCE, 2 * self.settings.request_timeout):
                self.log.event("worker-silent", worker=member.number, pid=member.pid)
                member.heard = now
                member.kill()
            elif member.stuck >= STUCK_ANSWERS:
                self.log.event("worker-stuck", worker=member.number, pid=member.pid)
                member.leave(min(self.settings.drain, self.settings.request_timeout), MARGIN)
                crew.crashed()
        ready = sum(1 for member in self.members if member.ready)
        # Not before the first workers are all there, or not all can be: else one would get every connection.
        enough = ready >= crew.count or (ready and crew.restarts.crashes)
        if enough and not self.open:
            self.open = True
            for member in self.members:
                self.joined(member)
        elif enough and not self.state.loaded:
            self.state.become_ready()
            self.log.event("ready", **self.status())

    def joined(self, member: Member) -> None:
        """Have a worker accept wherever we do, or leave where we do."""
        if self.state.draining:
            member.leave(0.0, MARGIN)
        elif self.open:
            for listener in self.listeners.values():
                member.listen(listener)


def refusal_of(answer: concurrent.futures.Future[Document]) -> Optional[str]:
    """Why a worker has not done what it was asked, or None where it has."""
    try:
        said = answer.result(PATIENCE)
    except (ConnectionError, concurrent.futures.TimeoutError) as error:
        return str(error) or "the worker does not answer"
    return None if said.get("ok") else str(said.get("error"))

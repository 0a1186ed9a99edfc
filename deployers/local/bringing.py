"""Bringing a release live over whatever serves now, and taking a slot down; read `Slotkeeper.bring_up`.

    start on a private socket ─ ready ─ (verified by the pipeline) ─ takes the port ─ the others drain ─ done
    └────────── on a leash: dies with us ────────────────────────┘ └─ found again by the next run ─┘

A kill at any moment leaves one of three things: nothing new (the leash); servers that all accept on one shared
socket; or servers that drain. None loses a request, and the next `bring_up`, of the same release or of another,
starts from what it finds: it goes on with a server that accepts already, and drains every other one.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from deployers.base import Release, Slot, Step, TagRecord
from deployers.errors import ReleaseFailedError
from deployers.local import processes
from deployers.local.control import ControlError, Status
from deployers.local.files import remove_folder
from deployers.local.layout import SlotFolder
from deployers.local.processes import Leash
from deployers.local.programs import grace_of
from deployers.local.records import Operation, SlotRecord, read, write
from deployers.local.servers import EXIT_MARGIN, Server, Servers, await_ready
from deployers.local.sockets import HOST, listen_afresh

APPLY, ROLLBACK, REMOVE = "apply", "rollback", "removal"
"""The kinds of operation, as they are recorded and shown."""


@dataclass(frozen=True)
class Launch:
    """What a server is started with. ``command`` is asked for only when one has to be; ``timeout`` in seconds."""

    command: Callable[[], Sequence[str]]
    environment: Mapping[str, str]
    timeout: float


@dataclass(frozen=True)
class Slotkeeper:
    """Changes one slot; whoever calls it holds the slot's lease."""

    slot: Slot
    folder: SlotFolder
    servers: Servers
    clock: Callable[[], float]

    @property
    def record(self) -> SlotRecord:
        """What is written down now."""
        return read(self.folder.record, SlotRecord) or SlotRecord(slot=self.slot)

    def write(self, record: SlotRecord) -> None:
        """Write it down."""
        write(self.folder.record, record)

    def bring_up(self, release: Release, port: int, launch: Launch, kind: str) -> Iterator[Step]:
        """Make this release the only one that serves. ``kind``: the operation to record."""
        operation = self._begin(kind, release.id)
        self.servers.sweep(keep=self.record.live)
        server = self._accepting(release.id, port)
        if server is None:
            server = yield from self._bring_in(release, port, launch, operation)
        self._settle_on(server, port, release.tag if kind == APPLY else None)
        others = [other for other in self.servers.alive() if other.record.id != server.record.id]
        for other in others:
            self._drain(other)
        if others:
            yield Step(name="drain", detail="the old server accepts no more, and finishes what is open")
        self._end(operation)
        self.sweep_bundles()
        yield Step(name="live", detail=f"http://{HOST}:{port}")

    def take_down(self, kind: str) -> Iterator[Step]:
        """Stop serving, losing no request that is under way; the records stay."""
        operation = self._begin(kind, None)
        self.servers.sweep(keep=self.record.live)
        for server in self.servers.alive():
            self._drain(server, last=True)
        yield Step(name="drain", detail="open connections may finish")
        for server in self.servers.alive():
            if not server.await_exit(server.record.grace + EXIT_MARGIN):
                server.kill()
        self.write(msgspec.structs.replace(self.record, live=None, since=None))
        self._end(operation)
        yield Step(name="down", detail="nothing serves here any more")

    def sweep_bundles(self) -> None:
        """Drop stored bundles that nobody can go back to and no server has open."""
        record = self.record
        needed = [verified.release for verified in record.verified]
        needed += [server.record.release for server in self.servers.alive()]
        kept = {self.folder.bundle(release.bundle_digest) for release in needed}
        for folder in self.folder.bundles.iterdir() if self.folder.bundles.is_dir() else ():
            if folder not in kept:
                remove_folder(folder)

    def _begin(self, kind: str, release_id: str | None) -> Operation:
        operation = Operation(id=secrets.token_hex(8), kind=kind, release_id=release_id, since=self.clock())
        self.write(msgspec.structs.replace(self.record, operation=operation))
        return operation

    def _end(self, operation: Operation) -> None:
        """Nothing is left to do; unless another operation has begun since (a generator may be closed late)."""
        record = self.record
        if record.operation == operation:
            self.write(msgspec.structs.replace(record, operation=None))

    def _accepting(self, release_id: str, port: int) -> Server | None:
        """A server that an earlier run has brought to the port already."""
        for server in reversed(self.servers.alive()):
            status = server.status()
            if status is None or server.record.release.id != release_id:
                continue
            if status.ready and not status.draining and status.serves(port):
                return server
        return None

    def _bring_in(
        self, release: Release, port: int, launch: Launch, operation: Operation
    ) -> Generator[Step, None, Server]:
        """Start a server, have it tried, and put it on the port beside the old one."""
        with contextlib.ExitStack() as undo:
            # Also when the caller stops here: nothing new was live, so nothing is left unfinished.
            undo.callback(self._end, operation)
            command = launch.command()
            yield Step(name="environment", detail="the model's environment is there")
            server, leash = self.servers.start(release, command, launch.environment, grace_of(release))
            undo.callback(server.kill)
            undo.callback(leash.close)
            hint = f"If it only needs longer, raise start-timeout of the target {self.slot.target}."
            await_ready(server, launch.timeout, hint=hint)
            yield Step(name="candidate", detail="ready, on a private socket", candidate=True)
            came_by = self._put_on_port(server, leash, port)
            undo.pop_all()
        yield Step(name="listen", detail=came_by)
        return server

    def _put_on_port(self, server: Server, leash: Leash, port: int) -> str:
        """Give the server the listening socket: the one that the old server has, so that not one connection is lost."""
        listener, came_by = self._listener(server, port)
        with listener:
            # From the next line on the server may have clients of its own, whom our end must not cost anything.
            leash.let_go()
            try:
                server.control.listen(listener)
            except ControlError as error:
                raise ReleaseFailedError(f"the server did not take the port: {error}", where=str(self.slot)) from error
        return came_by

    def _listener(self, candidate: Server, port: int) -> tuple[socket.socket, str]:
        """The port's listening socket, from who has it or opened afresh, and which of the two it was."""
        before = self.servers.get(self.record.live)
        for _ in processes.waiting(candidate.control.timeout):
            others = [other for other in self.servers.alive() if other.record.id != candidate.record.id]
            for other in reversed(others):
                status = self._insist(other)
                if status is not None and status.serves(port) and not status.draining:
                    with contextlib.suppress(ControlError):
                        return other.control.share(port), f"took over port {port} from {other.record.release.version}"
            try:
                listener = listen_afresh(port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                if not others:
                    break
                # One of ours that has just begun to drain, or to end, has it for a moment yet.
                continue
            gone = before is not None and not before.alive
            return listener, f"opened port {port}" + (" afresh: the server before this one had ended" if gone else "")
        raise ReleaseFailedError(
            f"port {port} is taken by a process that is not ours",
            where=str(self.slot),
            hint=f"End that process, or give the slot another port: targets.{self.slot.target}.ports.",
        )

    def _insist(self, server: Server) -> Status | None:
        """Ask a server how it is; one that answers nothing for its whole grace is hung, and ended."""
        for _ in processes.waiting(max(server.record.grace, server.control.timeout)):
            if (status := server.status()) is not None or not server.alive:
                return status
        server.kill()
        return None

    def _settle_on(self, server: Server, port: int, tag: TagRecord | None) -> None:
        """Write down who serves, where, and by which event."""
        record = self.record
        since = record.since if record.live == server.record.id else self.clock()
        self.write(
            msgspec.structs.replace(record, live=server.record.id, port=port, since=since, tag=tag or record.tag)
        )

    def _drain(self, server: Server, *, last: bool = False) -> None:
        """Have a server accept no more; it ends by itself once its connections are done. A hung one is ended.

        ``last``: no other server is to go on with its port.
        """
        if self._insist(server) is None:
            return
        try:
            server.retire(self.clock(), last=last)
        except ControlError:
            server.kill()
            return
        with contextlib.suppress(ControlError):
            for _ in processes.waiting(server.control.timeout):
                if not server.control.status().listening:
                    return

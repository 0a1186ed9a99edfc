"""The servers of one slot, as they are found on this machine."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deployers.base import Release
from deployers.errors import ReleaseFailedError
from deployers.local import processes
from deployers.local.control import Control, ControlError, Status
from deployers.local.files import make_private, remove_folder
from deployers.local.records import ServerRecord, read, write
from deployers.wrapping.isolation import ModelUser

KEPT_LOGS = 3
"""The logs of so many ended servers are kept for whoever looks for the reason."""

EXIT_MARGIN = 15.0
"""Seconds beyond its grace after which a draining server counts as hung."""


@dataclass(frozen=True)
class Server:
    """One process that was started for a slot, alive or not."""

    folder: Path
    record: ServerRecord

    @property
    def alive(self) -> bool:
        """Whether its process lives, whatever state it is in."""
        return processes.is_alive(self.folder)

    @property
    def control(self) -> Control:
        """The line to it."""
        return Control(self.folder / "control")

    @property
    def private_socket(self) -> Path:
        """Where it answers HTTP before it is live."""
        return self.folder / "http"

    def status(self) -> Status | None:
        """What it says of itself; None when it does not answer."""
        if not self.alive:
            return None
        with contextlib.suppress(ControlError):
            return self.control.status()
        return None

    def retire(self, now: float, *, last: bool) -> None:
        """Have it accept no more and end once its connections are done; see `Control.drain`. Raises `ControlError`."""
        if self.record.retired is None:
            write(self.folder / "server.json", msgspec.structs.replace(self.record, retired=now))
        self.control.drain(self.record.grace, last=last)

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        processes.kill(self.folder, self.record.pid)

    def await_exit(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        return any(not self.alive for _ in processes.waiting(seconds))

    def log(self, lines: int) -> list[str]:
        """The last lines that it said."""
        return processes.last_lines(self.folder, lines)


@dataclass(frozen=True)
class Servers:
    """All servers that were started for one slot. ``folder`` holds one folder for each."""

    folder: Path
    clock: Callable[[], float]

    def all(self) -> list[Server]:
        """Oldest first; those that were started but never written down are left out (they ended by themselves)."""
        found = []
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            record = read(folder / "server.json", ServerRecord)
            if record is not None:
                found.append(Server(folder, record))
        return sorted(found, key=lambda server: (server.record.started, server.record.id))

    def alive(self) -> list[Server]:
        """Those that live, oldest first."""
        return [server for server in self.all() if server.alive]

    def get(self, server_id: str | None) -> Server | None:
        """The server with this id, alive or not."""
        return next((server for server in self.all() if server.record.id == server_id), None)

    def candidate(self, live: str | None) -> Server | None:
        """The newest one that lives beside the live one and is not on its way out."""
        for server in reversed(self.alive()):
            if server.record.id != live:
                status = server.status()
                if status is None or not status.draining:
                    return server
        return None

    def start(
        self,
        release: Release,
        command: Sequence[str],
        environment: Mapping[str, str],
        grace: float,
        user: ModelUser | None = None,
    ) -> tuple[Server, processes.Leash]:
        """Start a server for a release, on trial; ``command`` is run in the server's own folder, by ``user``."""
        server_id = f"{release.id[:12]}-{secrets.token_hex(3)}"
        folder = self.folder / server_id
        make_private(folder)
        written: list[ServerRecord] = []

        def write_down(pid: int) -> None:
            record = ServerRecord(
                id=server_id,
                release=release,
                pid=pid,
                boot=processes.boot_id(),
                started=self.clock(),
                grace=grace,
            )
            write(folder / "server.json", record)
            written.append(record)

        leash = processes.start(folder, command, environment, write_down, user)
        return Server(folder, written[0]), leash

    def sweep(self, keep: str | None) -> None:
        """End what is left of earlier runs and serves nobody, and drop the logs of servers long gone.

        Left alone: the server ``keep``, servers that accept connections, and those that drain and are still in time.
        """
        ended = []
        for server in self.all():
            if server.record.id != keep and server.alive and self._is_leftover(server):
                server.kill()
            if not server.alive:
                ended.append(server)
        kept = {server.folder for server in ended[-KEPT_LOGS:]}
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            known = (folder / "server.json").exists()
            if folder not in kept and not processes.is_alive(folder) and (not known or folder.name != keep):
                remove_folder(folder)
                continue
            for draft in folder.glob(".server.json.*"):
                # Of a run that was killed while it wrote the record.
                draft.unlink(missing_ok=True)

    def _is_leftover(self, server: Server) -> bool:
        status = server.status()
        if status is None:
            # Busy with a long prediction, or hung: it gets the time that its grace would have given it.
            return not server.await_exit(server.record.grace) and server.status() is None
        if status.draining:
            overdue = (server.record.retired or self.clock()) + server.record.grace + EXIT_MARGIN
            return self.clock() > overdue
        return not status.public


def await_ready(server: Server, seconds: float, *, hint: str) -> None:
    """Wait until a server that was just started is ready; ``hint``: what to do if it only needs longer.

    Raises `ReleaseFailedError`, with the last thing that it said, when it ends or the time is over.
    """
    release = server.record.release
    where = f"{release.slot.artifact} {release.version}"
    for _ in processes.waiting(seconds):
        status = server.status()
        if status is not None and status.ready:
            return
        if not server.alive:
            ended = processes.exit_status(server.record.pid, within=2.0)
            raise ReleaseFailedError(
                f"the server ended before it was ready{_manner(ended)}{_last_word(server)}",
                where=where,
                hint="Its log says why.",
            )
    raise ReleaseFailedError(
        f"the server was not ready within {seconds:g} seconds{_last_word(server)}", where=where, hint=hint
    )


def _manner(status: int | None) -> str:
    if status is None:
        return ""
    if status == -9:
        return " (killed by signal 9: out of memory?)"
    return f" (signal {-status})" if status < 0 else f" (exit code {status})"


def _last_word(server: Server) -> str:
    lines = [line for line in server.log(20) if line.strip()]
    return f": {lines[-1].strip()}" if lines else ""

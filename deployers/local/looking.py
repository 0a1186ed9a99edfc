"""What is really there: the record, the processes behind it, and what answers on the port."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from deployers.base import Health, Observation, Release, Slot
from deployers.local.calling import Probe, probe
from deployers.local.control import Status
from deployers.local.layout import SlotFolder
from deployers.local.processes import boot_id
from deployers.local.records import SlotRecord, read
from deployers.local.servers import Server, Servers
from deployers.local.sockets import HOST


@dataclass(frozen=True)
class Look:
    """One look at a slot. ``alive``: every server that lives, and what it said, oldest first."""

    slot: Slot
    record: SlotRecord
    live: Server | None
    alive: Sequence[tuple[Server, Status | None]]
    answer: Probe

    @property
    def accepting(self) -> list[Server]:
        """The servers that take connections on the slot's port."""
        return self.accepting_on(self.record.port) if self.record.port is not None else []

    def accepting_on(self, port: int) -> list[Server]:
        """The servers that take connections on a port, and will go on doing so."""
        return [
            server
            for server, status in self.alive
            if status is not None and not status.draining and status.serves(port)
        ]

    def may_hold(self, port: int) -> bool:
        """Whether a server of ours has the port, or might have: one that hangs can't say."""
        return bool(self.accepting_on(port)) or any(status is None for _, status in self.alive)

    @property
    def served(self) -> Release | None:
        """The release that answered on the port, where it is one of ours."""
        for server, _ in reversed(self.alive):
            if server.record.release.id == self.answer.release_id:
                return server.record.release
        return None

    @property
    def unfinished(self) -> bool:
        """Whether something was begun and not brought to its end."""
        return self.record.operation is not None or len(self.accepting) > 1

    def serves(self, release_id: str) -> bool:
        """Whether this release, and no other, is served: recorded, finished, and said by the server itself."""
        return (
            self.answer.ready
            and self.served is not None
            and self.answer.release_id == release_id
            and not self.unfinished
            and self.live is not None
            and self.live.record.release.id == release_id
        )

    def fingerprint(self) -> str:
        """Stands for all that another run could have changed; not for servers that are on their way out."""
        record = self.record
        seen = [
            record.port,
            record.live,
            record.operation,
            record.tag,
            record.held,
            self.live is not None and self.live.alive,
            sorted(server.record.id for server in self.accepting),
        ]
        return hashlib.sha256(msgspec.json.encode(seen)).hexdigest()[:32]

    def observation(self) -> Observation:
        """The same, in the contract's words."""
        record = self.record
        health, reasons = self._health()
        # An absent slot says nothing of what once was served there.
        shown = health is not Health.ABSENT
        release = self.served if shown else None
        if release is None and self.live is not None and shown:
            release = self.live.record.release
        return Observation(
            slot=self.slot,
            health=health,
            reasons=tuple(reasons),
            release=release,
            release_id=self.answer.release_id if shown and self.served is not None else None,
            proved_by="server" if shown and self.served is not None else None,
            url=f"http://{HOST}:{record.port}" if shown and record.port is not None else None,
            since=record.since if shown else None,
            verified=record.verified,
            failed=record.failed,
            held=record.held,
            tag=record.tag,
            unfinished=self.unfinished,
        )

    def _health(self) -> tuple[Health, list[str]]:
        reasons = []
        if self.record.operation is not None:
            reasons.append(f"an earlier {self.record.operation.kind} stopped half-way")
        if len(self.accepting) > 1:
            versions = ", ".join(server.record.release.version for server in self.accepting)
            reasons.append(f"more than one server accepts requests: {versions}")
        if self.record.live is None and not self.accepting:
            return Health.ABSENT, reasons
        if self.live is not None and not self.live.alive and not self.accepting:
            restarted = self.live.record.boot != boot_id()
            reasons.append(
                "the machine was restarted, and the server with it" if restarted else "the server's process has ended"
            )
            return Health.FAILING, reasons
        if self.answer.problem is not None:
            reasons.append(self.answer.problem)
        if self.answer.release_id is not None and self.served is None:
            reasons.append(f"the port is served by release {self.answer.release_id}, which is none of this slot's")
        if self.answer.ready and self.served is not None:
            return Health.READY, reasons
        return Health.FAILING, reasons


def look(slot: Slot, folder: SlotFolder, servers: Servers) -> Look:
    """Look at a slot; reads only, and takes no lease."""
    record = read(folder.record, SlotRecord) or SlotRecord(slot=slot)
    found = servers.all()
    alive = [(server, server.status()) for server in found if server.alive]
    live = next((server for server in found if server.record.id == record.live), None)
    expected = record.port is not None and (record.live is not None or bool(alive))
    answer = probe(record.port) if expected and record.port is not None else Probe(problem="nothing is served")
    return Look(slot, record, live, alive, answer)

"""One of several workers: a whole server, whose control socket is its line to the supervisor."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Optional

import msgspec

from tagboat_server import metrics_sharing, parentage
from tagboat_server.balance import Balance
from tagboat_server.channel import Document, receive
from tagboat_server.control import OneServer, converse
from tagboat_server.grpc_port import Address
from tagboat_server.logs import Log
from tagboat_server.members import PLACES_FILE
from tagboat_server.serving import Prepared, build
from tagboat_server.spec import Identity, Settings
from tagboat_server.state import State


class Worker:
    """Worker ``number``; ``line`` leads to the supervisor. The process does nothing else any more."""

    def __init__(self, number: int, line: socket.socket, identity: Identity, settings: Settings) -> None:
        self.number = number
        self.line = line
        self.settings = settings
        self.state = State(identity)
        self.shared = Path()
        self.grpc: Optional[Address] = None
        self.log = Log(access=settings.access_log, worker=number)

    def live(self, model: Prepared) -> None:
        """Serve until the supervisor lets it drain. Ends the process: what was forked along must not be cleaned up."""
        code = 1
        try:
            self.serve(model, *self.await_word())
            code = 0
        except Exception as error:  # noqa: BLE001 - there is nobody else to tell
            self.log.failure("worker-failed", error)
        self.log.flush()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)

    def await_word(self) -> tuple[bytes, list[int]]:
        """Wait for the supervisor's first line, which comes once it is our parent; gives what came with it."""
        waiting = b""
        descriptors: list[int] = []
        while b"\n" not in waiting:
            data, received = receive(self.line)
            if not data:
                os._exit(1)
            waiting += data
            descriptors += received
        first, _, rest = waiting.partition(b"\n")
        word = msgspec.json.decode(first, type=Document)
        parentage.die_with(word["supervisor"], self.line)
        parentage.go_first()
        self.shared = Path(word["shared"])
        self.grpc = tuple(word["grpc"]) if word["grpc"] else None
        metrics_sharing.share(self.shared, self.number)
        return rest, descriptors

    def serve(self, model: Prepared, waiting: bytes, descriptors: list[int]) -> None:
        """Build the server, and answer the supervisor as soon as it lives."""
        serving = build(
            model,
            self.state,
            self.settings,
            self.log,
            grpc=self.grpc,
            balance=Balance(self.shared / PLACES_FILE, self.number),
        )
        own = OneServer(self.state)
        own.server = serving.server

        def answer() -> None:
            arguments = (own, waiting, descriptors)
            threading.Thread(target=self.converse, args=arguments, name="supervisor", daemon=True).start()

        serving.live([], (), begun=answer)

    def converse(self, own: OneServer, waiting: bytes, descriptors: list[int]) -> None:
        """Do what the supervisor says for as long as there is one."""
        converse(self.line, own, waiting, descriptors)
        os._exit(1)

"""Connections shared out evenly: each worker leaves new ones, for a moment, to a worker that has fewer.

Left to the kernel, whoever wakes first takes all that wait: of 64 connections that were opened together one of two
workers had up to 55. Workers tell one another their numbers through a file that all of them map into memory.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
import struct
from pathlib import Path
from typing import Callable, Optional

PLACES = 64
"""Workers that can take part; those beyond take what comes."""

SLACK = 1
"""Connections by which one worker may be ahead of another."""

MOMENT = 0.002
"""Seconds that a connection is left to others."""


class Balance:
    """How many connections each worker has. ``number``: the worker that we are; None for who only watches."""

    def __init__(self, file: Path, number: Optional[int] = None) -> None:
        with file.open("a+b") as opened:
            opened.truncate(4 * PLACES)
            self.memory = mmap.mmap(opened.fileno(), 4 * PLACES)
        self.number = number if number is not None and number < PLACES else None

    def tell(self, count: int) -> None:
        """Write down how many we have."""
        if self.number is not None:
            struct.pack_into("i", self.memory, 4 * self.number, count + 1)

    def ahead(self, count: int) -> bool:
        """Whether another worker has clearly fewer than ``count``."""
        self.tell(count)
        # What is 0 stands for nobody; our own cannot be less than itself.
        return any(0 < other < count + 1 - SLACK for other in struct.unpack(f"{PLACES}i", self.memory))

    def forget(self, number: int) -> None:
        """Note that a worker takes no connections any more."""
        if number < PLACES:
            struct.pack_into("i", self.memory, 4 * number, 0)


class Acceptor:
    """Accepts on one socket, one connection in a turn of the event loop. ``count``: connections that are open."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        make: Callable[[], asyncio.Protocol],
        balance: Balance,
        count: Callable[[], int],
    ) -> None:
        self.loop = loop
        self.listener = listener
        self.make = make
        self.balance = balance
        self.count = count
        self.arriving: set[asyncio.Task[object]] = set()
        self.later: Optional[asyncio.TimerHandle] = None
        self.balance.tell(count())
        loop.add_reader(listener.fileno(), self.readable)

    def readable(self) -> None:
        """A connection waits: take it, or leave it to another worker for a moment."""
        if self.balance.ahead(self.count() + len(self.arriving)):
            self.loop.remove_reader(self.listener.fileno())
            self.later = self.loop.call_later(MOMENT, self.take_after_all)
        else:
            self.take()

    def take_after_all(self) -> None:
        """Take it if it is still there."""
        self.loop.add_reader(self.listener.fileno(), self.readable)
        self.take()

    def take(self) -> None:
        """Accept one connection."""
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        task = self.loop.create_task(self.loop.connect_accepted_socket(self.make, connection))
        self.arriving.add(task)
        task.add_done_callback(self.arriving.discard)

    def close(self) -> None:
        """Accept no more."""
        if self.later is not None:
            self.later.cancel()
        self.loop.remove_reader(self.listener.fileno())
        self.listener.close()

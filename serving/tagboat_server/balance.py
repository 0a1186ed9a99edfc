"""Connections shared out evenly: each worker leaves new ones, for a moment, to a worker that has fewer.

Left to the kernel, whoever wakes first takes all that wait: of 64 connections that were opened together one of two
workers had up to 55. Workers tell one another their numbers through a file that all of them map into memory.
"""

from __future__ import annotations

import asyncio
import mmap
import socket
import struct
import time
from pathlib import Path
from typing import Callable, Optional

PLACES = 64
"""Workers that can take part; those beyond take what comes."""

SLACK = 1
"""Connections by which one worker may be ahead of another."""

MOMENT = 0.002
"""Seconds that a connection is left to others, for each that we have more than they."""

LONGEST = 0.02
"""Seconds that a connection is left to others at most."""

STALE = 0.5
"""Seconds after which one who has told nothing is not waited for; each tells ten times a second."""

PLACE = struct.Struct("=id")
"""One worker's: its connections and one more, so that 0 stands for nobody; the time at which it told."""


class Balance:
    """How many connections each worker has. ``number``: the worker that we are; None for who only watches."""

    def __init__(self, file: Path, number: Optional[int] = None, clock: Callable[[], float] = time.monotonic) -> None:
        with file.open("a+b") as opened:
            opened.truncate(PLACE.size * PLACES)
            self.memory = mmap.mmap(opened.fileno(), PLACE.size * PLACES)
        self.number = number if number is not None and number < PLACES else None
        self.clock = clock

    def tell(self, count: int) -> None:
        """Write down how many we have."""
        if self.number is not None:
            PLACE.pack_into(self.memory, PLACE.size * self.number, count + 1, self.clock())

    def lead(self, count: int) -> int:
        """By how many of ``count`` we are clearly ahead of another worker that is awake; 0 where we are not."""
        self.tell(count)
        since = self.clock() - STALE
        others = [other - 1 for other, told in PLACE.iter_unpack(self.memory) if other and told > since]
        lead = count - min(others, default=count)
        return lead if lead > SLACK else 0

    def forget(self, number: int) -> None:
        """Note that a worker takes no connections any more."""
        if number < PLACES:
            PLACE.pack_into(self.memory, PLACE.size * number, 0, 0.0)


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
        lead = self.balance.lead(self.count() + len(self.arriving))
        if lead:
            self.loop.remove_reader(self.listener.fileno())
            self.later = self.loop.call_later(min(MOMENT * lead, LONGEST), self.take_after_all)
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

"""Whether a client that has ended its side of a connection still waits for its answers, or is gone.

Both look the same until something is sent: to that the system of one that is gone objects, and the next time we are
told. What is sent is an interim answer, which every client of HTTP/1.1 has to take (RFC 9110, 15.2).
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Optional

PROBE = 1.0
"""Seconds between two looks."""

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


class Probe:
    """Looks for the client of one connection, for as long as it waits. ``waiting``: its requests, oldest first."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, waiting: Callable[[], list[Any]]
    ) -> None:
        self.loop = loop
        self.transport = transport
        self.waiting = waiting
        self.timer: Optional[asyncio.TimerHandle] = loop.call_later(PROBE, self.look)

    def look(self) -> None:
        """Send something, if no answer has begun, and look again."""
        waiting = self.waiting()
        if not waiting or self.transport.is_closing():
            return
        if waiting[0].scope["http_version"] != "1.0" and not waiting[0].response_started:
            self.transport.write(INTERIM)
        self.timer = self.loop.call_later(PROBE, self.look)

    def stop(self) -> None:
        """Look no more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

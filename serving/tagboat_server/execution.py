"""Calls of the model, off the event loop and bounded, so that health is answered while the model computes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
import time
from typing import Any, Callable, Optional, TypeVar

from tagboat_server.errors import Rejection

Result = TypeVar("Result")


class NeverBegunError(asyncio.CancelledError):
    """Whoever asked has left before the call was begun, and it was dropped."""


class Execution:
    """``threads`` calls side by side; at most ``limit`` requests in work or waiting; ``timeout`` seconds for each."""

    def __init__(self, *, threads: int, limit: int, timeout: float) -> None:
        self.pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="model")
        self.limit = limit
        self.threads = threads
        self.timeout = timeout
        self.in_work = 0
        self.begun: dict[int, float] = {}
        self.waiting: set[object] = set()

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call in a thread. Raises `Rejection`: 503 when too many wait, 504 when it takes too long.

        A call that has begun cannot be stopped: it keeps its thread, and its place, until it ends. One that has not is
        dropped when the task that waits for it is cancelled, which then raises `NeverBegunError`. The function sees the
        context of the task that asks.
        """
        self.take_place()
        loop = asyncio.get_running_loop()
        return await self.submitted(lambda _: self.left(loop), function, *arguments)

    async def run_for(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """As `run`, for requests that have their places already."""
        return await self.submitted(None, function, *arguments)

    async def submitted(
        self,
        ended: Optional[Callable[[object], None]],
        function: Callable[..., Result],
        *arguments: Any,
    ) -> Result:
        """Call in a thread; ``ended`` is told when that is over, though nobody waits for it any more."""
        waits = object()
        self.waiting.add(waits)
        future = self.pool.submit(contextvars.copy_context().run, self.work, waits, function, *arguments)
        future.add_done_callback(lambda _: self.waiting.discard(waits))
        if ended is not None:
            future.add_done_callback(ended)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.timeout)
        except asyncio.TimeoutError:
            if future.done() and not future.cancelled():
                raise
            message = f"the model did not answer within {self.timeout:g} s"
            raise Rejection(504, message, reason="timeout", headers={"retry-after": "1"}) from None
        except asyncio.CancelledError:
            if future.cancel():
                raise NeverBegunError from None
            raise

    def work(self, waits: object, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call, in a thread of the pool, and keep the time. ``waits``: its place among those that wait."""
        self.waiting.discard(waits)
        thread = threading.get_ident()
        self.begun[thread] = time.monotonic()
        try:
            return function(*arguments)
        finally:
            del self.begun[thread]

    def stuck_for(self) -> float:
        """Seconds for which each thread has been held by a call older than ``timeout``; 0 while one is free."""
        begun = list(self.begun.values())
        if len(begun) < self.threads:
            return 0.0
        return max(0.0, time.monotonic() - max(begun) - self.timeout)

    def stuck(self) -> bool:
        """Whether no thread is left for a call, and none will be soon."""
        return self.stuck_for() > 0

    def take_place(self) -> None:
        """Count one request more. Raises `Rejection` 503 when too many wait."""
        if self.in_work >= self.limit:
            raise Rejection(
                503, "too many requests wait for the model", reason="overload", headers={"retry-after": "1"}
            )
        self.in_work += 1

    def left(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give a place back; called in whichever thread ended the call."""
        # A closed loop raises: the process is ending and nobody counts any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self.give_back)

    def give_back(self) -> None:
        """Count one request less."""
        self.in_work -= 1

    def close(self) -> None:
        """Take no more calls; those that wait are dropped, one that runs is left alone."""
        self.pool.shutdown(wait=False, cancel_futures=True)

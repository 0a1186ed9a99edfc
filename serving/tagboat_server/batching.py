"""Micro-batches: requests that have arrived together are answered by one call of the model.

A batch is whatever has been decoded in one turn of the event loop; nobody waits for company, so an idle server adds
nothing. Only arrays, and tables made of arrays, are put together, and only where the rows' answers do not depend on
their neighbours, or where that was asked for (``batching: on``).
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Sequence
from typing import Any, Callable, Optional

import numpy

from tagboat_server.codecs import Input
from tagboat_server.exact import Table
from tagboat_server.execution import NeverBegunError

LARGEST = 1024
"""Rows of a batch; a request with more is a batch of its own."""

Run = Callable[[Input], Awaitable[Any]]


class Asked:
    """A request that waits for its answer, and the context in which it was made."""

    __slots__ = ("context", "future", "settling", "taken")

    def __init__(self, taken: Input, future: asyncio.Future[Any]) -> None:
        self.taken = taken
        self.future = future
        self.context = contextvars.copy_context()
        self.settling: Optional[Settling] = None


class Settling:
    """A batch that is being answered by a task of its own."""

    def __init__(self, group: Sequence[Asked]) -> None:
        self.group = group
        self.task: Optional[asyncio.Task[None]] = None

    def leave(self) -> None:
        """Nobody waits for one of the requests any more; when that is so of all, the batch need not be begun."""
        if self.task is not None and all(asked.future.cancelled() for asked in self.group):
            self.task.cancel()


class Batches:
    """Collects the requests of one method.

    ``run`` answers an input, or raises; ``seen`` is told each batch's size; ``dropped``, how many requests of a batch
    were dropped before it was begun, since nobody waited for any of them. A request that is a batch of its own is
    answered in the context in which it was asked, a batch of several in none of theirs.
    """

    def __init__(self, run: Run, seen: Callable[[int], None], dropped: Callable[[int], None] = lambda _: None) -> None:
        self.run = run
        self.seen = seen
        self.dropped = dropped
        self.waiting: list[Asked] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.context = contextvars.Context()

    async def answer(self, taken: Input) -> Any:
        """The model's answer for these rows. Raises `NeverBegunError` where cancelled before it was in a batch."""
        loop = asyncio.get_running_loop()
        asked = Asked(taken, loop.create_future())
        if not self.waiting:
            loop.call_soon(self.flush)
        self.waiting.append(asked)
        try:
            return await asked.future
        except asyncio.CancelledError:
            if asked.settling is None:
                raise NeverBegunError from None
            asked.settling.leave()
            raise

    def flush(self) -> None:
        """Answer all that wait."""
        waiting, self.waiting = self.waiting, []
        loop = asyncio.get_running_loop()
        for group in groups([asked for asked in waiting if not asked.future.done()]):
            settling = Settling(group)
            for asked in group:
                asked.settling = settling
            context = group[0].context if len(group) == 1 else self.context.copy()
            task = settling.task = context.run(loop.create_task, self.settle(group))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def settle(self, group: Sequence[Asked]) -> None:
        """Answer a batch; when it fails, or its answer cannot be taken apart, each request by itself."""
        self.seen(len(group))
        try:
            if len(group) == 1 or not await self.together(group):
                for asked in group:
                    await self.alone(asked)
        except NeverBegunError:
            self.dropped(len(group))

    async def together(self, group: Sequence[Asked]) -> bool:
        """Answer a batch by one call; False where that cannot be."""
        try:
            rows = [asked.taken.rows for asked in group]
            result = await self.run(Input(joined([asked.taken.value for asked in group]), sum(rows)))
            parts = parted(result, rows)
        except Exception:  # noqa: BLE001 - whoever is to blame gets the error when asked alone
            return False
        if parts is None:
            return False
        for asked, part in zip(group, parts):
            if not asked.future.done():
                asked.future.set_result(part)
        return True

    async def alone(self, asked: Asked) -> None:
        """Answer one request."""
        if asked.future.done():
            return
        try:
            result = await self.run(asked.taken)
        except Exception as error:  # noqa: BLE001 - raised again where the answer is awaited
            if not asked.future.done():
                asked.future.set_exception(error)
        else:
            if not asked.future.done():
                asked.future.set_result(result)


def can_join(value: Any) -> bool:
    """Whether inputs like this one can be put together: a plain array with rows, or a table of such."""
    if type(value) is Table:
        return True
    return type(value) is numpy.ndarray and value.ndim >= 1 and value.dtype != object


def kind_of(value: Any) -> Any:
    """What inputs of one batch have in common: dtypes, and the sizes of a row."""
    if type(value) is Table:
        return (value.matrix is None, value.width, tuple(column.dtype.str for column in value.columns))
    return (value.dtype.str, value.shape[1:])


def groups(waiting: Sequence[Asked]) -> list[list[Asked]]:
    """Batches of like inputs, none larger than `LARGEST` rows but by a single request."""
    open_groups: dict[Any, tuple[list[Asked], int]] = {}
    done: list[list[Asked]] = []
    for each in waiting:
        kind = kind_of(each.taken.value)
        group, rows = open_groups.get(kind, ([], 0))
        if group and rows + each.taken.rows > LARGEST:
            done.append(group)
            group, rows = [], 0
        group.append(each)
        open_groups[kind] = (group, rows + each.taken.rows)
    return done + [group for group, _ in open_groups.values()]


def joined(values: Sequence[Any]) -> Any:
    """Inputs as one, row after row."""
    first = values[0]
    if type(first) is not Table:
        return numpy.concatenate(values)
    if first.matrix is not None:
        return Table(numpy.concatenate([table.matrix for table in values]))
    return Table([numpy.concatenate(columns) for columns in zip(*(table.columns for table in values))])


def parted(result: Any, rows: Sequence[int]) -> Optional[list[Any]]:
    """An answer taken apart again, or None where it does not have a row for each row."""
    total = sum(rows)
    if type(result) is list and result and all(type(part) is numpy.ndarray for part in result):
        # A forest of several outputs gives one array for each of them.
        pieces = [parted(part, rows) for part in result]
        if any(piece is None for piece in pieces):
            return None
        return [list(part) for part in zip(*pieces)]  # type: ignore[arg-type]
    if type(result) is not numpy.ndarray or result.ndim < 1 or len(result) != total:
        return None
    found = []
    start = 0
    for count in rows:
        found.append(result[start : start + count])
        start += count
    return found

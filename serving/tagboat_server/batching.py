"""Micro-batches: requests that have arrived together are answered by one call of the model.

A batch is whatever has been decoded in one turn of the event loop; nobody waits for company, so an idle server adds
nothing. Only arrays, and tables made of arrays, are put together, and only where the rows' answers do not depend on
their neighbours, or where that was asked for (``batching: on``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Callable, Optional

import numpy

from tagboat_server.codecs import Input
from tagboat_server.exact import Table

LARGEST = 1024
"""Rows of a batch; a request with more is a batch of its own."""

Run = Callable[[Input], Awaitable[Any]]
Waiting = tuple[Input, "asyncio.Future[Any]"]


class Batches:
    """Collects the requests of one method. ``run`` answers an input, or raises; ``seen`` is told each batch's size."""

    def __init__(self, run: Run, seen: Callable[[int], None]) -> None:
        self.run = run
        self.seen = seen
        self.waiting: list[Waiting] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def answer(self, taken: Input) -> Any:
        """The model's answer for these rows."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self.waiting:
            loop.call_soon(self.flush)
        self.waiting.append((taken, future))
        return await future

    def flush(self) -> None:
        """Answer all that wait."""
        waiting, self.waiting = self.waiting, []
        for group in groups(waiting):
            task = asyncio.get_running_loop().create_task(self.settle(group))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def settle(self, group: Sequence[Waiting]) -> None:
        """Answer a batch; when it fails, or its answer cannot be taken apart, each request by itself."""
        self.seen(len(group))
        parts: Optional[list[Any]] = None
        if len(group) > 1:
            try:
                rows = [taken.rows for taken, _ in group]
                result = await self.run(Input(joined([taken.value for taken, _ in group]), sum(rows)))
                parts = parted(result, rows)
            except Exception:  # noqa: BLE001 - whoever is to blame gets the error when asked alone
                parts = None
        if parts is not None:
            for (_, future), part in zip(group, parts):
                if not future.done():
                    future.set_result(part)
            return
        for taken, future in group:
            if future.done():
                continue
            try:
                result = await self.run(taken)
            except Exception as error:  # noqa: BLE001 - raised again where the answer is awaited
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)


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


def groups(waiting: Sequence[Waiting]) -> list[list[Waiting]]:
    """Batches of like inputs, none larger than `LARGEST` rows but by a single request."""
    open_groups: dict[Any, tuple[list[Waiting], int]] = {}
    done: list[list[Waiting]] = []
    for each in waiting:
        kind = kind_of(each[0].value)
        group, rows = open_groups.get(kind, ([], 0))
        if group and rows + each[0].rows > LARGEST:
            done.append(group)
            group, rows = [], 0
        group.append(each)
        open_groups[kind] = (group, rows + each[0].rows)
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

"""Counting for prometheus-client in plain numbers, which are handed over when somebody looks.

prometheus-client (0.17 to 0.25) takes a lock for each number that it adds to, three times for one observation of a
histogram: some two microseconds each, where a whole request shall cost twenty. Everything that counts here runs on
the event loop, where nothing has to be locked. Of several workers each hands over ten times a second, so the page of
one may be that late with what another has answered.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from prometheus_client import Histogram


class Tally:
    """Adds up for one counter."""

    def __init__(self, counter: Any) -> None:
        self.counter = counter
        self.waiting = 0

    def add(self, count: int) -> None:
        """Count so many more."""
        self.waiting += count

    def fold(self) -> None:
        """Hand over what waits."""
        waiting, self.waiting = self.waiting, 0
        if waiting:
            self.counter.inc(waiting)


class Distribution(Histogram):
    """A histogram whose observations wait for `fold`."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self.bounds: list[float] = list(self._upper_bounds)
        self.waiting = [0] * len(self.bounds)
        self.total = 0.0

    def add(self, amount: float) -> None:
        """Observe, soon."""
        self.waiting[bisect_left(self.bounds, amount)] += 1
        self.total += amount

    def fold(self) -> None:
        """Hand over what waits."""
        waiting, self.waiting = self.waiting, [0] * len(self.bounds)
        total, self.total = self.total, 0.0
        for bucket, count in zip(self._buckets, waiting):
            if count:
                bucket.inc(count)
        if total:
            self._sum.inc(total)

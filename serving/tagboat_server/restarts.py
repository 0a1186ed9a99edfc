"""When the next worker may be started: at once after a crash now and then, ever more slowly when it goes on."""

from __future__ import annotations

import collections
import time
from typing import Callable

WINDOW = 60.0
"""Seconds after which a crash is forgotten."""

FIRST = 0.1
"""Seconds of the first pause, which comes after the second crash; each further one doubles it."""

SLOWEST = 15.0
"""Seconds of a pause when there were too many."""

TOO_MANY = 9
"""Crashes in a window."""


class Restarts:
    """Counts crashes, of all workers together. ``began``: whether there ever was a worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.crashes: collections.deque[float] = collections.deque(maxlen=TOO_MANY)
        self.next = clock()
        self.began = False

    def note(self) -> None:
        """Count a crash."""
        now = self.clock()
        self.crashes.append(now)
        while self.crashes[0] <= now - WINDOW:
            self.crashes.popleft()
        count = len(self.crashes)
        self.next = now + (SLOWEST if self.too_many else FIRST * 2 ** (count - 2) if count > 1 else 0.0)

    @property
    def too_many(self) -> bool:
        """Whether starting again seems to help nobody."""
        return len(self.crashes) == TOO_MANY

    @property
    def due(self) -> bool:
        """Whether a worker may be started now."""
        return self.clock() >= self.next

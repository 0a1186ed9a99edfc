"""How long calls take, learned while they are made: what is quick may run on the event loop."""

from __future__ import annotations

QUICK = 0.004
"""Seconds that a call may keep the event loop from everything else."""

UNKNOWN = float("inf")


class Pace:
    """Mean seconds of calls by the order of magnitude of their rows; what was never seen counts as slow."""

    def __init__(self) -> None:
        self.seconds = [UNKNOWN] * 64

    def is_quick(self, rows: int) -> bool:
        """Whether a call with so many rows is expected to be over soon."""
        return self.seconds[rows.bit_length()] < QUICK

    def note(self, rows: int, seconds: float) -> None:
        """Learn from a call; the last ones weigh most."""
        place = rows.bit_length()
        known = self.seconds[place]
        self.seconds[place] = seconds if known == UNKNOWN else known + (seconds - known) / 8

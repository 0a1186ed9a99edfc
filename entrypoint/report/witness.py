"""Who is told of a release on its way: pages that other people look at while the run is still at work.

A witness never stops a run: what it cannot do it keeps to itself until `finished` asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from deployers.base import Release
from entrypoint.report.verdict import SlotVerdict, Verdict


class Witness(Protocol):
    """Told of every slot that something is done to; from several threads, but in order for each slot."""

    def queued(self, release: Release) -> None:
        """The release is to go live; it is being prepared. Its bundle is not known yet."""

    def in_progress(self, release: Release) -> None:
        """The target is being changed now."""

    def ended(self, slot: SlotVerdict) -> None:
        """So it ended, also where nothing was ever queued."""

    def finished(self, verdict: Verdict) -> Sequence[str]:
        """The run is over. Returns what could not be told anybody, and why."""


class Unwatched:
    """Nobody looks."""

    def queued(self, release: Release) -> None:
        """Tell nobody."""

    def in_progress(self, release: Release) -> None:
        """Tell nobody."""

    def ended(self, slot: SlotVerdict) -> None:
        """Tell nobody."""

    def finished(self, verdict: Verdict) -> Sequence[str]:  # noqa: ARG002 - the Protocol's name
        """Tell nobody."""
        return ()

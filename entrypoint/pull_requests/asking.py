"""What a report is asked for: the event, the run, and where the page in full goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from entrypoint.github.changes import FinishedRun, PullRequest, Stranger
from entrypoint.request import Request


@dataclass(frozen=True, kw_only=True)
class Reporting:
    """One report. ``file``: where the first half leaves it for the second; ``summary``: takes the page in full."""

    request: Request
    asked: PullRequest | FinishedRun | Stranger
    file: Path | None
    summary: Callable[[str], None]

"""The report on a pull request as data: what one run gathers, and another one may read and show.

For a fork's pull request the run that gathers has no secrets, and the one that shows takes what it reads for hostile:
typed, within limits, and text only (SECURITY C10, P1).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from deployers.base import Change
from entrypoint.comparison import Comparison, Side
from entrypoint.errors import UnsafeContentError, UsageError
from entrypoint.metrics import Difference

SCHEMA = 1
LARGEST = 4_000_000
"""Bytes of a report in a file."""

CommitId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}\Z")]


class InStage(msgspec.Struct, frozen=True, kw_only=True):
    """The pull request's figures against the version that a stage has now."""

    artifact: str
    stage: str
    side: Side
    metrics: Sequence[Difference] = ()
    params: Sequence[Difference] = ()


class History(msgspec.Struct, frozen=True, kw_only=True):
    """One metric over an artifact's versions, oldest first; the last point is the pull request's."""

    artifact: str
    metric: str
    points: Sequence[tuple[str, float]]


class PlotFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of DVC's plots. ``before``, ``after``: whether Git has it at the base and at the head."""

    path: str
    image: bool
    before: bool
    after: bool
    changed: bool


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What registering and assigning the pull request's model would do in one slot.

    ``live``: the version that is served now, where that is known. ``how``: ``planned`` by the deployer with the model
    wrapped, ``compared`` by settings with what is live, or ``rendered`` with nothing contacted. ``note``: why not more.
    """

    artifact: str
    stage: str
    target: str
    version: str
    how: Literal["planned", "compared", "rendered"]
    live: str | None = None
    changes: Sequence[Change] = ()
    note: str = ""


class ChangeReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. ``head``: the newest commit of the pull request; ``base``: what it is compared with.

    ``number``: the pull request's, 0 where there is none. ``artifacts``: those whose model, code or requirements the
    pull request changes.
    """

    number: Annotated[int, Meta(ge=0, le=2**53)]
    head: CommitId
    base: CommitId
    comparison: Comparison
    stages: Sequence[InStage] = ()
    history: Sequence[History] = ()
    plots: Sequence[PlotFile] = ()
    artifacts: Sequence[str] = ()
    planned: Sequence[Planned] = ()
    notes: Sequence[str] = ()
    schema: Literal[1] = 1

    @property
    def quiet(self) -> bool:
        """Whether the pull request changes nothing that a model is made of or measured by."""
        told = self.comparison
        moved = any(one.changed for one in (*told.metrics, *told.params)) or told.files or told.requirements
        return not moved and not self.artifacts and not any(plot.changed for plot in self.plots)


def write(path: Path, report: ChangeReport) -> None:
    """Write the report to a file. Raises `UsageError` where that cannot be."""
    try:
        path.write_bytes(msgspec.json.encode(report))
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error.strerror}", where=str(path)) from None


def read(path: Path) -> ChangeReport:
    """Read a file that `write` made, or that somebody says it made.

    Raises `UsageError` where there is no such file, and `UnsafeContentError` for one that is no report.
    """
    try:
        if not path.is_file() or path.is_symlink():
            raise UsageError("there is no such file", where=str(path), hint="Download the first half's artifact there.")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"the report cannot be read: {error.strerror}", where=str(path)) from None
    if len(content) > LARGEST:
        raise UnsafeContentError(f"the report is larger than {LARGEST:,} bytes", where=str(path))
    try:
        return msgspec.json.decode(content, type=ChangeReport)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise UnsafeContentError(f"this is no report: {error}"[:300], where=str(path)) from None

"""What a release brings, for the pages that tell of it: its figures, and what changed against what was served before.

Read from Git at both commits, as `tagboat compare` does; nothing is fetched for it, and nothing fails for want of it.
"""

from __future__ import annotations

import posixpath

import msgspec

from entrypoint.comparison import Comparing, Side
from entrypoint.comparison.files import MOST_POINTERS
from entrypoint.comparison.tables import ABSENT, Cell, Table, shown, size, tables
from entrypoint.errors import TagboatError
from entrypoint.report.comparison import table_of
from entrypoint.report.escaping import Markdown
from entrypoint.report.templating import render
from entrypoint.report.verdict import SlotVerdict, Verdict
from entrypoint.workspace import Workspace

ROWS = 50
"""Of one table."""

FILES = 20
"""Of the list of data."""


def with_stories(workspace: Workspace, verdict: Verdict) -> Verdict:
    """The verdict, each slot that something was done to with its story."""
    comparing = Comparing(workspace.repository, workspace.configuration)
    told = []
    for slot in verdict.slots:
        text = ""
        if slot.commit and not slot.known_before and (slot.changed or slot.changes or not slot.status.good):
            try:
                text = story(comparing, slot, slot.commit)
            except TagboatError as error:
                workspace.progress.note(f"{slot}: there is no story to tell: {error}")
        told.append(msgspec.structs.replace(slot, story=text))
    return msgspec.structs.replace(verdict, slots=tuple(told))


def story(comparing: Comparing, slot: SlotVerdict, commit: str) -> str:
    """One slot's, as Markdown; empty where the commit has neither figures nor data."""
    before = None
    found: list[Table] = [*_figures(comparing, slot, commit)]
    if slot.previous_commit and slot.previous_commit != commit:
        before = slot.previous or slot.previous_commit[:12]
        old = Side(label=before, commit=slot.previous_commit, artifact=slot.artifact)
        new = Side(label=slot.version or commit[:12], commit=commit, artifact=slot.artifact)
        found = tables(comparing.compare(old, new))
    data = _data(comparing, slot, commit)
    if not found and not data.rows:
        return ""
    return render(
        "summary/story.md.j2",
        before=before,
        tables=[(table.title, Markdown(table_of(table.shortened(ROWS)))) for table in found],
        data=Markdown(table_of(data.shortened(FILES))) if data.rows else None,
    )


def _figures(comparing: Comparing, slot: SlotVerdict, commit: str) -> list[Table]:
    """The commit's own metrics, where there is nothing to compare them with."""
    metrics = comparing.metrics(commit).of(slot.artifact).metrics
    rows = [[Cell(name, name=True), Cell(shown(value))] for name, value in metrics.items()]
    return [Table("Metrics", ["metric", f">{slot.version or commit[:12]}"], rows)] if rows else []


def _data(comparing: Comparing, slot: SlotVerdict, commit: str) -> Table:
    """What DVC keeps for the artifact at the commit: its data, and the model itself."""
    contents = comparing.contents(commit)
    folder = slot.artifact.rpartition(":")[0]
    files = [path for path in contents.tree if _is_pointer(path) and path.startswith(f"{folder}/" if folder else "")]
    pointers = contents.pointers(files[:MOST_POINTERS])
    rows = [[Cell(one.path, name=True), Cell(one.value[:12] if one.value else ABSENT, name=True), Cell(size(one.size))]
            for one in sorted(pointers, key=lambda one: one.path)]  # fmt: skip
    return Table("Data", ["file", "hash", ">size"], rows)


def _is_pointer(path: str) -> bool:
    return path.endswith(".dvc") or posixpath.basename(path) == "dvc.lock"

"""The report as one page of Markdown: the comment on a pull request, and the same in full as a step summary.

Pieces in the order of what matters. Where they do not fit, first the tables get shorter, then whole pieces are left
out, the last ones first, and the page says so with a link to the whole; no structure is ever cut.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from entrypoint.comparison.tables import Table, figures, params, tables
from entrypoint.pull_requests.charts import blob, by_artifact, chart, picture
from entrypoint.pull_requests.document import ChangeReport, InStage, PlotFile
from entrypoint.report.comparison import titled
from entrypoint.report.escaping import Markdown, code
from entrypoint.report.templating import render

COMMENT: Final = 65_000
"""UTF-16 units of a comment that are ours to use; GitHub takes 65,536, and the marker has its share."""

SUMMARY: Final = 400_000
"""Of a step summary: GitHub takes 1 MiB of UTF-8 for all that a step says."""

ROWS: Final = (200, 60, 25, 10)
"""Rows of one table, from generous to tight."""

STAGES: Final = 4
"""Stages in one table: more columns would be too wide to read."""

MOST_PICTURES: Final = 6
MOST_OBJECTS: Final = 30
MOST_DIFF: Final = 6_000
"""Characters of one object's diff."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the page is to stand. ``whole``: the address of the page in full; ``server``, ``repository``: GitHub's."""

    server: str | None = None
    repository: str | None = None
    whole: str | None = None


def page(report: ChangeReport, place: Place, room: int = COMMENT) -> str:
    """The page, of at most ``room`` UTF-16 units (4,000 at least)."""
    for rows in ROWS:
        pieces = [piece for piece in _pieces(report, place, rows) if piece.strip()]
        if sum(map(_size, pieces)) <= room:
            return "".join(pieces)
    left = room - 600
    kept, dropped = [], 0
    for piece in pieces:
        if _size(piece) <= left:
            kept.append(piece)
            left -= _size(piece)
        else:
            dropped += 1
    return "".join([*kept, render("comments/more.md.j2", dropped=dropped, whole=place.whole)])


def _pieces(report: ChangeReport, place: Place, rows: int) -> Iterator[str]:
    comparison = report.comparison
    yield render("comments/head.md.j2", report=report, facts=_facts(report))
    for title, table in _metrics(report):
        yield titled(Table(title, table.columns, table.rows).shortened(rows))
    yield from _params(report, rows)
    for table in tables(comparison):
        if table.title in {"Data and models", "Requirements"}:
            yield titled(table.shortened(rows))
    for place_in_list, planned in enumerate(report.planned[:rows]):
        room = MOST_DIFF * rows // ROWS[0]
        changes = [(one.object, one.action.value, _cut(one.diff, room)) for one in planned.changes[:MOST_OBJECTS]]
        yield render("comments/planned.md.j2", planned=planned, changes=changes, first=place_in_list == 0)
    yield from _histories(report)
    yield from _plots(report, place, rows)
    notes = (*comparison.notes, *report.notes)
    yield render("comments/notes.md.j2", notes=notes[:rows], more=len(notes) - rows)


def _cut(diff: str, room: int) -> str:
    """The first whole lines of a diff, before anything is done with it: it may have megabytes.

    No line of it begins as a workflow command does: somebody may print the page into a log.
    """
    if len(diff) > room:
        left = diff.count("\n", room) + 1
        diff = diff[:room].rpartition("\n")[0] + f"\n… {left:,} more lines"
    return re.sub(r"(?m)^(\s*)::", r"\1\\::", diff)


def _facts(report: ChangeReport) -> list[str]:
    """What changed, in numbers."""
    comparison = report.comparison
    better = sum(one.better is True for one in comparison.metrics)
    worse = sum(one.better is False for one in comparison.metrics)
    changed = sum(one.changed for one in comparison.metrics)
    counted = [
        (better, "metric better", "metrics better"),
        (worse, "metric worse", "metrics worse"),
        (changed - better - worse, "other metric changed", "other metrics changed"),
        (sum(one.changed for one in comparison.params), "parameter changed", "parameters changed"),
        (sum(one.kind == "model" for one in comparison.files), "model file changed", "model files changed"),
        (sum(one.kind == "data" for one in comparison.files), "data file changed", "data files changed"),
        (len(comparison.requirements), "requirement changed", "requirements changed"),
    ]
    return [f"{count} {one if count == 1 else many}" for count, one, many in counted if count]


def _metrics(report: ChangeReport) -> Iterator[tuple[str, Table]]:
    """Head against base with stages beside it; then further stages, and those of artifacts in folders of their own."""
    comparison = report.comparison
    after, beside = comparison.after.label, _beside(report)
    if comparison.metrics:
        columns = [comparison.metrics, *(one.metrics for _, one in beside)]
        labels = [comparison.before.label, *(label for label, _ in beside)]
        yield "Metrics", figures("Metrics", labels, after, columns)
    else:
        beside = []
    known = {id(one) for _, one in beside}
    several = _several(report)
    for folder, there in _by_folder(report).items():
        left = [one for one in there if id(one) not in known and one.metrics]
        for start in range(0, len(left), STAGES):
            some = left[start : start + STAGES]
            title = f"Metrics in {code(folder)} against stages" if folder else "Metrics against further stages"
            labels = [_label(one, several=several) for one in some]
            yield title, figures("", labels, after, [one.metrics for one in some])


def _params(report: ChangeReport, rows: int) -> Iterator[str]:
    others = [(label, one.params) for label, one in _beside(report)]
    sides = (report.comparison.params, *(one for _, one in others))
    if any(one.changed for side in sides for one in side):
        yield titled(params(report.comparison, others).shortened(rows))


def _beside(report: ChangeReport) -> list[tuple[str, InStage]]:
    """The stages that stand in one table with the base: those of artifacts that are in no folder of their own."""
    there = _by_folder(report).get("", [])[:STAGES]
    return [(_label(one, several=_several(report)), one) for one in there]


def _by_folder(report: ChangeReport) -> dict[str, list[InStage]]:
    found: dict[str, list[InStage]] = defaultdict(list)
    for one in report.stages:
        found[one.artifact.rpartition(":")[0]].append(one)
    return found


def _several(report: ChangeReport) -> bool:
    return len({one.artifact for one in report.stages}) > 1


def _label(one: InStage, *, several: bool) -> str:
    return f"{one.artifact} {one.side.label}" if several else one.side.label


def _histories(report: ChangeReport) -> Iterator[str]:
    for artifact, histories in list(by_artifact(report.history).items())[:10]:
        charts = [drawn for history in histories[:6] if (drawn := chart(history)) is not None]
        if charts:
            yield render("comments/history.md.j2", artifact=artifact, charts=charts)


def _plots(report: ChangeReport, place: Place, rows: int) -> Iterator[str]:
    """Pictures that changed side by side, and the other plots as links."""

    def address(plot: PlotFile, commit: str, there: bool) -> str | None:
        return blob(place.server, place.repository, commit, plot.path) if there else None

    shown = [plot for plot in report.plots if plot.image and plot.changed and address(plot, report.head, plot.after)]
    pictures = [
        (plot.path, *(_picture(address(plot, commit, there)) for commit, there in
                      ((report.base, plot.before), (report.head, plot.after))))
        for plot in shown[:MOST_PICTURES]
    ]  # fmt: skip
    others = [plot for plot in report.plots if plot not in shown[:MOST_PICTURES]][:rows]
    links = [(plot, address(plot, report.head, plot.after)) for plot in others]
    if pictures or links:
        yield render("comments/plots.md.j2", pictures=pictures, links=links, base=report.comparison.before.label)


def _picture(address: str | None) -> Markdown:
    return picture(address) if address else Markdown("–")


def _size(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2

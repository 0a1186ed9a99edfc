"""The verdict for a person, by rich: colours on a terminal, plain text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from entrypoint.report.console_promotions import promotion_lines
from entrypoint.report.escaping import plain, shortened
from entrypoint.report.listeners import PlainProgress, TerminalProgress, progress_for
from entrypoint.report.verdict import Preflight, SlotVerdict, Status, Verdict

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["PlainProgress", "TerminalProgress", "progress_for", "show"]

STYLES: Final = {
    Status.UNCHANGED: "green",
    Status.LIVE: "bold green",
    Status.REMOVED: "cyan",
    Status.SUPERSEDED: "cyan",
    Status.HELD: "yellow",
    Status.ROLLED_BACK: "bold yellow",
    Status.FAILED: "bold red",
    Status.DEGRADED: "bold white on red",
}

REASON_LIMIT: Final = 2_000


def show(verdict: Verdict, console: Console | None = None) -> None:
    """Print the verdict for a person; on stdout where no console is given."""
    from rich.console import Console

    console = console or Console(file=sys.stdout, highlight=False)
    for line in _lines(verdict):
        console.print(line)


def _lines(verdict: Verdict) -> Iterator[RenderableType]:
    from rich.text import Text

    if verdict.slots:
        yield _table(verdict)
    for slot in verdict.slots:
        yield from _details(slot, changes=verdict.dry_run)
    for preflight in verdict.preflights:
        yield from _preflight(preflight)
    for promotion in verdict.promotions:
        yield from promotion_lines(promotion)
    for problem in verdict.problems:
        yield Text(f"skipped tag {plain(problem.tag)}: {plain(problem.reason)}", style="yellow")
    for warning in verdict.warnings:
        yield Text(f"warning: {plain(warning)}", style="yellow")
    if verdict.note:
        yield Text(plain(verdict.note))
    if verdict.failure:
        yield Text(f"error: {plain(str(verdict.failure), lines=True)}", style="red")
        if verdict.failure.hint:
            yield Text(f"  {plain(verdict.failure.hint, lines=True)}")


def _table(verdict: Verdict) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("slot", "version", "status", "answers at", "took"):
        table.add_column(heading, no_wrap=heading in {"version", "status", "took"}, overflow="fold")
    for slot in verdict.slots:
        moved = slot.changed and slot.previous and slot.previous != slot.version
        versions = f"{slot.previous} → {slot.version or 'none'}" if moved else slot.version or "none"
        status = f"{slot.status} (dry run)" if verdict.dry_run else slot.status.value
        table.add_row(
            Text(plain(slot)),
            Text(plain(versions)),
            Text(status, style=STYLES[slot.status]),
            Text(plain(slot.url or "")),
            Text(f"{slot.seconds:.1f} s"),
        )
    return table


def _details(slot: SlotVerdict, *, changes: bool) -> Iterator[RenderableType]:
    from rich.text import Text

    if slot.reason and (not slot.status.good or slot.status in {Status.HELD, Status.SUPERSEDED}):
        reason = plain(shortened(slot.reason, REASON_LIMIT), lines=True)
        yield Text(f"{plain(slot)}: {reason}", style=STYLES[slot.status])
    if slot.failure and slot.failure.hint:
        yield Text(f"  {plain(slot.failure.hint, lines=True)}")
    for warning in slot.warnings:
        yield Text(f"warning: {plain(slot)}: {plain(warning)}", style="yellow")
    for change in slot.changes if changes else ():
        yield Text(f"{change.action} {plain(change.object)}", style="bold")
        for line in change.diff.splitlines():
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            yield Text(plain(line), style=style)


def _preflight(preflight: Preflight) -> Iterator[RenderableType]:
    from rich.text import Text

    name = f"{plain(preflight.artifact)} {plain(preflight.version)}"
    if preflight.passed:
        yield Text(f"{name} passed its preflight in {preflight.seconds:.1f} s", style="green")
    else:
        reason = plain(str(preflight.failure or "the model did not pass"), lines=True)
        yield Text(f"{name} failed its preflight: {reason}", style="bold red")
        if preflight.failure and preflight.failure.hint:
            yield Text(f"  {plain(preflight.failure.hint, lines=True)}")
    for warning in preflight.warnings:
        yield Text(f"warning: {name}: {plain(warning)}", style="yellow")

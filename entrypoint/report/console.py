"""The verdict and a run's progress for a person: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from entrypoint.report.escaping import plain, shortened
from entrypoint.report.progress import Progress
from entrypoint.report.verdict import Preflight, SlotVerdict, Status, Verdict

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

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


def progress_for(stream: TextIO) -> Progress:
    """The listener that suits a stream: a terminal gets colours and a moving line, a pipe or file plain lines."""
    return TerminalProgress(stream) if stream.isatty() else PlainProgress(stream)


class PlainProgress:
    """Lines that read well in a file; no line is written twice for the same quarter of a step."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._secrets: list[str] = []
        self._indent = ""
        self._last: tuple[str, int] | None = None

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        """A heading, and what follows indented."""
        self._line(title)
        before, self._indent = self._indent, self._indent + "  "
        try:
            yield
        finally:
            self._indent = before

    def step(self, name: str, detail: str = "", *, progress: float | None = None, seconds: float | None = None) -> None:
        """A line for a step that is done, and one for each quarter on the way."""
        suffix = f": {detail}" if detail else ""
        if progress is None:
            self._line(f"{name}{suffix}" + ("" if seconds is None else f" ({seconds:.1f} s)"))
        elif (quarter := (name, int(progress * 4))) != self._last:
            self._last = quarter
            self._line(f"{name} {progress:.0%}{suffix}")

    def note(self, text: str) -> None:
        """A line."""
        self._line(text)

    def warn(self, text: str) -> None:
        """A line that says it is a warning."""
        self._line(f"warning: {text}")

    def output(self, text: str) -> None:
        """What a child printed, set off."""
        for line in text.rstrip("\n").split("\n"):
            self._line(f"| {line}")

    def secret(self, value: str) -> None:
        """Show asterisks instead of this value from now on."""
        if value.strip():
            self._secrets.append(value)

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return plain(text)

    def _line(self, text: str) -> None:
        self._stream.write(f"{self._indent}{self._clean(text)}\n")
        self._stream.flush()


class TerminalProgress(PlainProgress):
    """The same on a terminal: steps tick off, and a step under way shows a bar on the last line."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        super().__init__(stream)
        self._console: Console = Console(file=stream, highlight=False)

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        """A bold heading."""
        self._print(title, "bold")
        before, self._indent = self._indent, self._indent + "  "
        try:
            yield
        finally:
            self._indent = before

    def step(self, name: str, detail: str = "", *, progress: float | None = None, seconds: float | None = None) -> None:
        """A tick for a step that is done, a bar for one under way."""
        if progress is not None:
            filled = round(max(0.0, min(1.0, progress)) * 24)
            bar = "━" * filled + "╌" * (24 - filled)
            line = f"{self._indent}{bar} {self._clean(name)} {progress:4.0%} {self._clean(detail)}"
            self._stream.write(f"\r\x1b[2K{line[: self._console.width - 1]}")
            self._stream.flush()
            return
        took = "" if seconds is None else f"  {seconds:.1f} s"
        self._print(f"✓ {name}{f': {detail}' if detail else ''}{took}", "green")

    def warn(self, text: str) -> None:
        """A yellow line."""
        self._print(f"warning: {text}", "yellow")

    def _line(self, text: str) -> None:
        self._print(text, "")

    def _print(self, text: str, style: str) -> None:
        self._stream.write("\r\x1b[2K")
        self._console.print(f"{self._indent}{self._clean(text)}", style=style, markup=False)


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
        yield from _details(slot)
    for preflight in verdict.preflights:
        yield from _preflight(preflight)
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
    for heading in ("slot", "version", "status", "where", "took"):
        table.add_column(heading)
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


def _details(slot: SlotVerdict) -> Iterator[RenderableType]:
    from rich.text import Text

    if slot.reason and (not slot.status.good or slot.status in {Status.HELD, Status.SUPERSEDED}):
        reason = plain(shortened(slot.reason, REASON_LIMIT), lines=True)
        yield Text(f"{plain(slot)}: {reason}", style=STYLES[slot.status])
    if slot.failure and slot.failure.hint:
        yield Text(f"  {plain(slot.failure.hint, lines=True)}")
    for warning in slot.warnings:
        yield Text(f"warning: {plain(slot)}: {plain(warning)}", style="yellow")
    for change in slot.changes:
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

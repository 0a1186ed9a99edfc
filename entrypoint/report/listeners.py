"""A run's progress for a person: a moving line and colours on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from entrypoint.report.escaping import plain
from entrypoint.report.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console


def progress_for(stream: TextIO) -> Progress:
    """The listener that suits a stream: a terminal gets colours and a moving line, a pipe or file plain lines."""
    return TerminalProgress(stream) if stream.isatty() else PlainProgress(stream)


class PlainProgress:
    """Lines that read well in a file; no line is written twice for the same quarter of a step.

    Targets are worked on side by side: while several sections are open, each line begins with its section's title.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._secrets: list[str] = []
        self._sections: dict[int, list[str]] = {}
        self._quarters: dict[int, tuple[str, int]] = {}

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        """A heading, and what this thread tells inside indented."""
        self._heading(title)
        thread = threading.get_ident()
        with self._lock:
            self._sections.setdefault(thread, []).append(title)
        try:
            yield
        finally:
            with self._lock:
                self._sections[thread].pop()
                if not self._sections[thread]:
                    del self._sections[thread]

    def step(self, name: str, detail: str = "", *, progress: float | None = None, seconds: float | None = None) -> None:
        """A line for a step that is done, and one for each quarter on the way."""
        suffix = f": {detail}" if detail else ""
        if progress is None:
            self._done(f"{name}{suffix}" + ("" if seconds is None else f" ({seconds:.1f} s)"))
        elif (quarter := (name, int(progress * 4))) != self._quarters.get(threading.get_ident()):
            self._quarters[threading.get_ident()] = quarter
            self._line(f"{name} {progress:.0%}{suffix}")

    def note(self, text: str) -> None:
        """A line."""
        self._line(text)

    def warn(self, text: str) -> None:
        """A line that says it is a warning."""
        self._line(f"warning: {text}", "yellow")

    def output(self, text: str) -> None:
        """What a child printed, set off."""
        for line in text.rstrip("\n").split("\n"):
            self._line(f"| {line}")

    def secret(self, value: str) -> None:
        """Show asterisks instead of this value from now on."""
        if value.strip():
            self._secrets.append(value)

    def _heading(self, title: str) -> None:
        self._line(title, "bold")

    def _done(self, text: str) -> None:
        self._line(text, "green")

    def _line(self, text: str, style: str = "") -> None:
        with self._lock:
            self._write(f"{self._indent()}{self._clean(text)}", style)

    def _indent(self) -> str:
        mine = self._sections.get(threading.get_ident(), [])
        if len(self._sections) > 1 and mine:
            return f"{self._clean(mine[0])} | "
        return "  " * len(mine)

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return plain(text)

    def _write(self, line: str, _style: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


class TerminalProgress(PlainProgress):
    """The same on a terminal: steps tick off, and a step under way shows a bar on the last line."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        super().__init__(stream)
        self._console: Console = Console(file=stream, highlight=False, soft_wrap=True)

    def step(self, name: str, detail: str = "", *, progress: float | None = None, seconds: float | None = None) -> None:
        """A tick for a step that is done, a bar for one under way."""
        if progress is None:
            super().step(f"✓ {name}", detail, seconds=seconds)
            return
        filled = round(max(0.0, min(1.0, progress)) * 24)
        bar = "━" * filled + "╌" * (24 - filled)
        with self._lock:
            line = f"{self._indent()}{bar} {self._clean(name)} {progress:4.0%} {self._clean(detail)}"
            self._stream.write(f"\r\x1b[2K{line[: self._console.width - 1]}")
            self._stream.flush()

    def _write(self, line: str, style: str) -> None:
        self._stream.write("\r\x1b[2K")
        self._console.print(line, style=style, markup=False)

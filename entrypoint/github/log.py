"""A run's progress, told in the Action's log: groups, plain lines, annotations for warnings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from entrypoint.github.runner import Runner


class ActionLog:
    """A `Progress` that speaks through the runner.

    Targets are worked on side by side, and groups in GitHub's log neither nest nor interleave: the section that opens
    first is told live, one that opens meanwhile is told in one piece once the live one has closed.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._lock = threading.RLock()
        self._live: int | None = None
        self._collected: dict[int, list[str]] = {}
        self._waiting: list[tuple[str, list[str]]] = []
        self._quarters: dict[int, tuple[str, int]] = {}

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        """Fold what this thread tells inside. A section within a section is just a line."""
        thread = threading.get_ident()
        if thread == self._live or thread in self._collected:
            self._tell(title)
            yield
        elif self._claim(thread):
            try:
                with self._runner.group(title):
                    yield
            finally:
                self._release()
        else:
            try:
                yield
            finally:
                self._hand_in(thread, title)

    def step(self, name: str, detail: str = "", *, progress: float | None = None, seconds: float | None = None) -> None:
        """One line for a step that is done, and one for each quarter on the way."""
        suffix = f": {detail}" if detail else ""
        if progress is None:
            took = "" if seconds is None else f" ({seconds:.1f} s)"
            self._tell(f"✓ {name}{suffix}{took}")
            return
        quarter = (name, int(progress * 4))
        if quarter != self._quarters.get(threading.get_ident()):
            self._quarters[threading.get_ident()] = quarter
            self._tell(f"  {name} {progress:.0%}{suffix}")

    def note(self, text: str) -> None:
        """One line."""
        self._tell(text)

    def warn(self, text: str) -> None:
        """One line; the annotation is made from the verdict, once."""
        self._tell(f"warning: {text}")

    def output(self, text: str) -> None:
        """What a child printed, indented."""
        self._tell("\n".join(f"    {line}" for line in text.rstrip("\n").split("\n")))

    def secret(self, value: str) -> None:
        """Have the runner mask the value from now on."""
        self._runner.mask(value)

    def _claim(self, thread: int) -> bool:
        with self._lock:
            if self._live is None:
                self._live = thread
                return True
            self._collected[thread] = []
            return False

    def _release(self) -> None:
        with self._lock:
            self._live = None
            waiting, self._waiting = self._waiting, []
            for title, lines in waiting:
                self._fold(title, lines)

    def _hand_in(self, thread: int, title: str) -> None:
        with self._lock:
            lines = self._collected.pop(thread)
            if self._live is None:
                self._fold(title, lines)
            else:
                self._waiting.append((title, lines))

    def _fold(self, title: str, lines: list[str]) -> None:
        with self._runner.group(title):
            for line in lines:
                self._runner.say(line)

    def _tell(self, text: str) -> None:
        collected = self._collected.get(threading.get_ident())
        if collected is None:
            self._runner.say(text)
        else:
            collected.append(text)

"""A run's progress, told in the Action's log: groups, plain lines, annotations for warnings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from entrypoint.github.runner import Runner


class ActionLog:
    """A `Progress` that speaks through the runner; a step's intermediate progress is told in quarters."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._last: tuple[str, int] | None = None

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        """Fold what is told inside."""
        with self._runner.group(title):
            yield

    def step(self, name: str, detail: str = "", *, progress: float | None = None, seconds: float | None = None) -> None:
        """One line for a step that is done, and one for each quarter on the way."""
        suffix = f": {detail}" if detail else ""
        if progress is None:
            took = "" if seconds is None else f" ({seconds:.1f} s)"
            self._runner.say(f"✓ {name}{suffix}{took}")
            return
        quarter = (name, int(progress * 4))
        if quarter != self._last:
            self._last = quarter
            self._runner.say(f"  {name} {progress:.0%}{suffix}")

    def note(self, text: str) -> None:
        """One line."""
        self._runner.say(text)

    def warn(self, text: str) -> None:
        """One line; the annotation is made from the verdict, once."""
        self._runner.say(f"warning: {text}")

    def output(self, text: str) -> None:
        """What a child printed, indented."""
        self._runner.say("\n".join(f"    {line}" for line in text.rstrip("\n").split("\n")))

    def secret(self, value: str) -> None:
        """Have the runner mask the value from now on."""
        self._runner.mask(value)

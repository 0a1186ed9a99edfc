"""What a run tells while it runs. The pipeline speaks to a `Progress`; who listens is the caller's choice.

Everything told here may hold text from the repository: whoever shows it makes it harmless for where it is shown.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """A listener: a terminal, a plain log, the Action's log, or nobody."""

    def section(self, title: str) -> AbstractContextManager[None]:
        """What is told inside belongs to ``title`` (a slot, a preflight): a heading, or a group in Actions."""

    def step(self, name: str, detail: str = "", *, progress: float | None = None, seconds: float | None = None) -> None:
        """A step stands at ``progress`` (0 to 1), or with None is done, after ``seconds`` where they are known."""

    def note(self, text: str) -> None:
        """Say something worth knowing."""

    def warn(self, text: str) -> None:
        """Say something that a person should look at; the run goes on."""

    def output(self, text: str) -> None:
        """Show what a child process printed, line by line or in one piece."""

    def secret(self, value: str) -> None:
        """Never show this value again."""


class Silence:
    """Nobody listens."""

    def section(self, title: str) -> AbstractContextManager[None]:  # noqa: ARG002 - the Protocol's names
        """Say nothing."""
        return nullcontext()

    def step(self, name: str, detail: str = "", *, progress: float | None = None, seconds: float | None = None) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""

    def output(self, text: str) -> None:
        """Say nothing."""

    def secret(self, value: str) -> None:
        """Say nothing."""

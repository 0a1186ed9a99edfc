"""What happened in one slot, step by step: told while it happens, kept for the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from deployers.base import Step
from entrypoint.report.progress import Progress
from entrypoint.report.verdict import Timing


@dataclass
class Journal:
    """``stopwatch``: seconds on any scale that only goes forward."""

    progress: Progress
    stopwatch: Callable[[], float] = time.monotonic
    timings: list[Timing] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = self.stopwatch()

    @property
    def seconds(self) -> float:
        """Since the journal was begun."""
        return self.stopwatch() - self.started

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[None]:
        """A step of the pipeline; told when it is done, and timed."""
        begun = self.stopwatch()
        yield
        self.add(name, detail, self.stopwatch() - begun)

    def follow(self, steps: Iterator[Step]) -> Iterator[Step]:
        """A deployer's steps, told and timed as they are done; what is done between two steps counts for none."""
        while True:
            begun = self.stopwatch()
            step = next(steps, None)
            if step is None:
                return
            if step.progress is None:
                self.add(step.name, step.detail, self.stopwatch() - begun)
            else:
                self.progress.step(step.name, step.detail, progress=step.progress)
            yield step

    def warn(self, text: str) -> None:
        """Something that a person should look at; the run goes on."""
        self.warnings.append(text)
        self.progress.warn(text)

    def add(self, name: str, detail: str, seconds: float) -> None:
        """A step that is done and was timed already."""
        self.timings.append(Timing(name=name, seconds=seconds, detail=detail))
        self.progress.step(name, detail, seconds=seconds)

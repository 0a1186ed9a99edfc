"""What every command is handed: where it works, what it may read of the process, and how it answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

    from deployers.errors import TagboatError


@dataclass
class Context:
    """``directory``: the checkout to work on. ``json``: stdout holds one JSON document and nothing else."""

    directory: Path
    environment: Mapping[str, str]
    clock: Callable[[], float] = time.time
    json: bool = False
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)

    @cached_property
    def console(self) -> Console:
        """For progress, warnings and errors: stderr, so that stdout stays the answer's."""
        from rich.console import Console

        return Console(file=self.stderr, highlight=False, soft_wrap=True)

    @cached_property
    def page(self) -> Console:
        """For an answer that a person reads: stdout."""
        from rich.console import Console

        return Console(file=self.stdout, highlight=False)

    def out(self, document: Any, human: Callable[[], None]) -> None:
        """Answer with the JSON document, or in the form for a person."""
        if not self.json:
            human()
            return
        import msgspec

        encoded = msgspec.json.encode(document, enc_hook=str)
        self.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")
        self.stdout.flush()

    def warn(self, text: str) -> None:
        """Say something that does not stop the command; ``text`` may come from the repository."""
        self.console.print("warning:", text, style="yellow", markup=False)

    def fail(self, error: TagboatError) -> None:
        """Show an error; the caller ends the process with its exit code."""
        if self.json:
            document = {"message": error.message, "where": error.where, "hint": error.hint}
            self.out({"error": {**document, "exit_code": error.exit_code}}, lambda: None)
        self.console.print("error:", str(error), style="red", markup=False)


pass_context = click.make_pass_decorator(Context)
"""Hands the `Context` to a command as its first argument."""

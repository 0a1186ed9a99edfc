"""The runner's own protocol: files that it reads after the step, and commands that it reads in the log.

Rules and limits: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. The runner acts on
every line of the log that looks like a command, whoever wrote it, so that everything which is not a command of ours is
printed between ``::stop-commands::`` lines, with a token that nobody can guess. ``GITHUB_ENV`` and ``GITHUB_PATH`` are
never written.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from entrypoint.errors import UsageError
from entrypoint.report.annotations import Annotation, Kind
from entrypoint.report.escaping import plain

SUMMARY_LIMIT = 1024 * 1024
"""Bytes; a longer step summary is thrown away whole."""

ANNOTATIONS_LIMIT = 10
"""Of a kind, in one step; what comes later is dropped without a word."""

ANNOTATION_LENGTH = 4_000
"""Characters of one annotation."""


class Runner:
    """The runner that started this step, as its environment describes it.

    Outside of a runner the files are missing, and what would go there is dropped; commands are then just lines.
    ``token`` makes delimiters: unguessable text, new at every call.
    """

    def __init__(
        self, environment: Mapping[str, str], log: TextIO, token: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._environment = environment
        self._log = log
        self._token = token
        self._stopped: str | None = None
        self._group_open = False
        self._annotated: Counter[Kind] = Counter()
        self._lock = threading.RLock()

    def output(self, name: str, value: str) -> None:
        """Set an output of the step; the value may hold anything and remains one value."""
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(name)
        value = _encodable(value)
        delimiter = self._token()
        while delimiter in value:
            delimiter = self._token()
        self._append("GITHUB_OUTPUT", f"{name}<<{delimiter}\n{value}\n{delimiter}\n")

    def summary(self, markdown: str) -> None:
        """Append to the step's summary page. What is too long is replaced by a sentence: the runner drops it whole."""
        markdown = _encodable(markdown)
        if len(markdown.encode()) > SUMMARY_LIMIT - 1024:
            markdown = "The summary was longer than GitHub takes; the log has all of it.\n"
        self._append("GITHUB_STEP_SUMMARY", markdown)

    def mask(self, secret: str) -> None:
        """Never show this value in the log; each line of it by itself, as the runner compares lines."""
        for line in secret.splitlines():
            if line.strip():
                self._command("add-mask", line)

    def annotate(self, annotation: Annotation) -> None:
        """Add a remark to the run; the tenth of a kind says that there are more, and those are only logged."""
        self._annotated[annotation.kind] += 1
        count = self._annotated[annotation.kind]
        if count > ANNOTATIONS_LIMIT:
            self.say(f"{annotation.kind}: {annotation.title}: {annotation.message}")
            return
        message = plain(annotation.message, lines=True)[:ANNOTATION_LENGTH]
        if count == ANNOTATIONS_LIMIT:
            message += "\n(There may be more; GitHub shows ten of a kind. See the log and the summary.)"
        properties = {"title": plain(annotation.title)[:200]}
        if annotation.file:
            properties |= {"file": plain(annotation.file)}
            properties |= {"line": str(annotation.line)} if annotation.line else {}
        self._command(annotation.kind.value, message, properties)

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold the lines said inside under a title. Groups do not nest: an inner one ends the outer one."""
        self._end_group()
        self._command("group", plain(title)[:200])
        self._group_open = True
        try:
            yield
        finally:
            self._end_group()

    def say(self, text: str) -> None:
        """Print text, which may be anybody's, and do nothing else."""
        for line in plain(text, lines=True).split("\n"):
            # The runner takes a line for a command when it begins with two colons after white space.
            self._print(f"\\{line}" if line.lstrip().startswith("::") else line)

    @contextlib.contextmanager
    def fenced(self) -> Iterator[None]:
        """Whatever is printed meanwhile, by us, a library or a child, is no command."""
        if self._stopped is not None:
            yield
            return
        self._stop()
        try:
            yield
        finally:
            self._resume()

    def _stop(self) -> None:
        self._stopped = self._token()
        self._print(f"::stop-commands::{self._stopped}")

    def _resume(self) -> None:
        token, self._stopped = self._stopped, None
        self._print(f"::{token}::")

    def _end_group(self) -> None:
        if self._group_open:
            self._group_open = False
            self._command("endgroup")

    def _command(self, name: str, data: str = "", properties: Mapping[str, str] | None = None) -> None:
        listed = ",".join(f"{key}={_escaped_property(value)}" for key, value in (properties or {}).items())
        with self._lock:
            fenced = self._stopped is not None
            if fenced:
                self._resume()
            self._print(f"::{name}{' ' if listed else ''}{listed}::{_escaped(data)}")
            if fenced:
                self._stop()

    def _print(self, line: str) -> None:
        with self._lock:
            self._log.write(_encodable(line) + "\n")
            self._log.flush()

    def _append(self, variable: str, content: str) -> None:
        path = self._environment.get(variable)
        if not path:
            return
        try:
            with Path(path).open("a", encoding="utf-8", newline="\n") as file:
                file.write(content)
        except OSError as error:
            raise UsageError(
                f"the runner's file cannot be written: {error.strerror}",
                where=variable,
                hint=f"{variable} must name a file that this step may write to; GitHub's runner sees to that.",
            ) from error


def _escaped(data: str) -> str:
    """A command's data, as the runner's toolkit escapes it."""
    return data.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(value: str) -> str:
    return _escaped(value).replace(":", "%3A").replace(",", "%2C")


def _encodable(text: str) -> str:
    """The text with what no UTF-8 file can hold replaced; NUL, too, which ends values in places."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")

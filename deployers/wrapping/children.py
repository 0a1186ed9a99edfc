"""Run model code as a child that can do us no harm: no variables of ours, its own session, harmless output."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

from deployers.wrapping.isolation import ModelUser

LOG_TAIL = 16_000
"""Bytes of output that are kept."""


def run(
    command: list[str], home: Path, environment: dict[str, str], user: ModelUser | None, seconds: float
) -> tuple[int | None, str]:
    """Run a command to its end, or for so many ``seconds``: (exit code or None for too late, the end of its output).

    ``home``: its working directory. ``user``: whom to run it as, if not as we do. Nothing it started stays behind.
    """
    other: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    child = subprocess.Popen(
        command,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **other,
    )
    assert child.stdout is not None  # noqa: S101  (a pipe, as asked for)
    tail = _Tail(child.stdout)
    try:
        code: int | None = child.wait(seconds)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        # The whole session, so that nothing that the model started stays behind.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return code, tail.text()


class _Tail:
    """The end of what a child prints, read while it runs so that it never waits for us."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._kept = b""
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What was kept; waits for the pipe's end, but not for one that somebody holds open for ever."""
        self._thread.join(timeout=5)
        return self._kept.decode("utf-8", "replace")

    def _read(self) -> None:
        with self._pipe:
            while chunk := self._pipe.read1(65536):  # type: ignore[attr-defined]
                self._kept = (self._kept + chunk)[-LOG_TAIL:]


def harmless(text: str, *, longest: int = 4_000) -> str:
    """Text of a model's process, for a terminal or a workflow's log: printable, and no workflow command in it.

    A command is ``::name…`` at the start of a line, or ``##[name`` anywhere (actions/runner, ActionCommand.cs).
    """
    text = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)", "", text)
    text = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    text = re.sub(r"(?m)^(\s*):(?=:)", r"\1: ", text).replace("##[", "# #[")
    return text[-longest:]

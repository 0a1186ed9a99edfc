"""GitHub's runner, as far as a step can see it: its files, and what it takes for a command in the log.

The rules are those of the runner's own sources (actions/runner, `ActionCommand.cs`, `ActionCommandManager.cs`,
`FileCommandManager.cs`): a command begins a line, after white space, with ``::`` or stands anywhere as ``##[…]``;
``::stop-commands::TOKEN`` makes it deaf until ``::TOKEN::``; in the files a value follows ``name=``, or lines between
``name<<DELIMITER`` and ``DELIMITER``.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = {
    "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher",
    "save-state", "set-env", "set-output", "stop-commands", "warning",
}  # fmt: skip


@dataclass
class Command:
    """A command that the runner would obey; data and properties unescaped."""

    kind: str
    message: str
    properties: dict[str, str] = field(default_factory=dict)


class FakeRunner:
    """A runner's step: ``environment`` for the step, ``log`` that it writes to."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        (self.workspace / ".git").mkdir(parents=True, exist_ok=True)
        files = folder / "file_commands"
        files.mkdir(exist_ok=True)
        self.output_file, self.summary_file = files / "output", files / "summary"
        self.env_file, self.path_file = files / "env", files / "path"
        for file in (self.output_file, self.summary_file, self.env_file, self.path_file):
            file.touch()
        self.log = io.StringIO()
        self.environment = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(self.output_file),
            "GITHUB_STEP_SUMMARY": str(self.summary_file),
            "GITHUB_ENV": str(self.env_file),
            "GITHUB_PATH": str(self.path_file),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "octo-org/models",
            "GITHUB_RUN_ID": "4711",
            "GITHUB_ACTOR": "octocat",
        }

    def outputs(self) -> dict[str, str]:
        """The step's outputs, as the runner reads them."""
        outputs: dict[str, str] = {}
        lines = iter(self.output_file.read_text(encoding="utf-8").split("\n"))
        for line in lines:
            if not line:
                continue
            heredoc, assigned = line.find("<<"), line.find("=")
            if assigned >= 0 and (heredoc < 0 or assigned < heredoc):
                name, value = line.split("=", 1)
            else:
                name, delimiter = line.split("<<", 1)
                taken = []
                for taken_line in lines:
                    if taken_line == delimiter:
                        break
                    taken.append(taken_line)
                else:
                    raise AssertionError(f"the delimiter of {name} never comes")
                value = "\n".join(taken)
            outputs[name] = value
        return outputs

    def obeyed(self) -> list[Command]:
        """Every command in the log that the runner would obey; stopping and resuming are not among them."""
        obeyed: list[Command] = []
        stopped: str | None = None
        for line in re.split("\r\n|\n|\r", self.log.getvalue()):
            command = self._parsed(line, {*KNOWN, stopped or ""})
            if command is None:
                continue
            if stopped is not None:
                if command.kind == stopped:
                    stopped = None
            elif command.kind == "stop-commands":
                stopped = command.message
            else:
                obeyed.append(command)
        assert stopped is None, "the runner is still deaf at the end of the step"
        return obeyed

    def commands(self) -> list[tuple[str, str]]:
        """The same as (name, data), without annotations."""
        return [(one.kind, one.message) for one in self.obeyed() if one.kind not in {"error", "warning", "notice"}]

    def annotations(self) -> list[Command]:
        """The annotations that the run would show."""
        return [one for one in self.obeyed() if one.kind in {"error", "warning", "notice"}]

    @staticmethod
    def _parsed(line: str, known: set[str]) -> Command | None:
        new = re.match(r"\s*::([^\s:]+)(?: ([^:]*(?::[^:]+)*?))?::(.*)", line)
        old = re.search(r"##\[([a-z-]+)([^\]]*)\](.*)", line)
        found = new if new and new[1] in known else old
        if found is None or found[1] not in known:
            return None
        listed = [pair.partition("=") for pair in (found[2] or "").split(",") if pair]
        properties = {key.strip(): _unescaped(value, ":,") for key, _, value in listed}
        return Command(found[1], _unescaped(found[3], ""), properties)


def _unescaped(text: str, extra: str) -> str:
    for character in "\r\n" + extra:
        text = text.replace(f"%{ord(character):02X}", character)
    return text.replace("%25", "%")

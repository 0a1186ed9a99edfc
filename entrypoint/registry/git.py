"""Git as a child process that a checkout cannot turn against us.

Commands are argument lists; nothing goes through a shell. What ``.git/config`` could make Git run (hooks, fsmonitor,
ssh command, credential helpers, signing programs, filters, upload-pack of a remote, helpers of odd protocols) is
overruled with the user's own configuration or Git's default. Overrules and credentials travel in the environment
(GIT_CONFIG_COUNT, git-config(1)), never in the arguments, which every process of the machine can read.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from entrypoint.errors import ConfigurationError, TagboatError, UnreachableError

LOCAL_TIMEOUT = 120.0
"""Seconds that a command on this machine may take."""

REMOTE_TIMEOUT = 600.0
"""Seconds that a fetch or push may take."""

PROTOCOLS = "file:http:https:ssh"
"""Ways to a remote that we let Git go; ``ext``, ``fd`` and ``git`` run commands named by configuration."""

_FIXED = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.pager", "cat"),
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("safe.bareRepository", "explicit"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("advice.detachedHead", "false"),
)
"""Said to every command, whatever any configuration file says."""

_EXECUTABLE = (
    (re.compile(r"core\.sshcommand"), "ssh"),
    (re.compile(r"core\.askpass"), ""),
    (re.compile(r"core\.alternaterefscommand"), "true"),
    (re.compile(r"gpg\.(openpgp\.)?program"), "gpg"),
    (re.compile(r"gpg\.x509\.program"), "gpgsm"),
    (re.compile(r"gpg\.ssh\.program"), "ssh-keygen"),
    (re.compile(r"gpg\.ssh\.defaultkeycommand"), "false"),
    (re.compile(r"remote\..*\.uploadpack"), "git-upload-pack"),
    (re.compile(r"remote\..*\.receivepack"), "git-receive-pack"),
    (re.compile(r"filter\..*\.(clean|smudge|process)"), ""),
    (re.compile(r"filter\..*\.required"), "false"),
)
"""Keys of a repository's own configuration that name a command, and what stands in their place by default."""

_HELPER = re.compile(r"credential\.(.*\.)?helper")
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_UNSET = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_EXTERNAL_DIFF",
    "GIT_TRACE",
    "GIT_CURL_VERBOSE",
    "GIT_TRACE_CURL",
)
"""Variables that would point Git elsewhere (a hook that starts us sets some), or have it print credentials."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended. ``errors``: its stderr, credentials in addresses masked."""

    code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """stdout as text, without the last line's end."""
        return self.output.decode("utf-8", "replace").rstrip("\n")


class GitError(TagboatError):
    """A Git command failed in a way that no caller has a better word for."""


def find_root(directory: Path) -> Path:
    """The work tree that a folder is in: the nearest folder upwards that has a ``.git``.

    Git's own search also takes a folder for a repository that merely looks like one inside (HEAD, objects, refs,
    config): a checkout could bring such a folder, with a configuration of its own.
    """
    start = directory.resolve()
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    raise ConfigurationError(
        "this is no Git repository",
        where=str(directory),
        hint="Run inside a clone, name one with -C, or put actions/checkout before Tagboat's step.",
    )


class Git:
    """Runs Git commands on one work tree."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.root = find_root(directory)
        self._given = environment
        program = shutil.which("git", path=environment.get("PATH", os.defpath))
        if program is None or not Path(program).is_absolute():
            raise ConfigurationError("Git is not installed here", hint="Install git 2.34 or later.")
        self._program = program

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        check: bool = True,
        timeout: float = LOCAL_TIMEOUT,
        configuration: Sequence[tuple[str, str]] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run one command to its end.

        ``configuration`` and ``environment`` are for this command alone. Raises `GitError` for an exit code other
        than 0 when ``check`` is set, and `UnreachableError` when the time is over.
        """
        try:
            done = subprocess.run(
                [self._program, "-C", str(self.root), *arguments],
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                cwd=self.root.anchor,
                env=self._environment(configuration, environment),
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(
                f"git {arguments[0]} did not end within {timeout:.0f} seconds", where=str(self.root)
            ) from error
        outcome = Outcome(done.returncode, done.stdout, masked(done.stderr.decode("utf-8", "replace").strip()))
        if check and outcome.code != 0:
            raise self._failed(arguments[0], outcome)
        return outcome

    @contextmanager
    def stream(self, *arguments: str) -> Iterator[IO[bytes]]:
        """The stdout of one command as it comes; raises `GitError` afterwards when the command failed."""
        with subprocess.Popen(
            [self._program, "-C", str(self.root), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.root.anchor,
            env=self._environment((), None),
        ) as process:
            assert process.stdout is not None  # noqa: S101 - asked for above; for the type checker
            try:
                yield process.stdout
                unread = process.stdout.read(1)
            except BaseException:
                process.kill()
                raise
            if unread:
                process.kill()
            elif process.wait() != 0:
                raise GitError(f"git {arguments[0]} failed", where=str(self.root))

    def user_setting(self, key: str) -> str | None:
        """The last value of a key in what is the user's: system, global, or the environment; never the checkout's."""
        values = [value for scope, name, value in self._settings if scope not in _CHECKOUT and name == key.lower()]
        return values[-1] if values else None

    def checkout_sets(self, pattern: str) -> bool:
        """Whether the repository's own configuration has a key that matches this expression wholly."""
        return any(scope in _CHECKOUT and re.fullmatch(pattern, name) for scope, name, _ in self._settings)

    @cached_property
    def _settings(self) -> list[tuple[str, str, str]]:
        """(scope, key in lower case, value) of every setting, in Git's order."""
        outcome = self.run("config", "--list", "--show-scope", "-z", check=False, configuration=_PROBE)
        if outcome.code != 0:
            raise self._failed("config", outcome)
        fields = outcome.output.decode("utf-8", "surrogateescape").split("\0")
        settings = []
        for scope, entry in zip(fields[0::2], fields[1::2], strict=False):
            key, separator, value = entry.partition("\n")
            settings.append((scope, key.lower(), value if separator else "true"))
        return settings

    @cached_property
    def _overrules(self) -> list[tuple[str, str]]:
        """What stands against the repository's own configuration."""
        overrules = []
        checkout = list(dict.fromkeys(name for scope, name, _ in self._settings if scope in _CHECKOUT))
        for name in checkout:
            for pattern, default in _EXECUTABLE:
                if pattern.fullmatch(name):
                    own = self.user_setting(name)
                    overrules.append((name, default if own is None else own))
        if any(_HELPER.fullmatch(name) for name in checkout):
            overrules.append(("credential.helper", ""))  # an empty value empties the list (gitcredentials(7))
            overrules += [
                (name, value)
                for scope, name, value in self._settings
                if scope not in _CHECKOUT and _HELPER.fullmatch(name)
            ]
        return overrules

    def _environment(
        self, configuration: Sequence[tuple[str, str]], environment: Mapping[str, str] | None
    ) -> dict[str, str]:
        """The child's environment: the runner's, without what points Git elsewhere, with our configuration last."""
        variables = {name: value for name, value in self._given.items() if name not in _UNSET}
        try:
            given = int(variables.get("GIT_CONFIG_COUNT") or 0)
        except ValueError:
            given = 0
        overrules: Iterable[tuple[str, str]] = () if configuration is _PROBE else self._overrules
        settings = (*_FIXED, ("safe.directory", str(self.root)), *overrules, *configuration)
        for number, (key, value) in enumerate(settings, start=given):
            variables[f"GIT_CONFIG_KEY_{number}"] = key
            variables[f"GIT_CONFIG_VALUE_{number}"] = value
        return {
            **variables,
            "GIT_CONFIG_COUNT": str(given + len(settings)),
            "GIT_CEILING_DIRECTORIES": str(self.root.parent),
            "GIT_ALLOW_PROTOCOL": PROTOCOLS,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_EDITOR": "false",
            "LC_ALL": "C",
            **(environment or {}),
        }

    def _failed(self, command: str, outcome: Outcome) -> TagboatError:
        if "dubious ownership" in outcome.errors:
            return ConfigurationError(
                "Git does not trust this folder, since another user owns it",
                where=str(self.root),
                hint=f"git config --global --add safe.directory {self.root}",
            )
        reason = outcome.errors.splitlines()[-1] if outcome.errors else f"exit code {outcome.code}"
        return GitError(f"git {command} failed: {reason}", where=str(self.root))


_CHECKOUT = frozenset({"local", "worktree"})
_PROBE: tuple[tuple[str, str], ...] = (("core.fsmonitor", "false"),)
"""The configuration of the one command that reads the configuration, and so cannot rest on what it says."""


def masked(text: str) -> str:
    """Text without the credentials of the addresses in it."""
    return _CREDENTIALS_IN_URL.sub("***@", text)


def credentials(token: str, server: str) -> tuple[tuple[str, str], ...]:
    """Settings that authenticate requests to one server, and to no other, with a token of GitHub.

    The first one empties the list: actions/checkout may have put a header of its own there, and GitHub refuses
    requests that have two.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(server)
    key = f"http.{parts.scheme}://{parts.netloc}/.extraHeader"
    secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return ((key, ""), (key, f"Authorization: Basic {secret}"))

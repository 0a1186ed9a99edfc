"""Real Git repositories for tests: commits, tags with any date, in one call each.

    repository = GitRepository.make(tmp_path / "clone")
    first = repository.commit({"model.txt": "1"})
    repository.register("churn", "v1.0.0", first)          # churn@v1.0.0
    repository.assign("churn", "prod", first)              # churn#prod#1

Time stands still unless a test moves it: every commit and tag is one second after the last one, unless ``time`` says
otherwise. Nothing of the machine's own Git configuration is used.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

START = 1_700_000_000
"""The first second of every repository."""

GIT_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Author",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "Tagger",
    "GIT_COMMITTER_EMAIL": "tagger@example.com",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
"""For Git, and for whatever of ours runs it in a test."""


def environment(**more: str) -> dict[str, str]:
    """The process's environment with Git's configuration pinned, and neither GitHub nor any other CI in it."""
    foreign = ("CI", "GIT_", "GITHUB_", "INPUT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, **GIT_ENVIRONMENT, **more}


@dataclass
class GitRepository:
    """A clone on disk and a clock of its own (Unix seconds)."""

    path: Path
    time: int = START
    counters: dict[str, int] = field(default_factory=dict)

    @classmethod
    def make(cls, path: Path, *, bare: bool = False) -> GitRepository:
        """An empty repository with the branch main."""
        path.mkdir(parents=True, exist_ok=True)
        repository = cls(path)
        repository.git("init", "--quiet", "--initial-branch=main", *(["--bare"] if bare else []))
        return repository

    @classmethod
    def clone(cls, source: Path, path: Path, *options: str) -> GitRepository:
        """A clone over file://, so that --depth and --no-tags mean something."""
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["git", "-c", "protocol.file.allow=always", "clone", "--quiet", *options, f"file://{source}", str(path)],
            env=environment(), check=True, capture_output=True,
        )  # fmt: skip
        return cls(path)

    def git(self, *arguments: str, stdin: str | bytes | None = None, time: int | None = None, zone: str = "+0000",
            check: bool = True, **variables: str) -> str:  # fmt: skip
        """Run Git here; ``time`` dates what it makes."""
        moment = f"{self.time if time is None else time} {zone}"
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            env=environment(GIT_AUTHOR_DATE=moment, GIT_COMMITTER_DATE=moment, **variables),
            capture_output=True, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"git {' '.join(arguments)}: {done.stderr.decode()}")
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str | bytes] | None = None, *, message: str = "Work",
               time: int | None = None) -> str:  # fmt: skip
        """Write files, commit everything, and return the commit's id."""
        for name, content in (files or {}).items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--no-verify", "-m", message, time=self._tick(time))
        return self.head

    @property
    def head(self) -> str:
        """HEAD's commit."""
        return self.git("rev-parse", "HEAD")

    def tag(self, name: str, target: str = "HEAD", *, message: str = "A tag", time: int | None = None,
            zone: str = "+0000") -> str:  # fmt: skip
        """An annotated tag; returns its object's id."""
        self.git("tag", "-a", "-f", "-m", message, name, target, time=self._tick(time), zone=zone)
        return self.git("rev-parse", f"refs/tags/{name}")

    def lightweight(self, name: str, target: str = "HEAD") -> None:
        """A tag without an object of its own."""
        self.git("tag", "-f", name, target)

    def raw_tag(self, ref: str, text: str) -> str:
        """A ref to a tag object of exactly this text, however wrong."""
        made = self.git("hash-object", "-t", "tag", "-w", "--literally", "--stdin", stdin=text)
        place = self.path / ".git" / "refs" / "tags" / ref  # `git update-ref` would refuse the worst of them
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{made}\n")
        return made

    def register(self, artifact: str, version: str, target: str = "HEAD", *, time: int | None = None) -> str:
        """Register a version as GTO does; returns the tag's name."""
        return self._event(f"{_written(artifact)}@{version}", target, time)

    def deregister(self, artifact: str, version: str, target: str = "HEAD", *, time: int | None = None) -> str:
        """Take a registration back; returns the tag's name."""
        return self._event(f"{_written(artifact)}@{version}!", target, time)

    def assign(self, artifact: str, stage: str, target: str = "HEAD", *, time: int | None = None) -> str:
        """Assign a stage as GTO does, with the artifact's next counter; returns the tag's name."""
        return self._event(f"{_written(artifact)}#{stage}#{self._count(artifact)}", target, time)

    def unassign(self, artifact: str, stage: str, target: str = "HEAD", *, time: int | None = None) -> str:
        """Take a stage back; returns the tag's name."""
        return self._event(f"{_written(artifact)}#{stage}!#{self._count(artifact)}", target, time)

    def deprecate(self, artifact: str, target: str = "HEAD", *, time: int | None = None) -> str:
        """Deprecate an artifact; returns the tag's name."""
        return self._event(f"{_written(artifact)}@deprecated", target, time)

    def write_tags(self, tags: Iterable[tuple[str, str, int]]) -> None:
        """Many annotated tags (name, commit, Unix seconds) at once, by one `git fast-import`."""
        stream = "".join(
            f"tag {name}\nfrom {commit}\ntagger Tagger <tagger@example.com> {time} +0000\ndata 1\nx\n"
            for name, commit, time in tags
        )
        self.git("fast-import", "--quiet", "--force", stdin=stream)

    def _event(self, name: str, target: str, time: int | None) -> str:
        self.tag(name, target, message=f"Event {name}", time=time)
        return name

    def _count(self, artifact: str) -> int:
        self.counters[artifact] = self.counters.get(artifact, 0) + 1
        return self.counters[artifact]

    def _tick(self, time: int | None) -> int:
        if time is None:
            self.time += 1
            return self.time
        return time


def _written(artifact: str) -> str:
    return artifact.replace(":", "=")

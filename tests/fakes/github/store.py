"""What the fake GitHub remembers: people and tokens, pull requests, comments, deployments, checks; Git's part is Git.

The repository's commits, tags and files are a real bare repository, so that what comes by the API is there for a clone
and the other way about.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Document = dict[str, Any]

ALL = {
    "actions": "write", "checks": "write", "contents": "write", "deployments": "write", "issues": "write",
    "metadata": "read", "pull_requests": "write",
}  # fmt: skip
"""What a token may, where a test gives it everything."""


class Refusal(Exception):
    """An answer that is an error, as GitHub words it."""

    def __init__(self, status: int, message: str, *, errors: list[Document] | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.document: Document = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        if errors is not None:
            self.document["errors"] = errors


@dataclass(frozen=True)
class Holder:
    """Whose token it is, and what it may. An installation (GITHUB_TOKEN, an app) is nobody that ``GET /user`` knows."""

    login: str
    kind: str = "User"
    permissions: dict[str, str] = field(default_factory=lambda: dict(ALL))

    @property
    def installation(self) -> bool:
        return self.kind == "Bot"


ACTIONS = Holder("github-actions[bot]", "Bot")


class Store:
    """One repository's state. ``clock`` in Unix seconds; every thing that is made is one second younger."""

    def __init__(self, name: str, git: Git) -> None:
        self.name = name
        self.git = git
        self.numbers = itertools.count(1001)
        self.seconds = 1_769_860_800
        self.tokens: dict[str, Holder] = {}
        self.roles: dict[str, str] = {}
        self.pulls: dict[int, Document] = {}
        self.issues: dict[int, Document] = {}
        self.comments: dict[int, Document] = {}
        self.events: dict[int, list[Document]] = defaultdict(list)
        self.deployments: dict[int, Document] = {}
        self.statuses: dict[int, list[Document]] = defaultdict(list)
        self.checks: dict[int, Document] = {}
        self.labels: dict[str, Document] = {}
        self.reactions: dict[int, list[Document]] = defaultdict(list)
        self.environments: dict[str, Document] = {}
        self.workflows: dict[str, Document] = {}
        self.runs: dict[int, Document] = {}
        self.approvals: dict[int, list[Document]] = defaultdict(list)
        self.dispatched: list[Document] = []

    def number(self) -> int:
        """An id that nothing has yet."""
        return next(self.numbers)

    def now(self) -> str:
        """A second later than before, as GitHub writes it."""
        import time

        self.seconds += 1
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.seconds))

    def user(self, login: str, kind: str = "User") -> Document:
        """A person or bot, in short."""
        return {"login": login, "type": kind, "id": 1 + sum(login.encode())}

    def open_pull(self, number: int, *, head: str, base: str = "main", title: str = "A change", author: str = "mona",
                  head_repository: str | None = None) -> Document:  # fmt: skip
        """A pull request from the commit ``head``; from a fork where a repository is named."""
        at = self.now()
        source = {"full_name": head_repository or self.name, "fork": head_repository is not None}
        user = self.user(author)
        label = f"{(head_repository or self.name).partition('/')[0]}:topic-{number}"
        self.pulls[number] = {
            "id": self.number(), "number": number, "state": "open", "title": title, "user": user, "body": "",
            "created_at": at, "updated_at": at, "merged_at": None, "merge_commit_sha": None, "labels": [],
            "head": {"sha": head, "ref": f"topic-{number}", "label": label, "repo": source, "user": user},
            "base": {"sha": self.git.tip(base), "ref": base, "label": f"{self.name.partition('/')[0]}:{base}",
                     "repo": {"full_name": self.name, "fork": False}, "user": user},
            "author_association": "CONTRIBUTOR", "draft": False,
        }  # fmt: skip
        self.issues[number] = {"id": self.number(), "number": number, "state": "open", "title": title, "user": user,
                               "labels": [], "comments": 0, "created_at": at, "updated_at": at, "body": "",
                               "author_association": "CONTRIBUTOR"}  # fmt: skip
        return self.pulls[number]

    def merge_pull(self, number: int, commit: str) -> None:
        """The pull request was merged by this commit."""
        self.pulls[number] |= {"state": "closed", "merged_at": self.now(), "merge_commit_sha": commit}
        self.issues[number]["state"] = "closed"

    def comment(self, number: int, body: str, holder: Holder) -> Document:
        """A comment on an issue or pull request."""
        made, at = self.number(), self.now()
        self.comments[made] = {"id": made, "issue": number, "body": body, "user": self.user(holder.login, holder.kind),
                               "created_at": at, "updated_at": at, "author_association": "CONTRIBUTOR"}  # fmt: skip
        return self.comments[made]

    def happen(self, number: int, event: str, holder: Holder, **more: Document) -> None:
        """An event of an issue or pull request, such as ``labeled``."""
        self.events[number].append({"id": self.number(), "event": event, "created_at": self.now(), "commit_id": None,
                                    "commit_url": None, "actor": self.user(holder.login, holder.kind),
                                    "performed_via_github_app": None, **more})  # fmt: skip

    def comments_on(self, number: int) -> list[Document]:
        """Oldest first, as GitHub lists them."""
        return [each for each in self.comments.values() if each["issue"] == number]

    def states(self, deployment: int) -> list[str]:
        """A deployment's states, the oldest first."""
        return [each["state"] for each in self.statuses[deployment]]


class Git:
    """A bare repository, asked by git itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.exists():
            folder.mkdir(parents=True)
            self("init", "-q", "--bare", "-b", "main")

    def __call__(self, *words: str, given: str = "") -> str:
        """A git command's output. Raises `Refusal` (422) where git refuses."""
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Mona", "GIT_AUTHOR_EMAIL": "mona@example.com",
            "GIT_COMMITTER_NAME": "Mona", "GIT_COMMITTER_EMAIL": "mona@example.com",
        }  # fmt: skip
        done = subprocess.run(["git", "-C", str(self.folder), *words], input=given, capture_output=True, text=True,
                              env=environment, check=False)  # fmt: skip
        if done.returncode:
            raise Refusal(422, done.stderr.strip())
        return done.stdout

    def found(self, revision: str, kind: str = "commit") -> str | None:
        """The object id of a revision peeled to a kind, or None."""
        try:
            return self("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{{kind}}}").strip()
        except Refusal:
            return None

    def tip(self, branch: str) -> str:
        """The commit of a branch; all zeros where it is not born."""
        return self.found(f"refs/heads/{branch}") or "0" * 40

    def commit(self, message: str = "A change", *, branch: str = "main", files: dict[str, str] | None = None) -> str:
        """A commit on a branch, with these files and no others."""
        self("read-tree", "--empty")
        for path, content in (files or {"README.md": message}).items():
            blob = self("hash-object", "-w", "--stdin", given=content).strip()
            self("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = self("write-tree").strip()
        parent = self.found(f"refs/heads/{branch}")
        made = self("commit-tree", tree, "-m", message, *(["-p", parent] if parent else [])).strip()
        self("update-ref", f"refs/heads/{branch}", made)
        return made

    def references(self, prefix: str) -> Iterator[tuple[str, str, str]]:
        """Full name, object id and kind of every reference that begins so."""
        for line in self("for-each-ref", "--format=%(refname) %(objectname) %(objecttype)").splitlines():
            name, object_id, kind = line.split(" ")
            if name.startswith(prefix):
                yield name, object_id, kind

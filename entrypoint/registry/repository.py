"""The repository as the registry needs it: its tags, the files of a commit, its remote.

Nothing here reads the working tree, and nothing checks files out: a commit is read object by object, without filters
or attributes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

from entrypoint.errors import ConfigurationError, UnsafeContentError, UsageError
from entrypoint.registry.git import Git, GitError, Outcome
from entrypoint.registry.remote import Remote, TagTakenError
from entrypoint.registry.tagobjects import TagObject, read_tags
from entrypoint.registry.tags import shown

TEXT_LIMIT = 10_000_000
"""Bytes of a file that is read as a whole (annotations, parameters, requirements)."""

_SAVED = "refs/tagboat/"
"""Where fetched branches are kept, so that no branch of the user's moves."""


@dataclass(frozen=True)
class TreeEntry:
    """One file of a commit. ``mode``: Git's, such as 100644, 120000 for a link, 160000 for a submodule."""

    path: str
    mode: str
    object_id: str
    size: int | None

    @property
    def is_file(self) -> bool:
        """A plain file, executable or not; neither a link nor a submodule."""
        return self.mode in {"100644", "100755"}


@dataclass(frozen=True)
class Identity:
    """Who a tag says it is by."""

    name: str
    email: str


@dataclass
class Repository:
    """A clone, found from any folder in it.

    ``environment``: the runner's variables, for Git. ``token`` authenticates fetches and pushes to the GitHub server
    that GITHUB_SERVER_URL names (github.com by default), and goes to no other; it is never shown. ``remote``: a
    remote's name.
    """

    directory: Path
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    token: str | None = field(default=None, repr=False)
    remote: str = "origin"

    @cached_property
    def git(self) -> Git:
        """The way to run Git here."""
        return Git(self.directory, self.environment)

    @property
    def root(self) -> Path:
        """The top of the work tree, links resolved."""
        return self.git.root

    # --- what is here ------------------------------------------------------------------------------------------

    def tags(self) -> list[TagObject]:
        """Every tag ref with what its object says, in the order of their names; one ``git for-each-ref``."""
        return read_tags(self.git)

    def tag(self, name: str) -> TagObject | None:
        """One tag, or None."""
        found = read_tags(self.git, (f"refs/tags/{name}",))
        return next((tag for tag in found if tag.name == name), None)

    def commit(self, revision: str) -> str | None:
        """The id of the commit that a revision names (a branch, HEAD, an id), or None."""
        if "\n" in revision or "\0" in revision:
            return None
        outcome = self.git.run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", check=False
        )
        return outcome.text.removeprefix("--end-of-options").strip() or None if outcome.code == 0 else None

    def commit_times(self, commits: Iterable[str]) -> dict[str, int]:
        """When commits were made, in Unix seconds, by their ids."""
        asked = "".join(f"{_commit(commit)}\n" for commit in sorted(set(commits)))
        if not asked:
            return {}
        outcome = self.git.run("log", "--no-walk=unsorted", "--format=%H %ct", "--stdin", stdin=asked.encode())
        return {line.split(" ")[0]: int(line.split(" ")[1]) for line in outcome.text.splitlines()}

    def read(self, commit: str, path: str, *, limit: int = TEXT_LIMIT) -> bytes | None:
        """The content of a file at a commit; None where there is none, or where it is a link or a folder.

        Raises `UnsafeContentError` for more than ``limit`` bytes.
        """
        entry = self.entry(commit, path)
        if entry is None or not entry.is_file:
            return None
        if entry.size is not None and entry.size > limit:
            raise UnsafeContentError(f"the file is larger than {limit} bytes", where=f"{path} at {commit[:7]}")
        return self.git.run("cat-file", "blob", entry.object_id).output

    def entry(self, commit: str, path: str) -> TreeEntry | None:
        """What a commit has at a path, or None."""
        path = _inside(path)
        if not path:
            return None
        outcome = self.git.run("ls-tree", "-z", "-l", "--full-tree", _commit(commit), "--", path)
        return next((entry for entry in _entries(outcome) if entry.path == path), None)

    def list_tree(self, commit: str, folder: str = "") -> list[TreeEntry]:
        """Every file below a folder at a commit, with its path from the top; empty where there is no such folder."""
        folder = _inside(folder)
        paths = ("--", f"{folder}/") if folder else ()
        return list(_entries(self.git.run("ls-tree", "-r", "-z", "-l", "--full-tree", _commit(commit), *paths)))

    @contextmanager
    def open(self, object_id: str) -> Iterator[BinaryIO]:
        """The bytes of a blob as they come, for files of any size."""
        with self.git.stream("cat-file", "blob", _commit(object_id)) as stream:
            yield cast("BinaryIO", stream)

    @property
    def is_shallow(self) -> bool:
        """Whether history was cut off, as actions/checkout does by default."""
        return self.git.run("rev-parse", "--is-shallow-repository").text == "true"

    # --- the remote --------------------------------------------------------------------------------------------

    @property
    def remote_url(self) -> str | None:
        """Where the remote is, or None; may hold credentials, so never for showing."""
        return self._remote().url

    def fetch_tags(self, token: str | None = None, remote: str | None = None) -> None:
        """Bring every tag of the remote here, as it is there (a lightweight stand-in is replaced).

        Tags that only we have stay. A shallow clone stays shallow. Raises `UnreachableError`.
        """
        self._remote(token, remote).fetch("+refs/tags/*:refs/tags/*", *self._depth)

    def fetch_tag(self, name: str) -> TagObject | None:
        """Bring one tag of the remote here, over ours; None where the remote has none of that name."""
        ref = f"refs/tags/{name}"
        if self._remote().object_id(ref) is None:
            return None
        self._remote().fetch(f"+{ref}:{ref}", *self._depth)
        return self.tag(name)

    def fetch_commit(self, commit: str) -> None:
        """Bring one commit of the remote's here by its id; GitHub hands out any that a branch or pull request has."""
        self._remote().fetch(f"+{_commit(commit)}:{_SAVED}commits/{commit}", *self._depth)

    def default_branch_tip(self, token: str | None = None) -> str:
        """The commit at the tip of the remote's default branch, fetched now."""
        ref = f"{_SAVED}default-branch"
        self._remote(token).fetch(f"+HEAD:{ref}", *self._depth)
        return self.git.run("rev-parse", "--verify", f"{ref}^{{commit}}").text

    def contains(self, branch: str, commit: str, token: str | None = None) -> bool:
        """Whether a branch of the remote has this commit in its history; fetches the branch, whole if need be.

        In a clone without remote the branch of that name here counts.
        """
        if branch.startswith("-") or self.git.run("check-ref-format", f"refs/heads/{branch}", check=False).code != 0:
            raise ConfigurationError("no name of a branch", where=shown(branch))
        ref = f"refs/heads/{branch}"
        if self.remote_url is not None:
            whole = ("--unshallow",) if self.is_shallow else ()
            ref = f"{_SAVED}branches/{branch}"
            self._remote(token).fetch(f"+refs/heads/{branch}:{ref}", *whole)
        if self.git.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", check=False).code != 0:
            raise ConfigurationError("there is no such branch", where=branch)
        outcome = self.git.run("merge-base", "--is-ancestor", _commit(commit), ref, check=False)
        if outcome.code not in {0, 1}:
            raise GitError(f"git merge-base failed: {outcome.errors}", where=branch)
        return outcome.code == 0

    def push_tag(self, name: str, token: str | None = None) -> bool:
        """Put one of our tags on the remote; false where it has this very one already.

        Raises `TagTakenError` where it has another one of that name, `PushRefusedError` where it wants none.
        """
        tag = self.tag(name)
        if tag is None:
            raise UsageError("there is no such tag here", where=shown(name))
        return self._remote(token).push(f"refs/tags/{name}", tag.object_id)

    def _remote(self, token: str | None = None, name: str | None = None) -> Remote:
        return Remote(self.git, name or self.remote, self.environment, token or self.token)

    @property
    def _depth(self) -> tuple[str, ...]:
        return ("--depth=1",) if self.is_shallow else ()

    # --- writing -----------------------------------------------------------------------------------------------

    def create_tag(
        self,
        name: str,
        commit: str,
        message: str,
        *,
        time: int,
        tagger: Identity,
        signing_key: str | None = None,
        sign: bool = False,
    ) -> TagObject:
        """Write an annotated tag; ``time`` in Unix seconds. An empty ``signing_key`` leaves the choice to Git.

        Raises `TagTakenError` when there is a tag of that name here.
        """
        how = ("-u", signing_key) if sign and signing_key else ("-s",) if sign else ("-a",)
        outcome = self.git.run(
            "tag", *how, "--cleanup=verbatim", "-F", "-", name, commit,
            stdin=(f"{message}\n" if sign else message).encode(),  # a signature starts a line of its own
            check=False,
            configuration=(("tag.gpgSign", "false"), ("tag.forceSignAnnotated", "false"), *self._signing()),
            environment={
                "GIT_COMMITTER_NAME": tagger.name,
                "GIT_COMMITTER_EMAIL": tagger.email,
                "GIT_COMMITTER_DATE": f"@{time} +0000",
            },
        )  # fmt: skip
        if outcome.code != 0:
            if "already exists" in outcome.errors:
                raise TagTakenError("there is a tag of this name", where=name)
            raise GitError(f"git tag failed: {outcome.errors}", where=name)
        written = self.tag(name)
        if written is None:
            raise GitError("the tag is gone as soon as it was written", where=name)
        return written

    def delete_tag(self, tag: TagObject) -> None:
        """Delete a tag here, unless it has moved meanwhile."""
        self.git.run("update-ref", "-d", f"refs/tags/{tag.name}", tag.object_id)

    def identity(self) -> Identity | None:
        """Who Git would say a new tag is by, or None where nobody told it."""
        outcome = self.git.run(
            "var", "GIT_COMMITTER_IDENT", check=False, configuration=(("user.useConfigOnly", "true"),)
        )
        if outcome.code != 0:
            return None
        name, _, rest = outcome.text.rpartition(" <")
        return Identity(name, rest.partition(">")[0])

    def _signing(self) -> tuple[tuple[str, str], ...]:
        """How the user signs, whatever the repository's own configuration says."""
        return (("gpg.format", self.git.user_setting("gpg.format") or "openpgp"),)


def _entries(outcome: Outcome) -> Iterator[TreeEntry]:
    """Read what ``ls-tree -l -z`` prints: mode, type, object, size, TAB, path."""
    for record in outcome.output.decode("utf-8", "surrogateescape").split("\0"):
        facts, _, path = record.partition("\t")
        if path:
            mode, _, object_id, size = facts.split()
            yield TreeEntry(path, mode, object_id, int(size) if size.isdigit() else None)


def _inside(path: str) -> str:
    """A path from the top of the repository, without ``.`` and doubled slashes; refused when it leaves it."""
    if "\0" in path or path.startswith("/"):
        raise UnsafeContentError("the path is not inside the repository", where=shown(path))
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise UnsafeContentError("the path leads out of its folder", where=shown(path))
    return "/".join(parts)


def _commit(text: str) -> str:
    """An object's id, and nothing that Git would read as an option or an expression."""
    if not text or not all(character in "0123456789abcdef" for character in text):
        raise UsageError("not an object's id", where=shown(text))
    return text

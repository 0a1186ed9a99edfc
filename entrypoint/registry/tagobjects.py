"""Every tag of a repository with what its object says, from one ``git for-each-ref``.

One broken object makes for-each-ref fail as a whole; then the refs are read in halves until the broken ones stand
alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from entrypoint.registry.git import Git, GitError

_FIELDS = (
    "refname",
    "objectname",
    "objecttype",
    "object",
    "type",
    "tag",
    "taggername",
    "taggeremail:trim",
    "taggerdate:raw",
    "*committerdate:raw",
    "committerdate:raw",
    "contents:signature",
    "contents",
)
_FORMAT = "".join(f"%({name})%00" for name in _FIELDS)
_AT_ONCE = 1000
"""Refs that one command line names when they are read piece by piece."""


class TagObject(msgspec.Struct, frozen=True, gc=False):
    """A tag ref and its object.

    ``object_id``: what the ref points to. ``kind``: ``tag`` for an annotated tag, else that of a lightweight one's
    object. ``commit``: the commit at the end of the chain, or None. ``nested``: the annotated tag points to another
    tag. ``inner_name``: what the object calls itself. ``time``: the tagger's, ``commit_time`` the committer's, Unix
    seconds. ``message`` is without the signature. ``broken``: Git cannot read the object.
    """

    name: str
    object_id: str
    kind: str
    commit: str | None = None
    nested: bool = False
    inner_name: str | None = None
    tagger: str = ""
    email: str = ""
    time: int | None = None
    commit_time: int = 0
    message: str = ""
    signed: bool = False
    broken: bool = False

    @property
    def annotated(self) -> bool:
        """Whether the ref points to a tag object, not straight to a commit."""
        return self.kind == "tag"


def read_tags(git: Git, refs: Sequence[str] = ("refs/tags",)) -> list[TagObject]:
    """The tags among these refs (or folders of refs), sorted by name."""
    outcome = git.run("for-each-ref", f"--format={_FORMAT}", *refs, check=False)
    tags = _parse(outcome.output) if outcome.code == 0 else _one_by_one(git, refs)
    chains = [tag for tag in tags if tag.nested and not tag.broken]
    if chains:
        peeled = _peel(git, chains)
        tags = [peeled.get(tag.name, tag) for tag in tags]
    tags = [_doubted(git, tag) if tag.time == 0 else tag for tag in tags]
    return sorted(tags, key=lambda tag: tag.name)


def _parse(output: bytes) -> list[TagObject]:
    fields = output.decode("utf-8", "replace").split("\0")
    size = len(_FIELDS)
    return [_tag(fields[start : start + size]) for start in range(0, len(fields) - size, size)]


def _tag(fields: list[str]) -> TagObject:
    ref, object_id, kind, target, target_kind, inner, tagger, email, date, peeled_date, own_date, signature, text = (
        fields
    )
    annotated = kind == "tag"
    commit = target if annotated and target_kind == "commit" else object_id if kind == "commit" else None
    return TagObject(
        name=ref.lstrip("\n").removeprefix("refs/tags/"),
        object_id=object_id,
        kind=kind,
        commit=commit,
        nested=annotated and target_kind == "tag",
        inner_name=inner if annotated else None,
        tagger=tagger,
        email=email,
        time=_seconds(date) if annotated else None,
        commit_time=_seconds(peeled_date if annotated else own_date) or 0,
        message=text.removesuffix(signature).strip() if signature else text.strip(),
        signed=bool(signature),
    )


def _doubted(git: Git, tag: TagObject) -> TagObject:
    """Git gives second 0 for a date that it cannot read; then the tag has none."""
    header = git.run("cat-file", "tag", tag.object_id).output.partition(b"\n\n")[0]
    return tag if re.search(rb"^tagger .*> 0 [+-][0-9]+$", header, re.MULTILINE) else replace(tag, time=None)


def _seconds(date: str) -> int | None:
    """The first number of Git's raw date, ``1700000000 +0100``."""
    number = date.partition(" ")[0]
    return int(number) if number.isdecimal() and len(number) < 19 else None


def _one_by_one(git: Git, refs: Sequence[str]) -> list[TagObject]:
    """Read every tag that can be read; the others come back as broken."""
    listing = git.run("for-each-ref", "--format=%(objectname) %(refname)", *refs)
    names: dict[str, str] = {}
    for line in listing.output.decode("utf-8", "replace").splitlines():
        object_id, _, ref = line.partition(" ")
        names[ref] = object_id
    tags = []
    todo = [list(names)[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]
    while todo:
        some = todo.pop()
        outcome = git.run("for-each-ref", f"--format={_FORMAT}", *some, check=False)
        if outcome.code == 0:
            tags += [tag for tag in _parse(outcome.output) if f"refs/tags/{tag.name}" in some]
        elif len(some) == 1:
            ref = some[0]
            tags.append(TagObject(ref.removeprefix("refs/tags/"), names[ref], "unknown", broken=True))
        else:
            todo += [some[: len(some) // 2], some[len(some) // 2 :]]
    return tags


def _peel(git: Git, chains: Sequence[TagObject]) -> dict[str, TagObject]:
    """Follow tags of tags to their commits."""
    asked = "".join(f"{tag.object_id}^{{commit}}\n" for tag in chains).encode()
    answers = git.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).text.splitlines()
    if len(answers) != len(chains):
        raise GitError("git cat-file gave fewer answers than it was asked for")
    commits: dict[str, str] = {}
    for tag, answer in zip(chains, answers, strict=True):
        object_id, _, kind = answer.partition(" ")
        if kind == "commit":
            commits[tag.name] = object_id
    wanted = "".join(f"{commit}\n" for commit in sorted(set(commits.values()))).encode()
    told = git.run("log", "--no-walk=unsorted", "--format=%H %ct", "--stdin", stdin=wanted).text if wanted else ""
    times = dict(line.split(" ", 1) for line in told.splitlines())
    return {
        tag.name: replace(tag, commit=commits.get(tag.name), commit_time=int(times.get(commits.get(tag.name, ""), 0)))
        for tag in chains
    }

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
    "tagger",
    "contents",
)
_FORMAT = "%00".join(f"%({name})" for name in _FIELDS) + "%00"
_CHUNK = 1 << 16
_SIGNATURE = re.compile(r"^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SSH SIGNATURE|SIGNED MESSAGE)-----", re.MULTILINE)
"""Where a signature begins; Git's own rule (gpg-interface.c)."""

_AT_ONCE = 1000
"""Refs that one command line names when they are read piece by piece."""


class TagObject(msgspec.Struct, frozen=True, gc=False):
    """A tag ref and its object.

    ``object_id``: what the ref points to. ``kind``: ``tag`` for an annotated tag, else that of a lightweight one's
    object. ``commit``: the commit at the end of the chain, or None. ``nested``: the annotated tag points to another
    tag. ``inner_name``: what the object calls itself. ``time``: the tagger's, in Unix seconds. ``message`` is without
    the signature. ``broken``: Git cannot read the object.
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
    message: str = ""
    signed: bool = False
    broken: bool = False

    @property
    def annotated(self) -> bool:
        """Whether the ref points to a tag object, not straight to a commit."""
        return self.kind == "tag"


def read_tags(git: Git, refs: Sequence[str] = ("refs/tags",)) -> list[TagObject]:
    """The tags among these refs (or folders of refs), sorted by name."""
    try:
        tags = _listed(git, refs)
    except GitError:
        tags = _one_by_one(git, refs)
    tags = _settled(git, tags)
    return sorted(tags, key=lambda tag: tag.name)


def _listed(git: Git, refs: Sequence[str]) -> list[TagObject]:
    """What for-each-ref prints, read while Git is still at it. Raises `GitError` when it stops at a broken object."""
    tags = []
    rest, size = b"", _CHUNK
    with git.stream("for-each-ref", f"--format={_FORMAT}", *refs) as stream:
        while chunk := stream.read(size):
            *records, rest = (rest + chunk).split(b"\0\n")
            size = _CHUNK if records else size * 2  # a message of a gigabyte is not copied once for each chunk
            tags += [_tag(record.decode("utf-8", "replace").split("\0")) for record in records]
    return tags


def _tag(fields: list[str]) -> TagObject:
    ref, object_id, kind, target, target_kind, inner, tagger, text = fields
    name = ref.removeprefix("refs/tags/")
    if kind != "tag":
        return TagObject(name, object_id, kind, object_id if kind == "commit" else None)
    who, _, date = tagger.rpartition("> ")
    who, _, email = who.partition(" <") if not who.startswith("<") else ("", "", who[1:])
    seconds = date.partition(" ")[0]
    signature = _SIGNATURE.search(text)
    return TagObject(
        name=name,
        object_id=object_id,
        kind=kind,
        commit=target if target_kind == "commit" else None,
        nested=target_kind == "tag",
        inner_name=inner,
        tagger=who,
        email=email,
        time=int(seconds) if seconds.isdecimal() and len(seconds) < 19 else None,
        message=(text[: signature.start()] if signature else text).strip(),
        signed=signature is not None,
    )


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
        try:
            tags += [tag for tag in _listed(git, some) if f"refs/tags/{tag.name}" in some]
        except GitError:
            if len(some) == 1:
                ref = some[0]
                tags.append(TagObject(ref.removeprefix("refs/tags/"), names[ref], "unknown", broken=True))
            else:
                todo += [some[: len(some) // 2], some[len(some) // 2 :]]
    return tags


def _settled(git: Git, tags: Sequence[TagObject]) -> list[TagObject]:
    """Follow tags of tags to their commits, and see that every commit is there and is one."""
    ends = [tag.object_id if tag.nested else tag.commit if tag.annotated else None for tag in tags]
    asked = sorted({end for end in ends if end})
    if not asked:
        return list(tags)
    stdin = "".join(f"{object_id}^{{commit}}\n" for object_id in asked).encode()
    answers = git.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=stdin).text.splitlines()
    if len(answers) != len(asked):
        raise GitError("git cat-file gave fewer answers than it was asked for")
    commits = {
        object_id: answer.partition(" ")[0]
        for object_id, answer in zip(asked, answers, strict=True)
        if answer.endswith(" commit")
    }
    return [
        tag if end is None or commits.get(end) == tag.commit else replace(tag, commit=commits.get(end))
        for tag, end in zip(tags, ends, strict=True)
    ]

"""The grammar of registry tags: GTO's (gto/constants.py of 1.10), read more strictly where GTO is unsafe.

    [dirname=]name#stage[!][#counter]        assignment, or with ! the end of one
    [dirname=]name@vSEMVER[!][#counter]      registration, or with ! the end of one
    [dirname=]name@deprecated[#counter]      deprecation
    [dirname=]name@created[#counter]         reserved: GTO reads it and then fails on it

Stricter: the whole text must match, digits are ASCII digits, and a name that could be read as a path out of its
folder, as an option or as another ref is refused. An artifact's name has ``:`` where its tag has ``=``.
"""

from __future__ import annotations

import enum
import re
import unicodedata

import msgspec

from entrypoint.errors import NotARegistryTagError, UnsafeContentError

LONGEST = 255
"""Characters of a tag name; a file name's limit, which Git meets when it stores the ref as a file."""

LARGEST_COUNTER = 2**63 - 1
"""What JSON readers and Git hosts keep exactly."""

_DIRNAME = r"[a-zA-Z0-9\-_./]+"
_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9\-/_]*[a-zA-Z0-9])?"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_NUMBER = r"(?:0|[1-9][0-9]*)"
SEMVER = (
    rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
"""A version: semver.org's expression behind a ``v``."""

_TAG = re.compile(
    rf"(?P<artifact>(?:{_DIRNAME}=)?{_NAME})"
    rf"(?:(?:#(?P<stage>{_NAME})|@(?P<version>{SEMVER}))(?P<cancel>!?)|@(?P<word>deprecated|created))"
    r"(?:#(?P<counter>[0-9]+))?"
)
_ARTIFACT = re.compile(rf"(?:{_DIRNAME}:)?{_NAME}")
_STAGE = re.compile(_NAME)
_VERSION = re.compile(SEMVER)
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SUSPECT = re.compile(r"(?:^|[/=])[/.-]|\.\.|\.lock(?:/|\Z)|#[0-9]{19}|^refs/")
"""In every name that `unsafe` objects to; most names are spared the closer look."""

_NOT_A_TAG = "not a registry tag (these look like churn@v1.4.0 or churn#prod#3)"
_FOREIGN = re.compile(r"[^a-zA-Z0-9\-_./=#@!+:]")


class TagAction(enum.StrEnum):
    """What a tag does to the registry; GTO's words."""

    REGISTER = "register"
    DEREGISTER = "deregister"
    ASSIGN = "assign"
    UNASSIGN = "unassign"
    DEPRECATE = "deprecate"
    CREATE = "create"


class Tag(msgspec.Struct, frozen=True, gc=False):
    """A registry tag taken apart. ``name``: the tag as Git knows it. ``artifact``: with ``:`` for the tag's ``=``."""

    name: str
    artifact: str
    action: TagAction
    version: str | None = None
    stage: str | None = None
    counter: int | None = None

    @property
    def ref(self) -> str:
        """The full ref."""
        return f"refs/tags/{self.name}"


def parse(text: str) -> Tag:
    """Take a tag apart; ``refs/tags/`` in front is stripped once.

    Raises `NotARegistryTagError` for a text that the grammar does not know, and `UnsafeContentError` for one that
    GTO, an eye or a shell would take for a registry tag although it is none, or is a dangerous one.
    """
    name = text.removeprefix("refs/tags/")
    if name == text and name.startswith("refs/"):
        raise NotARegistryTagError("not a tag, but another ref", where=shown(name))
    match = _TAG.fullmatch(name) if len(name) <= LONGEST else None
    if match is None:
        raise _not_a_tag(name)
    if _SUSPECT.search(name) and (reason := unsafe(name)):
        raise UnsafeContentError(
            f"this tag is refused: {reason}", where=shown(name), hint="Delete the tag, and name the artifact plainly."
        )
    artifact, stage, version, cancel, word, digits = match.groups()
    if stage:
        action = TagAction.UNASSIGN if cancel else TagAction.ASSIGN
    elif version:
        action = TagAction.DEREGISTER if cancel else TagAction.REGISTER
    else:
        action = TagAction.DEPRECATE if word == "deprecated" else TagAction.CREATE
    return Tag(name, artifact.replace("=", ":"), action, version, stage, int(digits) if digits else None)


def unsafe(name: str) -> str | None:
    """Why a name that fits the grammar is refused all the same, or None.

    The rules are ours (a leading ``/``, ``-`` or ``.``, and ``..``) and Git's own for refs (git-check-ref-format).
    """
    if name.startswith(("/", "-", ".")):
        return f"its name starts with '{name[0]}'"
    if name.startswith("refs/"):
        return "its name starts with 'refs/' once more"
    if ".." in name or "//" in name:
        return f"its name holds '{'..' if '..' in name else '//'}'"
    for part in name.split("/"):
        if part.startswith(".") or part.endswith(".lock"):
            return f"'{part}' is no part of a ref's name"
    artifact = re.split("[#@]", name, maxsplit=1)[0]
    if any(part.startswith((".", "-")) for part in artifact.split("=")):
        return "a part of its name starts with '.' or '-'"
    digits = name.rpartition("#")[2]
    if digits.isdecimal() and "#" in name and (len(digits) > 40 or int(digits) > LARGEST_COUNTER):
        return "its counter is too large"
    return None


def _not_a_tag(name: str) -> NotARegistryTagError | UnsafeContentError:
    """The error for a text that does not match: hostile where it only looks like a registry tag."""
    where = shown(name)
    if len(name) > LONGEST:
        if _TAG.match(name):
            return UnsafeContentError(f"this tag is longer than {LONGEST} characters", where=where)
        return NotARegistryTagError(_NOT_A_TAG, where=where)
    plain = "".join(str(unicodedata.decimal(c, c)) for c in unicodedata.normalize("NFKC", name))
    foreign = _FOREIGN.search(name)
    if foreign is not None:
        readings = (_FOREIGN.sub("", plain), name[: foreign.start()])
        if any(_TAG.fullmatch(reading) for reading in readings):
            return UnsafeContentError(
                f"this only looks like a registry tag: it holds {_told(foreign[0])}",
                where=where,
                hint="Names are made of ASCII letters and digits, '-', '_', '/' and '.'.",
            )
    return NotARegistryTagError(_NOT_A_TAG, where=where)


def _told(character: str) -> str:
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'a control character')})"


def shown(name: str) -> str:
    """A name as an error may show it: one line, printable ASCII, at most 80 characters."""
    text = name.encode("ascii", "backslashreplace").decode()
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def is_artifact(name: str) -> bool:
    """Whether this can be an artifact's name (``:`` form)."""
    return bool(_ARTIFACT.fullmatch(name)) and len(name) <= LONGEST and unsafe(name.replace(":", "=")) is None


def is_stage(name: str) -> bool:
    """Whether this can be a stage's name."""
    return bool(_STAGE.fullmatch(name)) and len(name) <= LONGEST and unsafe(f"a#{name}") is None


def is_version(text: str) -> bool:
    """Whether this is ``v`` and a semantic version."""
    return bool(_VERSION.fullmatch(text)) and len(text) <= LONGEST


def is_commit(text: str) -> bool:
    """Whether this is a whole commit id; what GTO calls the version of a commit that none was registered for."""
    return bool(_COMMIT.fullmatch(text))


def compose(
    action: TagAction,
    artifact: str,
    *,
    version: str | None = None,
    stage: str | None = None,
    counter: int | None = None,
) -> Tag:
    """The tag that says this. Raises `UnsafeContentError` or `NotARegistryTagError` when no tag can."""
    name = artifact.replace(":", "=")
    match action:
        case TagAction.REGISTER | TagAction.DEREGISTER:
            name += f"@{version}"
        case TagAction.ASSIGN | TagAction.UNASSIGN:
            name += f"#{stage}"
        case TagAction.DEPRECATE:
            name += "@deprecated"
        case TagAction.CREATE:
            name += "@created"
    if action in {TagAction.DEREGISTER, TagAction.UNASSIGN}:
        name += "!"
    if counter is not None:
        name += f"#{counter}"
    tag = parse(name)
    if tag != Tag(name, artifact, action, version, stage, counter):
        raise NotARegistryTagError("no tag can say this", where=shown(name))
    return tag

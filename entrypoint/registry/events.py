"""From tag objects to the registry's events; a tag that cannot be one is told apart, with the reason."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from deployers.base import TagRecord
from entrypoint.errors import NotARegistryTagError, UnsafeContentError
from entrypoint.registry.tagobjects import TagObject
from entrypoint.registry.tags import Tag, TagAction, parse, shown

LAST_SECOND = 253_402_300_799
"""The end of the year 9999: the last time that a date can be written for."""


class EventKind(enum.StrEnum):
    """What happened; GTO's words."""

    DEPRECATION = "deprecation"
    REGISTRATION = "registration"
    DEREGISTRATION = "deregistration"
    ASSIGNMENT = "assignment"
    UNASSIGNMENT = "unassignment"

    @property
    def priority(self) -> int:
        """Which of two events of one second comes last (gto/base.py, ``priority``): the greater one."""
        return _PRIORITIES[self]


_PRIORITIES = {kind: number for number, kind in enumerate(EventKind)}

KINDS = {
    TagAction.DEPRECATE: EventKind.DEPRECATION,
    TagAction.REGISTER: EventKind.REGISTRATION,
    TagAction.DEREGISTER: EventKind.DEREGISTRATION,
    TagAction.ASSIGN: EventKind.ASSIGNMENT,
    TagAction.UNASSIGN: EventKind.UNASSIGNMENT,
}


@dataclass(frozen=True)
class Problem:
    """A tag that is no part of the registry (or one to look at), and why."""

    tag: str
    reason: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing that a tag did. ``version``: for a stage event that of its commit, which is the commit's id where
    none was registered. ``time``: the tagger's, Unix seconds."""

    kind: EventKind
    tag: Tag
    object_id: str
    time: int
    commit: str
    version: str | None
    author: str
    email: str
    message: str

    @property
    def artifact(self) -> str:
        """Whose event it is."""
        return self.tag.artifact

    @property
    def stage(self) -> str | None:
        """The stage that it assigned or took away."""
        return self.tag.stage

    @property
    def record(self) -> TagRecord:
        """What a target remembers of it."""
        return TagRecord(self.tag.name, self.object_id, self.time)

    @property
    def when(self) -> str:
        """Its time as ISO 8601 in UTC."""
        return moment(self.time)


def moment(seconds: int) -> str:
    """Unix seconds as ISO 8601 in UTC, such as 2026-01-31T12:00:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def admit(tag: TagObject) -> Tag | Problem | None:
    """The registry tag that this is, or why it is none although it looks like one, or None for any other tag."""
    try:
        parsed = parse(tag.name)
    except NotARegistryTagError:
        return None
    except UnsafeContentError as error:
        return Problem(shown(tag.name), error.message)
    reason = _objection(tag, parsed)
    return Problem(tag.name, reason) if reason else parsed


def _objection(tag: TagObject, parsed: Tag) -> str | None:
    if parsed.action is TagAction.CREATE:
        return "GTO knows this word but fails on every registry that has such a tag; delete it"
    if tag.broken:
        return "Git cannot read its object; delete it and tag again"
    if not tag.annotated:
        return "a lightweight tag has no date and no author, so GTO ignores it; tag again with `git tag -a`"
    if tag.inner_name != tag.name:
        return f"its object calls itself '{shown(tag.inner_name or '')}'; tag again under one name"
    if tag.time is None:
        return "it has no tagger, or no date that Git can read; tag again with `git tag -a`"
    if tag.time > LAST_SECOND:
        return "its date is beyond the year 9999; tag again"
    if tag.commit is None:
        return "it does not point to a commit; tag again"
    return None


def event(tag: TagObject, parsed: Tag, version: str | None) -> Event:
    """The event of an admitted tag."""
    if tag.commit is None or tag.time is None:
        raise ValueError(f"{tag.name} was not admitted")
    return Event(
        KINDS[parsed.action], parsed, tag.object_id, tag.time, tag.commit, version, tag.tagger, tag.email, tag.message
    )

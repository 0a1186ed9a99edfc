"""How one registry tag comes into being: its name, its date, who writes it, who signs it, and that it is in effect.

GTO's own API writes it where it can: unsigned, now, in a repository whose tags GTO can read in reasonable time.
Otherwise Git writes the same tag. Nothing is left behind by a tag that did not take effect or did not reach the remote.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from deployers.base import TagRecord
from entrypoint.errors import RefusedError, TagboatError, UsageError
from entrypoint.registry import state
from entrypoint.registry.naming import moment_for, newest_second, tag_for
from entrypoint.registry.remote import TagTakenError
from entrypoint.registry.repository import Identity, Repository
from entrypoint.registry.state import Registry
from entrypoint.registry.tagobjects import TagObject
from entrypoint.registry.tags import Tag, TagAction

logger = logging.getLogger(__name__)

GTO_READS = 500
"""Tags up to which GTO is asked. It reads them several times for one new tag, a few milliseconds each (FACTS.md)."""

GTO_VERBS = {
    TagAction.REGISTER: "register",
    TagAction.DEREGISTER: "deregister",
    TagAction.ASSIGN: "assign",
    TagAction.UNASSIGN: "unassign",
    TagAction.DEPRECATE: "deprecate",
}


class TagWriter(Protocol):
    """Another way to the remote than `git push`: `entrypoint.github.tags.ApiTags`."""

    def create(self, name: str, commit: str, message: str, *, time: int, tagger: Identity) -> str:
        """Make the tag there; its object's id. Raises `TagTakenError` where there is another one of that name."""

    def delete(self, name: str, object_id: str) -> None:
        """Take a tag of ours back."""


@dataclass(frozen=True)
class Means:
    """How to write. ``clock``: Unix seconds. ``push``: to the remote, too. ``sign``: None signs where the user has a
    key (user.signingKey, or tag.gpgSign), True always, False never. ``writer``: writes on the remote in our place."""

    clock: Callable[[], float] = time.time
    push: bool = False
    sign: bool | None = None
    writer: TagWriter | None = None
    approve: Callable[[TagObject], None] | None = None
    """Looks at the tag before anybody else can see it; raises `TagboatError` for one that is not to be."""


@dataclass(frozen=True)
class Wish:
    """What a tag is to say, and how to see that the registry then says it."""

    action: TagAction
    artifact: str
    commit: str
    message: str
    in_effect: Callable[[Registry], bool]
    version: str | None = None
    stage: str | None = None
    for_gto: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """A tag that says what was wished. ``created`` is false where it was there already, perhaps another run's.
    ``registry``: as it is now."""

    tag: Tag
    object_id: str
    time: int
    commit: str
    version: str | None
    created: bool
    pushed: bool
    registry: Registry = field(repr=False)

    @property
    def name(self) -> str:
        """The tag's full name."""
        return self.tag.name

    @property
    def record(self) -> TagRecord:
        """What a target remembers of it."""
        return TagRecord(self.tag.name, self.object_id, self.time)


def inscribe(repository: Repository, registry: Registry, wish: Wish, means: Means) -> Written:
    """Write a tag. Raises `RefusedError` where it would have no effect, or where the remote says no."""
    tag = tag_for(registry, wish)
    newest = newest_second(repository, registry, wish.artifact)
    if means.writer is not None:
        return _by_writer(repository, wish, tag, moment_for(wish.artifact, newest, means.clock), means.writer)
    try:
        written = _by_gto(repository, registry, wish, tag, newest, means) or _by_git(
            repository, wish, tag, newest, means
        )
        created = True
    except TagTakenError:
        written, created = _of_another_run(repository, wish, tag), False
    now = state.read(repository)
    if not wish.in_effect(now):
        if created:
            repository.delete_tag(written)
        raise RefusedError(
            "the tag would have no effect: another event of the registry is stronger",
            where=tag.name,
            hint="`tagboat history` shows the events in their order; look for tags dated in the future.",
        )
    if created and means.approve is not None:
        try:
            means.approve(written)
        except TagboatError:
            repository.delete_tag(written)
            raise
    done = Written(tag, written.object_id, written.time or 0, wish.commit, wish.version, created, False, now)
    return pushed(repository, done, wish) if means.push else done


def kept(repository: Repository, registry: Registry, tag: str, wish: Wish, means: Means) -> Written:
    """What the registry says already; with ``push`` the remote is made to say it too."""
    happened = registry.event(tag)
    if happened is None:
        raise UsageError("there is no such event", where=tag)
    done = Written(happened.tag, happened.object_id, happened.time, happened.commit, happened.version, False, False,
                   registry)  # fmt: skip
    return pushed(repository, done, wish) if means.push else done


def pushed(repository: Repository, written: Written, wish: Wish) -> Written:
    """Put the tag on the remote; where another run was faster and said the same, its tag is taken instead."""
    ours = repository.tag(written.name)
    if ours is None:
        raise RefusedError("the tag is gone", where=written.name)
    try:
        new = repository.push_tag(written.name)
    except TagTakenError as taken:
        if written.created:
            repository.delete_tag(ours)
        theirs = repository.fetch_tag(written.name)
        now = state.read(repository)
        if theirs is None or theirs.commit != written.commit or not wish.in_effect(now):
            raise RefusedError(
                "another run wrote this tag at the same time, and means something else by it",
                where=written.name,
                hint="Look at `tagboat history`, and run this again if it is still wanted.",
            ) from taken
        return replace(written, object_id=theirs.object_id, time=theirs.time or 0, created=False, pushed=True,
                       registry=now)  # fmt: skip
    except TagboatError:
        if written.created:
            repository.delete_tag(ours)
        raise
    return replace(written, created=written.created and new, pushed=True)


def signs(repository: Repository, means: Means) -> bool:
    """Whether a tag is to be signed."""
    if means.sign is not None:
        return means.sign
    asked = (repository.git.user_setting("tag.gpgsign") or "").lower() in {"true", "yes", "on", "1"}
    return asked or bool(repository.git.user_setting("user.signingkey"))


def tagger(repository: Repository) -> Identity:
    """Who writes: Git's user, or whoever started the workflow where Git was not told."""
    found = repository.identity()
    if found is not None:
        return found
    actor = repository.environment.get("GITHUB_ACTOR") or repository.environment.get("USER") or "tagboat"
    host = "users.noreply.github.com" if repository.environment.get("GITHUB_ACTOR") else "localhost"
    return Identity(actor, f"{actor}@{host}")


def _by_writer(repository: Repository, wish: Wish, tag: Tag, moment: int, writer: TagWriter) -> Written:
    """Have it written on the remote, and fetch it; taken back where it has no effect."""
    made: str | None = None
    with contextlib.suppress(TagTakenError):
        made = writer.create(tag.name, wish.commit, wish.message, time=moment, tagger=tagger(repository))
    found = repository.fetch_tag(tag.name)
    now = state.read(repository)
    if found is None or found.commit != wish.commit or not wish.in_effect(now):
        if made is not None:
            writer.delete(tag.name, made)
            if found is not None and found.object_id == made:
                repository.delete_tag(found)
        raise RefusedError(
            "the tag has no effect: another run or another event of the registry is stronger",
            where=tag.name,
            hint="`tagboat history` shows the events in their order.",
        )
    created = found.object_id == made
    return Written(tag, found.object_id, found.time or 0, wish.commit, wish.version, created, True, now)


def _by_git(repository: Repository, wish: Wish, tag: Tag, newest: int, means: Means) -> TagObject:
    moment = moment_for(wish.artifact, newest, means.clock)
    return repository.create_tag(
        tag.name,
        wish.commit,
        wish.message,
        time=moment,
        tagger=tagger(repository),
        sign=signs(repository, means),
        signing_key=repository.git.user_setting("user.signingkey"),
    )


def _by_gto(
    repository: Repository, registry: Registry, wish: Wish, tag: Tag, newest: int, means: Means
) -> TagObject | None:
    """Let GTO write it; None where it cannot. It dates tags now and would sign by the checkout's configuration."""
    now = time.time()
    punctual = int(now) > newest and abs(means.clock() - now) < 2
    if (
        not punctual
        or len(registry.tags) > GTO_READS
        or signs(repository, means)
        or repository.git.checkout_sets(r"tag\.gpgsign|gpg\..*")
    ):
        return None
    import gto.api
    from gto import exceptions

    who = tagger(repository)
    rules = (exceptions.UnknownStage, exceptions.ValidationError, exceptions.WrongConfig)
    try:
        getattr(gto.api, GTO_VERBS[wish.action])(
            str(repository.root),
            wish.artifact,
            message=wish.message,
            author=who.name,
            author_email=who.email,
            simple=tag.counter is None,
            **wish.for_gto,
        )
    except rules as error:
        raise UsageError(str(error), where=wish.artifact) from error
    except exceptions.TagExists as error:
        raise TagTakenError("there is a tag of this name", where=tag.name) from error
    except Exception as error:  # noqa: BLE001 - one poison tag, and GTO fails in any way; then Git writes the tag
        logger.debug("GTO could not write %s: %s", tag.name, error)
    found = repository.tag(tag.name)
    return found if found is not None and found.commit == wish.commit else None


def _of_another_run(repository: Repository, wish: Wish, tag: Tag) -> TagObject:
    """The tag of our name that another run on this clone just wrote; good where it means the same commit."""
    found = repository.tag(tag.name)
    if found is None or found.commit != wish.commit:
        raise RefusedError(
            "another run wrote this tag at the same time, and means something else by it",
            where=tag.name,
            hint="Look at `tagboat history`, and run this again if it is still wanted.",
        )
    return found

"""What a GitHub event asks of Tagboat.

A tag that is pushed is only a nudge: the answer names the tag, or the slots to look at, and never a release. The
payload is anybody's text; it is read with a limit, its fields are typed, and what is not a registry tag is answered
with `Nothing` and the reason, so that a workflow that listens to every tag ends at once and green.

Shapes: https://docs.github.com/webhooks/webhook-events-and-payloads.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from entrypoint.errors import NotARegistryTagError, UnsafeContentError, UsageError
from entrypoint.promotion.spoken import COMMAND, Asked, asked
from entrypoint.registry.tags import TagAction, parse
from entrypoint.report.escaping import plain
from entrypoint.request import Command

PAYLOAD_LIMIT: Final = 25 * 1024 * 1024
"""Bytes; GitHub's own limit for a payload."""

TAGS: Final = "refs/tags/"

COLLABORATORS: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
"""Whose comments are heard at all; whether they may write is asked of GitHub."""


REPORTED: Final = frozenset({"pull_request", "pull_request_target", "workflow_run"})
"""Events that are about a pull request's newest commit; `entrypoint.github.changes` reads them."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Run ``command``, for ``ref`` where it is given; ``why`` in one sentence.

    ``tag_is_gone``: the tag was deleted; what it touched is to be brought to what the registry says without it.
    ``artifact``, ``version`` and ``stage``: promote this one, into this stage; ``asked_by``: whose comment says so.
    """

    command: Command
    why: str
    ref: str | None = None
    tag_is_gone: bool = False
    artifact: str | None = None
    version: str | None = None
    stage: str | None = None
    asked_by: str | None = None


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is to be done, and that is in order."""

    why: str


class Push(msgspec.Struct, frozen=True):
    """``push``: a branch or tag was created, moved or deleted. ``ref`` is the full reference."""

    ref: str
    before: str = ""
    after: str = ""
    created: bool = False
    deleted: bool = False
    forced: bool = False

    @property
    def gone(self) -> bool:
        """GitHub says a deletion twice, by the flag and by the all-zero object id; either will do."""
        return self.deleted or re.fullmatch("0+", self.after) is not None


class Reference(msgspec.Struct, frozen=True):
    """``create`` and ``delete``: a branch or tag came or went. ``ref`` is its short name."""

    ref: str
    ref_type: str


class Dispatch(msgspec.Struct, frozen=True):
    """``workflow_dispatch``: a person pressed the button, on ``ref``, with the workflow's own inputs."""

    ref: str = ""
    inputs: dict[str, Any] | None = None


class Person(msgspec.Struct, frozen=True):
    """An account; ``type``: ``User`` or ``Bot``."""

    login: str = ""
    type: str = ""


class Comment(msgspec.Struct, frozen=True):
    """A comment on an issue or pull request. ``author_association``: what its author is to the repository."""

    body: str = ""
    author_association: str = "NONE"
    user: Person | None = None


class IssueComment(msgspec.Struct, frozen=True):
    """``issue_comment``: ``action`` is created, edited or deleted."""

    action: str = ""
    comment: Comment = Comment()


class RepositoryDispatch(msgspec.Struct, frozen=True):
    """``repository_dispatch``: somebody called the API."""

    client_payload: dict[str, Any] | None = None


Payload = TypeVar("Payload")


def decide(environment: Mapping[str, str]) -> Act | Nothing:
    """Say what the event that started this run asks for.

    Raises `UsageError` for a payload that cannot be read or names no tag where it must, and `UnsafeContentError` for a
    tag that GTO's grammar takes and we refuse.
    """
    event = environment.get("GITHUB_EVENT_NAME", "")
    if event in _DECISIONS:
        return _DECISIONS[event](environment)
    if event in REPORTED:
        return Act(command=Command.REPORT, why="a pull request deploys nothing; it gets a report")
    if event.startswith("pull_request"):
        return Nothing(why="a pull request deploys nothing")
    if not event:
        raise UsageError(
            "there is no event", where="GITHUB_EVENT_NAME", hint="Outside of GitHub Actions use `tagboat deploy REF`."
        )
    return Nothing(why=f"the event {plain(event)[:60]!r} says nothing about the registry")


def _on_push(environment: Mapping[str, str]) -> Act | Nothing:
    push = payload_of(environment, Push)
    # A branch may be called refs/heads/refs/tags/x or churn#prod#3: only the beginning of the full name counts.
    if not push.ref.startswith(TAGS):
        return Nothing(why=f"{plain(push.ref)[:200]} was pushed, which is no tag")
    return _on_tag(push.ref, gone=push.gone, moved=push.forced and not push.created)


def _on_create(environment: Mapping[str, str]) -> Act | Nothing:
    reference = payload_of(environment, Reference)
    if reference.ref_type != "tag":
        return Nothing(why=f"the {plain(reference.ref_type)[:20]} {plain(reference.ref)[:200]} is no tag")
    return _on_tag(TAGS + reference.ref, gone=False, moved=False)


def _on_delete(environment: Mapping[str, str]) -> Act | Nothing:
    reference = payload_of(environment, Reference)
    if reference.ref_type != "tag":
        return Nothing(why=f"the {plain(reference.ref_type)[:20]} {plain(reference.ref)[:200]} is no tag")
    return _on_tag(TAGS + reference.ref, gone=True, moved=False)


def _on_tag(ref: str, *, gone: bool, moved: bool) -> Act | Nothing:
    """``ref`` is full: exactly one refs/tags/ is ours to take off, and `parse` takes off one."""
    name = ref.removeprefix(TAGS)
    try:
        tag = parse(ref)
    except NotARegistryTagError as error:
        why = "" if error.message == "not a registry tag" else f": {plain(error.message)[:300]}"
        return Nothing(why=f"{plain(name)[:200]} is not a registry tag{why}")
    except UnsafeContentError:
        if gone:
            return Nothing(why=f"{plain(name)[:200]} is gone, and was no tag we would act on")
        raise
    if tag.action is TagAction.CREATE:
        return Nothing(why=f"{plain(name)[:200]} is a name that GTO keeps for itself, and means nothing yet")
    if gone:
        # Nothing can be read from a tag that is gone; what its slots should hold, the registry says.
        why = f"the tag {plain(name)[:200]} was deleted: its slots are brought to what the registry says now"
        return Act(command=Command.DEPLOY, ref=ref, tag_is_gone=True, why=why)
    why = f"the tag {plain(name)[:200]} was {'moved' if moved else 'pushed'}"
    return Act(command=Command.DEPLOY, ref=ref, why=why)


def _on_workflow_dispatch(environment: Mapping[str, str]) -> Act | Nothing:
    dispatch = payload_of(environment, Dispatch)
    ref = (dispatch.inputs or {}).get("ref")
    if isinstance(ref, str) and ref:
        return Act(command=Command.DEPLOY, ref=ref, why=f"{plain(ref)[:200]} was asked for by hand")
    if dispatch.ref.startswith(TAGS):
        return _on_tag(dispatch.ref, gone=False, moved=False)
    raise UsageError(
        "no tag was named",
        where="workflow_dispatch",
        hint="Give the workflow an input `ref`, run it on a tag, or set `command: reconcile`.",
    )


def _on_repository_dispatch(environment: Mapping[str, str]) -> Act | Nothing:
    ref = (payload_of(environment, RepositoryDispatch).client_payload or {}).get("ref")
    if isinstance(ref, str) and ref:
        return Act(command=Command.DEPLOY, ref=ref, why=f"{plain(ref)[:200]} was asked for through the API")
    raise UsageError(
        "no tag was named", where="repository_dispatch", hint='Send it as {"client_payload": {"ref": "churn#prod#3"}}.'
    )


def _on_issue_comment(environment: Mapping[str, str]) -> Act | Nothing:
    """``/promote [ARTIFACT] [STAGE]`` on the first line of a new comment, by somebody of the repository."""
    event = payload_of(environment, IssueComment)
    wanted = None
    if event.action == "created" and event.comment.body.strip().startswith(COMMAND):
        # Read only when it is heard: what a stranger writes is no error of anybody's.
        wanted = asked(event.comment.body) if event.comment.author_association in COLLABORATORS else Asked()
    if wanted is None:
        return Nothing(why="a comment that asks for nothing")
    login = event.comment.user.login if event.comment.user else ""
    if event.comment.author_association not in COLLABORATORS or not login:
        return Nothing(why="a comment by somebody who has no part in this repository")
    version = f" {wanted.version}" if wanted.version else ""
    into = f" into {wanted.stage}" if wanted.stage else ""
    why = f"a comment asks to promote {wanted.artifact or 'what is ready'}{version}{into}"
    return Act(command=Command.PROMOTE, artifact=wanted.artifact, version=wanted.version, stage=wanted.stage,
               asked_by=login, why=why)  # fmt: skip


def _on_schedule(_environment: Mapping[str, str]) -> Act | Nothing:
    return Act(command=Command.RECONCILE, why="it is time to reconcile")


_DECISIONS: Final[Mapping[str, Callable[[Mapping[str, str]], Act | Nothing]]] = {
    "push": _on_push,
    "create": _on_create,
    "delete": _on_delete,
    "workflow_dispatch": _on_workflow_dispatch,
    "repository_dispatch": _on_repository_dispatch,
    "schedule": _on_schedule,
    "issue_comment": _on_issue_comment,
}


def payload_of(environment: Mapping[str, str], shape: type[Payload]) -> Payload:
    """The event's payload in the fields that matter. Raises `UsageError` where it is none of GitHub's."""
    where = "GITHUB_EVENT_PATH"
    hint = "GitHub's runner writes the event there; outside of it use `tagboat deploy REF`."
    path = environment.get(where)
    if not path:
        raise UsageError("the event's payload is missing", where=where, hint=hint)
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError("the event's payload is not a file", where=where, hint=hint)
        if status.st_size > PAYLOAD_LIMIT:
            raise UsageError(f"the event's payload has {status.st_size:,} bytes", where=where, hint=hint)
        with Path(path).open("rb") as file:
            content = file.read(PAYLOAD_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"the event's payload cannot be read: {error}", where=where, hint=hint) from error
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the event's payload is not what GitHub sends: {error}", where=where, hint=hint) from error

"""Releases as GitHub's deployments: one for each release that goes into a slot, and the statuses it passes through.

A slot's deployments share a task, by which they are found again, also where tagboat.yaml has given the stage's
environment another name meanwhile. GitHub would set *every* earlier deployment of the environment inactive, another
artifact's too: we ask it not to, and do it for the slot alone.
https://docs.github.com/rest/deployments
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from deployers.base import Slot
from entrypoint.configuration.report_settings import Environment
from entrypoint.github.client import GitHub
from entrypoint.report.escaping import plain

if TYPE_CHECKING:
    from github.Deployment import Deployment

DESCRIPTION: Final = 140
"""Characters of a description; GitHub refuses longer ones."""

TASK: Final = 100
"""Characters of a task, by our own choice; GitHub tells no limit."""

LOOKED_AT: Final = 30
"""Earlier deployments of a slot that are looked at for what is to become inactive."""

PENDING: Final = frozenset({"in_progress", "pending", "queued"})
"""States that a deployment is left in by a run that was killed."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment's payload says, under ``tagboat``: the release, and the run that made it."""

    artifact: str
    version: str
    stage: str
    target: str
    commit: str
    tag: str | None = None
    run: str | None = None
    attempt: str | None = None

    @property
    def slot(self) -> Slot:
        """Where the release goes."""
        return Slot(artifact=self.artifact, stage=self.stage, target=self.target)


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One of our deployments as GitHub remembers it; ``at`` in Unix seconds, ``by`` the login that made it."""

    account: Account
    environment: str
    at: int
    by: str
    url: str


def open_deployment(github: GitHub, account: Account, environment: Environment) -> Deployment:
    """Make the release's deployment, or find the one that this very run made."""
    payload = {"tagboat": msgspec.to_builtins(account)}

    def made_before() -> Deployment | None:
        earlier = _of_slot(github, account.slot)
        return next((each for each in earlier if account_of(each.payload) == account), None)

    def make() -> Deployment:
        return github.repository.create_deployment(
            account.commit,
            task=task_of(account.slot),
            auto_merge=False,
            required_contexts=[],
            payload=payload,
            environment=environment.called(account.stage),
            description=brief(f"{account.artifact} {account.version} on {account.target}"),
            transient_environment=environment.transient,
            production_environment=environment.is_production(account.stage),
        )

    return github.write_once("make a deployment", find=made_before, create=make)


def say(
    github: GitHub,
    deployment: Deployment,
    state: str,
    description: str,
    *,
    url: str | None = None,
    log: str | None = None,
) -> None:
    """Give a deployment its next status. ``url``: where the model answers; ``log``: the run."""
    more: dict[str, Any] = {"target_url": log} if log else {}
    if url and re.fullmatch(r"https?://\S+", url):
        more["environment_url"] = url

    def said() -> bool | None:
        return next((True for each in islice(deployment.get_statuses(), 1) if each.state == state), None)

    def make() -> bool:
        deployment.create_status(state, description=brief(description), auto_inactive=False, **more)
        return True

    github.write_once(f"set a deployment {state}", find=said, create=make)


def settle(github: GitHub, slot: Slot, *, replaced: bool, newest: int | None = None, by: str = "") -> None:
    """Have no earlier deployment of the slot look alive that is not.

    What killed runs left on the way becomes inactive, and with ``replaced`` what was live before, too. ``newest``: the
    id of the deployment that remains. ``by``: what replaced it, for the description.
    """
    with github.asking("look at earlier deployments"):
        earlier = [each for each in _of_slot(github, slot) if newest is None or each.id < newest]
    for each in earlier:
        with github.asking("look at earlier deployments"):
            states = [status.state for status in each.get_statuses()]
        last = states[0] if states else "pending"
        if last in PENDING:
            say(github, each, "inactive", "its run ended before it was done")
        elif last == "success" and replaced:
            say(github, each, "inactive", by)
        if "success" in states and (replaced or last == "inactive"):
            return


def recorded(github: GitHub, environment: str | None = None) -> Iterator[Recorded]:
    """Our deployments, newest first; page by page, so that a reader may stop."""
    more = {"environment": environment} if environment else {}
    with github.asking("read the deployments"):
        listed = iter(github.repository.get_deployments(**more))
    while True:
        with github.asking("read the deployments"):
            each = next(listed, None)
        if each is None:
            return
        account = account_of(each.payload)
        if account is not None:
            at = int(each.created_at.timestamp())
            yield Recorded(account=account, environment=each.environment, at=at,
                           by=each.creator.login if each.creator else "", url=each.url)  # fmt: skip


def account_of(payload: object) -> Account | None:
    """What a payload says, where it is one of ours; anybody with write access could have written it."""
    try:
        said = msgspec.json.decode(payload) if isinstance(payload, str) else payload
        return msgspec.convert(said["tagboat"] if isinstance(said, dict) else None, Account)
    except (KeyError, msgspec.MsgspecError):
        return None


def task_of(slot: Slot) -> str:
    """The task that tells a slot from others; a long one is cut and keeps its hash."""
    task = f"deploy:{slot.artifact}#{slot.stage}:{slot.target}"
    if len(task) <= TASK:
        return task
    return f"{task[: TASK - 17]}-{hashlib.sha256(task.encode()).hexdigest()[:16]}"


def brief(text: str) -> str:
    """One line that GitHub takes as a description."""
    line = " ".join(plain(text, lines=True).split())
    return line if len(line) <= DESCRIPTION else f"{line[: DESCRIPTION - 1]}…"


def _of_slot(github: GitHub, slot: Slot) -> list[Deployment]:
    """A slot's newest deployments. The account is looked at too: a task is a name that others may use."""
    found = github.repository.get_deployments(task=task_of(slot))
    listed = list(islice(found, LOOKED_AT))
    return [each for each in listed if (account := account_of(each.payload)) and account.slot == slot]

"""Who put what where, when, by which gates, from which run: from the tags, the targets' records and GitHub.

Tags say what was wished, and are the history; targets say what came of it, as far back as they remember; GitHub's
deployments, where there is a token, say which run did it. Each entry names the source that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from deployers.base import FailedRelease, Observation, VerifiedRelease
from entrypoint.github.deployments import Recorded
from entrypoint.promotion.holds import FOLDER
from entrypoint.registry.events import Event, moment
from entrypoint.registry.state import Registry
from entrypoint.registry.tagobjects import TagObject
from entrypoint.registry.trailers import RUN, trailers
from entrypoint.survey import SlotStatus


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened.

    ``at``: Unix seconds. ``event``: GTO's word for a tag's, or ``lifted``; ``verified``, ``failed`` or ``held`` for a
    target's; ``deployment`` for GitHub's. ``by``: as the source says, which for a tag is its tagger's own word.
    ``gates``: name and outcome of each. ``source``: ``tag``, ``target`` or ``github``.
    """

    at: int
    event: str
    artifact: str
    source: str
    version: str | None = None
    stage: str | None = None
    target: str | None = None
    by: str | None = None
    email: str | None = None
    tag: str | None = None
    commit: str | None = None
    signed: bool | None = None
    gates: Sequence[str] = ()
    run: str | None = None
    detail: str = ""

    def to_document(self) -> dict[str, Any]:
        """One element of ``entries`` in ``audit --json``."""
        return {
            "timestamp": moment(self.at),
            "event": self.event,
            "artifact": self.artifact,
            "version": self.version,
            "stage": self.stage,
            "target": self.target,
            "by": self.by,
            "email": self.email,
            "tag": self.tag,
            "signed": self.signed,
            "commit": self.commit,
            "gates": list(self.gates),
            "run": self.run,
            "detail": self.detail,
            "source": self.source,
        }


def entries(
    found: Iterable[Entry], *, artifact: str | None = None, stage: str | None = None, since: float = 0.0
) -> list[Entry]:
    """Those that were asked for, newest first; ``since`` in Unix seconds."""
    chosen = [
        one for one in found if one.at >= since and artifact in (None, one.artifact) and stage in (None, one.stage)
    ]
    return sorted(chosen, key=lambda one: one.at, reverse=True)


def of_tags(registry: Registry) -> Iterator[Entry]:
    """What the registry's tags say, the latest in GTO's order first."""
    for happened in reversed(registry.events):
        yield _of_tag(registry, happened)
    for tag in registry.tags.values():
        if tag.name.startswith(f"{FOLDER}/") and tag.time is not None:
            yield from _of_lift(tag)


def of_targets(seen: Iterable[SlotStatus]) -> Iterator[Entry]:
    """What the targets remember of each slot: what was proved live, what failed and why, and who holds it."""
    for status in seen:
        observed = status.observed
        if observed is None:
            continue
        for verified in observed.verified:
            yield _of_record(observed, verified, "verified", "")
        for failed in observed.failed:
            yield _of_record(observed, failed, "failed", failed.reason)
        if observed.held is not None:
            yield Entry(at=int(observed.held.at), event="held", artifact=status.slot.artifact, stage=status.slot.stage,
                        target=status.slot.target, by=observed.held.by, detail=observed.held.reason,
                        source="target")  # fmt: skip


def of_deployments(found: Iterable[Recorded], since: float) -> Iterator[Entry]:
    """What GitHub remembers of runs, as far back as ``since`` (Unix seconds); ``found`` has the newest first."""
    for one in found:
        if one.at < since:
            return
        account = one.account
        detail = "" if one.environment == account.stage else f"environment {one.environment}"
        yield Entry(at=one.at, event="deployment", artifact=account.artifact, version=account.version,
                    stage=account.stage, target=account.target, by=one.by or None, tag=account.tag,
                    commit=account.commit, run=account.run, detail=detail, source="github")  # fmt: skip


def _of_tag(registry: Registry, happened: Event) -> Entry:
    noted = trailers(happened.message)
    tag = registry.tag(happened.tag.name)
    return Entry(
        at=happened.time,
        event=happened.kind.value,
        artifact=happened.artifact,
        version=happened.version,
        stage=happened.stage,
        by=happened.author,
        email=happened.email,
        tag=happened.tag.name,
        commit=happened.commit,
        signed=tag.signed if tag is not None else None,
        gates=tuple(noted.get("Gate", ())),
        run=next(iter(noted.get(RUN, ())), None),
        detail=(happened.message.splitlines() or [""])[0],
        source="tag",
    )


def _of_lift(tag: TagObject) -> Iterator[Entry]:
    """Somebody let a version that was taken out be promoted again (`entrypoint.promotion.holds`)."""
    named = tag.name.removeprefix(f"{FOLDER}/").rpartition("/")[0].split("+", 2)
    if len(named) == 3:
        artifact, stage, version = named
        yield Entry(at=tag.time or 0, event="lifted", artifact=artifact.replace("=", ":"), stage=stage, version=version,
                    by=tag.tagger, email=tag.email, tag=tag.name, commit=tag.commit, signed=tag.signed,
                    detail=(tag.message.splitlines() or [""])[0], source="tag")  # fmt: skip


def _of_record(observed: Observation, record: VerifiedRelease | FailedRelease, event: str, detail: str) -> Entry:
    release = record.release
    return Entry(
        at=int(record.at),
        event=event,
        artifact=observed.slot.artifact,
        version=release.version,
        stage=observed.slot.stage,
        target=observed.slot.target,
        tag=release.tag.name if release.tag else None,
        commit=release.commit,
        detail=detail,
        source="target",
    )

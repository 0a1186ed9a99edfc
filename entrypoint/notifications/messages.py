"""What is said: the endings of a run that somebody asked to hear of, as a text for a chat or as JSON for a program."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from entrypoint.configuration.notification_settings import Outcome
from entrypoint.promotion.outcome import PromotionStatus, PromotionVerdict
from entrypoint.registry.events import moment
from entrypoint.report.escaping import plain, shortened
from entrypoint.report.verdict import Status, Verdict

SHOWN = 20
"""Endings that one text for a chat names."""

SENT = 200
"""Endings that one document names."""

LONGEST = 500
"""Characters of a reason in a chat; a document has four times as many."""

MENTION = re.compile(r"@(?=\w)")
SPLIT = "@\u200b"
"""An at sign and a space of no width."""

OUTCOMES: Mapping[Status, Outcome] = {
    Status.FAILED: Outcome.FAILED,
    Status.ROLLED_BACK: Outcome.ROLLED_BACK,
    Status.DEGRADED: Outcome.DEGRADED,
    Status.LIVE: Outcome.LIVE,
}

SIGNS: Mapping[Outcome, str] = {
    Outcome.FAILED: ":x:",
    Outcome.ROLLED_BACK: ":leftwards_arrow_with_hook:",
    Outcome.DEGRADED: ":rotating_light:",
    Outcome.LIVE: ":white_check_mark:",
    Outcome.PROMOTED: ":arrow_up:",
}


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell of. ``previous``: the version that was there before."""

    outcome: Outcome
    artifact: str | None = None
    version: str | None = None
    stage: str | None = None
    target: str | None = None
    previous: str | None = None
    reason: str = ""
    url: str | None = None
    tag: str | None = None
    commit: str | None = None


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when the run was; ``at`` in Unix seconds."""

    at: int
    repository: str | None = None
    run: str | None = None


def endings(verdict: Verdict) -> Iterator[Ending]:
    """All that a run ended in and that somebody may want to hear of.

    A release that failed in an earlier run and was only left alone in this one is no news: reconcile meets it again
    and again.
    """
    if verdict.failure is not None:
        trigger = verdict.trigger
        yield Ending(outcome=Outcome.FAILED, artifact=trigger.artifact, version=trigger.version, stage=trigger.stage,
                     tag=trigger.tag, commit=trigger.commit, reason=str(verdict.failure))  # fmt: skip
    for preflight in verdict.preflights:
        if not preflight.passed:
            reason = f"the preflight failed: {preflight.failure}"
            yield Ending(outcome=Outcome.FAILED, artifact=preflight.artifact, version=preflight.version, reason=reason,
                         commit=preflight.commit)  # fmt: skip
    for promotion in verdict.promotions:
        yield from _of_promotion(promotion)
    for slot in verdict.slots:
        outcome = OUTCOMES.get(slot.status)
        if outcome is not None and not slot.known_before:
            yield Ending(outcome=outcome, artifact=slot.artifact, version=slot.version, stage=slot.stage,
                         target=slot.target, previous=slot.previous, reason=slot.reason, url=slot.url, tag=slot.tag,
                         commit=slot.commit)  # fmt: skip


def _of_promotion(promotion: PromotionVerdict) -> Iterator[Ending]:
    """A version that this run put into a stage, or that it should have and could not."""
    failed = promotion.status is PromotionStatus.FAILED
    if failed or (promotion.status is PromotionStatus.PROMOTED and promotion.created):
        gates = ", ".join(f"{gate.name}: {gate.outcome.value}" for gate in promotion.gates)
        reason = f"the promotion failed: {promotion.reason}" if failed else gates
        yield Ending(outcome=Outcome.FAILED if failed else Outcome.PROMOTED, artifact=promotion.artifact,
                     version=promotion.version, stage=promotion.stage, previous=promotion.previous, reason=reason,
                     tag=promotion.tag, commit=promotion.commit)  # fmt: skip


def document(told: Sequence[Ending], status: Status, circumstances: Circumstances) -> tuple[str, bytes]:
    """A delivery's id and its body. The id follows from the body, so that every try of one delivery has the same."""
    body: dict[str, Any] = {
        "type": "tagboat.run",
        "timestamp": moment(circumstances.at),
        "repository": circumstances.repository,
        "run": circumstances.run,
        "status": status.value,
        "outcomes": [
            {**msgspec.to_builtins(ending), "reason": shortened(ending.reason, 4 * LONGEST)} for ending in told[:SENT]
        ],
        "more": max(0, len(told) - SENT),
    }
    delivery = f"msg_{hashlib.sha256(msgspec.json.encode(body)).hexdigest()[:32]}"
    return delivery, msgspec.json.encode({"id": delivery, **body})


def chat(told: Sequence[Ending], circumstances: Circumstances) -> bytes:
    """The body of an incoming webhook of Slack's, or of those who took its form."""
    lines = [_line(ending) for ending in told[:SHOWN]]
    if len(told) > SHOWN:
        lines.append(f"… and {len(told) - SHOWN} more")
    about = [mrkdwn(circumstances.repository)] if circumstances.repository else []
    if circumstances.run:
        about.append(f"<{circumstances.run}|the run>")
    if about:
        lines.append(", ".join(about))
    return msgspec.json.encode({"text": "\n".join(lines), "unfurl_links": False, "unfurl_media": False})


def mrkdwn(value: object, limit: int = LONGEST) -> str:
    """Untrusted text as code: chats look for mentions, links, emphasis and emoji everywhere else.

    Slack decodes `&`, `<` and `>` alone (https://docs.slack.dev/messaging/formatting-message-text); a code span ends
    at a backtick, so there is none in it.
    """
    line = " ".join(plain(shortened(str(value), limit), lines=True).replace("`", "ˋ").split())
    escaped = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Other chats read less of it as code than Slack does, and would call a whole channel.
    return f"`{MENTION.sub(SPLIT, escaped) or ' '}`"


def _line(ending: Ending) -> str:
    words = [SIGNS[ending.outcome], f"*{ending.outcome.value}*"]
    words += [mrkdwn(name) for name in (ending.artifact, ending.version) if name]
    words += ["in", mrkdwn(ending.stage)] if ending.stage else []
    words += ["on", mrkdwn(ending.target)] if ending.target else []
    line = " ".join(words)
    if ending.previous and ending.previous != ending.version:
        line += f" (before: {mrkdwn(ending.previous)})"
    if ending.reason:
        line += f": {mrkdwn(ending.reason)}"
    return f"{line} at {mrkdwn(ending.url)}" if ending.url else line

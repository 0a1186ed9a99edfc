"""The verdict as a page of Markdown: the step summary, and the frame of whatever else is shown on GitHub.

Written from the top down until the room is used up: what happened, then the slots as a table, then each slot's story,
the worst first. What does not fit is left out whole, and the page says so; no structure is ever cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from entrypoint.promotion.gates import Outcome
from entrypoint.promotion.outcome import PromotionStatus
from entrypoint.report.escaping import Markdown
from entrypoint.report.templating import render
from entrypoint.report.verdict import SlotVerdict, Status, Verdict

ROOM: Final = 900_000
"""Bytes; GitHub throws a step summary of more than 1 MiB away, and other steps' share is their own."""

ROWS: Final = 100
"""Slots in the table, and skipped tags in their list."""

SIGNS: Final = {
    Status.UNCHANGED: "✅",
    Status.LIVE: "🚀",
    Status.REMOVED: "🧹",
    Status.SUPERSEDED: "⏭️",
    Status.HELD: "⏸️",
    Status.ROLLED_BACK: "↩️",
    Status.FAILED: "❌",
    Status.DEGRADED: "🔥",
}

PROMOTION_SIGNS: Final = {
    PromotionStatus.PROMOTED: "⬆️",
    PromotionStatus.READY: "✅",
    PromotionStatus.CURRENT: "✅",
    PromotionStatus.BLOCKED: "⏳",
    PromotionStatus.HELD: "⏸️",
    PromotionStatus.OLDER: "⏭️",
    PromotionStatus.LOST: "⏭️",
    PromotionStatus.FAILED: "❌",
}

OUTCOMES: Final = {Outcome.PASS: "✅ pass", Outcome.FAIL: "❌ fail", Outcome.INCONCLUSIVE: "❔ inconclusive"}

HEADLINES: Final = {
    Status.UNCHANGED: "Nothing to do",
    Status.LIVE: "Live",
    Status.REMOVED: "Removed",
    Status.SUPERSEDED: "Superseded by a newer event",
    Status.HELD: "Held",
    Status.ROLLED_BACK: "Rolled back",
    Status.FAILED: "Failed",
    Status.DEGRADED: "Degraded: the way back failed too",
}


def summary(verdict: Verdict, *, run_url: str | None = None, room: int = ROOM) -> str:
    """The page, of at most ``room`` bytes (1,000 at least)."""
    ranked = sorted(verdict.slots, key=lambda slot: -slot.status.badness)
    page = [
        render("summary/head.md.j2", verdict=verdict, headline=Markdown(headline(verdict)), sign=SIGNS[verdict.status])
    ]
    for kept in (ROWS, 20, 5):
        table = render("summary/slots.md.j2", slots=ranked[:kept], more=len(ranked) - kept, signs=SIGNS)
        if ranked and _size(table) < room // 2:
            page.append(table)
            break
    pieces = [_story(slot, verdict) for slot in ranked]
    pieces += [render("summary/preflight.md.j2", preflight=preflight) for preflight in verdict.preflights]
    pieces += [
        render(
            "summary/promotion.md.j2", promotion=promotion, sign=PROMOTION_SIGNS[promotion.status], outcomes=OUTCOMES
        )
        for promotion in verdict.promotions
    ]
    pieces.append(render("summary/problems.md.j2", verdict=verdict, problems=verdict.problems[:ROWS],
                         more=len(verdict.problems) - ROWS))  # fmt: skip
    return _fitted(page, pieces, room, run_url)


def headline(verdict: Verdict) -> str:
    """What happened, in a few words of ours."""
    if verdict.dry_run and verdict.status is Status.UNCHANGED:
        return "Dry run: nothing was changed"
    if not verdict.slots and verdict.preflights and verdict.status is Status.UNCHANGED:
        return "Preflight passed"
    if not verdict.slots and verdict.preflights and verdict.failure is None:
        return "Preflight failed"
    if verdict.status is Status.UNCHANGED and verdict.slots:
        return "Live already, nothing changed"
    return HEADLINES[verdict.status]


def _story(slot: SlotVerdict, verdict: Verdict) -> str:
    return render("summary/slot.md.j2", slot=slot, sign=SIGNS[slot.status], open=not slot.status.good,
                  story=Markdown(slot.story), dry_run=verdict.dry_run)  # fmt: skip


def _fitted(page: Sequence[str], pieces: Sequence[str], room: int, run_url: str | None) -> str:
    """The page and as many whole pieces as fit; room for the closing sentence is kept aside."""
    fitted = list(page)
    left = room - sum(_size(piece) for piece in fitted) - 500
    dropped = 0
    for piece in pieces:
        if _size(piece) <= left:
            fitted.append(piece)
            left -= _size(piece)
        else:
            dropped += 1
    if dropped:
        fitted.append(render("summary/more.md.j2", dropped=dropped, run_url=run_url))
    return "".join(fitted)


def _size(text: str) -> int:
    return len(text.encode())

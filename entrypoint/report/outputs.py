"""The verdict as the Action's outputs: what the later steps of a workflow read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from entrypoint.report.verdict import SlotVerdict, Verdict

RESULTS_LIMIT: Final = 200_000
"""Characters of ``results``. GitHub allows 1 MB (of UTF-16) for the outputs of a whole job."""

NAMES: Final = (
    "artifact",
    "version",
    "stage",
    "event",
    "commit",
    "status",
    "url",
    "changed",
    "release",
    "results",
)
"""Every output, in the order of action.yml."""


def outputs(verdict: Verdict) -> dict[str, str]:
    """Every output, always; empty where there is nothing to say.

    With several slots, ``version``, ``commit``, ``url``, ``release`` and so on stand only where they are the same for
    all of them: a step that reads an output must never act on one slot's value as if it were all of them. ``results``
    has each.
    """
    trigger = verdict.trigger
    return {
        "artifact": _common(verdict, lambda slot: slot.artifact) or trigger.artifact or "",
        "version": _common(verdict, lambda slot: slot.version) or (not verdict.slots and trigger.version) or "",
        "stage": _common(verdict, lambda slot: slot.stage) or (not verdict.slots and trigger.stage) or "",
        "event": trigger.event,
        "commit": _common(verdict, lambda slot: slot.commit) or (not verdict.slots and trigger.commit) or "",
        "status": verdict.status.value,
        "url": _common(verdict, lambda slot: slot.url),
        "changed": "true" if verdict.changed else "false",
        "release": _common(verdict, lambda slot: slot.release),
        "results": _results(verdict),
    }


def _common(verdict: Verdict, value: Callable[[SlotVerdict], str | None]) -> str:
    values = {value(slot) for slot in verdict.slots}
    return (values.pop() or "") if len(values) == 1 else ""


def _results(verdict: Verdict) -> str:
    """The slots as JSON; at GitHub's limit first the details go, then whole slots, never half a document."""
    documents = [slot.to_document() for slot in verdict.slots]
    whole = msgspec.json.encode(documents).decode()
    if len(whole) <= RESULTS_LIMIT:
        return whole
    details = ("steps", "warnings", "changes", "failure")
    brief = [{key: _brief(value) for key, value in document.items() if key not in details} for document in documents]
    kept: list[str] = []
    room = RESULTS_LIMIT
    for document in brief:
        encoded = msgspec.json.encode(document).decode()
        room -= len(encoded) + 1
        if room < 0:
            break
        kept.append(encoded)
    return f"[{','.join(kept)}]"


def _brief(value: object) -> object:
    return value[:1000] if isinstance(value, str) else value

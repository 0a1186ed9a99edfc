"""Small plots: a metric's history as a Mermaid chart, which GitHub draws, and pictures of DVC's plots as images.

A chart's text is code of Mermaid's, so that nothing of anybody's goes into it but letters, digits and a few harmless
signs; its numbers are written out, since Mermaid's charts know no exponents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from entrypoint.pull_requests.document import History
from entrypoint.report.escaping import Markdown

SMALLEST, LARGEST = 1e-6, 1e9
"""Numbers between these, and 0, can be written out without losing what is to be seen."""
LONGEST_LABEL = 24
_COLOUR = '"themeVariables": {"xyChart": {"plotColorPalette": "#0969da"}}'
"""Mermaid's own first colour is hardly to be seen, on a dark page least of all."""
_ODD = re.compile(r"[^A-Za-z0-9_./ -]+")
_WEB = re.compile(r"https?://[A-Za-z0-9.:-]+", re.ASCII)
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def chart(history: History) -> Markdown | None:
    """A chart of one metric; None where its numbers cannot be drawn."""
    points = [(label, number) for label, number in history.points[:60] if number == 0 or drawable(number)]
    if len(points) < 2:
        return None
    values = [number for _, number in points]
    low, high = min(values), max(values)
    margin = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    labels = [_label(label) for label, _ in points]
    quoted = ", ".join(f'"{label}"' for label in labels)
    width = min(1600, max(700, sum(len(label) * 8 + 16 for label in labels)))  # so that no label covers another
    lines = [
        "```mermaid",
        f'%%{{init: {{"xyChart": {{"width": {width}, "height": 260}}, {_COLOUR}}}}}%%',
        "xychart-beta",
        f'    title "{_label(history.metric, 60)} of {_label(history.artifact, 60)}"',
        f"    x-axis [{quoted}]",
        f"    y-axis {number(low - margin)} --> {number(high + margin)}",
        f"    line [{', '.join(number(value) for value in values)}]",
        "```",
    ]
    return Markdown("\n".join(lines))


def drawable(value: float) -> bool:
    """Whether a number can be written out for a chart."""
    return SMALLEST <= abs(value) <= LARGEST


def number(value: float) -> str:
    """A number without an exponent."""
    text = f"{value:.8f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def blob(server: str | None, repository: str | None, commit: str, path: str) -> str | None:
    """The address of a file at a commit on GitHub, or None outside of it."""
    if not _WEB.fullmatch(server or "") or not _REPOSITORY.fullmatch(repository or ""):
        return None
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        return None
    return f"{server}/{repository}/blob/{commit}/{quote(path, safe='/')}"


def picture(address: str) -> Markdown:
    """An image at an address that `blob` made, as wide as a column."""
    return Markdown(f'<img src="{address}?raw=true" width="400">')


def _label(text: str, limit: int = LONGEST_LABEL) -> str:
    clean = _ODD.sub("_", text).strip() or "_"
    return clean if len(clean) <= limit else clean[:limit]


def by_artifact(histories: Sequence[History]) -> dict[str, list[History]]:
    """The histories of each artifact."""
    found: dict[str, list[History]] = {}
    for history in histories:
        found.setdefault(history.artifact, []).append(history)
    return found

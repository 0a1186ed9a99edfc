"""A promotion for a person on a terminal: what became of it, and every gate's answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from entrypoint.promotion.gates import Outcome
from entrypoint.promotion.outcome import PromotionStatus, PromotionVerdict
from entrypoint.report.escaping import plain, shortened

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES: Final = {
    PromotionStatus.PROMOTED: "bold green",
    PromotionStatus.READY: "green",
    PromotionStatus.CURRENT: "green",
    PromotionStatus.BLOCKED: "yellow",
    PromotionStatus.HELD: "yellow",
    PromotionStatus.OLDER: "cyan",
    PromotionStatus.LOST: "cyan",
    PromotionStatus.FAILED: "bold red",
}

OUTCOMES: Final = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.INCONCLUSIVE: "yellow"}

DETAIL_LIMIT: Final = 500


def promotion_lines(promotion: PromotionVerdict) -> Iterator[RenderableType]:
    """A heading, and the gates as a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = promotion.status is PromotionStatus.PROMOTED
    said = f" by {plain(promotion.tag)}" if made and promotion.tag else ""
    told = promotion.status is PromotionStatus.BLOCKED and promotion.gates
    why = "" if told or not promotion.reason else f": {plain(shortened(promotion.reason, DETAIL_LIMIT))}"
    yield Text(f"{plain(promotion)}: {promotion.status}{said}{why}", style=STYLES[promotion.status])
    if promotion.hint:
        yield Text(f"  {plain(promotion.hint)}")
    if promotion.gates:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("gate", "outcome", "detail"):
            table.add_column(heading, no_wrap=heading == "outcome", overflow="fold")
        for gate in promotion.gates:
            table.add_row(
                Text(plain(shortened(gate.name, DETAIL_LIMIT))),
                Text(gate.outcome.value, style=OUTCOMES[gate.outcome]),
                Text(plain(shortened(gate.detail, DETAIL_LIMIT))),
            )
        yield table

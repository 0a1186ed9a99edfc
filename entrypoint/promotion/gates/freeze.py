"""Freeze windows: nothing is promoted while the wall clock somewhere stands in one.

The moment is turned into the wall clock's date and time once, and compared with the window as it is written. So a
window keeps its hours over a change to summer time; an hour that comes twice is in it twice, one that is skipped is
in nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from entrypoint.configuration.freeze_settings import FreezeWindow
from entrypoint.configuration.gate_settings import FreezeGate
from entrypoint.promotion.context import Context
from entrypoint.promotion.gates import GateResult, Outcome

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
STEP = timedelta(minutes=15)
"""Offsets from UTC change on quarters of an hour, and so do windows, nearly always: how the end of one is sought."""

AHEAD = timedelta(days=40)
"""How far the end of a freeze is sought."""


def evaluate(gate: FreezeGate, context: Context) -> GateResult:
    """Fail in a window, pass outside of all."""
    moment = datetime.fromtimestamp(context.now, UTC)
    zone = ZoneInfo(gate.time_zone)
    window = frozen_by(gate, moment, zone)
    local = moment.astimezone(zone)
    figures: dict[str, float | int | str | bool] = {"local": local.isoformat(timespec="seconds")}
    if window is None:
        detail = f"{_told(local)} in {gate.time_zone} is in no freeze window"
        return GateResult(name="freeze", outcome=Outcome.PASS, detail=detail, figures=figures)
    why = f" ({window.reason})" if window.reason else ""
    end = _end(gate, moment, zone)
    until = f", until {_told(end)}" if end else ""
    detail = f"frozen: {_told(local)} in {gate.time_zone}{why}{until}"
    return GateResult(name="freeze", outcome=Outcome.FAIL, detail=detail, figures=figures)


def frozen_by(gate: FreezeGate, moment: datetime, zone: ZoneInfo) -> FreezeWindow | None:
    """The first window that a moment stands in, or None."""
    local = moment.astimezone(zone)
    return next((window for window in gate.windows if _stands_in(window, local)), None)


def _stands_in(window: FreezeWindow, local: datetime) -> bool:
    time = local.strftime("%H:%M")
    return any(_counts(window, day) for day in _begun(window, local.date(), time))


def _begun(window: FreezeWindow, today: date, time: str) -> Iterator[date]:
    """The days on which a window began that this time of day is in: today, or yesterday where it goes over midnight."""
    if window.begin < window.until:
        if window.begin <= time < window.until:
            yield today
        return
    if time >= window.begin:
        yield today
    if time < window.until:
        yield today - timedelta(days=1)


def _counts(window: FreezeWindow, day: date) -> bool:
    if window.days and DAYS[day.weekday()] not in window.days:
        return False
    text = day.isoformat()
    return (window.first or text) <= text <= (window.last or text)


def _end(gate: FreezeGate, moment: datetime, zone: ZoneInfo) -> datetime | None:
    """The wall clock's next time in no window, to the quarter of an hour; None where it is far off."""
    step = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
    while step - moment < AHEAD:
        step += STEP
        if frozen_by(gate, step, zone) is None:
            return step.astimezone(zone)
    return None


def _told(local: datetime) -> str:
    return local.strftime("%a %Y-%m-%d %H:%M")

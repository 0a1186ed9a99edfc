"""When nothing is promoted: windows of the wall clock somewhere, as tagboat.yaml has them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from deployers.settings import Settings
from entrypoint.configuration.words import END

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WallTime = Annotated[
    str,
    Meta(
        pattern=rf"^([01][0-9]|2[0-3]):[0-5][0-9]{END}|^24:00{END}",
        description="A time of day, such as 08:30; 24:00 is the day's end.",
    ),
]
CalendarDate = Annotated[
    str, Meta(pattern=rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{END}", description="A date, such as 2026-12-20.")
]


class FreezeWindow(Settings, frozen=True, kw_only=True):
    """A time in which nothing is promoted; all that is given must hold. Times and dates are those of the wall clock."""

    days: Annotated[tuple[Day, ...], Meta(description="On these days; without it: on all.")] = ()
    begin: Annotated[
        WallTime,
        Meta(description="From this time of day; where `until` is not later, until that time of the next day."),
    ] = "00:00"
    until: Annotated[WallTime, Meta(description="Until this time of day, not included.")] = "24:00"
    first: Annotated[CalendarDate | None, Meta(description="From this date on.")] = None
    last: Annotated[CalendarDate | None, Meta(description="Up to this date, included.")] = None
    reason: Annotated[str, Meta(description="What a report says of it.")] = ""

    def __post_init__(self) -> None:
        """Refuse dates that are none, and a window that never comes."""
        for name in ("first", "last"):
            value = getattr(self, name)
            if value is not None:
                try:
                    date.fromisoformat(value)
                except ValueError:
                    raise ValueError(f"{name}: {value} is no date", "Such as 2026-12-20.") from None
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("the last date is before the first")
        if self.begin == "24:00":
            raise ValueError("begin is the end of the day", "Write 00:00 of the next day.")

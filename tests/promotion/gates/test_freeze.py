"""Freeze windows are those of the wall clock they name, over midnight, over a year's end and over summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.configuration import InvalidConfigurationError, parse
from entrypoint.configuration.freeze_settings import FreezeWindow
from entrypoint.configuration.gate_settings import FreezeGate
from entrypoint.promotion.gates import Outcome
from entrypoint.promotion.gates.freeze import frozen_by


def frozen(moment: str, *, zone: str = "Europe/Berlin", **window) -> bool:
    """Whether a moment (ISO 8601 with an offset) stands in the window."""
    gate = FreezeGate(time_zone=zone, windows=(FreezeWindow(**window),))
    return frozen_by(gate, datetime.fromisoformat(moment).astimezone(UTC), ZoneInfo(zone)) is not None


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-06T15:59:59+01:00", False),
        ("2026-03-06T16:00:00+01:00", True),
        ("2026-03-06T15:00:00+00:00", True),
        ("2026-03-06T23:59:59+01:00", True),
        ("2026-03-07T00:00:00+01:00", False),
        ("2026-03-05T17:00:00+01:00", False),
    ],
)
def test_friday_afternoon_is_friday_afternoon_there(moment, expected):
    assert frozen(moment, days=("fri",), begin="16:00") is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-06T21:59:00+01:00", False),
        ("2026-03-06T22:00:00+01:00", True),
        ("2026-03-07T05:59:00+01:00", True),
        ("2026-03-07T06:00:00+01:00", False),
        ("2026-03-07T22:30:00+01:00", False),
        ("2026-03-06T05:00:00+01:00", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(moment, expected):
    assert frozen(moment, days=("fri",), begin="22:00", until="06:00") is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-12-19T23:59:59+01:00", False),
        ("2026-12-19T23:00:00+00:00", True),
        ("2026-12-31T12:00:00+01:00", True),
        ("2027-01-06T23:59:59+01:00", True),
        ("2027-01-07T00:00:00+01:00", False),
    ],
)
def test_dates_are_whole_days_over_the_years_end(moment, expected):
    assert frozen(moment, first="2026-12-20", last="2027-01-06") is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        # 29 March 2026: 02:00 becomes 03:00. The window's hours stay those on the clock.
        ("2026-03-28T08:30:00+01:00", True),
        ("2026-03-29T08:30:00+02:00", True),
        ("2026-03-29T07:30:00+02:00", False),
        ("2026-03-29T09:30:00+02:00", False),
        # 25 October 2026: 02:30 comes twice, and is in the window twice.
        ("2026-10-25T08:30:00+01:00", True),
    ],
)
def test_a_change_to_summer_time_does_not_shift_a_window(moment, expected):
    assert frozen(moment, begin="08:00", until="09:00") is expected


def test_an_hour_that_comes_twice_is_frozen_twice():
    for offset in ("+02:00", "+01:00"):
        assert frozen(f"2026-10-25T02:30:00{offset}", begin="02:00", until="03:00")
    assert not frozen("2026-10-25T03:00:00+01:00", begin="02:00", until="03:00")


@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]),
    begin=st.integers(0, 23 * 60 + 59),
    until=st.integers(1, 24 * 60),
)
def test_a_window_and_its_complement_are_never_both_in_force_nor_both_not(moment, zone, begin, until):
    def clock(minutes: int) -> str:
        return f"{minutes // 60:02d}:{minutes % 60:02d}"

    if until == begin:
        return
    inside = frozen(moment.isoformat(), zone=zone, begin=clock(begin), until=clock(until))
    rest = frozen(moment.isoformat(), zone=zone, begin=clock(until % 1440), until=clock(begin) if begin else "24:00")
    whole = begin == 0 and until == 1440
    assert (inside, rest) == (True, True) if whole else inside != rest


def test_every_minute_of_a_week_is_frozen_as_often_as_the_window_says():
    begin = datetime(2026, 3, 2, tzinfo=UTC)
    minutes = [begin + timedelta(minutes=number) for number in range(7 * 24 * 60)]
    gate = FreezeGate(
        time_zone="UTC", windows=(FreezeWindow(days=("sat", "sun")), FreezeWindow(days=("fri",), begin="16:00"))
    )
    assert sum(frozen_by(gate, minute, ZoneInfo("UTC")) is not None for minute in minutes) == (2 * 24 + 8) * 60


def test_the_gate_says_where_the_clock_stands_and_until_when(case):
    made = case("{gate: freeze, time-zone: Europe/Berlin, windows: [{days: [fri], begin: '16:00', reason: weekend}]}")
    made.now = datetime.fromisoformat("2026-03-06T16:30:00+01:00").timestamp()
    result = made.evaluate()
    assert result.outcome is Outcome.FAIL
    assert result.detail == "frozen: Fri 2026-03-06 16:30 in Europe/Berlin (weekend), until Sat 2026-03-07 00:00"
    made.now -= 3600
    result = made.evaluate()
    assert (result.outcome, result.detail) == (
        Outcome.PASS, "Fri 2026-03-06 15:30 in Europe/Berlin is in no freeze window"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{gate: freeze, time-zone: Europe/Berln, windows: [{}]}", "is not known"),
        ("{gate: freeze, time-zone: ../../etc/passwd, windows: [{}]}", "is not known"),
        ("{gate: freeze, time-zone: UTC, windows: []}", "empty"),
        ("{gate: freeze, time-zone: UTC, windows: [{begin: '25:00'}]}", "form"),
        ("{gate: freeze, time-zone: UTC, windows: [{begin: '24:00'}]}", "end of the day"),
        ("{gate: freeze, time-zone: UTC, windows: [{days: [friday]}]}", "none of"),
        ("{gate: freeze, time-zone: UTC, windows: [{first: 2026-02-30}]}", "no date"),
        ("{gate: freeze, time-zone: UTC, windows: [{first: 2026-02-02, last: 2026-02-01}]}", "before the first"),
        ("{gate: live, window: 0s}", "more than 0"),
        ("{gate: approval, by: label}", "needs the key label"),
        ("{gate: approval, by: comment, label: x}", "is for `by: label` alone"),
        ("{gate: agreement, differ: 1.5}", "more than 1"),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_place_when_tagboat_yaml_is_read(written, said):
    text = f"stages: {{dev: {{}}, prod: {{}}}}\npromotion: {{prod: {{from: dev, gates: [{written}]}}}}\n"
    with pytest.raises(InvalidConfigurationError) as caught:
        parse(text.encode())
    assert said in str(caught.value)
    assert "promotion.prod.gates[0]" in str(caught.value)

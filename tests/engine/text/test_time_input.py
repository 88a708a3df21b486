"""Times as people type them at the terminal."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from everytick.model import ticks
from everytick.model.ticks import zones
from everytick.text.durations import duration
from everytick.text.time_input import read_time
from hypothesis import example, given
from hypothesis import strategies as st

BERLIN = ZoneInfo("Europe/Berlin")
# A Friday; in Berlin it is 13:30.
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
LEFT_OUT_A_DAY = ("Pacific/Apia", "Pacific/Kiritimati")
ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"),
    # Where the clock jumps at midnight, and where a whole day was left out.
    *("Africa/Cairo", "America/Havana", *LEFT_OUT_A_DAY),
]
# Where the clock is set back over midnight, so that a part of the day before comes again.
AT_MIDNIGHT = ("America/Havana", "America/St_Johns", "Africa/Cairo")
INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(
    lambda naive: ticks.instant(naive.replace(tzinfo=UTC))
)


def read(text: str, *, ahead: bool = False, now: datetime = NOW) -> datetime:
    found = read_time(text, BERLIN, ticks.instant(now), ahead=ahead)
    return ticks.moment(ticks.instant_in(found, BERLIN), BERLIN).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("text", "behind", "ahead"),
    [
        ("now", "2026-11-20 13:30", "2026-11-20 13:30"),
        ("2h", "2026-11-20 11:30", "2026-11-20 15:30"),
        ("2 hours", "2026-11-20 11:30", "2026-11-20 15:30"),
        ("1h30m", "2026-11-20 12:00", "2026-11-20 15:00"),
        ("1 h 30 min", "2026-11-20 12:00", "2026-11-20 15:00"),
        ("1.5h", "2026-11-20 12:00", "2026-11-20 15:00"),
        ("90s", "2026-11-20 13:28:30", "2026-11-20 13:31:30"),
        ("3d", "2026-11-17 13:30", "2026-11-23 13:30"),
        ("1 week", "2026-11-13 13:30", "2026-11-27 13:30"),
        ("2h ago", "2026-11-20 11:30", "2026-11-20 11:30"),
        ("in 2h", "2026-11-20 15:30", "2026-11-20 15:30"),
        ("05:39", "2026-11-20 05:39", "2026-11-21 05:39"),
        ("5:39", "2026-11-20 05:39", "2026-11-21 05:39"),
        ("23:59:30", "2026-11-19 23:59:30", "2026-11-20 23:59:30"),
        # Now is behind: nothing is to come at the present moment.
        ("13:30", "2026-11-20 13:30", "2026-11-21 13:30"),
        ("today", "2026-11-20 00:00", "2026-11-20 00:00"),
        ("Today 23:00", "2026-11-20 23:00", "2026-11-20 23:00"),
        ("yesterday", "2026-11-19 00:00", "2026-11-19 00:00"),
        ("yesterday 02:30", "2026-11-19 02:30", "2026-11-19 02:30"),
        (" YESTERDAY  02:30 ", "2026-11-19 02:30", "2026-11-19 02:30"),
        ("tomorrow 9:00", "2026-11-21 09:00", "2026-11-21 09:00"),
        ("friday", "2026-11-20 00:00", "2026-11-27 00:00"),
        ("fri 18:00", "2026-11-13 18:00", "2026-11-20 18:00"),
        ("Monday", "2026-11-16 00:00", "2026-11-23 00:00"),
        ("2026-12-24T18:00", "2026-12-24 18:00", "2026-12-24 18:00"),
        ("2026-12-24T18:00Z", "2026-12-24 19:00", "2026-12-24 19:00"),
        ("2026-1-5 9:30:00", "2026-01-05 09:30", "2026-01-05 09:30"),
    ],
)
def test_a_time_lies_where_the_option_looks(text: str, behind: str, ahead: str) -> None:
    assert read(text) == datetime.fromisoformat(behind)
    assert read(text, ahead=True) == datetime.fromisoformat(ahead)


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "noon", "2", "h", "2x", "in 2h ago", "ago", "25:00", "12:60", "tomorrow at noon"),
        *("yesterday 2h", "yesterday yesterday", "someday 02:30", "05:39 yesterday", "05:39pm", "-2h"),
        *("2026-13-01", "2026-02-30", "2026", "mondayish", "tomorrow09:00x"),
    ],
)
def test_a_refusal_names_what_can_be_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date or time such as") as caught:
        read(text)
    assert str(caught.value) == (
        f"{text!r} is not a date or time such as 2026-12-24T18:00, 05:39, yesterday 02:30, monday or 2h"
    )


@pytest.mark.parametrize("text", ["99999w", "in 999999999w", "999999999.5d ago", "1969-12-31", "9001-01-01"])
def test_a_time_that_no_ledger_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must lie between the years 1970 and 9000$"):
        read(text)


def test_a_day_of_24_hours_is_a_length_and_yesterday_is_a_day_of_the_calendar() -> None:
    # In the night before, the clock went from 02:00 to 03:00.
    after = datetime(2026, 3, 29, 10, tzinfo=UTC)
    assert read("1d", now=after) == datetime(2026, 3, 28, 11)
    assert read("yesterday 12:00", now=after) == datetime(2026, 3, 28, 12)
    # This was never shown: the end of the gap stands for it, as with a date.
    assert read("02:30", now=after) == datetime(2026, 3, 29, 3)


# In the night of 25 October Berlin's clocks show 02:00 to 03:00 twice, from 00:00 and from 01:00 UTC.
@pytest.mark.parametrize(
    ("now", "text", "ahead", "meant"),
    [
        ("00:50", "02:30", False, "00:30"),
        ("00:50", "02:30", True, "01:30"),
        ("00:50", "sunday 02:30", True, "01:30"),
        ("01:20", "02:30", False, "00:30"),
        ("01:50", "02:30", False, "01:30"),
        ("10:00", "02:30", False, "01:30"),
        # A day is named: the first of both, as with a date.
        ("10:00", "today 02:30", False, "00:30"),
        ("00:10", "2026-10-25T02:30", True, "00:30"),
    ],
)
def test_a_time_of_day_that_a_clock_shows_twice_is_the_nearer_one_on_its_side(
    now: str, text: str, ahead: bool, meant: str
) -> None:
    then, expected = (datetime.fromisoformat(f"2026-10-25T{clock}Z") for clock in (now, meant))
    found = read_time(text, BERLIN, ticks.instant(then), ahead=ahead)
    assert ticks.instant_in(found, BERLIN) == ticks.instant(expected)


@st.composite
def near_shifts(draw: st.DrawFn) -> tuple[ZoneInfo, int]:
    """An instant within two hours of a shift of a zone's clock."""
    zone = ZoneInfo(draw(st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", *AT_MIDNIGHT])))
    begin = ticks.instant(datetime(draw(st.integers(1988, 2010)), 1, 1, tzinfo=UTC))
    shifts = [shift for shift, _end in zones.spans(begin, begin + 365 * ticks.DAY, zone)][1:]
    shift = draw(st.sampled_from(shifts)) if shifts else begin
    return zone, shift + draw(st.integers(-7_200, 7_200)) * ticks.SECOND


# A thread that another test left behind may use `random` meanwhile, which Hypothesis takes for the strategy.
@pytest.mark.full
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
@given(near_shifts(), st.integers(-180, 180), st.booleans())
def test_no_nearer_time_of_day_lies_on_the_side_that_is_meant(
    place: tuple[ZoneInfo, int], minutes: int, ahead: bool
) -> None:
    zone, now = place
    shown = zones.wall_clock(now + minutes * 60 * ticks.SECOND, zone)
    found = ticks.instant_in(read_time(f"{shown:%H:%M:%S}", zone, now, ahead=ahead), zone)
    # Each instant near by at which a clock shows the same, found without any knowledge of shifts.
    quarter = 900 * ticks.SECOND
    first = now // quarter * quarter + ticks.instant(shown.replace(tzinfo=UTC)) % quarter
    near = (first + number * quarter for number in range(-120, 121))
    alike = [one for one in near if zones.wall_clock(one, zone).time() == shown.time().replace(microsecond=0)]
    assert (found > now) is ahead
    assert not [one for one in alike if (now < one < found if ahead else found < one <= now)]


@pytest.mark.full
@given(INSTANTS, st.sampled_from(ZONES), st.times(), st.booleans())
@example(
    ticks.instant(datetime(2011, 12, 31, 9, tzinfo=UTC)), "Pacific/Apia", datetime(1, 1, 1, 12).time(), False
)
def test_a_time_of_day_is_the_nearest_one_on_its_side(
    now: int, name: str, clock: object, ahead: bool
) -> None:
    zone, text = ZoneInfo(name), f"{clock:%H:%M:%S}"
    found = ticks.instant_in(read_time(text, zone, now, ahead=ahead), zone)
    assert (found > now) is ahead
    # A day and the shift of a clock, twice; or a day more where one was left out.
    most = ticks.DAY + 2 * 3_600 * ticks.SECOND + (ticks.DAY if name in LEFT_OUT_A_DAY else 0)
    assert abs(found - now) <= most


@given(INSTANTS, st.sampled_from(ZONES), st.sampled_from(["mon", "tuesday", "Sunday"]), st.booleans())
def test_a_day_of_the_week_is_at_most_a_week_away(now: int, name: str, day: str, ahead: bool) -> None:
    zone = ZoneInfo(name)
    found = read_time(day, zone, now, ahead=ahead)
    assert f"{found:%A}".lower().startswith(day.lower())
    assert abs(ticks.instant_in(found, zone) - now) <= 8 * ticks.DAY
    assert (ticks.instant_in(found, zone) > now) is ahead


@given(INSTANTS, st.sampled_from(ZONES), st.sampled_from([("yesterday", -1), ("today", 0), ("tomorrow", 1)]))
def test_days_are_those_of_the_calendar(now: int, name: str, day: tuple[str, int]) -> None:
    zone, (word, number) = ZoneInfo(name), day
    today = ticks.moment(now, zone).date()
    assert read_time(word, zone, now, ahead=False).date() == today + timedelta(days=number)


@given(INSTANTS, st.sampled_from(ZONES), st.integers(0, 10**6), st.booleans())
def test_a_length_is_exact_whatever_the_clock_does(now: int, name: str, seconds: int, ahead: bool) -> None:
    found = read_time(f"{seconds} s", ZoneInfo(name), now, ahead=ahead)
    assert found.tzinfo is not None
    begin = now // ticks.SECOND * ticks.SECOND
    assert ticks.instant(found) == begin + (seconds if ahead else -seconds) * ticks.SECOND


@given(st.integers(1, 400 * 86_400))
def test_a_length_that_a_command_printed_can_be_typed(seconds: int) -> None:
    shown = duration(seconds * ticks.SECOND)
    now = ticks.instant(NOW)
    # It is shown in its two largest units.
    assert (
        abs(now - ticks.instant(read_time(shown, UTC, now, ahead=False)) - seconds * ticks.SECOND) < ticks.DAY
    )


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with suppress(ValueError):
        read_time(text, BERLIN, ticks.instant(NOW), ahead=True)

"""Days that are left out or moved, and workdays of a month: agreed with a naive model, day by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from everytick.model import schedule as schedules
from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.model.ticks import (
    DAY,
    SECOND,
    CalendarTicks,
    CronTicks,
    Days,
    ExcludingTicks,
    IntersectionTicks,
    IntervalTicks,
    Ticks,
    UnionTicks,
    instant,
    moment,
)
from everytick.model.ticks.excluding import Shift, Workday
from hypothesis import given, settings
from hypothesis import strategies as st

from test_ticks import first_shown, hours, walk
from test_ticks_near_shifts import SHIFTS, between, near

BERLIN = ZoneInfo("Europe/Berlin")
CHRISTMAS = {
    "name": "holidays('DE')",
    "days": {"Christmas Day": ["2026-12-25"], "Boxing Day": ["2026-12-26"]},
}

# How many days around a shift the model looks at: from further away no tick is moved to where it is compared.
REACH = 13
# How many days around a shift a tick may be moved to that is compared, and one more for all zones.
NEAR = 3


def days(
    *dates: str, weekdays: tuple[int, ...] = (), calendars: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    return {
        "weekdays": list(weekdays),
        "ranges": [[one, one] for one in dates],
        "calendars": list(calendars),
    }


def excluding(
    source: Ticks,
    data: dict[str, Any],
    shift: Shift = "skip",
    workday: Workday | None = None,
    zone: ZoneInfo = BERLIN,
) -> ExcludingTicks:
    return ExcludingTicks(source, Days(data), zone, shift, workday)


def daily(hour: str = "9", zone: ZoneInfo = BERLIN, **fields: str) -> CronTicks:
    return CronTicks({"hour": hour, **fields}, zone)


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return instant(datetime.fromisoformat(text).replace(tzinfo=zone))


def texts(source: Ticks, begin: str, end: str, zone: ZoneInfo = BERLIN) -> list[str]:
    return [f"{moment(tick, zone):%m-%d %H:%M}" for tick in walk(source, at(begin, zone), at(end, zone))]


# --- the naive model


@cache
def minutes_around(zone: ZoneInfo, day: date) -> dict[datetime, list[int]]:
    """Return the instants at which a clock shows each minute, for some days around `day`."""
    start = instant(datetime.combine(day - timedelta(days=NEAR + 2), time()).replace(tzinfo=UTC))
    real: dict[datetime, list[int]] = {}
    for step in range(60 * 24 * 2 * (NEAR + 2)):
        one = start + step * 60 * SECOND
        real.setdefault(moment(one, zone).replace(tzinfo=None, fold=0), []).append(one)
    return real


def planned_by_hand(tick: int, zone: ZoneInfo, plain: Ticks | None) -> list[datetime]:
    """Return the wall-clock times that are due at a tick: with those of the gap that ends there.

    plain: the same times where no clock is ever set; None for ticks that have no time of day.
    """
    shown = moment(tick, zone).replace(tzinfo=None)
    if plain is None:
        return [shown]
    one = moment(tick - 60 * SECOND, zone).replace(tzinfo=None) + timedelta(minutes=1)
    found = []
    while one <= shown:
        if plain.next(instant(one.replace(tzinfo=UTC)) - 1) == instant(one.replace(tzinfo=UTC)):
            found.append(one)
        one += timedelta(minutes=1)
    return found or [shown]


def moved_by_hand(wall: datetime, day: date, zone: ZoneInfo, target: date) -> int:
    real = minutes_around(zone, day)
    shown = datetime.combine(target, wall.time())
    whole = shown.replace(second=0, microsecond=0)
    rest = (shown - whole) // timedelta(microseconds=1)
    return real[whole][0] + rest if whole in real else real[first_shown(whole, real)][0]


def model(
    source: Ticks,
    excluded: set[date],
    shift: str,
    workday: str | None,
    zone: ZoneInfo,
    day: date,
    plain: Ticks | None = None,
) -> list[int]:
    """Return the ticks around a day: each one of the source is kept, left out or moved by itself."""

    def is_workday(one: date) -> bool:
        return one.weekday() < 5 and one not in excluded

    def target(on: date) -> date | None:
        if workday:
            step = timedelta(days=-1 if workday == "first" else 1)
            nearer, is_first = on + step, is_workday(on)
            while nearer.month == on.month:
                is_first = is_first and not is_workday(nearer)
                nearer += step
            return on if is_first else None
        if on not in excluded:
            return on
        if shift == "skip":
            return None
        step = timedelta(days=1 if shift == "next-workday" else -1)
        while not is_workday(on):
            on += step
        return on

    middle = instant(datetime.combine(day, time()).replace(tzinfo=UTC))
    found, after = set[int](), middle - REACH * DAY - 1
    while (tick := source.next(after)) is not None and tick < middle + REACH * DAY:
        after, on = tick, moment(tick, zone).date()
        due_on = target(on)
        if due_on is None or abs(due_on - day) > timedelta(days=NEAR):
            # So it is with all ticks of this day.
            after = max(tick, instant(datetime.combine(on + timedelta(days=1), time(), zone)) - 1)
        elif due_on == on:
            found.add(tick)
        else:
            found |= {moved_by_hand(wall, day, zone, due_on) for wall in planned_by_hand(tick, zone, plain)}
    return sorted(found)


few_minutes = st.sampled_from(["0", "30", "*/15", "10,50"])
around = st.sets(st.integers(-3, 3), max_size=5)
some_weekdays = st.sampled_from([(), (5, 6), (6,), (0,), (2, 5)])
shifts = st.sampled_from(["skip", "next-workday", "previous-workday"])


@pytest.mark.full
@settings(max_examples=400)
@given(st.sampled_from(SHIFTS), hours, few_minutes, around, some_weekdays, shifts)
def test_cron_without_excluded_days_agrees_with_looking_at_every_tick(
    near_shift: tuple[str, date],
    hour: str,
    minute: str,
    offsets: set[int],
    weekdays: tuple[int, ...],
    shift: Shift,
) -> None:
    zone, day = ZoneInfo(near_shift[0]), near_shift[1]
    fields = {"hour": hour, "minute": minute}
    # One of each hour has ticks at what the clock shows, and none in a gap.
    plain = None if len(walk(CronTicks({"hour": hour}, UTC), -1, DAY - 1)) == 24 else CronTicks(fields, UTC)
    check(CronTicks(fields, zone), zone, day, offsets, weekdays, shift, plain)


@pytest.mark.full
@settings(max_examples=200)
@given(st.sampled_from(SHIFTS), st.integers(600, 40 * 3600), around, some_weekdays, shifts)
def test_intervals_without_excluded_days_agree_with_looking_at_every_tick(
    near_shift: tuple[str, date], seconds: int, offsets: set[int], weekdays: tuple[int, ...], shift: Shift
) -> None:
    zone, day = ZoneInfo(near_shift[0]), near_shift[1]
    check(IntervalTicks(seconds * SECOND, 0), zone, day, offsets, weekdays, shift)


def check(
    source: Ticks,
    zone: ZoneInfo,
    day: date,
    offsets: set[int],
    weekdays: tuple[int, ...],
    shift: Shift,
    plain: Ticks | None = None,
) -> None:
    dates = [day + timedelta(days=offset) for offset in offsets]
    made = excluding(source, days(*map(str, dates), weekdays=weekdays), shift, zone=zone)
    window = [day + timedelta(days=offset) for offset in range(-2 * REACH, 2 * REACH)]
    excluded = {one for one in window if one in dates or one.weekday() in weekdays}
    expected = between(model(source, excluded, shift, None, zone, day, plain), day)
    assert walk(made, *near(day)) == expected
    begin, end = near(day)
    assert ticks.count(made, begin - 1, end - 1, 10_000) == len(expected)
    if expected:
        assert ticks.newest(made, begin - 1, end - 1, 3) == expected[-3:]
    for tick in expected[:5]:
        # From whatever instant it is asked for.
        assert excluding(source, days(*map(str, dates), weekdays=weekdays), shift, zone=zone).next(
            tick - 1
        ) == tick  # fmt: skip
        own = source.next(tick - 1) == tick and moment(tick, zone).date() not in excluded
        assert own or "moved from" in made.note(tick)


@pytest.mark.full
@settings(max_examples=150)
@given(st.sampled_from(SHIFTS), hours, few_minutes, around, st.sampled_from(["first", "last"]))
def test_the_workday_of_a_month_agrees_with_looking_at_every_tick(
    near_shift: tuple[str, date], hour: str, minute: str, offsets: set[int], which: Workday
) -> None:
    zone, day = ZoneInfo(near_shift[0]), near_shift[1]
    source = CronTicks({"day": "*", "hour": hour, "minute": minute}, zone)
    dates = {day + timedelta(days=offset) for offset in offsets}
    made = excluding(source, days(*map(str, dates)), workday=which, zone=zone)
    expected = between(model(source, dates, "skip", which, zone, day), day)
    assert walk(made, *near(day)) == expected


# --- by example


def test_the_ticks_of_an_excluded_date_are_left_out() -> None:
    made = excluding(daily(), days("2026-12-24", "2026-12-25"))
    assert texts(made, "2026-12-23", "2026-12-27") == ["12-23 09:00", "12-26 09:00"]


def test_a_tick_moves_to_the_next_workday_and_keeps_its_time() -> None:
    made = excluding(daily(day="25"), days(calendars=(CHRISTMAS,)), "next-workday")
    assert texts(made, "2026-12-20", "2027-01-30") == ["12-28 09:00", "01-25 09:00"]
    assert made.note(at("2026-12-28T09:00")) == "moved from Friday 2026-12-25 (Christmas Day)"


def test_a_tick_moves_to_the_workday_before() -> None:
    made = excluding(daily(day="26"), days(calendars=(CHRISTMAS,)), "previous-workday")
    assert texts(made, "2026-12-20", "2027-01-01") == ["12-24 09:00"]
    assert made.note(at("2026-12-24T09:00")) == "moved from Saturday 2026-12-26 (Boxing Day)"


def test_ticks_that_come_to_one_instant_are_one_tick() -> None:
    made = excluding(daily(), days("2026-12-24", "2026-12-25"), "previous-workday")
    assert texts(made, "2026-12-23", "2026-12-26") == ["12-23 09:00"]
    both = "moved from Thursday 2026-12-24, Friday 2026-12-25"
    assert made.note(at("2026-12-23T09:00")) == both


SUNDAYS = days(weekdays=(6,))


def calendar_at(hour: int, minute: int) -> CalendarTicks:
    return CalendarTicks(0, 0, 1, time(hour, minute), BERLIN, date(2000, 1, 1), None)


@pytest.mark.parametrize(
    ("source", "left", "shift", "around"),
    [
        (daily("2", minute="30"), SUNDAYS, "previous-workday", ["03-26 02:30"]),
        (daily("2", minute="30"), SUNDAYS, "next-workday", ["03-29 02:30"]),
        (daily("2", minute="30", day="28"), days("2027-03-28"), "previous-workday", ["03-26 02:30"]),
        (daily("2", minute="30", day="28"), days("2027-03-28"), "next-workday", ["03-29 02:30"]),
        (daily("2", minute="30", day_of_week="sun"), SUNDAYS, "next-workday", ["03-29 02:30"]),
        (calendar_at(2, 30), SUNDAYS, "previous-workday", ["03-26 02:30"]),
        # Three of them are one tick on the Sunday.
        (
            daily("2-3", minute="0,30", day_of_week="sun"),
            SUNDAYS,
            "next-workday",
            ["03-29 02:00", "03-29 02:30", "03-29 03:00", "03-29 03:30"],
        ),
        (
            UnionTicks([daily("2", minute="30"), daily("3")]),
            SUNDAYS,
            "next-workday",
            ["03-29 02:30", "03-29 03:00"],
        ),
        (
            IntersectionTicks([daily("2", minute="30"), daily("2-4", minute="0,30")]),
            SUNDAYS,
            "next-workday",
            ["03-29 02:30"],
        ),
    ],
)
def test_a_tick_keeps_its_time_that_the_clock_jumps_over_on_the_excluded_day(
    source: Ticks, left: dict[str, Any], shift: Shift, around: list[str]
) -> None:
    made = excluding(source, left, shift)
    day = "2027-03-26" if shift == "previous-workday" else "2027-03-29"
    found = texts(made, day, str(date.fromisoformat(day) + timedelta(days=1)))
    assert found == around
    noted = made.note(at(f"2027-{around[0].replace(' ', 'T')}"))
    assert noted.startswith("moved from Sunday 2027-03-28")
    until = "" if len(around) == 1 else f" to {around[-2 if len(around) == 4 else -1][-5:]}"
    said = f"moved to {date.fromisoformat(day):%A} {day} {around[0][-5:]}{until}"
    assert made.left_out(at("2027-03-28T03:00")).endswith(said)


def test_a_saturday_that_is_not_excluded_keeps_its_tick_but_none_is_moved_to_it() -> None:
    made = excluding(daily(), days("2026-12-25"), "next-workday")
    assert texts(made, "2026-12-25", "2026-12-29") == ["12-26 09:00", "12-27 09:00", "12-28 09:00"]


def test_the_first_workday_of_a_month_is_no_holiday() -> None:
    made = excluding(daily(), days("2027-01-01"), workday="first")
    assert texts(made, "2027-01-01", "2027-03-01") == ["01-04 09:00", "02-01 09:00"]
    assert made.note(at("2027-01-04T09:00")) == "Friday 2027-01-01 is excluded"
    last = excluding(daily(), days("2026-12-31"), workday="last")
    assert texts(last, "2026-12-20", "2027-02-01") == ["12-30 09:00", "01-29 09:00"]


def test_why_a_tick_is_left_out() -> None:
    made = excluding(daily(), days("2026-12-24", weekdays=(6,), calendars=(CHRISTMAS,)))
    assert made.left_out(at("2026-12-25T09:00")) == "Friday 2026-12-25 (Christmas Day) is excluded"
    assert made.left_out(at("2026-12-24T09:00")) == "Thursday 2026-12-24 is excluded"
    assert made.left_out(at("2026-12-27T09:00")) == "Sunday 2026-12-27 (Sunday) is excluded"
    assert made.left_out(at("2026-12-25T09:01")) == ""
    assert made.left_out(at("2026-12-28T09:00")) == ""
    moved = excluding(daily(), days("2026-12-25"), "next-workday")
    assert moved.left_out(at("2026-12-25T09:00")) == (
        "Friday 2026-12-25 is excluded: moved to Monday 2026-12-28 09:00"
    )


def test_dates_that_are_left_out_are_listed_but_not_every_weekend() -> None:
    made = excluding(daily(), days(weekdays=(5, 6), calendars=(CHRISTMAS,)))
    found = list(made.left_out_between(at("2026-12-01"), at("2027-02-01")))
    assert found == [
        (at("2026-12-25T09:00"), "Friday 2026-12-25 (Christmas Day) is excluded"),
        (at("2026-12-26T09:00"), "Saturday 2026-12-26 (Boxing Day) is excluded"),
    ]


def test_equal_sets_of_days_have_equal_canonical_texts() -> None:
    one = Days(days("2026-12-25", "2026-12-26", weekdays=(5, 6)))
    other = Days(days(weekdays=(6, 5), calendars=(CHRISTMAS,)))
    ranged = Days({"weekdays": [5, 6], "ranges": [["2026-12-25", "2026-12-27"]], "calendars": []})
    assert one.canonical == other.canonical == ranged.canonical
    assert Days(days("2026-12-24", weekdays=(5, 6))).canonical != one.canonical
    assert Days(days("2026-12-25", weekdays=(6,))).canonical != one.canonical


def test_many_dates_are_not_all_named() -> None:
    many = Days(days(*(f"2027-01-{day:02}" for day in range(1, 31))))
    assert many.text == "2027-01-01, 2027-01-02, 2027-01-03, 27 more"
    assert Days(days("2027-01-01", "2027-01-02", weekdays=(6,))).text == "sun, 2027-01-01, 2027-01-02"


def base() -> Schedule:
    data = {"trigger": "cron", "fields": {"hour": "9"}, "start": None, "end": None}
    return schedules.make(data, BERLIN)


def test_a_process_without_the_code_computes_the_same_ticks() -> None:
    forms: list[tuple[Shift, Workday | None]] = [
        ("next-workday", None),
        ("previous-workday", None),
        ("skip", "first"),
    ]
    for shift, workday in forms:
        made = schedules.excluding(base(), days(weekdays=(6,), calendars=(CHRISTMAS,)), shift, workday)
        kept = schedules.from_text(made.kept)
        assert kept.ticks.canonical == made.ticks.canonical
        assert kept.text == made.text
        assert kept.zone_name == "Europe/Berlin"
        begin, end = at("2026-11-01"), at("2027-03-01")
        assert walk(kept.ticks, begin, end) == walk(made.ticks, begin, end)


@pytest.mark.parametrize(
    "damage",
    [
        {"shift": "sideways"},
        {"workday": "second"},
        {"days": {"weekdays": [7], "ranges": [], "calendars": []}},
        {"days": days("2026-13-01")},
        {"days": {"weekdays": [], "ranges": [["0001-01-01", "9999-12-31"]], "calendars": []}},
        {"source": {"trigger": "moon"}},
    ],
)
def test_a_damaged_row_is_told_in_a_sentence(damage: dict[str, Any]) -> None:
    data = schedules.excluding(base(), days("2026-12-25")).data | damage
    with pytest.raises(ValueError, match="this version of everytick"):
        schedules.from_data(data)


@pytest.mark.full
def test_a_search_without_end_is_not_begun() -> None:
    never = excluding(daily(day_of_week="sat"), days(weekdays=(5,)))
    assert never.next(at("2026-01-01")) is None
    assert never.excludes_all(at("2026-01-01"), at("2041-01-01"))
    no_workday = excluding(daily(), days("2026-12-25", weekdays=(0, 1, 2, 3, 4)), "next-workday")
    assert texts(no_workday, "2026-12-25", "2026-12-28") == ["12-26 09:00", "12-27 09:00"]


def test_many_ticks_of_an_excluded_day_are_not_walked_one_by_one() -> None:
    each_second = IntervalTicks(SECOND, 0)
    made = excluding(each_second, days(weekdays=(5, 6)), "next-workday")
    # All of Saturday and of Sunday moves to Monday, where it meets Monday's own ticks.
    assert made.next(at("2026-12-26T12:00")) == at("2026-12-28T00:00")
    assert made.next(at("2026-12-28T00:00")) == at("2026-12-28T00:00:01")
    left_out = excluding(each_second, days(weekdays=(5, 6)))
    assert left_out.next(at("2026-12-26T12:00")) == at("2026-12-28T00:00")
    begin, end = at("2026-12-24T00:00"), at("2026-12-29T00:00")
    assert ticks.count(left_out, begin - 1, end - 1, 100) == 3 * 86_400


def test_a_jitter_moves_no_tick_but_may_carry_its_run_into_an_excluded_day() -> None:
    cron = {"trigger": "cron", "fields": {"hour": "23", "minute": "59"}, "start": None, "end": None}
    source = schedules.make(cron, BERLIN, jitter=3_600 * SECOND)
    made = schedules.excluding(source, days(weekdays=(5, 6)))
    friday = instant(datetime(2026, 12, 4, 23, 59, tzinfo=BERLIN))
    assert made.next_tick(friday - 1) == friday
    assert moment(made.due("job", friday), BERLIN).date() == date(2026, 12, 5)
    assert moment(made.next_tick(friday) or 0, BERLIN).date() == date(2026, 12, 7)

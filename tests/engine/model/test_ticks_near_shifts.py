"""Ticks around the shifts of difficult zones: every kind of trigger, and every instant in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from everytick.model.ticks import (
    DAY,
    SECOND,
    CalendarTicks,
    CronTicks,
    IntersectionTicks,
    IntervalTicks,
    Ticks,
    UnionTicks,
    instant,
    moment,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from test_ticks import first_shown, hours, minutes, real_minutes, reference, walk, weekdays

# (zone, the local day of a shift)
SHIFTS = [
    # half an hour, in both directions
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Australia/Lord_Howe", date(2027, 4, 4)),
    ("Asia/Pyongyang", date(2018, 5, 5)),
    ("America/Caracas", date(2007, 12, 9)),
    ("America/Caracas", date(2016, 5, 1)),
    # two hours
    ("Antarctica/Troll", date(2026, 3, 29)),
    ("Antarctica/Troll", date(2026, 10, 25)),
    # midnight does not exist
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("Asia/Beirut", date(2026, 3, 29)),
    ("Asia/Tehran", date(2022, 3, 22)),
    ("America/Santiago", date(2026, 9, 6)),
    # midnight comes twice: the day before is an hour longer
    ("America/Sao_Paulo", date(2019, 2, 17)),
    ("Africa/Cairo", date(2026, 10, 30)),
    ("Atlantic/Azores", date(2026, 10, 25)),
    ("America/Havana", date(2026, 11, 1)),
    # a day that did not exist
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Kwajalein", date(1993, 8, 21)),
    # summer time in January, and as the standard
    ("Pacific/Auckland", date(2026, 4, 5)),
    ("Pacific/Auckland", date(2026, 9, 27)),
    ("Europe/Dublin", date(2026, 3, 29)),
    ("Europe/Dublin", date(2026, 10, 25)),
    # summer time that pauses for a month, and a shift in the evening
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("America/Nuuk", date(2023, 3, 26)),
    ("America/Nuuk", date(2024, 10, 27)),
]


def near(day: date) -> tuple[int, int]:
    """Return the two days around the shift, in which `reference` is whole."""
    middle = instant(datetime.combine(day, time()).replace(tzinfo=UTC))
    return middle - DAY, middle + DAY


def between(found: list[int], day: date) -> list[int]:
    begin, end = near(day)
    return [tick for tick in found if begin <= tick < end]


def test_the_list_of_shifts_names_real_ones() -> None:
    for name, day in SHIFTS:
        begin, end = near(day)
        offsets = {moment(at, ZoneInfo(name)).utcoffset() for at in (begin, end)}
        assert len(offsets) == 2, (name, day)


@pytest.mark.full
@settings(max_examples=200)
@given(st.sampled_from(SHIFTS), hours, minutes, weekdays)
def test_cron_agrees_with_trying_every_minute(
    shift: tuple[str, date], hour: str, minute: str, weekday: str
) -> None:
    zone, day = ZoneInfo(shift[0]), shift[1]
    source = CronTicks({"hour": hour, "minute": minute, "day_of_week": weekday}, zone)
    assert walk(source, *near(day)) == between(reference(zone, day, hour, minute, weekday), day)


def calendar_reference(zone: ZoneInfo, day: date, days: int, at: time, start: date) -> list[int]:
    """Return the ticks of every `days`-th day around `day`: first occurrence, or the end of the gap."""
    real = real_minutes(zone, day)
    found = set()
    for offset in range(-2, 3):
        candidate = day + timedelta(days=offset)
        if candidate >= start and (candidate - start).days % days == 0:
            wall = datetime.combine(candidate, at)
            found.add(real[first_shown(wall, real)][0])
    return sorted(found)


@pytest.mark.full
@settings(max_examples=120)
@given(
    st.sampled_from(SHIFTS),
    st.integers(1, 3),
    st.integers(0, 23),
    st.sampled_from([0, 15, 30]),
    st.integers(-3, 400),
)
def test_calendarinterval_agrees_with_trying_every_day(
    shift: tuple[str, date], days: int, hour: int, minute: int, age: int
) -> None:
    zone, day = ZoneInfo(shift[0]), shift[1]
    at, start = time(hour, minute), day - timedelta(days=age)
    source = CalendarTicks(0, 0, days, at, zone, start, None)
    expected = calendar_reference(zone, day, days, at, start)
    assert walk(source, *near(day)) == between(expected, day)


@pytest.mark.full
@settings(max_examples=80)
@given(st.sampled_from(SHIFTS), hours, minutes, hours, minutes, st.sampled_from(["or", "and"]))
def test_combinations_are_sets_of_what_their_parts_give(
    shift: tuple[str, date], hour: str, minute: str, other_hour: str, other_minute: str, word: str
) -> None:
    zone, day = ZoneInfo(shift[0]), shift[1]
    parts: list[Ticks] = [
        CronTicks({"hour": hour, "minute": minute}, zone),
        CronTicks({"hour": other_hour, "minute": other_minute}, zone),
    ]
    one = set(reference(zone, day, hour, minute, "*"))
    other = set(reference(zone, day, other_hour, other_minute, "*"))
    source: Ticks = UnionTicks(parts) if word == "or" else IntersectionTicks(parts)
    expected = one | other if word == "or" else one & other
    assert walk(source, *near(day)) == between(sorted(expected), day)


def crons(zone: ZoneInfo) -> st.SearchStrategy[Ticks]:
    return st.builds(lambda h, m: CronTicks({"hour": h, "minute": m}, zone), hours, minutes)


def calendars(zone: ZoneInfo, day: date) -> st.SearchStrategy[Ticks]:
    def make(months: int, days: int, hour: int, age: int) -> Ticks:
        days = days if months or days else 1
        return CalendarTicks(0, months, days, time(hour), zone, day - timedelta(days=age), None)

    return st.builds(make, st.integers(0, 2), st.integers(0, 9), st.integers(0, 23), st.integers(0, 70))


def sources(zone: ZoneInfo, day: date) -> st.SearchStrategy[Ticks]:
    steps = st.sampled_from([SECOND // 10, 60 * SECOND, 3_600 * SECOND, DAY, 7 * DAY])
    simple = st.one_of(
        crons(zone), calendars(zone, day), st.builds(IntervalTicks, steps, st.integers(0, DAY))
    )
    union: Callable[[list[Ticks]], Ticks] = UnionTicks
    intersection: Callable[[list[Ticks]], Ticks] = IntersectionTicks
    lists = st.lists(simple, min_size=1, max_size=3)
    return st.one_of(
        simple, lists.map(union), st.lists(crons(zone), min_size=1, max_size=2).map(intersection)
    )


@pytest.mark.full
@settings(max_examples=60)
@given(st.data(), st.sampled_from(SHIFTS))
def test_every_instant_between_two_ticks_gives_the_same_next(
    data: st.DataObject, shift: tuple[str, date]
) -> None:
    zone, day = ZoneInfo(shift[0]), shift[1]
    source = data.draw(sources(zone, day))
    after = data.draw(st.integers(*near(day)))
    tick = source.next(after)
    if tick is None:
        return
    assert tick > after
    for _ in range(5):
        assert source.next(data.draw(st.integers(after, tick - 1))) == tick
    following = source.next(tick)
    assert following is None or following > tick


def shown(source: Ticks, zone: str, first: str, last: str) -> list[str]:
    begin, end = (instant(datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone))) for at in (first, last))
    return [f"{moment(tick, ZoneInfo(zone)):%d %H:%M:%S}" for tick in walk(source, begin, end)]


def test_a_gap_may_end_within_a_minute() -> None:
    # Liberia's clocks jumped from 00:00:00 to 00:44:30 on 7 January 1972.
    zone = "Africa/Monrovia"
    source = CronTicks({"hour": "0", "minute": "0,20,50"}, ZoneInfo(zone))
    found = shown(source, zone, "1972-01-06T12:00", "1972-01-07T12:00")
    assert found == ["07 00:44:30", "07 00:50:00"]


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("America/Sao_Paulo", "2018-11-04", ["03 00:00:00", "04 01:00:00", "05 00:00:00"]),
        ("Africa/Cairo", "2026-04-24", ["23 00:00:00", "24 01:00:00", "25 00:00:00"]),
        ("Asia/Beirut", "2026-03-29", ["28 00:00:00", "29 01:00:00", "30 00:00:00"]),
        ("America/Havana", "2026-11-01", ["31 00:00:00", "01 00:00:00", "02 00:00:00"]),
        ("Pacific/Kwajalein", "1993-08-21", ["20 00:00:00", "22 00:00:00"]),
    ],
)
def test_midnight_is_due_once_each_day_even_where_it_is_missing_or_comes_twice(
    zone: str, day: str, expected: list[str]
) -> None:
    middle = date.fromisoformat(day)
    first, last = middle - timedelta(days=1), middle + timedelta(days=2 if len(expected) == 3 else 1)
    daily: list[Ticks] = [
        CronTicks({"hour": "0"}, ZoneInfo(zone)),
        CalendarTicks(0, 0, 1, time(), ZoneInfo(zone), date(1990, 1, 1), None),
    ]
    for source in daily:
        end = f"{last}T00:00" if len(expected) == 3 else f"{last}T12:00"
        found = shown(source, zone, f"{first}T00:00", end)
        assert found[: len(expected)] == expected

"""When a job is due: agreed with a brute-force reference over zones of all kinds."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from everytick.model import ticks
from everytick.model.ticks import (
    DAY,
    SECOND,
    CalendarTicks,
    CronTicks,
    DateTicks,
    IntersectionTicks,
    IntervalTicks,
    Ticks,
    UnionTicks,
    instant,
    moment,
)
from hypothesis import given, settings
from hypothesis import strategies as st

# (zone, a day near one of its shifts): an hour, half an hour, at midnight, a whole day, the southern half.
SHIFTS = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Australia/Sydney", date(2026, 10, 4)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Havana", date(2026, 11, 1)),
    ("Asia/Beirut", date(2024, 10, 27)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("Asia/Kathmandu", date(2026, 1, 1)),
    ("UTC", date(2026, 1, 1)),
]

hours = st.one_of(
    st.just("*"),
    st.integers(0, 23).map(str),
    st.sampled_from(["1-3", "*/2", "0,23", "2", "0-23", "22-23"]),
)
minutes = st.one_of(st.just("*"), st.integers(0, 59).map(str), st.sampled_from(["*/15", "30", "0,30"]))
weekdays = st.sampled_from(["*", "sun", "mon-fri", "sat,sun"])


def values(expression: str, low: int, high: int) -> set[int]:
    """Read a cron field in plain arithmetic."""
    names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    found: set[int] = set()
    for part in expression.split(","):
        part, _, step = part.partition("/")
        first, _, last = part.partition("-")
        if first == "*":
            begin, end = low, high
        else:
            numbers = [names.index(n) if n in names else int(n) for n in (first, last or first)]
            begin, end = numbers
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


@cache
def real_minutes(zone: ZoneInfo, day: date) -> dict[datetime, list[int]]:
    """Return the instants at which a clock shows each minute, for some days around `day`."""
    start = instant(datetime.combine(day - timedelta(days=3), time()).replace(tzinfo=UTC))
    real: dict[datetime, list[int]] = {}
    for step in range(60 * 24 * 7):
        at = start + step * 60 * SECOND
        real.setdefault(moment(at, zone).replace(tzinfo=None, fold=0), []).append(at)
    return real


def reference(zone: ZoneInfo, day: date, hour: str, minute: str, weekday: str) -> list[int]:
    """Return all ticks from two days before `day` to two days after, by trying every minute."""
    in_hour, in_minute = values(hour, 0, 23), values(minute, 0, 59)
    on = values(weekday, 0, 6)
    real = real_minutes(zone, day)
    found: set[int] = set()
    for offset, one, other in product(range(-2, 2), in_hour, in_minute):
        wall = datetime.combine(day + timedelta(days=offset), time(one, other))
        if wall.weekday() not in on:
            continue
        if len(in_hour) == 24:
            found.update(real.get(wall, []))
        else:
            found.add(real[first_shown(wall, real)][0])
    return sorted(found)


def first_shown(wall: datetime, real: Container[datetime]) -> datetime:
    """Return a minute that a clock shows, or the first one behind the gap in which it would be."""
    while wall not in real:
        wall += timedelta(minutes=1)
    return wall


def walk(source: Ticks, begin: int, end: int) -> list[int]:
    found = []
    tick = source.next(begin - 1)
    while tick is not None and tick < end:
        found.append(tick)
        tick = source.next(tick)
    return found


@pytest.mark.full
@settings(max_examples=80)
@given(st.sampled_from(SHIFTS), hours, minutes, weekdays)
def test_cron_agrees_with_trying_every_minute(
    shift: tuple[str, date], hour: str, minute: str, weekday: str
) -> None:
    zone, day = ZoneInfo(shift[0]), shift[1]
    source = CronTicks({"hour": hour, "minute": minute, "day_of_week": weekday}, zone)
    expected = reference(zone, day, hour, minute, weekday)
    # The reference is whole only a day inside of its window.
    middle = instant(datetime.combine(day, time()).replace(tzinfo=UTC))
    begin, end = middle - DAY, middle + DAY
    assert walk(source, begin, end) == [tick for tick in expected if begin <= tick < end]


def union(parts: Sequence[Ticks]) -> Ticks:
    return UnionTicks(list(parts))


def any_source() -> st.SearchStrategy[Ticks]:
    zones = st.sampled_from([ZoneInfo(name) for name, _ in SHIFTS])
    cron = st.builds(
        lambda zone, hour, minute: CronTicks({"hour": hour, "minute": minute}, zone),
        zones, hours, minutes,
    )  # fmt: skip
    interval = st.builds(IntervalTicks, st.integers(100_000, 40 * DAY), st.integers(-(10**15), 10**15))
    calendar = st.builds(
        lambda zone, months, days, hour: CalendarTicks(
            0, months, days if months or days else 1, time(hour), zone, date(2000, 1, 31), None
        ),
        zones, st.integers(0, 14), st.integers(0, 40), st.integers(0, 23),
    )  # fmt: skip
    simple = st.one_of(cron, interval, calendar)
    return st.one_of(simple, st.lists(simple, min_size=1, max_size=3).map(union))


moments = st.integers(instant(datetime(2005, 1, 1, tzinfo=UTC)), instant(datetime(2035, 1, 1, tzinfo=UTC)))


@settings(max_examples=150)
@given(any_source(), moments, st.integers(1, 10**9))
def test_next_is_monotonic_and_the_same_from_every_instant_between(
    source: Ticks, after: int, part: int
) -> None:
    tick = source.next(after)
    assert tick is not None
    assert tick > after
    assert source.next(after + part % (tick - after)) == tick
    assert source.next(tick - 1) == tick
    following = source.next(tick)
    assert following is not None
    assert following > tick


@settings(max_examples=60)
@given(any_source(), moments, st.integers(1, 300), st.integers(1, 4), st.booleans())
def test_newest_and_count_agree_with_walking(
    source: Ticks, after: int, number: int, limit: int, later: bool
) -> None:
    walked: list[int] = []
    for _ in range(number):
        tick = source.next(walked[-1] if walked else after)
        assert tick is not None
        walked.append(tick)
    until = walked[-1]
    if later:
        following = source.next(until)
        assert following is not None
        until = following - 1
    assert ticks.newest(source, after, until, limit) == walked[-limit:]
    assert ticks.count(source, after, until, 10**6) == len(walked)


@settings(max_examples=150)
@given(
    st.sampled_from(SHIFTS),
    st.fixed_dictionaries(
        {"hour": hours, "minute": minutes},
        optional={
            "second": st.sampled_from(["0", "*/20", "7,59"]),
            "day": st.sampled_from(["last", "*/2", "1-10"]),
            "day_of_week": st.sampled_from(["sun", "mon-fri"]),
        },
    ),
    st.integers(-3 * DAY, 3 * DAY),
    st.integers(1, 4 * DAY),
)
def test_counting_over_a_shift_agrees_with_walking(
    shift: tuple[str, date], fields: dict[str, str], offset: int, span: int
) -> None:
    zone = ZoneInfo(shift[0])
    source = CronTicks(fields, zone)
    after = instant(datetime.combine(shift[1], time(12), zone)) + offset
    walked = walk(source, after + 1, after + span + 1)
    assert source.count(after, after + span) == len(walked)


def test_years_of_seconds_are_counted_at_once() -> None:
    source = CronTicks({"second": "*"}, ZoneInfo("Europe/Berlin"))
    begin = instant(datetime(2020, 1, 1, tzinfo=UTC))
    assert source.count(begin, begin + 3_653 * DAY) == 3_653 * 86_400


def local(text: str, zone: str) -> int:
    return instant(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def test_last_day_of_month_is_right_in_leap_years() -> None:
    source = CronTicks({"day": "last", "hour": "23"}, ZoneInfo("UTC"))
    tick = source.next(instant(datetime(2028, 2, 1, tzinfo=UTC)))
    assert tick == instant(datetime(2028, 2, 29, 23, tzinfo=UTC))


def test_a_date_that_never_comes_gives_no_tick() -> None:
    assert CronTicks({"month": "2", "day": "30"}, ZoneInfo("UTC")).next(0) is None


def test_an_interval_counts_from_2000_and_not_from_the_process_start() -> None:
    source = IntervalTicks(7 * DAY, ticks.instant_of_wall(datetime(2000, 1, 1), ZoneInfo("UTC")))
    tick = source.next(instant(datetime(2026, 11, 23, tzinfo=UTC)))
    assert tick is not None
    assert moment(tick).strftime("%A %H:%M") == "Saturday 00:00"


def test_interval_start_and_end_are_bounds() -> None:
    source = IntervalTicks(10, 1_000, 1_000, 1_020)
    assert walk(source, 0, 10_000) == [1_000, 1_010, 1_020]
    assert source.count(0, 10_000) == 3


def test_a_day_that_was_skipped_collapses_to_its_end() -> None:
    # Samoa had no 30 December 2011.
    source = CronTicks({"hour": "12"}, ZoneInfo("Pacific/Apia"))
    found = walk(source, local("2011-12-29", "Pacific/Apia"), local("2012-01-01", "Pacific/Apia"))
    shown = [f"{moment(tick, ZoneInfo('Pacific/Apia')):%d %H:%M}" for tick in found]
    assert shown == ["29 12:00", "31 00:00", "31 12:00"]


def test_calendar_dates_that_do_not_exist_are_skipped() -> None:
    source = CalendarTicks(0, 1, 0, time(8), ZoneInfo("UTC"), date(2026, 1, 31), None)
    found = walk(source, 0, instant(datetime(2026, 9, 1, tzinfo=UTC)))
    assert [f"{moment(tick):%m-%d}" for tick in found] == ["01-31", "03-31", "05-31", "07-31", "08-31"]


def test_and_is_the_intersection_and_may_be_empty() -> None:
    zone = ZoneInfo("UTC")
    friday, thirteenth = CronTicks({"day_of_week": "fri"}, zone), CronTicks({"day": "13"}, zone)
    both = IntersectionTicks([friday, thirteenth])
    tick = both.next(instant(datetime(2026, 1, 1, tzinfo=UTC)))
    assert tick == instant(datetime(2026, 2, 13, tzinfo=UTC))
    assert IntersectionTicks([DateTicks(5), DateTicks(6)]).next(0) is None


def test_notes_tell_what_is_odd() -> None:
    zone = "Europe/Berlin"
    source = CronTicks({"hour": "2", "minute": "30"}, ZoneInfo(zone))
    gap = source.next(local("2026-03-29T00:00", zone))
    twice = source.next(local("2026-10-25T00:00", zone))
    plain = source.next(local("2026-06-01T00:00", zone))
    assert gap is not None
    assert twice is not None
    assert plain is not None
    assert "jumps" in source.note(gap)
    assert "twice" in source.note(twice)
    assert source.note(plain) == ""


@given(st.text(min_size=1), moments, st.integers(0, 3_600 * SECOND))
def test_jitter_is_the_same_each_time_and_bounded(job_id: str, tick: int, at_most: int) -> None:
    first = ticks.jitter(job_id, tick, at_most)
    assert first == ticks.jitter(job_id, tick, at_most)
    assert 0 <= first <= at_most


@pytest.mark.parametrize("text", ["2026-03-29T02:30", "2026-10-25T02:30"])
def test_a_wall_clock_time_is_its_first_occurrence_or_the_end_of_its_gap(text: str) -> None:
    at = ticks.instant_of_wall(datetime.fromisoformat(text), ZoneInfo("Europe/Berlin"))
    expected = {"2026-03-29T02:30": "01:00", "2026-10-25T02:30": "00:30"}[text]
    assert f"{moment(at):%H:%M}" == expected

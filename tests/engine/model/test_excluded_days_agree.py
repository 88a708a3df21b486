"""Days that are left out or moved, and workdays of a month, agree with a model that looks at every tick."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from everytick.model import ticks
from everytick.model.ticks import DAY, SECOND, CronTicks, IntervalTicks, Ticks, instant, moment
from everytick.model.ticks.excluding import Shift, Workday
from hypothesis import given, settings
from hypothesis import strategies as st

from excluded_days import days, excluding
from test_ticks import first_shown, hours, walk
from test_ticks_near_shifts import SHIFTS, between, near

# How many days around a shift the model looks at: from further away no tick is moved to where it is compared.
REACH = 13
# How many days around a shift a tick may be moved to that is compared, and one more for all zones.
NEAR = 3


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
@settings(max_examples=200)
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

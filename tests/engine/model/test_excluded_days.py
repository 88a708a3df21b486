"""Days that are left out or moved, and workdays of a month, by example."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from everytick.model import schedule as schedules
from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.model.ticks import (
    SECOND,
    CalendarTicks,
    CronTicks,
    Days,
    IntersectionTicks,
    IntervalTicks,
    Ticks,
    UnionTicks,
    instant,
    moment,
)
from everytick.model.ticks.excluding import Shift, Workday

from excluded_days import BERLIN, days, excluding
from test_ticks import walk

CHRISTMAS = {
    "name": "holidays('DE')",
    "days": {"Christmas Day": ["2026-12-25"], "Boxing Day": ["2026-12-26"]},
}


def daily(hour: str = "9", zone: ZoneInfo = BERLIN, **fields: str) -> CronTicks:
    return CronTicks({"hour": hour, **fields}, zone)


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return instant(datetime.fromisoformat(text).replace(tzinfo=zone))


def texts(source: Ticks, begin: str, end: str, zone: ZoneInfo = BERLIN) -> list[str]:
    return [f"{moment(tick, zone):%m-%d %H:%M}" for tick in walk(source, at(begin, zone), at(end, zone))]


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

"""Cron fields: each kind of expression means what it says, anything else is refused with a hint."""

from __future__ import annotations

import calendar
import functools
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler, ScheduleError
from everytick.model.ticks import SECOND, CronTicks, instant, moment
from hypothesis import example, given, settings
from hypothesis import strategies as st

from test_ticks import values, walk

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
ORDINALS = ["1st", "2nd", "3rd", "4th", "5th"]


def matches_day(expression: str, day: date) -> bool:
    """Read the field `day` in plain arithmetic."""
    length = calendar.monthrange(day.year, day.month)[1]
    for part in expression.lower().split(","):
        first, _, weekday = part.strip().partition(" ")
        if part == "last":
            found = day.day == length
        elif first == "last":
            found = day.weekday() == WEEKDAYS.index(weekday) and day.day > length - 7
        elif first in ORDINALS:
            number = (day.day - 1) // 7
            found = day.weekday() == WEEKDAYS.index(weekday) and number == ORDINALS.index(first)
        else:
            found = day.day in values(part, 1, 31)
        if found:
            return True
    return False


def matches_month(expression: str, day: date) -> bool:
    for number, name in enumerate(MONTHS, 1):
        expression = expression.lower().replace(name, str(number))
    return day.month in values(expression, 1, 12)


days = st.one_of(
    st.just("*"),
    st.just("last"),
    st.integers(1, 31).map(str),
    st.builds("{} {}".format, st.sampled_from(["last", *ORDINALS]), st.sampled_from([*WEEKDAYS, "Sun"])),
    st.sampled_from(["1,15", "28-31", "*/10", "2-20/6", "1st mon,3rd mon", "LAST", "last,1st fri"]),
)
months = st.one_of(
    st.just("*"), st.sampled_from([*MONTHS, "Jan-Mar", "apr,oct", "*/5", "2", "1-12/3", "nov-dec"])
)
weeks = st.sampled_from(["*", "*", "*", "1", "53", "52-53", "*/2", "10-20/5"])
weekdays = st.sampled_from(["*", "*", *WEEKDAYS, "mon-fri", "SAT,sun", "0-4", "6", "*/2", "tue-thu,sun"])


@pytest.mark.full
@settings(max_examples=40)
@given(days, months, weeks, weekdays)
@example("29", "feb", "*", "*")
@example("5th mon", "*", "53", "*")
def test_each_kind_of_expression_means_what_it_says(day: str, month: str, week: str, weekday: str) -> None:
    source = CronTicks({"day": day, "month": month, "week": week, "day_of_week": weekday}, ZoneInfo("UTC"))
    begin, end = date(2026, 12, 1), date(2029, 2, 1)
    wanted = [
        candidate
        for candidate in (begin + timedelta(days=n) for n in range((end - begin).days))
        if matches_day(day, candidate)
        and matches_month(month, candidate)
        and candidate.isocalendar().week in values(week, 1, 53)
        and candidate.weekday() in values(weekday.lower(), 0, 6)
    ]
    # Where only the week is given, hours, minutes and seconds are at their least as well.
    first, last = (instant(datetime(at.year, at.month, at.day, tzinfo=UTC)) for at in (begin, end))
    found = walk(source, first, last)
    assert [moment(tick).date() for tick in found] == wanted
    assert {moment(tick).time().isoformat() for tick in found} <= {"00:00:00"}


# The least and the highest value, and the seconds in which all of them come.
SMALL = {"second": (0, 59, 60), "minute": (0, 59, 3_600), "hour": (0, 23, 86_400)}


@pytest.mark.parametrize("field", list(SMALL))
@pytest.mark.parametrize("expression", ["*", "*/7", "5", "3-9", "2-20/6", "4/9", "0,11,21-23", " 1 , 2 ", 5])
def test_numbers_lists_ranges_and_steps(field: str, expression: object) -> None:
    source = CronTicks({field: str(expression)}, ZoneInfo("UTC"))
    low, high, seconds = SMALL[field]
    begin = instant(datetime(2026, 5, 20, tzinfo=UTC))
    found = {getattr(moment(tick), field) for tick in walk(source, begin, begin + seconds * SECOND)}
    # `4/9` begins at 4 and goes on to the end.
    text = str(expression).replace(" ", "").replace("4/9", f"4-{high}/9")
    assert found == values(text, low, high)


# One expression each, parted by `|`.
WRONG = {
    "minute": "| |,|1,,2|1-5,|a|5x|x5|*5|**|* 5|1 2|1;2|1-|-1|1-2-3|1-5/|*/|/5|*/0|*/-5|*/5x|*/60|0-59/60"
    "|10-12/5|5-3|60|0x5|+5|5..10|@hourly|?|L|H|None|1.5|True|[1, 2]|(0, 30)",
    "hour": "24|9am|*/24|22-2|9:30|noon|-1",
    "second": "60|*/61|59-60",
    "day": "0|32|*/31|31-30|W|15W|?|L|1st|last xyz|lastfri|lastfoo|last day|last fri foo|0th mon|6th mon"
    "|1th mon|1 st mon|1st monday|1st-mon|1st mon foo|1st mon-fri|first mon|mon",
    "day_of_week": "7|8|monday|monx|mon#1|mon-|mon-xyz|xyz-mon|fri-mon|mon-fri/2|mon/2|1st mon|last|L|5L|fri,"
    "|mon fri",
    "month": "0|13|janx|january|jan/2|dec-jan|foo|jan-|*/12|jan feb",
    "week": "0|54|*/53|w1",
    "year": "1969|10000|2027-2026|soon",
}


@pytest.mark.parametrize("field", list(WRONG))
def test_anything_else_is_refused(scheduler: AsyncIOScheduler, field: str) -> None:
    for expression in WRONG[field].split("|"):
        arguments: dict[str, Any] = {field: expression}
        with pytest.raises(ScheduleError) as refusal:
            scheduler.add_job(print, "cron", **arguments)
        said = str(refusal.value)
        assert "test_cron_fields.py:" in said
        assert f"{field}={expression!r} is not a cron field: " in said
        assert "\n" not in said


def test_a_trigger_object_is_read_as_strictly(scheduler: AsyncIOScheduler) -> None:
    from apscheduler.triggers.cron import CronTrigger

    for trigger in (
        CronTrigger(day_of_week="mon#1"),
        CronTrigger(day="lastfoo"),
        CronTrigger.from_crontab("0 9 lastfoo * *"),
        CronTrigger.from_crontab("0 9 * jan/2 *"),
    ):
        with pytest.raises(ScheduleError, match="is not a cron field"):
            scheduler.add_job(print, trigger)


@pytest.mark.parametrize(
    ("trigger", "misspelt", "right"),
    [
        ("cron", {"minutes": 5}, "minute"),
        ("cron", {"hours": "9"}, "hour"),
        ("cron", {"dayofweek": "mon"}, "day_of_week"),
        ("cron", {"day_of_weeks": "mon"}, "day_of_week"),
        ("cron", {"weekday": "mon"}, "week"),
        ("cron", {"months": 1}, "month"),
        ("cron", {"startdate": "2027-01-01"}, "start_date"),
        ("cron", {"time_zone": "UTC"}, "timezone"),
        ("interval", {"minute": 5}, "minutes"),
        ("interval", {"secs": 5}, "seconds"),
        ("interval", {"Hours": 5}, "hours"),
        ("interval", {"week": 1}, "weeks"),
        ("interval", {"seconds": 5, "jiter": 1}, "jitter"),
        ("interval", {"seconds": 5, "enddate": "2030-01-01"}, "end_date"),
        ("date", {"rundate": "2030-01-01"}, "run_date"),
        ("date", {"run_at": "2030-01-01"}, "run_date"),
        ("calendarinterval", {"month": 1}, "months"),
        ("calendarinterval", {"days": 1, "hours": 1}, "hour"),
        ("cron", {"hour": 5, "max_instance": 2}, "max_instances"),
        ("cron", {"hour": 5, "misfire_gracetime": 2}, "misfire_grace_time"),
        ("cron", {"hour": 5, "coalesced": True}, "coalesce"),
        ("cron", {"hour": 5, "max_catchup": 5}, "max_catch_up"),
        ("cron", {"hour": 5, "time_out": 5}, "timeout"),
        ("cron", {"hour": 5, "retry": 5}, "retries"),
        ("cron", {"hour": 5, "retry_delays": 5}, "retry_delay"),
        ("cron", {"hour": 5, "oncrash": "skip"}, "on_crash"),
        ("cron", {"hour": 5, "next_runtime": None}, "next_run_time"),
        ("cron", {"hour": 5, "replace_exsting": True}, "replace_existing"),
        ("cron", {"hour": 5, "argss": []}, "args"),
    ],
)
def test_a_misspelt_argument_names_the_nearest_right_one(
    scheduler: AsyncIOScheduler, trigger: str, misspelt: dict[str, Any], right: str
) -> None:
    with pytest.raises(ScheduleError) as refusal:
        scheduler.add_job(print, trigger, **misspelt)
    assert f"; did you mean '{right}'?" in str(refusal.value)
    wrong = list(misspelt)[-1]
    assert f"{wrong}= is neither an option of add_job nor of the {trigger} trigger" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("Cron", "cron"),
        ("intervall", "interval"),
        ("dates", "date"),
        ("calendar_interval", "calendarinterval"),
    ],
)
def test_a_misspelt_trigger_names_the_nearest_right_one(
    scheduler: AsyncIOScheduler, name: str, right: str
) -> None:
    with pytest.raises(ScheduleError, match=f"unknown trigger '{name}'.*; did you mean '{right}'\\?"):
        scheduler.add_job(print, name)


@pytest.mark.parametrize(
    ("defaults", "right"),
    [
        ({"coalesc": True}, "coalesce"),
        ({"max_instance": 5}, "max_instances"),
        ({"retry": 1}, "retries"),
    ],
)
def test_a_misspelt_default_names_the_nearest_right_one(
    scheduler: AsyncIOScheduler, defaults: dict[str, object], right: str
) -> None:
    with pytest.raises(ScheduleError, match=f"job_defaults has no .*; did you mean '{right}'\\?"):
        AsyncIOScheduler(job_defaults=defaults)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"second": "*/5"},
        {"hour": "3"},
        {"minute": "1,2", "day_of_week": "mon-fri"},
        {"year": "2030", "second": "7"},
        {"day": "last", "week": "*/2"},
        {"month": "jan", "hour": "*"},
    ],
    ids=str,
)
def test_fields_that_are_not_given_are_filled_in_as_apscheduler_does(fields: dict[str, str]) -> None:
    theirs, ours = CronTrigger(**fields, timezone=UTC), CronTicks(fields, UTC)
    assert [str(field) for field in ours._cron.fields] == [str(field) for field in theirs.fields]
    assert ours.text == str(theirs)


def test_a_trigger_that_is_declared_by_its_name_is_made_once(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[type] = []
    for cls in (CronTrigger, IntervalTrigger, CronTicks):

        @functools.wraps(cls.__init__)
        def count(self: Any, *given: Any, begin: Any = cls.__init__, cls: type = cls, **named: Any) -> None:
            made.append(cls)
            begin(self, *given, **named)

        monkeypatch.setattr(cls, "__init__", count)
    for number in range(5):
        scheduler.add_job(print, "cron", hour=3, minute=number, second=41, id=f"cron-{number}")
        scheduler.add_job(print, "interval", hours=number + 1, id=f"interval-{number}")
    assert made == [CronTicks] * 5

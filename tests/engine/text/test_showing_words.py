"""Schedules in words: true ones, or none."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick.api import default_zone, triggers
from everytick.api.dates import Reading
from everytick.model import ticks
from everytick.model.schedule import Schedule, from_data
from everytick.text.schedules import in_words
from everytick.text.wording import one_line
from hypothesis import assume, given, settings
from hypothesis import strategies as st

BERLIN = Reading(ZoneInfo("Europe/Berlin"))


def schedule(trigger: Any, arguments: Mapping[str, Any] | None = None, reading: Reading = BERLIN) -> Schedule:
    """Return the schedule that add_job would make of this."""
    return triggers.read(trigger, arguments or {}, frozenset(), reading)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hour": 9, "minute": 0}, "at 09:00 every day"),
        ({"hour": 9, "second": 30}, "every minute from 09:00:30 to 09:59:30 every day"),
        ({"hour": 9, "minute": 0, "second": 30}, "at 09:00:30 every day"),
        ({"day_of_week": "sun", "hour": 2, "minute": 0}, "at 02:00 on Sundays"),
        ({"day_of_week": "mon-fri", "hour": 9}, "at 09:00 on Mondays to Fridays"),
        ({"day_of_week": "0,2,4", "hour": "9,17"}, "at 09:00 and 17:00 on Mondays, Wednesdays and Fridays"),
        ({"minute": 0}, "every hour"),
        ({"minute": 1}, "at 1 minute past every hour"),
        ({"minute": "5,35"}, "at 5 and 35 minutes past every hour"),
        ({"minute": "*/15"}, "every 15 minutes"),
        ({"minute": "0,15,30,45"}, "every 15 minutes"),
        ({"minute": "*/7"}, None),
        ({"minute": "10-20"}, "every minute from 10 to 20 minutes past every hour"),
        ({"second": "*/20"}, "every 20 seconds"),
        ({"second": 10}, "at 10 seconds past every minute"),
        ({}, "every second"),
        ({"minute": "*/15", "day_of_week": "sat"}, "every 15 minutes on Saturdays"),
        ({"hour": "*/4"}, "every 4 hours from 00:00 to 20:00 every day"),
        ({"hour": "8-18/2"}, "every 2 hours from 08:00 to 18:00 every day"),
        ({"hour": "9-17", "minute": "*/20"}, "every 20 minutes from 09:00 to 17:40 every day"),
        ({"hour": 9, "minute": "*"}, "every minute from 09:00 to 09:59 every day"),
        (
            {"hour": "9-17", "minute": "5,20"},
            "at 5 and 20 minutes past the hour from 09:05 to 17:20, every day",
        ),
        ({"hour": "1,5,23", "minute": 3}, "at 01:03, 05:03 and 23:03 every day"),
        ({"day": "1,15"}, "at 00:00 on the 1st and 15th of every month"),
        (
            {"day": "1-7", "day_of_week": "mon"},
            "at 00:00 on the 1st to 7th of every month, if that is a Monday",
        ),
        ({"day": 31}, "at 00:00 on the 31st of every month, where there is such a day"),
        ({"day": 31, "month": "jan,mar"}, "at 00:00 on the 31st of January and March"),
        ({"day": "29-31"}, "at 00:00 on the 29th to 31st of every month"),
        ({"day": "last", "hour": 23}, "at 23:00 on the last day of every month"),
        ({"day": "2nd fri, last sun"}, "at 00:00 on the 2nd Friday and last Sunday of every month"),
        ({"day": "5th mon"}, "at 00:00 on the 5th Monday of every month, where there is such a day"),
        ({"month": "6-8", "hour": 9, "day": "*"}, "at 09:00 every day in June to August"),
        ({"month": "*/3"}, "at 00:00 on the 1st of January, April, July and October"),
        ({"year": 2027, "month": 12, "day": 24}, "at 00:00 on the 24th of December, in 2027"),
        ({"week": "*/2", "day_of_week": "mon"}, "at 00:00 on Mondays, in odd ISO weeks"),
        ({"day": "*/2"}, None),
    ],
)
def test_a_cron_trigger_in_words(fields: dict[str, Any], words: str | None) -> None:
    made = schedule("cron", fields)
    assert in_words(made) == (made.text if words is None else words)


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("interval", {"hours": 4}, "every 4 hours"),
        ("interval", {"minutes": 90}, "every 90 minutes"),
        ("interval", {"seconds": 1}, "every second"),
        ("interval", {"seconds": 0.25}, "every 0.25 seconds"),
        ("interval", {"seconds": 1_000_001}, "every 1000001 seconds"),
        # A day on the clock may be longer or shorter than what this counts.
        ("interval", {"days": 1}, "every 24 hours"),
        ("interval", {"weeks": 1}, "every 7 days of 24 hours"),
        (
            "interval",
            {"hours": 1, "start_date": "2026-03-01 10:00:05", "end_date": "2026-07-01"},
            "every hour, not before 2026-03-01 10:00:05, not after 2026-07-01 00:00",
        ),
        ("cron", {"hour": 9, "jitter": 90}, "at 09:00 every day, delayed by up to 90 seconds"),
        ("date", {"run_date": "2027-01-31 09:30:00"}, "once, at 2027-01-31 09:30"),
        ("date", {}, "at each start"),
        ("calendarinterval", {"days": 1, "hour": 9}, "at 09:00 every day"),
        ("calendarinterval", {"weeks": 1}, "at 00:00 on Saturdays"),
        ("calendarinterval", {"days": 3}, "at 00:00 every 3 days, counted from 2000-01-01"),
        (
            "calendarinterval",
            {"weeks": 2, "hour": 3, "start_date": "2026-01-05"},
            "at 03:00 every 2 weeks on Mondays, counted from 2026-01-05",
        ),
        (
            "calendarinterval",
            {"months": 1, "start_date": "2026-01-31", "end_date": "2030-01-01"},
            "at 00:00 on the 31st of every month, where there is such a day, not before 2026-01-31,"
            " not after 2030-01-01",
        ),
        (
            "calendarinterval",
            {"months": 3},
            "at 00:00 on the 1st of every 3rd month, counted from 2000-01-01",
        ),
        ("calendarinterval", {"years": 1}, "at 00:00 on the 1st of January every year"),
        ("calendarinterval", {"months": 1, "days": 3}, "calendarinterval[months=1, days=3, time=00:00:00]"),
    ],
)
def test_other_triggers_in_words(kind: str, arguments: dict[str, Any], words: str) -> None:
    assert in_words(schedule(kind, arguments)) == words


def test_a_text_in_one_line_steers_nothing() -> None:
    assert one_line("  two\nlines\x1b[31m\u202e and\ta  tab ") == "two lines [31m and a tab"


def test_a_run_some_time_after_each_start_in_words() -> None:
    soon = datetime.now(UTC) + timedelta(minutes=5, microseconds=1)
    assert re.fullmatch(r"29\d\.\d+ seconds after each start", in_words(schedule("date", {"run_date": soon})))


# Made as in a schedule that is being loaded.
with default_zone.marked():
    COMBINED = [
        (
            OrTrigger([CronTrigger(hour=9), CronTrigger(day_of_week="sun", hour=12)]),
            "at 09:00 every day; also at 12:00 on Sundays",
        ),
        (
            OrTrigger([CronTrigger(hour=9, timezone="Asia/Tokyo"), CronTrigger(hour=9)]),
            "at 09:00 every day (Asia/Tokyo); also at 09:00 every day (Europe/Berlin)",
        ),
        (
            AndTrigger([IntervalTrigger(hours=4), CronTrigger(day_of_week="sat,sun", hour="*")]),
            "when these meet: every 4 hours and every hour on Saturdays and Sundays",
        ),
        (OrTrigger([CronTrigger(hour=9), CronTrigger(hour=9)]), "at 09:00 every day"),
        # One part without words leaves none for the whole.
        (
            OrTrigger([CronTrigger(hour=9), CronTrigger(day="*/2")]),
            "or[cron[hour='9'], cron[day='*/2']]",
        ),
    ]


@pytest.mark.parametrize(("trigger", "words"), COMBINED)
def test_combined_triggers_in_words(trigger: BaseTrigger, words: str) -> None:
    assert in_words(schedule(trigger)) == words


# --- whatever is declared: the words are true, and are of nothing else

_HOURS = ["*", "*/4", "*/6", "9", "0,12", "8-18/2", "9-17", "22,23", "1,2,5", "23"]
_MINUTES = ["*", "*/15", "*/7", "0", "30", "5,35", "10-20", "0,15,30,45", "59"]
_SECONDS = ["*/20", "0", "10", "*", "0,7"]
_DAYS = ["*", "1", "31", "1,15", "29-31", "last", "2nd fri", "last sun", "1-7", "*/2", "30,31", "5th mon"]
_WEEKDAYS = ["*", "sun", "mon-fri", "sat,sun", "0,2,4", "mon-sun"]
_MONTHS = ["*", "2", "jan", "6-8", "*/3", "apr,jun", "1-12"]
# How far from a tick to look for what is none, in seconds.
_AWAY = (1, 7, 60, 300, 900, 3600, 2 * 3600, 4 * 3600, 5 * 3600, 86_400, 7 * 86_400, 30 * 86_400)
_WEEKS = ["*", "12", "*/2", "2-53/2", "1-10"]


@st.composite
def cron_fields(draw: st.DrawFn) -> dict[str, str]:
    """Fields of a cron trigger, any of them left away."""
    choices = {
        "month": _MONTHS,
        "day": _DAYS,
        "week": _WEEKS,
        "day_of_week": _WEEKDAYS,
        "hour": _HOURS,
        "minute": _MINUTES,
        "second": _SECONDS,
    }
    return {name: draw(st.sampled_from(values)) for name, values in choices.items() if draw(st.booleans())}


@pytest.mark.full
@given(cron_fields())
@settings(max_examples=300)
def test_a_sentence_has_the_very_times_and_days_of_the_ticks(fields: dict[str, str]) -> None:
    made = schedule("cron", fields, Reading(ZoneInfo("UTC")))
    words = in_words(made)
    if words == made.text:
        return
    assert not re.search(r"[\[\]*=_{}]", words)
    is_said = reader(words)
    shown = random.Random(words)
    # Some ticks, and some instants that are none.
    instant = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp()) * ticks.SECOND
    for _ in range(8):
        tick = made.next_tick(instant)
        if tick is None:
            break
        assert is_said(ticks.moment(tick)), (words, ticks.moment(tick))
        for away in _AWAY:
            other = tick + shown.choice([-1, 1]) * away * ticks.SECOND
            if made.next_tick(other - 1) != other:
                assert not is_said(ticks.moment(other)), (words, ticks.moment(other))
        instant = tick + shown.randrange(20 * 86_400) * ticks.SECOND


# --- the sentences read back, in plain arithmetic

_LENGTHS = {"hour": 3600, "minute": 60, "second": 1}
_DAY_NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTH_NAMES = [datetime(2000, month, 1).strftime("%B") for month in range(1, 13)]
_TIMES = [
    r"every minute from (?P<low>\d+) to (?P<high>\d+) minutes past every hour",
    r"every (?:(?P<n>\d+) )?(?P<unit>hour|minute|second)s?(?: from (?P<from>[\d:]+) to (?P<to>[\d:]+))?",
    r"at (?P<past>[\d, and]+) (?P<of>minute|second)s? past (?:every hour|every minute|the hour"
    r" from (?P<first>[\d:]+) to (?P<last>[\d:]+),)",
    r"at (?P<times>\d\d:[\d:, and]+\d)",
]
_DAYS_SAID = re.compile(
    r"(?:every day|on the (?P<days>.+?) of (?P<months>.+?)|on (?P<weekdays>.+?))"
    r"(?: in (?P<within>[A-Z].+?))?(?:, where there is such a day)?(?:, if that is a (?P<only>.+?))?"
    r"(?:, in (?:the ISO weeks? (?P<weeks>.+?)|(?P<parity>odd|even) ISO weeks))?"
)


def reader(words: str) -> Callable[[datetime], bool]:
    """Return what tells whether a sentence about a cron trigger names a moment."""
    for pattern in _TIMES:
        if said := re.match(pattern + r"(?= |$)", words):
            break
    else:
        raise AssertionError(words)
    time, rest = said.groupdict(), words[said.end() :].strip() or "every day"
    days = _DAYS_SAID.fullmatch(rest)
    assert days, rest
    return lambda moment: names_time(time, moment) and names_day(days.groupdict(), moment)


def names_time(said: dict[str, Any], moment: datetime) -> bool:
    """Return whether the words about the time of day name a moment."""
    second = moment.hour * 3600 + moment.minute * 60 + moment.second
    if said.get("low"):
        return int(said["low"]) <= moment.minute <= int(said["high"]) and moment.second == 0
    if said.get("unit"):
        begin, end = of_day(said["from"] or "00:00"), of_day(said["to"] or "23:59:59")
        step = int(said["n"] or 1) * _LENGTHS[said["unit"]]
        return begin <= second <= end and (second - begin) % step == 0
    if said.get("times"):
        return second in {of_day(text) for text in re.findall(r"[\d:]+", said["times"])}
    past = {int(text) for text in re.findall(r"\d+", said["past"])}
    if said["of"] == "second":
        return moment.second in past
    within = not said["first"] or of_day(said["first"]) <= second <= of_day(said["last"])
    return within and moment.minute in past and moment.second == 0


def of_day(text: str) -> int:
    """Return a time of day in seconds."""
    return sum(int(part) * size for part, size in zip(text.split(":"), (3600, 60, 1), strict=False))


def names_day(said: dict[str, Any], moment: datetime) -> bool:
    """Return whether the words about the day name a moment."""
    named_months = said["within"] or said["months"] or "every month"
    month = named_months == "every month" or moment.month - 1 in chosen(named_months, _MONTH_NAMES)
    weekdays = said["weekdays"] or said["only"]
    weekday = not weekdays or moment.weekday() in chosen(weekdays.replace("days", "day"), _DAY_NAMES)
    week = moment.isocalendar().week
    if said["parity"]:
        weeks = week % 2 == (said["parity"] == "odd")
    else:
        weeks = not said["weeks"] or week - 1 in chosen(said["weeks"], [str(n) for n in range(1, 54)])
    return month and weekday and weeks and (not said["days"] or names_day_of_month(said["days"], moment))


def chosen(text: str, names: list[str]) -> set[int]:
    """Return the indexes of the names in a list such as `a, b and c`, `a or b`, or `a to c`."""
    found = [names.index(word) for word in re.split(r", | and | or | to ", text)]
    return set(range(found[0], found[1] + 1)) if " to " in text else set(found)


def names_day_of_month(text: str, moment: datetime) -> bool:
    """Return whether `1st to 7th and last Friday` names a moment."""
    is_last_week = (moment + timedelta(days=7)).month != moment.month
    for part in re.split(r", | and ", text):
        numbers = [int(number) for number in re.findall(r"\d+", part)]
        weekday = next((name for name in _DAY_NAMES if part.endswith(name)), None)
        if part == "last day":
            found = (moment + timedelta(days=1)).month != moment.month
        elif weekday is None:
            found = numbers[0] <= moment.day <= numbers[-1]
        else:
            rank = is_last_week if part.startswith("last") else (moment.day - 1) // 7 + 1 == numbers[0]
            found = rank and moment.weekday() == _DAY_NAMES.index(weekday)
        if found:
            return True
    return False


@pytest.mark.parametrize(
    ("words", "moment", "is_named"),
    [
        ("at 09:00 every day", datetime(2027, 1, 1, 9), True),
        ("at 09:00 every day", datetime(2027, 1, 1, 9, 0, 1), False),
        ("at 02:00 on Sundays", datetime(2027, 1, 1, 2), False),
        ("every 2 hours from 08:00 to 18:00 every day", datetime(2027, 1, 1, 20), False),
        ("at 00:00 on the 1st of every month, if that is a Friday", datetime(2027, 1, 1), True),
        ("at 00:00 on the last Friday of January", datetime(2027, 1, 22), False),
        ("at 00:00 on Mondays, in odd ISO weeks", datetime(2027, 1, 11), False),
    ],
)
def test_the_reader_of_sentences_can_say_no(words: str, moment: datetime, is_named: bool) -> None:
    assert reader(words)(moment) is is_named


# --- words do not depend on how the same schedule is written


@pytest.mark.full
@given(cron_fields())
@settings(max_examples=50)
def test_the_words_come_from_what_the_ledger_keeps(fields: dict[str, str]) -> None:
    made = schedule("cron", fields)
    assert made.data is not None
    assert in_words(from_data(made.data)) == in_words(made)


@pytest.mark.full
@given(
    st.sampled_from(["or", "and"]),
    st.lists(cron_fields(), min_size=1, max_size=3),
    st.integers(min_value=0, max_value=90),
)
@settings(max_examples=50)
def test_a_combination_says_each_of_its_parts_or_nothing(
    word: str, parts: list[dict[str, str]], jitter: int
) -> None:
    # A trigger with just these fields may be a crontab's, which can mean something else, and be refused.
    assume(not any(_may_be_a_crontab(fields) for fields in parts))
    combined = (OrTrigger if word == "or" else AndTrigger)(
        [CronTrigger(**fields, timezone=BERLIN.zone) for fields in parts], jitter
    )
    made = schedule(combined)
    words, alone = in_words(made), [in_words(schedule("cron", fields)) for fields in parts]
    if words == made.text:
        assert any(part.startswith("cron[") for part in alone)
    else:
        assert all(part in words for part in alone)
        assert ("delayed" in words) is (jitter > 0)


def _may_be_a_crontab(fields: dict[str, str]) -> bool:
    """Return whether a cron trigger has just the five fields of a crontab."""
    return set(fields) == {"minute", "hour", "day", "month", "day_of_week"}

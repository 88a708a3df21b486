"""Lines of a crontab, and what other programs write in cron fields: told with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from everytick import AsyncIOScheduler, ScheduleError, app
from everytick.api.loading import load_schedule
from everytick.app import Application
from everytick.call_site import in_sentences

BEGIN, END = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)


def refused(declare: Callable[[], Any]) -> str:
    with pytest.raises(ScheduleError) as refusal:
        declare()
    said = str(refusal.value)
    assert re.match(r"\S+:\d+: ", said)
    assert "\n" not in said
    return said


def advised(said: str) -> list[Any]:
    """Return the triggers that a sentence tells to write, made by running its code."""
    known = {"CronTrigger": CronTrigger, "OrTrigger": OrTrigger, "AndTrigger": AndTrigger}
    found = said.rpartition(": write ")[2].removesuffix(" for both")
    return [
        eval(code, known)
        for code in re.split(
            r" \(from apscheduler\.triggers\.combining\) for either, or ", found.removeprefix("trigger=")
        )
    ]


def times(scheduler: AsyncIOScheduler, trigger: Any) -> list[datetime]:
    job = scheduler.add_job(print, trigger, id=f"job {len(scheduler.get_jobs())}")
    return job.ticks_between(BEGIN, END)


def days(matches: Callable[[datetime], bool], hour: int = 9, minute: int = 0) -> list[datetime]:
    every = [BEGIN + timedelta(days=number, hours=hour, minutes=minute) for number in range(90)]
    return [day for day in every if matches(day)]


def nth(number: int, weekday: int) -> Callable[[datetime], bool]:
    return lambda day: day.weekday() == weekday and (day.day - 1) // 7 == number - 1


# --- both day fields


@pytest.mark.parametrize(
    ("line", "of_month", "of_week"),
    [
        ("30 4 1,15 * fri", lambda day: day.day in (1, 15), lambda day: day.weekday() == 4),
        ("30 4 1,15 * 5", lambda day: day.day in (1, 15), lambda day: day.weekday() == 4),
        ("30 4 1-7 * MON", lambda day: day.day <= 7, lambda day: day.weekday() == 0),
        ("30 4 */10 * 0", lambda day: day.day % 10 == 1, lambda day: day.weekday() == 6),
        ("30 4 13 jan-feb 5-7", lambda day: day.day == 13 and day.month < 3,
         lambda day: day.weekday() > 3 and day.month < 3),
        ("30 4 25-5 * sun-tue", lambda day: day.day >= 25 or day.day <= 5,
         lambda day: day.weekday() in (6, 0, 1)),
        ("30 4 13 * */3", lambda day: day.day == 13, lambda day: day.weekday() in (6, 2, 5)),
        ("30 4 last * mon", lambda day: (day + timedelta(days=1)).day == 1, lambda day: day.weekday() == 0),
    ],
)  # fmt: skip
def test_both_day_fields_are_refused_with_both_readings(
    scheduler: AsyncIOScheduler, line: str, of_month: Any, of_week: Any
) -> None:
    try:
        CronTrigger.from_crontab(line)
    except ValueError:
        # What APScheduler refuses itself.
        said = refused(lambda: scheduler.add_job(print, line))
    else:
        said = refused(lambda: scheduler.add_job(print, CronTrigger.from_crontab(line)))
    cron = "some crons run when either fits" if "*/" in line else "cron runs when either fits"
    rest = "others, as APScheduler, when both do" if "*/" in line else "APScheduler when both do"
    assert f"names days of the month and of the week: {cron}, {rest}" in said
    assert f"from_crontab({line!r})".lower() in said
    either, both = advised(said)
    assert times(scheduler, either) == days(lambda day: of_month(day) or of_week(day), 4, 30)
    assert times(scheduler, both) == days(lambda day: of_month(day) and of_week(day), 4, 30)


def test_the_zone_is_part_of_what_to_write(scheduler: AsyncIOScheduler) -> None:
    made = CronTrigger.from_crontab("0 9 1 * fri", timezone="Asia/Tokyo")
    said = refused(lambda: scheduler.add_job(print, made))
    assert said.count("timezone='Asia/Tokyo'") == 3
    assert times(scheduler, advised(said)[0])[0].hour == 9


def test_a_crontab_with_one_day_field_is_taken(scheduler: AsyncIOScheduler) -> None:
    assert times(scheduler, CronTrigger.from_crontab("0 9 1 * *")) == days(lambda day: day.day == 1)
    assert times(scheduler, CronTrigger.from_crontab("0 9 * * fri")) == days(lambda day: day.weekday() == 4)
    friday = CronTrigger.from_crontab("0 9 *,1 * fri")
    assert times(scheduler, friday) == days(lambda day: day.weekday() == 4)
    # By their names the fields mean both, as APScheduler documents it.
    job = scheduler.add_job(print, "cron", day="1-7", day_of_week="mon", hour=9)
    assert job.ticks_between(BEGIN, END) == days(nth(1, 0))
    trigger = CronTrigger(minute=0, hour=9, day="1-7", month="*", day_of_week="mon")
    job = scheduler.add_job(print, trigger, id="object")
    assert job.ticks_between(BEGIN, END) == days(nth(1, 0))


# --- what other programs write


@pytest.mark.parametrize("where", ["crontab", "trigger="])
@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ("0 9 * * MON#1", nth(1, 0)),
        ("0 9 * * fri#5", nth(5, 4)),
        ("0 9 * * mon#1,wed#3", lambda day: nth(1, 0)(day) or nth(3, 2)(day)),
        ("0 9 * * friL", lambda day: day.weekday() == 4 and (day + timedelta(days=7)).month != day.month),
        ("0 9 L * *", lambda day: (day + timedelta(days=1)).day == 1),
        ("0 9 ? * MON-FRI", lambda day: day.weekday() < 5),
        ("0 9 1 * ?", lambda day: day.day == 1),
        ("0 9 * * sun-thu", lambda day: day.weekday() in (6, 0, 1, 2, 3)),
        ("0 9 * * SAT-MON", lambda day: day.weekday() in (5, 6, 0)),
        ("0 9 * * monday-friday", lambda day: day.weekday() < 5),
        ("0 9 * * mon-fri/2", lambda day: day.weekday() in (0, 2, 4)),
        ("0 9 * nov-feb *", lambda day: day.month < 3),
        ("0 9 * 11-2 *", lambda day: day.month < 3),
        ("0 9 * january *", lambda day: day.month == 1),
        ("0 9 25-5 * *", lambda day: day.day >= 25 or day.day <= 5),
        ("0 9 * * 1-5", lambda day: day.weekday() < 5),
        ("0 9 * * 0", lambda day: day.weekday() == 6),
        ("0 9 * * 7", lambda day: day.weekday() == 6),
        ("0 9 * * 5-7", lambda day: day.weekday() > 3),
        ("0 9 * * 0,6", lambda day: day.weekday() > 4),
        ("0 9 * * 6-2", lambda day: day.weekday() in (5, 6, 0, 1)),
        ("0 9 * * */2", lambda day: day.weekday() in (6, 1, 3, 5)),
        ("0 9 * * mon,3", lambda day: day.weekday() in (0, 2)),
        ("0 9 * * fri-mon/2", lambda day: day.weekday() in (4, 6)),
        ("CRON_TZ=UTC 0 9 * * fri", lambda day: day.weekday() == 4),
        ("TZ=UTC 0 9 * * 1", lambda day: day.weekday() == 0),
        ("0 0 9 * * mon", lambda day: day.weekday() == 0),
        ("0 0 9 ? * MON-FRI *", lambda day: day.weekday() < 5),
    ],
)
def test_what_cron_means_is_what_the_sentence_tells_to_write(
    scheduler: AsyncIOScheduler, line: str, matches: Any, where: str
) -> None:
    if where == "trigger=":
        said = refused(lambda: scheduler.add_job(print, line))
        assert f"trigger={line!r} is a line of a crontab: write trigger=" in said
    else:
        try:
            CronTrigger.from_crontab(line)
        except ValueError:
            # See below for what APScheduler refuses itself.
            return
        said = refused(lambda: scheduler.add_job(print, CronTrigger.from_crontab(line)))
        assert f"from_crontab({line!r}): " in said
    [right] = advised(said)
    assert times(scheduler, right) == days(matches)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (
            "0 9 * * 1#1",
            "day_of_week='1#1' is not a cron field: '1#1' numbers a weekday, which programs count",
        ),
        ("0 9 * * 5L", "write its name, in day, such as day='last fri'"),
        ("0 9 15W * *", "day='15W' is not a cron field: the weekday nearest to a date has no sign here"),
        (
            "0 9 LW * *",
            "day='LW' is not a cron field: for a workday of the month write day='first workday'",
        ),
        ("0 9 L-3 * *", "days before the last one of a month have no sign here"),
        ("H 9 * * *", "minute='H' is not a cron field: write a number, and jitter="),
        (
            "0 24 * * *",
            "hour='24' is not a cron field: the last value (24) is higher than the maximum value (23)",
        ),
        (
            "0 9 * 13 *",
            "month='13' is not a cron field: the last value (13) is higher than the maximum value (12)",
        ),
        ("@daily", "is a line of a crontab: write trigger=CronTrigger(hour='0')"),
        ("@weekly", "write trigger=CronTrigger(day_of_week='sun', hour='0')"),
        ("@every 1h30m", "is a line of a crontab: write trigger=IntervalTrigger(hours=1, minutes=30)"),
        ("@every 90s", "is a line of a crontab: write trigger=IntervalTrigger(seconds=90)"),
        ("CRON_TZ=Asia/Tokyo 0 9 * * *", "from_crontab('0 9 * * *', timezone='Asia/Tokyo')"),
        ("TZ=Asia/Tokyo @daily", "write trigger=CronTrigger(hour='0', timezone='Asia/Tokyo')"),
        ("0 9 * * wed-fri/2", "write trigger=CronTrigger.from_crontab('0 9 * * wed,fri')"),
        ("@reboot", "write add_job without a trigger, which runs at each start"),
    ],
)
def test_what_has_no_sign_here_is_said(scheduler: AsyncIOScheduler, line: str, hint: str) -> None:
    assert hint in refused(lambda: scheduler.add_job(print, line))


def test_a_crontab_is_given_to_from_crontab(scheduler: AsyncIOScheduler) -> None:
    said = refused(lambda: scheduler.add_job(print, "*/5 * * * *"))
    assert (
        "trigger='*/5 * * * *' is a line of a crontab: write trigger=CronTrigger.from_crontab('*/5 * * * *')"
        in said
    )
    for declare in (
        lambda: scheduler.add_job(print, "cron", "0 9 * * mon"),
        lambda: scheduler.add_job(print, "cron", expr="0 9 * * mon"),
        lambda: scheduler.add_job(print, "cron", hour="0 9 * * mon"),
        lambda: scheduler.add_job(print, "cron", crontab="0 9 * * mon"),
        lambda: scheduler.scheduled_job("0 9 * * mon")(print),
        lambda: scheduler.add_job(print, "interval", minutes="0 9 * * mon"),
    ):
        said = refused(declare)
        assert said.endswith("is a line of a crontab: write trigger=CronTrigger.from_crontab('0 9 * * mon')")
    said = refused(lambda: scheduler.add_job(print, "0 9 * * mon", timezone="Asia/Tokyo"))
    assert said.endswith("write trigger=CronTrigger.from_crontab('0 9 * * mon', timezone='Asia/Tokyo')")
    # Words in a row, and no crontab.
    scheduler.add_job(print, "cron", day="1st mon,2nd mon,3rd mon,4th mon")
    scheduler.add_job(print, "cron", hour="1, 2, 3, 4, 5")


@pytest.mark.parametrize(
    ("field", "written", "right"),
    [
        ("day_of_week", "sun-thu", "sun,mon-thu"), ("day_of_week", "sat-mon", "sat-sun,mon"),
        ("day_of_week", "6-2", "6,0-2"), ("day_of_week", "Fri-Mon", "fri-sun,mon"),
        ("day_of_week", "sun-sat", "*"), ("day_of_week", "sun-thu/2", "sun,tue,thu"),
        ("day_of_week", "sun-tue,fri", "sun,mon-tue,fri"), ("day_of_week", "saturday-monday", "sat-sun,mon"),
        ("month", "nov-feb", "nov-dec,jan-feb"), ("month", "11-2", "11-12,1-2"),
        ("month", "dec-jan", "dec,jan"),
        ("month", "oct-feb/2", "oct,dec,feb"), ("hour", "22-5", "22-23,0-5"), ("hour", "23-0", "23,0"),
        ("hour", "22-5/2", "22,0,2,4"), ("hour", "5-4", "*"), ("hour", "12,22-2", "12,22-23,0-2"),
        ("minute", "50-10", "50-59,0-10"), ("minute", "45-15/15", "45,0,15"), ("second", "59-1", "59,0-1"),
        ("day", "25-5", "25-31,1-5"), ("week", "50-3", "50-53,1-3"), ("day", "L", "last"),
        ("day_of_week", "mon-fri/2", "mon,wed,fri"), ("month", "jan/2", "jan,mar,may,jul,sep,nov"),
        ("day_of_week", "tuesday", "tue"), ("month", "sept", "sep"), ("day_of_week", "?", "*"),
        ("day", "1 - 5", "1-5"), ("hour", "22 - 5", "22-23,0-5"), ("hour", "22 -5 / 2", "22,0,2,4"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["by name", "object"])
def test_a_field_is_told_as_it_is_written_here(
    scheduler: AsyncIOScheduler, field: str, written: str, right: str, form: str
) -> None:
    arguments: dict[str, Any] = {field: written}
    if form == "object":
        try:
            CronTrigger(**arguments)
        except ValueError:
            # See below for what APScheduler refuses itself.
            return
        said = refused(lambda: scheduler.add_job(print, CronTrigger(**arguments)))
    else:
        said = refused(lambda: scheduler.add_job(print, "cron", **arguments))
    assert f"{field}={written!r} is not a cron field: " in said
    assert said.endswith(f"write {field}={right!r}")
    arguments[field] = right
    scheduler.add_job(print, "cron", **arguments)


@pytest.mark.parametrize(
    ("field", "written", "hint"),
    [
        ("day_of_week", "mon#1", "for the 1st mon of the month write day='1st mon' and no day_of_week"),
        ("day_of_week", "MON#1", "for the 1st mon of the month write day='1st mon' and no day_of_week"),
        ("day_of_week", "tuesday#2", "write day='2nd tue' and no day_of_week"),
        ("day_of_week", "friL", "write day='last fri' and no day_of_week"),
        ("day_of_week", "fri#L", "write day='last fri' and no day_of_week"),
        ("day_of_week", "last fri", "write day='last fri' and no day_of_week"),
        ("day_of_week", "1st mon", "write day='1st mon' and no day_of_week"),
        ("day", "fri", "for a day of each week write day_of_week='fri'"),
        ("day", "sun-tue", "for a day of each week write day_of_week='sun,mon-tue'"),
        ("day_of_week", "L", "write day='last' or, for a weekday, day='last fri'"),
        ("day_of_week", "7", "weekdays go from 0, Monday, to 6, Sunday: write names"),
        ("day_of_week", "mon#6", "from day='1st mon' to day='5th mon'"),
        ("day_of_week", "6th mon", "from day='1st mon' to day='5th mon'"),
        ("day", "6th mon", "from day='1st mon' to day='5th mon'"),
        ("minute", "H/15", "write minute='*/15', and jitter= to spread jobs"),
        ("month", "mon", "that is a weekday: write day_of_week='mon'"),
        ("month", "mon-fri", "that is a weekday: write day_of_week='mon-fri'"),
        ("day_of_week", "jan", "that is a month: write month='jan'"),
        ("minute", "*/0", "a step is 1 or more: write for example */5"),
        ("hour", "8-18/0", "a step is 1 or more: write for example */5"),
        ("day", "mon#1", "write day='1st mon'"),
        ("day", "1st monday", "write day='1st mon'"),
        ("day", "first mon", "write day='1st mon'"),
        ("day", "last friday", "write day='last fri'"),
        ("day", "15W", "the weekday nearest to a date has no sign here"),
        ("year", "2028-2027", "write year='2027-2028'"),
        ("day_of_week", ["mon", "tue"], "a list is written as text: write day_of_week='mon,tue'"),
        ("hour", (8, 9), "a list is written as text: write hour='8,9'"),
        ("minute", range(3), "a list is written as text: write minute='0,1,2'"),
        ("hour", "9:30", "write hour=9, minute=30"),
        ("hour", "22-24", "the last value (24) is higher than the maximum value (23)"),
        ("minute", "0-60/5", "the last value (60) is higher than the maximum value (59)"),
    ],
)
def test_what_another_field_says_is_told(
    scheduler: AsyncIOScheduler, field: str, written: Any, hint: str
) -> None:
    arguments: dict[str, Any] = {field: written}
    said = refused(lambda: scheduler.add_job(print, "cron", **arguments))
    assert f"{field}={written!r} is not a cron field: " in said
    assert hint in said


# --- what APScheduler's own triggers refuse


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("CronTrigger.from_crontab('0 9 * * sun-thu')",
         "write CronTrigger.from_crontab('0 9 * * sun,mon-thu')"),
        ("CronTrigger.from_crontab('0 0 L * *')", "write CronTrigger.from_crontab('0 0 last * *')"),
        ("CronTrigger.from_crontab('0 9 * * 7')", "write CronTrigger.from_crontab('0 9 * * sun')"),
        ("CronTrigger.from_crontab('0 22-5 * * *', 'Asia/Tokyo')",
         "write CronTrigger.from_crontab('0 22-23,0-5 * * *', timezone='Asia/Tokyo')"),
        ("CronTrigger.from_crontab('0 0 9 * * mon')", "has 6 fields, and a crontab five"),
        ("CronTrigger.from_crontab('30 4 1 * 7')", " for either, or CronTrigger(day='1', day_of_week='sun'"),
        ("CronTrigger(month='nov-feb')", "write month='nov-dec,jan-feb'"),
        ("CronTrigger(hour=24)", "hour=24 is not a cron field: the last value (24) is higher"),
        ("IntervalTrigger(hours=1, timezone='PST')", "timezone='PST' is not an IANA time zone"),
        ("CronTrigger(hour=1, timezone=pytz.FixedOffset(330))",
         "write timezone=datetime.timezone(datetime.timedelta(seconds=19800))"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["in the function", "in the module"])
def test_what_apscheduler_refuses_is_told_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str, where: str
) -> None:
    pytest.importorskip("pytz")
    lines = [
        "import pytz",
        "from apscheduler.triggers.cron import CronTrigger",
        "from apscheduler.triggers.interval import IntervalTrigger",
        "from everytick import AsyncIOScheduler",
        f"MADE = {code}" if where == "in the module" else "",
        "def create_scheduler():",
        f"    AsyncIOScheduler().add_job(print, {code})",
    ]
    name = f"schedule_{abs(hash((code, where)))}"
    (tmp_path / f"{name}.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(app, "_current", Application(root=tmp_path, schedule=f"{name}:create_scheduler"))
    sentence = refused(load_schedule)
    assert sentence.startswith(f"{name}.py:{5 if where == 'in the module' else 7}: ")
    assert said in sentence


def helper(line: str) -> CronTrigger:
    return CronTrigger.from_crontab(line)


BY_NAME = {"first monday": helper("4 7 * * MON#1"), "workdays": helper("5 7 * * mon-fri")}


def test_what_is_cut_off_behind_a_helper_is_refused(scheduler: AsyncIOScheduler) -> None:
    """APScheduler would run it on each Monday; the object does not have the rest."""
    for trigger in (BY_NAME["first monday"], helper("4 8 * * mon-fri/2"), helper("4 9 1 jan/2 *")):
        said = refused(partial(scheduler.add_job, print, trigger))
        assert "cannot be told from the object: write CronTrigger(...) inside of this call" in said
    said = refused(lambda: scheduler.add_job(print, BY_NAME["first monday"]))
    assert "day_of_week='MON#1' was given to this CronTrigger, of which APScheduler keeps only 'mon'" in said
    scheduler.add_job(print, BY_NAME["workdays"])
    scheduler.add_job(print, helper("4 10 * * mon"))


def test_a_comment_behind_a_line_of_a_crontab_is_left_out(scheduler: AsyncIOScheduler) -> None:
    said = refused(lambda: scheduler.add_job(print, "0 9 * * mon # the shop opens"))
    assert said.endswith("write trigger=CronTrigger.from_crontab('0 9 * * mon')")


@pytest.mark.parametrize("given", [None, 5, ["0 9 * * mon"]])
def test_a_crontab_that_is_no_text_is_a_sentence(given: Any) -> None:
    said = r"\.py:\d+: from_crontab\(.* is no text: give a line"
    with pytest.raises(ScheduleError, match=said), in_sentences():
        CronTrigger.from_crontab(given)

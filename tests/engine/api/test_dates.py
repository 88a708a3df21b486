"""Dates as users give them: text, dates, datetimes with a zone and without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tzlocal
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick.api.default_zone import marked
from everytick.api.refusals import explained
from everytick.call_site import in_sentences
from everytick.doctor.pitfalls import examine_schedule
from everytick.model import ticks
from everytick.model.job import Job
from loguru import logger

import added_tasks
from inside import scheduler_settings

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
DAY = date(2027, 1, 10)
DAYS = [datetime(2027, 1, day, 9, tzinfo=BERLIN) for day in range(1, 6)]


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/New_York"])
def berlin(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A scheduler in Berlin, on a machine in another zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    tzlocal.reload_localzone()
    with scheduler_settings(tmp_path, SCHEDULER_TIMEZONE="Europe/Berlin"):
        yield AsyncIOScheduler()
    monkeypatch.undo()
    time.tzset()
    tzlocal.reload_localzone()


def coming(job: Job) -> list[datetime]:
    return job.ticks_between(datetime(2026, 12, 30), datetime(2027, 1, 6))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2027, 1, 2), date(2027, 1, 4)),
        (datetime(2027, 1, 2), datetime(2027, 1, 4)),
        (datetime(2027, 1, 2, 23, 30), datetime(2027, 1, 4, 5)),
        # The date counts as it is written, in whichever zone: so APScheduler has it.
        (datetime(2027, 1, 2, 23, 30, tzinfo=NEW_YORK), datetime(2027, 1, 4, 1, tzinfo=UTC)),
        (datetime(2027, 1, 2, tzinfo=timezone(timedelta(hours=-9), "AKST")), date(2027, 1, 4)),
        (date(2027, 1, 2), datetime(2027, 1, 4, tzinfo=BERLIN)),
        ("2027-01-02", "2027-01-04"),
        ("2027-1-2", "2027-01-04 12:00:00"),
        ("2027-01-02T18:00+01:00", "2027-01-04"),
    ],
)
def test_a_calendar_takes_every_form_of_a_date(berlin: AsyncIOScheduler, first: Any, last: Any) -> None:
    arguments = {"days": 1, "hour": 9, "start_date": first, "end_date": last}
    assert coming(berlin.add_job(print, "calendarinterval", **arguments)) == DAYS[1:4]
    if isinstance(first, date) and isinstance(first, datetime) == isinstance(last, datetime):
        # APScheduler itself does not compare the others.
        job = berlin.add_job(print, CalendarIntervalTrigger(**arguments, timezone=BERLIN), id="object")
        assert coming(job) == DAYS[1:4]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"start_date": "soon"}, "start_date='soon' is not a date or time such as"),
        ({"end_date": 5}, "end_date=5 must be a date, a datetime or text"),
        ({"start_date": 5.5}, "start_date=5.5 must be a date, a datetime or text"),
        ({"start_date": datetime(2027, 1, 1), "end_date": "2026-12-31"}, "end_date cannot be earlier than"),
        ({"start_date": datetime(2027, 1, 1, 1, 1, 1, 500)}, "start_date is computed from the present"),
    ],
)  # fmt: skip
def test_what_is_no_date_is_one_sentence(berlin: AsyncIOScheduler, wrong: Any, said: str) -> None:
    with pytest.raises(ScheduleError, match=rf"test_dates.py:\d+: .*{said}"):
        berlin.add_job(print, "calendarinterval", days=1, **wrong)


START: list[tzinfo] = [UTC, ZoneInfo("UTC"), NEW_YORK, timezone(timedelta(hours=-5), "EST")]


@pytest.mark.parametrize("zone", START)
def test_the_zone_of_a_date_does_not_move_the_times_of_a_job(berlin: AsyncIOScheduler, zone: tzinfo) -> None:
    start = datetime(2027, 1, 2, 12, tzinfo=zone)
    end = datetime(2027, 1, 5, 12, tzinfo=zone)
    wanted = DAYS[2:5]
    add = berlin.add_job
    assert coming(add(print, "cron", hour=9, start_date=start, end_date=end, id="both")) == wanted
    assert coming(add(print, "cron", hour=9, start_date=start, id="start"))[:3] == wanted
    assert coming(add(print, "cron", hour=9, start_date=start.isoformat(), id="text"))[:3] == wanted
    assert coming(add(print, CronTrigger(hour=9, start_date=start, end_date=end), id="object")) == wanted
    made = CronTrigger(hour="9", start_date=datetime(2027, 1, 2, 12, tzinfo=zone), end_date=end)
    assert coming(add(print, made, id="made before")) == wanted
    with marked():
        job = add(print, CronTrigger(hour=9, end_date=end), id="marked")
    assert coming(job)[-1] == DAYS[4]
    for job in berlin.get_jobs():
        assert job.schedule.zone_name == "Europe/Berlin", job.id
        assert bool(job.schedule.remark) == (job.id != "text"), job.id
    every = add(print, IntervalTrigger(hours=24, start_date=start), id="interval")
    assert (coming(every)[0], every.schedule.zone_name) == (start, "Europe/Berlin")
    assert not every.schedule.remark
    given = add(print, CronTrigger(hour=9, start_date=start, timezone=NEW_YORK), id="given")
    assert coming(given)[0].astimezone(NEW_YORK).hour == 9
    assert not given.schedule.remark


def test_a_zone_that_may_have_come_from_a_date_is_not_guessed(berlin: AsyncIOScheduler) -> None:
    def made(**arguments: Any) -> CronTrigger:
        return CronTrigger(**arguments)

    start = datetime(2027, 1, 2, 12, tzinfo=ZoneInfo("Asia/Tokyo"))
    with pytest.raises(ScheduleError, match="whether its time zone, Asia/Tokyo, was given to this"):
        berlin.add_job(print, made(hour=9, start_date=start))


def told(begin: Any) -> list[str]:
    said: list[str] = []
    sink = logger.add(lambda message: said.append(message.record["message"]), level="WARNING")
    try:
        begin()
    finally:
        logger.remove(sink)
    return said


async def test_the_start_says_which_zone_counts(berlin: AsyncIOScheduler) -> None:
    berlin.add_job(print, "cron", hour=9, start_date=datetime(2027, 1, 2, tzinfo=NEW_YORK), id="new york")
    berlin.add_job(print, "cron", hour=9, start_date=datetime(2027, 1, 2, tzinfo=BERLIN), id="berlin")
    sentence = (
        "job new york: its times are read in Europe/Berlin, the scheduler's zone, and not in that of its"
        " start_date, America/New_York: give timezone= to say which is meant"
    )
    berlin.add_job(
        *(print, "calendarinterval"), days=1, start_date=datetime(2027, 1, 2, tzinfo=NEW_YORK), id="calendar"
    )
    sentences = [sentence, sentence.replace("new york", "calendar", 1)]
    found = [f for f in examine_schedule(berlin.get_jobs(), 4, ticks.now()) if f.check == "zone"]
    assert sorted((it.level, it.what) for it in found) == [("note", it) for it in sorted(sentences)]
    said = told(berlin.start)
    await berlin.drain()
    assert sorted(line.partition(": ")[2] for line in said if "its times" in line) == sorted(sentences)


def test_adding_while_it_runs_says_which_zone_counts(berlin: AsyncIOScheduler) -> None:
    start = datetime(2027, 1, 2, tzinfo=NEW_YORK)
    client = SchedulerClient()
    said = told(lambda: client.add_job(added_tasks.note, "cron", hour=9, start_date=start, id="added"))
    assert "its times are read in Europe/Berlin" in said[0]
    [job] = client.get_jobs()
    assert coming(job)[0] == DAYS[1]


@pytest.mark.parametrize("moment", [date(1, 1, 1), date(9999, 12, 31), datetime(1, 1, 1, tzinfo=BERLIN)])
def test_a_date_at_the_ends_of_the_calendar_is_one_sentence(berlin: AsyncIOScheduler, moment: Any) -> None:
    for add in (berlin.add_job, SchedulerClient().add_job):
        for name, trigger in (("run_date", "date"), ("start_date", "cron"), ("end_date", "interval")):
            with pytest.raises(ScheduleError, match=rf"{name}=.* is too far away"):
                add(added_tasks.note, trigger, **{name: moment})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CronTrigger(start_date="2027-01-10T05:00"), f"start_date={datetime(2027, 1, 10, 5)!r}"),
        (lambda: IntervalTrigger(end_date="2027-01-10T05:00"), f"end_date={datetime(2027, 1, 10, 5)!r}"),
        (lambda: DateTrigger("20270110"), f"run_date={datetime(2027, 1, 10)!r}"),
        (
            lambda: CalendarIntervalTrigger(days=1, start_date="2027-1-10"),
            f"start_date={DAY!r}",
        ),
        (
            lambda: CalendarIntervalTrigger(days=1, end_date="2027-01-10 05:00"),
            f"end_date={DAY!r}",
        ),
    ],
)
def test_a_text_that_a_trigger_of_apscheduler_does_not_read_is_told_with_what_to_write(
    make: Callable[[], Any], said: str
) -> None:
    with pytest.raises(ScheduleError) as refusal, explained(), in_sentences():
        make()
    assert str(refusal.value).endswith(f": write {said}")
    for wrong in ("tomorrow", "10.01.2027"):
        with (
            pytest.raises(ScheduleError, match=r"end_date='.*' is not a date or time such as 2026"),
            explained(),
            in_sentences(),
        ):
            IntervalTrigger(hours=1, end_date=wrong)


@pytest.mark.parametrize("date", ["0001-01-01", "0001-01-03", "0004-12-31"])
def test_a_job_that_begins_in_the_first_years_is_read_as_it_was_kept(
    scheduler: AsyncIOScheduler, date: str
) -> None:
    client = SchedulerClient()
    client.add_job("added_tasks:note", "interval", hours=3, start_date=date, id="old")
    assert [job.id for job in client.get_jobs()] == ["old"]

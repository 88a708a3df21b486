"""Trigger objects mean what the same words given to add_job mean, on a machine in whichever zone.

APScheduler's classes are left as they are: what an object was not given is found out otherwise.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tzlocal
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler, ScheduleError
from everytick.model.job import Job

from inside import scheduler_settings

BERLIN, TOKYO, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")

_numbers = count()


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/New_York"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A machine in another zone; what is made in a test is made there."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    tzlocal.reload_localzone()
    yield request.param
    monkeypatch.undo()
    time.tzset()
    tzlocal.reload_localzone()


@pytest.fixture
def berlin(machine: str, tmp_path: Path) -> Iterator[AsyncIOScheduler]:
    """A scheduler in Berlin, on that machine."""
    with scheduler_settings(tmp_path, SCHEDULER_TIMEZONE="Europe/Berlin"):
        yield AsyncIOScheduler()


@pytest.fixture
def elsewhere(machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module that makes triggers when it is imported, and knows no scheduler."""
    (tmp_path / "elsewhere.py").write_text(
        "from zoneinfo import ZoneInfo\n\nfrom apscheduler.triggers.combining import OrTrigger\n"
        "from apscheduler.triggers.cron import CronTrigger\n\n"
        "EITHER: OrTrigger = OrTrigger([CronTrigger(hour=1), CronTrigger(hour=2)])\n"
        "class Times:\n    NIGHT = CronTrigger(hour=3, minute=3)\n"
        "EARLY = CronTrigger(hour=4, minute=44)\n"
        "IN_NEW_YORK = CronTrigger(hour=5, minute=55, timezone=ZoneInfo('America/New_York'))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("elsewhere")
    del sys.modules["elsewhere"]


def meant(job: Job) -> Any:
    """Return all that decides when a job runs, and how that is shown."""
    schedule = job.schedule
    return (
        schedule.ticks.canonical,
        str(schedule.zone),
        schedule.jitter,
        schedule.startup_delay,
        schedule.text,
    )


def same(scheduler: AsyncIOScheduler, object_form: Job, trigger: str, **arguments: Any) -> None:
    by_name = scheduler.add_job(print, trigger, id=f"by_name{next(_numbers)}", **arguments)
    assert meant(object_form) == meant(by_name)


def test_a_zone_that_was_not_given_is_the_schedulers(berlin: AsyncIOScheduler) -> None:
    add = berlin.add_job
    same(berlin, add(print, CronTrigger(hour=9)), "cron", hour=9)
    same(berlin, add(print, CronTrigger(hour="8-18/2", jitter=30)), "cron", hour="8-18/2", jitter=30)
    same(berlin, add(print, CronTrigger.from_crontab("0 7 * * mon")), "cron",
         minute=0, hour=7, day="*", month="*", day_of_week="mon")  # fmt: skip
    same(berlin, add(print, IntervalTrigger(hours=4)), "interval", hours=4)
    same(berlin, add(print, IntervalTrigger(seconds=0.25)), "interval", seconds=0.25)
    begin = "2027-01-01 09:00:00"
    same(berlin, add(print, IntervalTrigger(days=2, start_date=begin)), "interval", days=2, start_date=begin)
    same(berlin, add(print, CronTrigger(hour=9, end_date=begin)), "cron", hour=9, end_date=begin)
    same(berlin, add(print, DateTrigger("2027-05-05 05:05:05")), "date", run_date="2027-05-05 05:05:05")
    same(berlin, add(print, DateTrigger(datetime(2027, 5, 5))), "date", run_date="2027-05-05")
    same(berlin, add(print, CalendarIntervalTrigger(months=1, hour=3)), "calendarinterval", months=1, hour=3)


def test_a_zone_that_was_given_is_kept(berlin: AsyncIOScheduler, machine: str) -> None:
    add = berlin.add_job
    for zone in ("Asia/Tokyo", "America/New_York", "UTC", "Europe/Berlin"):
        same(berlin, add(print, CronTrigger(hour=9, minute=3, timezone=zone)), "cron",
             hour=9, minute=3, timezone=zone)  # fmt: skip
        same(berlin, add(print, IntervalTrigger(hours=7, timezone=zone)), "interval", hours=7, timezone=zone)
        same(berlin, add(print, CronTrigger.from_crontab("1 2 3 4 *", zone)), "cron",
             minute=1, hour=2, day=3, month=4, day_of_week="*", timezone=zone)  # fmt: skip
        same(
            berlin, add(print, DateTrigger("2027-05-05", zone)), "date", run_date="2027-05-05", timezone=zone
        )
        same(berlin, add(print, CalendarIntervalTrigger(weeks=1, timezone=zone)), "calendarinterval",
             weeks=1, timezone=zone)  # fmt: skip
    # Written as an object, also where it is the machine's own.
    same(berlin, add(print, CronTrigger(hour=8, timezone=NEW_YORK)), "cron", hour=8, timezone=NEW_YORK)
    begin = datetime(2027, 1, 1, tzinfo=NEW_YORK)
    same(berlin, add(print, IntervalTrigger(hours=8, start_date=begin, timezone=NEW_YORK)), "interval",
         hours=8, start_date=begin, timezone=NEW_YORK)  # fmt: skip


def test_it_does_not_matter_where_a_trigger_was_made(berlin: AsyncIOScheduler, elsewhere: Any) -> None:
    add, early = berlin.add_job, elsewhere.EARLY
    same(berlin, add(print, early, id="made when its module was imported"), "cron", hour=4, minute=44)
    same(berlin, add(print, elsewhere.IN_NEW_YORK), "cron", hour=5, minute=55, timezone=NEW_YORK)
    either = OrTrigger([CronTrigger(hour=1), CronTrigger(hour=2, timezone=TOKYO)])
    assert berlin.add_job(print, either).schedule.ticks.canonical == (
        berlin.add_job(
            print, "or", triggers=[CronTrigger(hour=1), CronTrigger(hour=2, timezone=TOKYO)], id="or"
        ).schedule.ticks.canonical
    )
    configured = {"night": {"hour": 3, "minute": 33}}
    same(berlin, berlin.add_job(print, CronTrigger(**configured["night"])), "cron", hour=3, minute=33)

    either = elsewhere.EITHER
    assert (
        berlin.add_job(print, either, id="combined elsewhere").schedule.ticks.canonical
        == (
            berlin.add_job(print, "or", triggers=[CronTrigger(hour=1), CronTrigger(hour=2)], id="or here")
        ).schedule.ticks.canonical
    )
    same(berlin, add(print, elsewhere.Times.NIGHT, id="in a class"), "cron", hour=3, minute=3)
    for one in (CronTrigger(hour=8, minute=18), CronTrigger(hour=8, minute=19)):
        same(berlin, add(print, one, id=f"looped {one}"), "cron", hour=8, minute=str(one.fields[6]))

    named = CronTrigger(hour=7, minute=17)
    same(berlin, add(print, named), "cron", hour=7, minute=17)
    _other = [CronTrigger(hour=7, minute=17, timezone=zone) for zone in (NEW_YORK, BERLIN, "UTC")]

    @berlin.scheduled_job(CronTrigger(hour=6, minute=6))
    def decorated() -> None: ...

    found = [job for job in berlin.get_jobs() if job.func is decorated]
    same(berlin, found[0], "cron", hour=6, minute=6)


def test_a_subclass_means_what_its_base_means(berlin: AsyncIOScheduler) -> None:
    class Mine(CronTrigger):  # type: ignore[misc]
        pass

    same(berlin, berlin.add_job(print, Mine(hour=9)), "cron", hour=9)
    same(berlin, berlin.add_job(print, Mine(hour=8, timezone=TOKYO)), "cron", hour=8, timezone=TOKYO)


def test_a_date_without_a_date_is_at_each_start(berlin: AsyncIOScheduler) -> None:
    assert berlin.add_job(print, DateTrigger()).startup_delay == 0
    soon = berlin.add_job(print, DateTrigger(datetime.now(UTC) + timedelta(seconds=30)), id="soon")
    assert soon.startup_delay is not None
    assert 25_000_000 < soon.startup_delay <= 30_000_000


def test_a_start_that_is_computed_is_refused(berlin: AsyncIOScheduler) -> None:
    with pytest.raises(ScheduleError, match="start_date is computed from the present moment"):
        berlin.add_job(print, IntervalTrigger(minutes=5, start_date=datetime.now() + timedelta(minutes=7)))


def handed_over(fields: dict[str, Any], make: Callable[..., BaseTrigger]) -> BaseTrigger:
    return make(**fields)


@pytest.mark.parametrize("machine", ["America/New_York"], indirect=True)
def test_what_cannot_be_known_is_said(berlin: AsyncIOScheduler) -> None:
    made = handed_over({"hour": 9, "minute": 41}, CronTrigger)
    with pytest.raises(ScheduleError) as refusal:
        berlin.add_job(print, made, id="job")
    assert "whether its time zone, America/New_York, was given to this CronTrigger" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    # With a zone that is not the machine's there is no doubt.
    made = handed_over({"hour": 9, "minute": 41, "timezone": "Asia/Tokyo"}, CronTrigger)
    same(berlin, berlin.add_job(print, made), "cron", hour=9, minute=41, timezone="Asia/Tokyo")


@pytest.mark.parametrize("machine", ["Europe/Berlin"], indirect=True)
def test_where_the_machine_is_in_the_schedulers_zone_there_is_no_doubt(berlin: AsyncIOScheduler) -> None:
    made = handed_over({"hour": 9, "minute": 42}, CronTrigger)
    same(berlin, berlin.add_job(print, made, id="job"), "cron", hour=9, minute=42)


def test_a_subclass_with_ticks_of_its_own_is_refused(berlin: AsyncIOScheduler) -> None:
    class Workdays(CronTrigger):  # type: ignore[misc]
        def get_next_fire_time(self, previous: Any, now: Any) -> Any:
            found = super().get_next_fire_time(previous, now)
            return found if found is None or found.weekday() < 5 else found + timedelta(days=2)

    class Either(OrTrigger):  # type: ignore[misc]
        def get_next_fire_time(self, previous: Any, now: Any) -> Any: ...

    for made in (
        Workdays(hour=9, timezone=TOKYO),
        OrTrigger([Workdays(hour=9, timezone=TOKYO)]),
        Either([CronTrigger(hour=9, timezone=TOKYO)]),
    ):
        with pytest.raises(ScheduleError, match="is a trigger of your own"):
            berlin.add_job(print, made)


def test_a_wrong_combination_is_refused_in_a_sentence(berlin: AsyncIOScheduler) -> None:
    single: Any = CronTrigger(hour=9, timezone=TOKYO)
    with pytest.raises(ScheduleError, match="takes a list of trigger objects, not CronTrigger"):
        berlin.add_job(print, "or", triggers=single)
    with pytest.raises(ScheduleError, match="takes a list of trigger objects, not str"):
        berlin.add_job(print, AndTrigger(["cron"]))
    circle = OrTrigger([single])
    circle.triggers.append(AndTrigger([circle]))
    with pytest.raises(ScheduleError, match="cannot be a part of itself"):
        berlin.add_job(print, circle)
    # Nor does it keep others from being looked at.
    same(berlin, berlin.add_job(print, CronTrigger(hour=9), id="other"), "cron", hour=9)


def test_a_scheduler_may_be_in_a_zone_of_another_library(tmp_path: Path) -> None:
    # Which has no hash.
    foreign = pytest.importorskip("dateutil.tz").gettz("Europe/Berlin")
    with scheduler_settings(tmp_path):
        scheduler = AsyncIOScheduler(timezone=foreign)
        job = scheduler.add_job(print, "cron", hour=9, id="named")
        assert job.next_tick(0) == 8 * 3_600_000_000
        assert scheduler.add_job(print, "interval", hours=1, id="interval").next_tick(0) is not None

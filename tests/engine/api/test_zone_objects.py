"""Zone objects that look like another kind: of the user's own, and from files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick.api.default_zone import marked
from everytick.api.refusals import explained
from everytick.call_site import in_sentences
from everytick.model import ticks
from everytick.model.job import Job

import added_tasks
from inside import scheduler_settings

ZONES = Path("/usr/share/zoneinfo")
# Nine o'clock in Berlin, in summer.
NINE = datetime(2027, 7, 1, 7, tzinfo=UTC)


class Summer(tzinfo):
    """A zone as the documentation of `datetime` writes one: without a moment, it tells its time in winter."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=1) + self.dst(dt)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=1 if dt is not None and 4 <= dt.month <= 9 else 0)

    def tzname(self, dt: datetime | None) -> str:
        return "OUR"


class Moscow(tzinfo):
    """A zone with one offset, which it tells of a moment alone."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        assert dt is not None
        assert dt.tzinfo is self
        return timedelta(hours=3)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "MSK"


class Without(tzinfo):
    """A zone that knows no offset."""

    def utcoffset(self, dt: datetime | None) -> None:
        return None

    def dst(self, dt: datetime | None) -> None:
        return None

    def tzname(self, dt: datetime | None) -> None:
        return None


def from_file(name: str, key: str | None = None) -> ZoneInfo:
    with (ZONES / name).open("rb") as file:
        return ZoneInfo.from_file(file, key=key)


def zones_that_nobody_finds_again() -> dict[str, tzinfo]:
    dateutil = pytest.importorskip("dateutil.tz")
    return {
        "with daylight saving time of its own": Summer(),
        "from a file, without a name": from_file("Europe/Berlin"),
        "from a file, with a name of its own": from_file("Europe/Berlin", "office"),
        "by a rule": dateutil.tzstr("EST5EDT,M3.2.0,M11.1.0"),
        "by a range": dateutil.tzrange("EST", -18_000, "EDT", -14_400),
        "without an offset": Without(),
        "without anything": tzinfo(),  # type: ignore[abstract]
    }


def in_one_sentence(declare: Callable[[], Any]) -> None:
    """Call a part of `create_scheduler`, as `load_schedule` does."""
    with explained(), in_sentences():
        declare()


def next_tick(job: Job) -> datetime:
    tick = job.next_tick(ticks.instant(NINE - timedelta(hours=12)))
    assert tick is not None
    return ticks.moment(tick)


@pytest.mark.parametrize("kind", list(zones_that_nobody_finds_again()))
def test_a_zone_without_a_name_and_without_one_offset_is_refused_in_a_sentence(
    scheduler: AsyncIOScheduler, kind: str
) -> None:
    zone = zones_that_nobody_finds_again()[kind]
    declared: list[Any] = [
        lambda: scheduler.add_job(print, "cron", hour=9, timezone=zone),
        lambda: scheduler.add_job(print, "interval", hours=9, timezone=zone),
        lambda: scheduler.add_job(print, "calendarinterval", days=1, timezone=zone),
        lambda: scheduler.add_job(print, "date", run_date="2027-07-01 09:00", timezone=zone),
        lambda: scheduler.add_job(print, CronTrigger(hour=9, timezone=zone)),
        lambda: SchedulerClient().add_job(added_tasks.note, "cron", hour=9, timezone=zone),
        lambda: AsyncIOScheduler(timezone=zone),
    ]
    for declare in declared:
        with pytest.raises(ScheduleError) as refusal:
            in_one_sentence(declare)
        said = str(refusal.value)
        assert f"timezone={zone!r} has no IANA name, nor the same offset at all times" in said
        assert said.endswith("give the name of a zone such as 'Europe/Berlin'")


def test_an_instant_is_one_in_whichever_zone_it_is_given(scheduler: AsyncIOScheduler) -> None:
    at = datetime(2027, 7, 1, 9, tzinfo=Summer())
    start = datetime(2027, 1, 1, 9, tzinfo=Summer())
    for declared in (scheduler, SchedulerClient()):
        for number, job in enumerate([
            declared.add_job(added_tasks.note, "date", run_date=at, id=f"a {declared}"),
            declared.add_job(added_tasks.note, DateTrigger(at), id=f"b {declared}"),
        ]):  # fmt: skip
            assert next_tick(job) == NINE, number
        every = declared.add_job(added_tasks.note, "interval", days=1, start_date=start, id=f"c {declared}")
        assert next_tick(every) == NINE + timedelta(hours=1)


def test_a_moment_in_a_zone_without_an_offset_is_one_without_a_zone(scheduler: AsyncIOScheduler) -> None:
    at = datetime(2027, 7, 1, 7, tzinfo=Without())
    assert next_tick(scheduler.add_job(print, "date", run_date=at)) == NINE


def test_one_offset_at_all_times_is_found_however_a_zone_tells_it(scheduler: AsyncIOScheduler) -> None:
    for zone, offset in ((Moscow(), "UTC+03:00"), (from_file("Asia/Kolkata"), "UTC+05:30"),
                         (from_file("Asia/Kolkata", "India"), "UTC+05:30")):  # fmt: skip
        job = scheduler.add_job(print, "cron", hour=9, timezone=zone, id=offset + str(zone))
        assert job.schedule.zone_name == offset
        assert next_tick(job) == datetime(2027, 7, 1, 9, tzinfo=job.schedule.zone)


def test_a_file_that_is_a_link_to_a_zone_has_its_name(scheduler: AsyncIOScheduler, tmp_path: Path) -> None:
    dateutil = pytest.importorskip("dateutil.tz")
    link = tmp_path / "localtime"
    link.symlink_to(ZONES / "Europe/Berlin")
    job = scheduler.add_job(print, "cron", hour=9, timezone=dateutil.tzfile(str(link)))
    assert (job.schedule.zone_name, next_tick(job)) == ("Europe/Berlin", NINE)


def test_a_zone_object_of_a_name_that_means_something_else_elsewhere_is_refused(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = from_file("Europe/Berlin", "localtime")
    with pytest.raises(ScheduleError, match="'localtime' is not an IANA time zone"):
        scheduler.add_job(print, "cron", hour=9, timezone=zone)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Berlin."""
    yield from machine_in("Europe/Berlin", monkeypatch)


def machine_in(zone: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", zone)
    monkeypatch.setattr("tzlocal.unix._cache_tz", None)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_machines_own_zone_is_meant_where_it_is_given_as_another_object(
    berlin: None, tmp_path: Path
) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_TIMEZONE="America/New_York"), marked():
        scheduler = AsyncIOScheduler()
        for zone in (ZoneInfo.no_cache("Europe/Berlin"), from_file("Europe/Berlin", "Europe/Berlin")):
            for trigger in (CronTrigger(hour=9, timezone=zone), DateTrigger("2027-07-01 09:00:00", zone)):
                job = scheduler.add_job(print, trigger, id=str(len(scheduler.get_jobs())))
                assert next_tick(job) == NINE


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine whose zone is a file without a name, as where /etc/localtime is mounted into a container."""
    (tmp_path / "office").write_bytes((ZONES / "Europe/Berlin").read_bytes())
    yield from machine_in(os.fspath(tmp_path / "office"), monkeypatch)


def test_a_machine_whose_zone_is_a_file_without_a_name_reads_the_same_schedule(
    copied: None, tmp_path: Path
) -> None:
    from tzlocal import get_localzone

    with scheduler_settings(tmp_path, SCHEDULER_TIMEZONE="America/New_York"):
        with marked():
            scheduler = AsyncIOScheduler()
            for trigger in (CronTrigger(hour=9), IntervalTrigger(days=1), "cron"):
                job = scheduler.add_job(print, trigger, id=str(len(scheduler.get_jobs())))
                assert job.schedule.zone_name == "America/New_York"
            with pytest.raises(ScheduleError, match="has no IANA name, nor the same offset"):
                scheduler.add_job(print, "cron", hour=9, timezone=get_localzone())
            offset = datetime(2027, 7, 1).astimezone().tzinfo
            assert offset is not None
            assert next_tick(scheduler.add_job(print, "cron", hour=9, timezone=offset)) == NINE
        assert offset == timezone(timedelta(hours=2))


def test_a_date_in_a_zone_that_apscheduler_does_not_take_is_one_sentence() -> None:
    pytz = pytest.importorskip("pytz")
    start = datetime(2027, 1, 1, 9, tzinfo=pytz.FixedOffset(330))
    for make in (
        lambda: CronTrigger(hour=9, start_date=start),
        lambda: CronTrigger(hour=9, end_date=start),
        lambda: IntervalTrigger(hours=9, start_date=start),
    ):
        with pytest.raises(ScheduleError) as refusal:
            in_one_sentence(make)
        assert "does not take pytz.FixedOffset(330): write tzinfo=datetime.timezone(" in str(refusal.value)

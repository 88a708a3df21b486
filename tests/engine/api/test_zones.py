"""Zones as users give them, from whichever library: kept so that any process finds them again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH, ZoneInfo

import pytest
import tzlocal
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient, SchedulerSettings
from everytick.api.default_zone import marked
from everytick.errors import ConfigurationError
from everytick.explain import why
from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.schedule import from_data
from everytick.read.coming import coming
from everytick.read.jobs import job_rows
from everytick.read.known_job import Declared

import added_tasks
from inside import scheduler_settings

INDIA = timedelta(hours=5, minutes=30)
# Nine o'clock in India.
NINE = datetime(2027, 7, 1, 3, 30, tzinfo=UTC)


class Fixed(tzinfo):
    """A zone of somebody's own."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return INDIA

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "IST"


def fixed_zones() -> dict[str, Any]:
    pytz, dateutil = pytest.importorskip("pytz"), pytest.importorskip("dateutil.tz")
    return {
        "without a name": timezone(INDIA),
        "with an abbreviation": timezone(INDIA, "IST"),
        "with the name of a zone that is another": timezone(INDIA, "CET"),
        "with words": timezone(INDIA, "our office"),
        "pytz": pytz.FixedOffset(330),
        "dateutil": dateutil.tzoffset("IST", INDIA),
        "dateutil without a name": dateutil.tzoffset(None, 19_800),
        "somebody's own": Fixed(),
    }


@pytest.fixture(params=["Asia/Kolkata", "Europe/Berlin", "UTC"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A machine in this zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    tzlocal.reload_localzone()
    yield request.param
    monkeypatch.undo()
    time.tzset()
    tzlocal.reload_localzone()


def next_tick(job: Job) -> datetime:
    tick = job.next_tick(ticks.instant(NINE - timedelta(hours=12)))
    assert tick is not None
    return ticks.moment(tick)


def restored(job: Job) -> Any:
    """Return the schedule as another process has it."""
    assert job.schedule.kept is not None
    return from_data(json.loads(job.schedule.kept))


@pytest.mark.parametrize("kind", ["without a name", "with an abbreviation", "with words", "pytz", "dateutil",
                                  "with the name of a zone that is another", "dateutil without a name",
                                  "somebody's own"])  # fmt: skip
async def test_a_fixed_offset_is_kept_by_its_offset_whatever_it_calls_itself(
    scheduler: AsyncIOScheduler, kind: str
) -> None:
    zone = fixed_zones()[kind]
    start = datetime(2027, 1, 1, tzinfo=zone)
    declared = [
        scheduler.add_job(added_tasks.note, "cron", hour=9, timezone=zone, id="cron"),
        scheduler.add_job(added_tasks.note, "cron", hour=9, timezone=zone, start_date=start, id="start"),
        scheduler.add_job(added_tasks.note, "calendarinterval", days=1, hour=9, timezone=zone, id="calendar"),
        AsyncIOScheduler(timezone=zone).add_job(added_tasks.note, "cron", hour=9),
    ]
    if kind != "pytz":
        # APScheduler's own triggers do not take it.
        trigger = CronTrigger(hour=9, timezone=zone)
        declared += [
            scheduler.add_job(added_tasks.note, trigger, id="object"),
            scheduler.add_job(added_tasks.note, OrTrigger([trigger, trigger]), id="or"),
            scheduler.add_job(
                added_tasks.note, CalendarIntervalTrigger(days=1, hour=9, timezone=zone), id="calendar object"
            ),
        ]
    for job in declared:
        assert (next_tick(job), job.schedule.zone_name) == (NINE, "UTC+05:30"), job.id
        again = restored(job)
        assert (again.ticks.canonical, again.zone_name) == (job.definition, "UTC+05:30")
        assert again.next_tick(0) == job.schedule.next_tick(0)

    scheduler.remove_all_jobs()
    client = SchedulerClient()
    client.add_job(added_tasks.note, "cron", hour=9, timezone=zone, id="added")
    client.add_job(added_tasks.note, "date", run_date=NINE.astimezone(zone), timezone=zone, id="once")
    async with AsyncIOScheduler() as running:
        found = {job.id: job for job in running.get_jobs()}
        assert next_tick(found["added"]) == next_tick(found["once"]) == NINE
        assert found["added"].schedule.zone_name == "UTC+05:30"


async def test_all_who_show_a_job_with_a_fixed_offset_agree_with_what_runs(
    scheduler: AsyncIOScheduler,
) -> None:
    zone = timezone(INDIA, "IST")
    scheduler.add_job(added_tasks.note, "cron", hour=9, timezone=zone, id="declared")
    jobs = scheduler.get_jobs()
    async with scheduler:
        scheduler.add_job(added_tasks.note, "cron", hour=9, timezone=zone, id="added")
    declared = Declared(jobs, scheduler.defaults, scheduler.settings.allowed_functions)
    rows = {row["id"]: row for row in job_rows(scheduler.ledger, declared)}
    assert {row["timezone"] for row in rows.values()} == {"UTC+05:30"}
    begin = ticks.now()
    planned = coming(
        scheduler.ledger, declared, begin, begin + ticks.DAY, 10, max_workers=4, group_limits={}
    ).ticks
    assert [tick["tick"] for tick in planned] == [rows["added"]["next_run"]] * 2
    assert datetime.fromisoformat(planned[0]["tick"]).strftime("%H:%M") == "03:30"
    in_code = {job.id: job for job in jobs}
    for job_id in rows:
        told = why(scheduler.ledger, job_id, None, None, in_code, None, scheduler.settings)
        assert "09:00:00 UTC+05:30" in " ".join(told.sentences)


async def test_the_zone_of_the_machine_now_is_an_offset(machine: str, tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_TIMEZONE="America/New_York"):
        zone = datetime.now().astimezone().tzinfo
        assert zone is not None
        offset = zone.utcoffset(None)
        assert offset is not None
        client = SchedulerClient()
        client.add_job(added_tasks.note, "cron", hour=9, timezone=zone, id="added")
        [job] = client.get_jobs()
        assert next_tick(job).time() == (datetime(2027, 1, 1, 9) - offset).time()
        assert job.schedule.zone_name == str(timezone(offset))


def test_a_real_zone_stays_by_its_name(scheduler: AsyncIOScheduler, machine: str) -> None:
    pytz, dateutil = pytest.importorskip("pytz"), pytest.importorskip("dateutil.tz")
    same = {
        "Europe/Berlin": [ZoneInfo("Europe/Berlin"), pytz.timezone("Europe/Berlin"),
                          dateutil.gettz("Europe/Berlin"), "Europe/Berlin"],
        "UTC": [UTC, pytz.utc, dateutil.UTC, "UTC", timezone(timedelta(0), "GMT"), ZoneInfo("UTC")],
        "Etc/GMT-2": [ZoneInfo("Etc/GMT-2"), pytz.timezone("Etc/GMT-2")],
        "CET": [ZoneInfo("CET"), "CET"],
        machine: [dateutil.tzlocal()],
    }  # fmt: skip
    for name, zones in same.items():
        for index, zone in enumerate(zones):
            job = scheduler.add_job(print, "cron", hour=9, timezone=zone, id=f"{name}-{index}")
            assert job.schedule.zone_name == restored(job).zone_name
            if name == machine and name == "Asia/Kolkata":
                # No daylight saving there: an offset.
                assert job.schedule.zone_name == "UTC+05:30"
            else:
                assert job.schedule.zone_name == name


@pytest.mark.parametrize(
    "offset", ["+01:00", "-03:00", "-09:30", "+05:45", "+14:00", "+00:53:28", "-00:00:00.000001"]
)
def test_every_offset_is_found_again(scheduler: AsyncIOScheduler, offset: str) -> None:
    sign = -1 if offset[0] == "-" else 1
    hours, minutes, *seconds = offset[1:].split(":")
    zone = timezone(
        sign * timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds[0]) if seconds else 0)
    )
    job = scheduler.add_job(print, "cron", hour=9, timezone=zone)
    assert restored(job).ticks.canonical == job.definition
    assert restored(job).zone == zone


@pytest.mark.parametrize("zone", ["Foo/Bar", "", 5, 5.5, object])
def test_what_is_no_zone_is_one_sentence(scheduler: AsyncIOScheduler, zone: Any) -> None:
    for declare in (
        lambda: scheduler.add_job(print, "cron", hour=9, timezone=zone),
        lambda: AsyncIOScheduler(timezone=zone),
    ):
        with pytest.raises(ScheduleError, match=r"test_zones.py:\d+: .*timezone=.* is not an IANA time zone"):
            declare()


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("PST", "; did you mean 'America/Los_Angeles'?"), ("CEST", "; did you mean 'Europe/Berlin'?"),
        ("IST", "; did you mean 'Asia/Kolkata'?"), ("BST", "; did you mean 'Europe/London'?"),
        ("EDT", "; did you mean 'America/New_York'?"), ("Mumbai", "; did you mean 'Asia/Kolkata'?"),
        ("UTC+2", "; did you mean 'Etc/GMT-2' (there the sign is reversed)?"),
        ("GMT-5", "; did you mean 'Etc/GMT+5' (there the sign is reversed)?"),
        ("Europe/Berln", "; did you mean 'Europe/Berlin'?"),
        ("new york", "; did you mean 'America/New_York'?"),
        ("ET", "; did you mean 'America/New_York'?"), ("GST", "; did you mean 'Asia/Dubai'?"),
        ("UTC+5:30", "; did you mean 'Asia/Kolkata'?"), ("+05:30", "; did you mean 'Asia/Kolkata'?"),
        ("Rom", "; did you mean 'Europe/Rome'?"), ("Etc/GMT+20", ""), ("UTC+7:10", ""),
        ("XYZ", ""), ("local", ""), ("Nagpur", ""),
    ],
)  # fmt: skip
def test_a_wrong_zone_gets_the_same_hint_wherever_it_is_written(
    tmp_path: Path, written: str, hint: str
) -> None:
    sentence = f"{written!r} is not an IANA time zone such as Europe/Berlin{hint}"
    with pytest.raises(ConfigurationError) as refusal:
        SchedulerSettings(scheduler_timezone=written)
    assert str(refusal.value) == f"SCHEDULER_TIMEZONE: {sentence}"
    with scheduler_settings(tmp_path):
        scheduler = AsyncIOScheduler()
        for declare in (
            lambda: AsyncIOScheduler(timezone=written),
            lambda: scheduler.add_job(print, "cron", hour=9, timezone=written),
            lambda: scheduler.add_job(print, "date", run_date="2027-01-01", timezone=written),
            lambda: SchedulerClient().add_job(added_tasks.note, "cron", hour=9, timezone=written),
        ):
            with pytest.raises(ScheduleError) as refusal:
                declare()
            assert str(refusal.value).endswith(f"timezone={sentence}")


@pytest.fixture(params=["IST-5:30", "CET-1CEST"])
def nameless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A machine whose zone has no name."""
    monkeypatch.setenv("TZ", request.param)
    monkeypatch.setattr("tzlocal.unix._cache_tz", None)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_a_machine_whose_zone_has_no_name_reads_the_same_schedule(nameless: str, tmp_path: Path) -> None:
    dateutil = pytest.importorskip("dateutil.tz")
    with scheduler_settings(tmp_path, SCHEDULER_TIMEZONE="Europe/Berlin"), marked():
        scheduler = AsyncIOScheduler()
        for trigger in (
            CronTrigger(hour=9),
            CronTrigger(hour=9, end_date="2040-01-01"),
            CalendarIntervalTrigger(days=1, hour=9),
            DateTrigger(datetime(2027, 7, 1, 9)),
        ):
            job = scheduler.add_job(print, trigger, id=f"job {len(scheduler.get_jobs())}")
            assert (next_tick(job).hour, job.schedule.zone_name) == (7, "Europe/Berlin")
        zone = timezone(INDIA, "IST")
        for given in (
            CronTrigger(hour=9, timezone=zone),
            CronTrigger(hour=9, timezone=ZoneInfo("Asia/Kolkata")),
        ):
            job = scheduler.add_job(print, given, id=f"job {len(scheduler.get_jobs())}")
            assert next_tick(job) == NINE
        if nameless == "IST-5:30":
            job = scheduler.add_job(print, "cron", hour=9, timezone=dateutil.tzlocal(), id="the machine's")
            assert next_tick(job) == NINE
        else:
            with pytest.raises(ScheduleError, match="has no IANA name, nor the same offset at all times"):
                scheduler.add_job(print, "cron", hour=9, timezone=dateutil.tzlocal())


@pytest.mark.parametrize("name", ["localtime", "Factory", "right/Europe/Berlin", "posix/UTC", "posixrules"])
def test_a_name_that_means_something_else_elsewhere_is_no_zone(
    scheduler: AsyncIOScheduler, name: str
) -> None:
    with pytest.raises(ScheduleError, match=f"timezone='{name}' is not an IANA time zone"):
        scheduler.add_job(print, "cron", hour=9, timezone=name)
    with pytest.raises(ConfigurationError, match=f"SCHEDULER_TIMEZONE: '{name}' is not an IANA time zone"):
        SchedulerSettings(scheduler_timezone=name)


@pytest.mark.parametrize("name", ["localtime", "posixrules", "posix/Europe/Berlin"])
def test_a_name_of_the_machine_is_refused_in_an_object_too(
    scheduler: AsyncIOScheduler, tmp_path: Path, name: str
) -> None:
    berlin = next(
        Path(folder, "Europe/Berlin") for folder in TZPATH if Path(folder, "Europe/Berlin").exists()
    )
    with berlin.open("rb") as file:
        zone = ZoneInfo.from_file(file, key=name)
    with pytest.raises(ScheduleError, match=f"'{name}' is not an IANA time zone such as"):
        scheduler.add_job(print, CronTrigger(hour=9, timezone=zone))
    with pytest.raises(ScheduleError, match=f"'{name}' is not an IANA time zone such as"):
        scheduler.add_job(print, "cron", hour=9, timezone=zone)

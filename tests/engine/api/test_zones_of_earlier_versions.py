"""Zones in rows that version 0.1.0 wrote, which kept an abbreviation where there was only an offset."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.explain import why
from everytick.model.zone_names import ABBREVIATIONS
from everytick.read.jobs import job_rows
from everytick.read.known_job import Declared

import added_tasks
from ledgers import changing
from test_zones import INDIA, NINE, next_tick


def as_kept_before(scheduler: AsyncIOScheduler, zone: str, **trigger: Any) -> None:
    """Add the job `old`, as version 0.1.0 kept one whose zone calls itself so."""
    with changing(scheduler.ledger) as change:
        read = "SELECT schedule_data, definition FROM scheduler_jobs WHERE job_id = 'old'"
        text, definition = change.execute(read).fetchone()
        data = {**json.loads(text), "zone": zone}
        data.pop("zone_is_iana_name", None)
        data |= trigger
        definition = (
            definition.partition(" zone=")[0] + f" zone={zone}" if "zone=" in definition else definition
        )
        change.execute(
            "UPDATE scheduler_jobs SET schedule_data = ?, definition = ?, zone = ? WHERE job_id = 'old'",
            (json.dumps(data), definition, zone),
        )


@pytest.mark.parametrize(
    ("kept", "hours", "shown"),
    [("EDT", -4, "UTC-04:00"), ("-03", -3, "UTC-03:00"), ("+0545", 5.75, "UTC+05:45"),
     ("CEST", 2, "UTC+02:00"), ("EST", -5, "EST"), ("GMT", 0, "GMT"),
     ("JST", 9, "UTC+09:00"), ("UTC-03:00", -3, "UTC-03:00")],
)  # fmt: skip
async def test_a_kept_abbreviation_is_read_as_what_it_can_only_have_meant(
    scheduler: AsyncIOScheduler, kept: str, hours: float, shown: str
) -> None:
    zone = timezone(timedelta(hours=hours))
    SchedulerClient().add_job(added_tasks.note, "cron", hour="*", minute=7, timezone=zone, id="old")
    as_kept_before(scheduler, kept)
    async with scheduler:
        [job] = scheduler.get_jobs()
        assert job.schedule.zone_name == shown
        assert job.schedule.zone.utcoffset(datetime(2027, 7, 1)) == timedelta(hours=hours)
        # The very definition that the ledger has: it goes on, and is not changed.
        with changing(scheduler.ledger) as change:
            assert change.execute("SELECT definition FROM scheduler_jobs").fetchone()[0] == job.definition
        scheduler.modify_job("old", name="other")
        assert scheduler.get_jobs()[0].definition == job.definition
    async with AsyncIOScheduler() as again:
        assert [job.definition for job in again.get_jobs()] == [job.definition]


async def test_the_offset_of_an_ambiguous_abbreviation_may_follow_from_its_times(
    scheduler: AsyncIOScheduler,
) -> None:
    client, zone = SchedulerClient(), timezone(INDIA)
    client.add_job(added_tasks.note, "date", run_date=NINE, timezone=zone, id="old")
    as_kept_before(scheduler, "IST", text="date[2027-07-01 09:00:00 IST]")
    assert client.get_jobs()[0].schedule.zone_name == "UTC+05:30"
    client.add_job(added_tasks.note, "interval", weeks=1, timezone=zone, id="old", replace_existing=True)
    as_kept_before(scheduler, "IST")
    assert client.get_jobs()[0].schedule.zone_name == "UTC+05:30"
    client.add_job(added_tasks.note, "interval", weeks=1, start_date=NINE, id="old", replace_existing=True)
    as_kept_before(scheduler, "IST")
    [job] = client.get_jobs()
    assert (job.schedule.zone_name, next_tick(job)) == ("UTC", NINE)


@pytest.mark.parametrize(
    ("kept", "said"),
    [("IST", "may mean UTC+01:00 or UTC+02:00 or UTC+05:30"), ("PST", "may mean UTC-08:00 or UTC+08:00"),
     ("our office", "is not known")],
)  # fmt: skip
def test_an_abbreviation_that_may_mean_several_zones_is_reported(
    scheduler: AsyncIOScheduler, kept: str, said: str
) -> None:
    from everytick.doctor import examine

    SchedulerClient().add_job(added_tasks.note, "cron", hour=9, id="old")
    as_kept_before(scheduler, kept)
    nothing = Declared([], scheduler.defaults, scheduler.settings.allowed_functions)
    [row] = job_rows(scheduler.ledger, nothing)
    sentence = (
        f"its time zone was kept as {kept!r}, which {said}: add the job anew with replace_existing=True and"
    )
    assert str(row["problem"]).startswith(sentence)
    [found] = [finding for finding in examine(lambda: nothing) if finding.check == "zone"]
    assert (found.level, sentence in found.what) == ("error", True)
    told = why(scheduler.ledger, "old", None, None, {}, None, scheduler.settings)
    assert f"The job cannot run here: {sentence}" in " ".join(told.sentences)
    # What the sentence says is a way out.
    SchedulerClient().add_job(
        added_tasks.note, "cron", hour=9, id="old", timezone="Asia/Kolkata", replace_existing=True
    )
    assert job_rows(scheduler.ledger, nothing)[0]["problem"] is None


def test_a_kept_name_that_was_perhaps_an_offset_is_reported(scheduler: AsyncIOScheduler) -> None:
    from everytick.doctor import examine

    def reported() -> list[str]:
        nothing = Declared([], scheduler.defaults, scheduler.settings.allowed_functions)
        return [finding.what for finding in examine(lambda: nothing) if finding.check == "zone"]

    SchedulerClient().add_job(added_tasks.note, "cron", hour=9, timezone="CET", id="old")
    assert reported() == []
    as_kept_before(scheduler, "CET")
    [what] = reported()
    assert "job old runs in the zone CET, which has daylight saving time" in what
    assert "UTC+01:00" in what


def test_the_known_abbreviations_are_those_of_the_time_zone_database() -> None:
    found: dict[str, set[float]] = {}
    for name in available_timezones():
        for month in (1, 7):
            moment = datetime(2026, month, 1, tzinfo=ZoneInfo(name))
            offset, short = moment.utcoffset(), moment.tzname()
            if offset is not None and short and short.isalpha() and name not in ("Factory", "localtime"):
                found.setdefault(short, set()).add(offset.total_seconds() / 3_600)
    for short, hours in found.items():
        assert set(ABBREVIATIONS[short]) >= hours, short

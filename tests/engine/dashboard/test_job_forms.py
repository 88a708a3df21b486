"""What the fields of a change hold of the schedule that a job has, and that the same comes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from everytick import AsyncIOScheduler
from everytick.api.offered_jobs import OfferedJobs
from everytick.dashboard.forms import Form
from everytick.dashboard.job_forms import field_type, schedule_fields, wanted

import offered_tasks
from histories import prepared

BERLIN = {"timezone": "Europe/Berlin"}


@pytest.fixture
def jobs(scheduler: AsyncIOScheduler) -> OfferedJobs:
    scheduler.offer(offered_tasks.sweep)
    prepared(scheduler)
    return OfferedJobs(scheduler.offers, "Anna")


@pytest.mark.parametrize(
    ("trigger", "arguments"),
    [
        ("cron", {"hour": 9, "minute": "*/15", "day_of_week": "mon-fri", **BERLIN}),
        ("cron", {"hour": 9, "start_date": "2027-01-01", "end_date": "2028-01-01T12:00", "jitter": 30}),
        ("cron", {"day": "first workday", "hour": 9, **BERLIN}),
        ("cron", {"hour": 9, "exclude": ["sat-sun", ("2099-12-24", "2099-12-31")]}),
        ("interval", {"weeks": 1, "hours": 2, "seconds": 3, **BERLIN}),
        ("interval", {"seconds": 0.5, "start_date": "2027-01-01T12:00:00+01:00"}),
        ("date", {"run_date": "2099-12-24T18:00:00", **BERLIN}),
        ("date", {"run_date": datetime(2099, 12, 24, 18, 0, 0, 123456, UTC), **BERLIN}),
        ("date", {"run_date": datetime(2099, 10, 25, 0, 30, tzinfo=UTC), **BERLIN}),
        ("calendarinterval", {"months": 1, "weeks": 1, "hour": 7, "minute": 30, **BERLIN}),
        ("calendarinterval", {"years": 2, "start_date": "2027-01-31", "end_date": "2090-01-01"}),
    ],
)
def test_the_fields_of_a_schedule_mean_the_same_schedule(
    jobs: OfferedJobs, scheduler: AsyncIOScheduler, trigger: str, arguments: dict[str, Any]
) -> None:
    job = jobs.add_job(offered_tasks.sweep, trigger, id="s", **arguments)
    fields = {"trigger": trigger, **schedule_fields(job.schedule)}
    offer = scheduler.offers["offered_tasks:sweep"]
    asked = wanted(Form({name: [value] for name, value in fields.items()}), offer)
    assert jobs.draft_change("s", asked).job.definition == job.definition


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("date", "", "date"),
        ("date", "2026-12-24", "date"),
        ("date", "20261224", "text"),
        ("datetime", "2026-12-24T18:00", "datetime-local"),
        ("datetime", "2026-12-24T18:00:00", "datetime-local"),
        ("datetime", "2026-12-24T18:00:00.123456", "text"),
        ("datetime", "2026-12-24T18:00:00+01:00", "text"),
        ("integer", "7", "text"),
    ],
)
def test_a_value_that_a_browser_would_not_show_has_a_field_of_text(
    kind: str, value: str, expected: str
) -> None:
    assert field_type(kind, value) == expected


def test_a_schedule_of_several_triggers_stays_as_it_is(jobs: OfferedJobs) -> None:
    both = OrTrigger([CronTrigger(hour=9), CronTrigger(day=1, hour=10)])
    job = jobs.add_job(offered_tasks.sweep, both, id="s")
    assert schedule_fields(job.schedule) == {"timezone": "UTC"}

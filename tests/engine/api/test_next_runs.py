"""When a job runs next, as code is told it, and what changes that."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler import events
from apscheduler.jobstores.base import JobLookupError
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick.model import ticks
from everytick.model.job import Job

import added_tasks
from inside import rows, until

TOKYO = ZoneInfo("Asia/Tokyo")
INDIA = timezone(timedelta(hours=5, minutes=30))


def printed(scheduler: AsyncIOScheduler) -> dict[str, str]:
    """Return what `print_jobs` says of each job."""
    out = io.StringIO()
    scheduler.print_jobs(out=out)
    return dict(line.split(": ", 1) for line in out.getvalue().splitlines())


def next_run(job: Job) -> Any:
    return job.next_run_time


async def test_a_paused_job_has_no_next_run(scheduler: AsyncIOScheduler) -> None:
    job = scheduler.add_job(added_tasks.note, "cron", hour=9, timezone="Asia/Tokyo", id="declared")
    first = scheduler.add_job(added_tasks.note, "cron", hour=9, id="at first", next_run_time=None)
    assert next_run(first) is None
    assert printed(scheduler)["at first"].endswith(", paused)")
    assert next_run(job) is not None
    assert next_run(job).tzinfo is TOKYO
    scheduler.pause_job("declared")
    assert next_run(job) is None
    scheduler.add_job(added_tasks.note, "date", run_date="2000-01-01", id="over")
    scheduler.add_job(added_tasks.note, id="start")
    async with scheduler:
        added = scheduler.add_job(added_tasks.note, "cron", hour=9, timezone=INDIA, id="added")
        other = SchedulerClient()

        def seen(job_id: str) -> list[Any]:
            there = [scheduler.get_job(job_id), other.get_job(job_id)]
            return [job.next_run_time for job in there if job is not None]

        assert next_run(job) is None
        assert next_run(first) is None
        scheduler.resume_job("declared")
        assert next_run(job) == job.ticks_between(*day(job))[0]
        for pause in (
            added.pause,
            lambda: scheduler.pause_job("added"),
            lambda: scheduler.pause_job("added", until=datetime.now(UTC) + timedelta(hours=50)),
            lambda: other.pause_job("added"),
        ):
            pause()
            assert (seen("added"), next_run(added)) == ([None, None], None)
            assert printed(scheduler)["added"].endswith(", paused)")
            added.resume()
            assert seen("added") == [added.ticks_between(*day(added))[0]] * 2
        assert "next run at: " in printed(scheduler)["added"]
        assert printed(scheduler)["added"].endswith(" 09:00:00 UTC+05:30)")
        assert printed(scheduler)["over"].endswith(", never again)")
        assert printed(scheduler)["start"].endswith(", at each start)")
        # A pause with an end is over then, for all.
        scheduler.pause_job("added", until=datetime.now(UTC) + timedelta(seconds=0.3))
        assert next_run(added) is None
        await asyncio.sleep(0.4)
        assert next_run(added) is not None
    # Over a restart too.
    SchedulerClient().pause_job("added")
    async with AsyncIOScheduler() as again:
        [kept] = again.get_jobs()
        assert (kept.id, next_run(kept)) == ("added", None)


def day(_job: Job) -> tuple[datetime, datetime]:
    now = ticks.moment(ticks.now())
    return now, now + timedelta(days=1)


async def test_a_job_that_another_process_added_is_like_any_other(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        SchedulerClient().add_job(added_tasks.note, "cron", hour=9, id="job")
        job = await until(lambda: scheduler.get_job("job"))
        assert next_run(job) is not None
        job.pause()
        assert next_run(job) is None
        [same] = scheduler.get_jobs()
        same.resume()
        assert next_run(job) is not None


@pytest.mark.full
async def test_listeners_get_times_in_the_zone_of_the_job(scheduler: AsyncIOScheduler) -> None:
    heard: dict[int, list[Any]] = {}
    scheduler.add_listener(lambda event: heard.setdefault(event.code, []).append(event), events.EVENT_ALL)
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    scheduler.add_job(added_tasks.note, "date", run_date=soon.astimezone(TOKYO), timezone=TOKYO, id="tokyo")
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", seconds=0.5, timezone=INDIA, id="india")
        client = SchedulerClient()
        client.add_job(
            added_tasks.note, "date", run_date=soon - timedelta(hours=1), timezone=TOKYO, id="late"
        )
        await until(lambda: len(rows(scheduler, "succeeded")) > 2 and events.EVENT_JOB_MISSED in heard)
        scheduler.run_job_now("india")
        await until(lambda: [row for row in rows(scheduler, "succeeded") if row["kind"] == "manual"])
    zones = {"tokyo": timedelta(hours=9), "late": timedelta(hours=9), "india": timedelta(hours=5.5)}
    submitted = heard[events.EVENT_JOB_SUBMITTED]
    executed = heard[events.EVENT_JOB_EXECUTED] + heard[events.EVENT_JOB_MISSED]
    assert {event.job_id for event in executed} == set(zones)
    for event in submitted:
        assert event.scheduled_run_times[0].utcoffset() == zones[event.job_id]
    for event in executed:
        assert event.scheduled_run_time.utcoffset() == zones[event.job_id]
    [of_tokyo] = [event for event in executed if event.job_id == "tokyo"]
    assert abs(of_tokyo.scheduled_run_time - soon) < timedelta(seconds=10)


async def test_a_next_run_time_is_changed_otherwise(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        job = scheduler.add_job(added_tasks.note, "cron", hour=9, id="it's")
        soon = datetime.now(UTC)
        for change in (
            lambda given: scheduler.modify_job("it's", next_run_time=given),
            lambda given: scheduler.modify_job("it's", name="other", next_run_time=given),
            lambda given: job.modify(next_run_time=given),
            lambda given: SchedulerClient().modify_job("it's", next_run_time=given),
            lambda given: scheduler.reschedule_job("it's", trigger="cron", hour=5, next_run_time=given),
            lambda given: scheduler.reschedule_job("it's", next_run_time=given),
            lambda given: job.reschedule("cron", hour=5, next_run_time=given),
            lambda given: SchedulerClient().reschedule_job("it's", trigger="date", next_run_time=given),
        ):
            for given in (soon, "now"):
                said = refused(change, given)
                assert "_job takes no next_run_time=, since a job runs when its trigger says" in said
                assert 'write run_job_now("it\'s") for a run now, resume_job("it\'s") to end a pause' in said
            assert refused(change, None).endswith('write pause_job("it\'s") to pause the job')
        assert scheduler.get_job("it's") == job


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        (
            "reschedule_job",
            {"trigger": "cron", "max_instances": 2},
            "write modify_job('job', max_instances=...)",
        ),
        ("reschedule_job", {"trigger": "cron", "args": [1]}, "write modify_job('job', args=...)"),
        (
            "reschedule_job",
            {"trigger": "cron", "id": "other"},
            "takes no id=: remove the job and add it anew",
        ),
        ("reschedule_job", {"trigger": "cron", "hours": 5}, "; did you mean 'hour'?"),
        ("modify_job", {"hour": 5}, "write reschedule_job('job', trigger=..., hour=...)"),
        ("modify_job", {"run_date": "2027-01-01"}, "write reschedule_job('job', trigger=..., run_date=...)"),
        ("modify_job", {"id": "other"}, "takes no id=: remove the job and add it anew"),
        ("modify_job", {"max_instance": 2}, "; did you mean 'max_instances'?"),
    ],
)
async def test_what_one_method_does_not_take_another_does(
    scheduler: AsyncIOScheduler, method: str, given: dict[str, Any], said: str
) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "cron", hour=9, id="job")
        sentence = refused(lambda given: getattr(scheduler, method)("job", **given), given)
        assert said in sentence
        name = list(given)[-1]
        assert f"did you mean '{name}'" not in sentence


def refused(change: Any, given: Any) -> str:
    with pytest.raises(ScheduleError) as refusal:
        change(given)
    assert "test_next_runs.py:" in str(refusal.value)
    return str(refusal.value)


async def test_no_way_is_named_that_is_refused_as_well(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(added_tasks.note, "cron", hour=9, id="code")
    async with scheduler:
        for control in (scheduler, SchedulerClient()):
            for method, given in (
                ("modify_job", {"hour": 5}),
                ("modify_job", {"id": "other"}),
                ("reschedule_job", {"trigger": "cron", "args": [1]}),
            ):
                with pytest.raises(ScheduleError, match="'code' stands in the schedule's code"):
                    getattr(control, method)("code", **given)
                with pytest.raises(JobLookupError, match="no job 'gone'"):
                    getattr(control, method)("gone", **given)
            # A job in the code can be paused as well.
            with pytest.raises(ScheduleError, match=r"write pause_job\('code'\) to pause the job"):
                control.modify_job("code", next_run_time=None)
            with pytest.raises(JobLookupError, match="no job 'gone'"):
                control.modify_job("gone", next_run_time=None)

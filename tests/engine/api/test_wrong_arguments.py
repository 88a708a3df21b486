"""Arguments of a wrong kind, which are told in a sentence wherever they are given."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient

import added_tasks

NO_TEXT = [5, True, math.nan, b"\xff", [], {}, ("a",), ..., datetime(2027, 1, 1), print]
FAR = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))


@pytest.fixture(params=["scheduler", "client"])
async def control(scheduler: AsyncIOScheduler, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="job")
        yield scheduler if request.param == "scheduler" else SchedulerClient()


@pytest.mark.parametrize("wrong", NO_TEXT, ids=repr)
async def test_an_id_or_a_note_that_is_no_text_is_one_sentence(control: Any, wrong: Any) -> None:
    assert control.get_job(wrong) is None
    for method in (control.pause_job, control.resume_job, control.remove_job, control.run_job_now):
        refused(partial(method, wrong), "there is no job")
        refused(partial(method, "job", note=wrong), f"note={wrong!r} must be text")
    [job] = control.get_jobs()
    # Nothing was changed by what was refused.
    assert job.id == "job"
    assert job.next_run_time is not None


@pytest.mark.parametrize("wrong", [*NO_TEXT[2:], "1", "a\ud800", "\0", -1, 10**30], ids=repr)
async def test_the_number_of_a_run_that_is_none_is_one_sentence(control: Any, wrong: Any) -> None:
    said = "there is no run" if isinstance(wrong, int) else "number of a run such as"
    refused(partial(control.cancel_run, wrong), said)
    refused(partial(control.retry_run, wrong), said)


async def test_a_time_at_the_end_of_the_calendar_is_one_sentence(control: Any) -> None:
    refused(partial(control.pause_job, "job", until=FAR), f"until={FAR} is too far away")
    refused(partial(control.run_job_now, "job", tick=FAR), f"tick={FAR} is too far away")


async def test_a_calendar_without_a_length_is_one_sentence(control: Any) -> None:
    lengths: list[dict[str, Any]] = [{"days": None}, {"days": 0}, {}]
    for given in lengths:
        refused(partial(control.add_job, added_tasks.note, "calendarinterval", **given), "calendarinterval")


def test_options_that_are_no_dict_are_one_sentence() -> None:
    options: list[Any] = ["Europe/Berlin", 5, [1], {1}]
    for wrong in options:
        refused(partial(AsyncIOScheduler, wrong), "the first argument of AsyncIOScheduler is a dict")
        refused(partial(AsyncIOScheduler, job_defaults=wrong), f"job_defaults={wrong!r} must be a dict")


def refused(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        call()
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("field", ["second", "day", "month"])
async def test_a_cron_field_has_at_most_500_characters(control: Any, field: str) -> None:
    fits, too_long = ",".join(["1"] * 250), ",".join(["1"] * 251)
    control.add_job(added_tasks.note, "cron", **{field: fits}, id="fits")
    said = f"{field}= has 501 characters, and a cron field at most 500"
    refused(partial(control.add_job, added_tasks.note, "cron", **{field: too_long}), said)
    made = CronTrigger(**{field: too_long}, timezone="UTC")
    for trigger in (made, OrTrigger([made])):
        refused(partial(control.add_job, added_tasks.note, trigger), said)
    assert {job.id for job in control.get_jobs()} == {"job", "fits"}


def test_a_crontab_line_has_no_longer_fields_either() -> None:
    line = CronTrigger.from_crontab(f"{','.join(['1'] * 251)} 3 * * *", timezone="UTC")
    refused(partial(AsyncIOScheduler().add_job, added_tasks.note, line), "minute= has 501 characters")

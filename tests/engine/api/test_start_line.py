"""The log line of a start."""

from __future__ import annotations

from typing import Any

from everytick import AsyncIOScheduler, SchedulerClient
from everytick.api.service import start_line

from histories import prepared


def nothing() -> None:
    """The body of all jobs."""


async def jobs_in_line(scheduler: AsyncIOScheduler) -> str:
    async with scheduler:
        return start_line(scheduler).rpartition(" | ")[2]


async def test_many_jobs_are_one_short_line(scheduler: AsyncIOScheduler) -> None:
    for number in range(20):
        scheduler.add_job(
            nothing, "cron", month=1, day=1, hour=3, id=f"a_job_with_quite_a_long_name_{number}"
        )
    scheduler.add_job(nothing, "interval", hours=1, id="water_the_plants")
    prepared(scheduler)
    SchedulerClient().pause_job("a_job_with_quite_a_long_name_7")
    found = await jobs_in_line(scheduler)
    assert found.startswith("21 jobs: next water_the_plants in ")
    assert found.endswith(", 1 paused")


async def test_jobs_without_a_tick_are_counted_alone(scheduler: AsyncIOScheduler) -> None:
    assert await jobs_in_line(scheduler) == "0 jobs"


async def test_a_job_of_each_start_has_no_next_tick(scheduler: AsyncIOScheduler, clock: Any) -> None:
    scheduler.add_job(nothing, id="at_start")
    assert await jobs_in_line(scheduler) == "1 job"

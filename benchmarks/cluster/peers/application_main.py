"""The schedule of the rendered application: one job for each instant of the load."""

import json
import os
from datetime import UTC, datetime, timedelta

from everytick import AsyncIOScheduler

from app.services.work import work


def create_scheduler() -> AsyncIOScheduler:
    """Create and configure the scheduler with all jobs."""
    scheduler = AsyncIOScheduler()
    number = 0
    with open(os.environ["BENCH_LOAD"], encoding="utf-8") as file:
        load = json.load(file)
    for due, count, *each_second in load:
        # Else an interval from then on that is so long that the job is due once.
        interval = {"seconds": 1} if each_second else {"hours": 24}
        first = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=due)
        for _ in range(count):
            scheduler.add_job(work, "interval", **interval, start_date=first, id=f"job-{number}")
            number += 1
    return scheduler

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
    for due, count in load:
        # An interval from then on that is so long that the job is due once.
        first = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=due)
        for _ in range(count):
            scheduler.add_job(work, "interval", hours=24, start_date=first, id=f"job-{number}")
            number += 1
    return scheduler

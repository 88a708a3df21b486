"""Your schedule: the jobs of the benchmark, declared as a user would."""

from datetime import UTC, datetime

from apscheduler.events import EVENT_SCHEDULER_STARTED
from everytick import AsyncIOScheduler

from app.services.recording import coroutine, cron_fields, ready, starts, work


def create_scheduler() -> AsyncIOScheduler:
    """Create and configure the scheduler with all jobs."""
    scheduler = AsyncIOScheduler()
    given = work()
    for number, first in enumerate(starts(given)):
        if given.get("cron"):
            scheduler.add_job(coroutine, "cron", args=[number], id=f"job-{number}", **cron_fields(number))
            continue
        scheduler.add_job(
            coroutine,
            trigger="interval",
            seconds=1,
            start_date=datetime.fromtimestamp(first, UTC).isoformat(),
            args=[number],
            id=f"job-{number}",
        )
    scheduler.add_listener(lambda event: ready(), EVENT_SCHEDULER_STARTED)
    return scheduler

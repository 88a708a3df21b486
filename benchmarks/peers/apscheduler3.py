"""APScheduler 3.11 as its documentation shows it; `url` says where the jobs are kept."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime

from apscheduler.events import EVENT_SCHEDULER_STARTED
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from recording import coroutine, cron_fields, ready, starts, work


async def main() -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    given = work()
    stores = {}
    if given["url"]:
        from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

        stores["default"] = SQLAlchemyJobStore(url=given["url"].replace("postgresql:", "postgresql+psycopg:"))
    scheduler = AsyncIOScheduler(jobstores=stores, timezone=UTC)
    for number, first in enumerate(starts(given)):
        if given.get("cron"):
            scheduler.add_job(coroutine, "cron", args=[number], id=f"job-{number}", **cron_fields(number))
            continue
        scheduler.add_job(
            coroutine,
            "interval",
            seconds=1,
            start_date=datetime.fromtimestamp(first, UTC),
            args=[number],
            id=f"job-{number}",
            replace_existing=True,
        )
    scheduler.add_listener(lambda event: ready(), EVENT_SCHEDULER_STARTED)
    scheduler.start()
    await stop.wait()
    scheduler.shutdown()


asyncio.run(main())

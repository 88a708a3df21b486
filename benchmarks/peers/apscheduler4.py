"""APScheduler 4 (alpha) with its store in memory, as its documentation shows it."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime

from apscheduler import AsyncScheduler
from apscheduler.triggers.interval import IntervalTrigger
from recording import coroutine, ready, starts, work


async def main() -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncScheduler() as scheduler:
        for number, first in enumerate(starts(work())):
            trigger = IntervalTrigger(seconds=1, start_time=datetime.fromtimestamp(first, UTC))
            await scheduler.add_schedule(coroutine, trigger, id=f"job-{number}", args=[number])
        await scheduler.start_in_background()
        ready()
        await stop.wait()


asyncio.run(main())

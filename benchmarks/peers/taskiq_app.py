"""taskiq: its scheduler and a worker (two processes, as shipped) with a stream of Redis between them."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

from recording import ready, record, work
from taskiq import ScheduledTask, ScheduleSource, TaskiqEvents, TaskiqScheduler, TaskiqState
from taskiq_redis import RedisStreamBroker

given = work()
broker = RedisStreamBroker(url=given["url"])


@broker.task(task_name="body")
async def body(number: int) -> None:
    """The body of each job."""
    record(number)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def worker_is_ready(state: TaskiqState) -> None:
    """One of the two processes of the worker takes tasks."""
    ready(uuid4().hex, 3)


class Jobs(ScheduleSource):
    """All jobs, from just before the first tick."""

    async def startup(self) -> None:
        """Wait for the first tick: intervals count from now."""
        ready("scheduler", 3)
        await asyncio.sleep(max(0.0, given["first"] - 0.5 - time.time()))

    async def get_schedules(self) -> list[ScheduledTask]:
        """Return all jobs."""
        return [
            ScheduledTask(
                task_name="body", labels={}, args=[number], kwargs={}, interval=1, schedule_id=f"job-{number}"
            )
            for number in range(given["jobs"])
        ]


scheduler = TaskiqScheduler(broker, [Jobs()])

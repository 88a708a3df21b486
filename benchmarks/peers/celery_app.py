"""Celery: beat and a worker with Redis between them, as shipped (the worker has a process for each core).

Celery counts an interval from when beat started; so that ticks are whole seconds as everywhere here, the
schedule is a class of its own, which is what Celery provides for that.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from celery import Celery
from celery.schedules import schedstate, schedule
from celery.signals import beat_init, worker_ready
from recording import ready, record, starts, work

given = work()
app = Celery("celery_app", broker=given["url"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True, timezone="UTC")


class Aligned(schedule):
    """Each second after a first instant."""

    def __init__(self, first: float = 0.0) -> None:
        super().__init__(run_every=timedelta(seconds=1))
        self.first = first

    def is_due(self, last_run_at: datetime) -> Any:
        """Return whether a tick has passed since the last run, and in how many seconds the next one is."""
        now = time.time()
        if now < self.first:
            return schedstate(False, self.first - now)
        last = last_run_at.timestamp()
        tick = self.first + (now - self.first) // 1.0
        return schedstate(last < tick, tick + 1.0 - now)

    def __reduce__(self) -> Any:
        return type(self), (self.first,)


@app.task(name="body")
def body(number: int) -> None:
    """The body of each job."""
    record(number)


app.conf.beat_schedule = {
    f"job-{number}": {"task": "body", "schedule": Aligned(first), "args": (number,)}
    for number, first in enumerate(starts(given))
}


@beat_init.connect
def beat_is_ready(**about: Any) -> None:
    """Beat has its schedule."""
    ready("beat", 2)


@worker_ready.connect
def worker_is_ready(**about: Any) -> None:
    """The worker takes tasks."""
    ready("worker", 2)

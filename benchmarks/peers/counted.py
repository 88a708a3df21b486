"""A fixed amount of work, for counting: a number of jobs that are all due once, at one instant.

`counted.py ours|apscheduler JOBS LEAD [calls]`: LEAD is in how many seconds they are due. With `calls` the
calls of functions, those of Python and those of C, are counted and printed.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any


class Done:
    """Counts the runs."""

    def __init__(self, jobs: int) -> None:
        self.left, self.all = jobs, asyncio.Event()

    def one(self) -> None:
        """One run more."""
        self.left -= 1
        if not self.left:
            self.all.set()


done: Done


async def body() -> None:
    """The body of each job."""
    done.one()


def scheduler(which: str) -> Any:
    """Return a scheduler of one kind, whose runs may be as late as they like."""
    if which == "ours":
        from everytick import AsyncIOScheduler as Ours
        from everytick.system import STOP_SIGNALS, system

        # As `run` does: after each run it is looked whether they are still heard.
        for number in STOP_SIGNALS:
            system.on_signal(number, lambda: None)
        return Ours(job_defaults={"misfire_grace_time": None})
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    return AsyncIOScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None})


async def main(which: str, jobs: int, lead: int) -> None:
    """Run each job once."""
    global done
    done = Done(jobs)
    made = scheduler(which)
    due = datetime.fromtimestamp(int(time.time()) + lead, UTC)
    for number in range(jobs):
        made.add_job(body, "interval", days=1, start_date=due, id=f"job-{number}")
    made.start()
    if datetime.now(UTC) > due:
        sys.exit("it was ready only after its jobs were due: give it more seconds")
    await done.all.wait()
    if which == "ours":
        await made.drain()
    else:
        made.shutdown()


_calls = itertools.count()


def _seen(_frame: Any, event: str, _argument: Any) -> None:
    # The counter's own step is no call of Python's, and not to be interrupted by another thread.
    if event in ("call", "c_call"):
        next(_calls)


counting = sys.argv[4:] == ["calls"]
if counting:
    threading.setprofile(_seen)
    sys.setprofile(_seen)
asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
if counting:
    sys.setprofile(None)
    print(next(_calls))

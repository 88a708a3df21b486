"""Where code finds itself: in which run, which is no parameter of the task, and on which event loop."""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from datetime import datetime

from everytick.model import ticks
from everytick.model.job import Job


@dataclass(slots=True)
class Cancellation:
    """Whether the cancellation of a run was requested: set once, and read from any thread.

    why: as the outcome says it.
    """

    requested: bool = False
    why: str = ""


@dataclass(frozen=True)
class Run:
    """The run in which a task finds itself. Datetimes are in the job's zone.

    tick: the instant for which it runs; None for kind `startup`, and for most of kind `manual`.
    attempt: 1, and one more for each retry and each new start after a crash.
    deadline: when the job's `timeout` ends the attempt; None without one.

    Example:
        from everytick import Run

        def describe(run: Run) -> str:
            return f"{run.job_id}, attempt {run.attempt}, for {run.tick or 'no tick'}"
    """

    run_id: int
    job_id: str
    kind: str
    tick: datetime | None
    attempt: int
    deadline: datetime | None
    _cancellation: Cancellation = field(default_factory=Cancellation, repr=False, compare=False)

    @property
    def cancel_requested(self) -> bool:
        """Whether this run is to be cancelled: a long function may check it now and then, and end.

        A coroutine need not: it is cancelled.
        """
        return self._cancellation.requested


def describe(
    job: Job,
    run_id: int,
    kind: str,
    tick: int | None,
    attempt: int,
    started: int,
    cancellation: Cancellation | None = None,
) -> Run:
    """Return an attempt of a job as its function finds it. `tick` and `started`: microseconds UTC."""
    zone, timeout = job.schedule.zone, job.options.timeout
    ends = None if timeout is None else started + int(timeout * ticks.SECOND)
    return Run(
        run_id,
        job.id,
        kind,
        None if tick is None else ticks.moment(tick, zone),
        attempt,
        None if ends is None else ticks.moment(ends, zone),
        cancellation or Cancellation(),
    )


_run: ContextVar[Run] = ContextVar("scheduler_run")

set_current_run = _run.set


def run_in(variables: Context) -> Run | None:
    """Return the run that these context variables belong to; None before one has begun."""
    return variables.get(_run)


def current_run() -> Run | None:
    """Return the run that called this, also from functions and threads of `asyncio.to_thread` below it.

    None outside of any run, as in a test that calls the task itself.

    Example:
        from everytick import current_run

        def export() -> None:
            run = current_run()
            if run is not None and run.cancel_requested:
                return
            print("for", run and run.tick)
    """
    return _run.get(None)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs on this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

"""Where code finds itself: in which run, which is no parameter of the task, and on which event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import NamedTuple

from everytick.model import ticks
from everytick.model.job import Job
from everytick.store.records import CANCELLED, replaced
from everytick.text.instants import when

# A share that is computed may be beside 0 or 1 by so little.
_ROUNDING = 1e-6


class Progress(NamedTuple):
    """How far a run says that it is, and when it said so, in microseconds UTC. share: 0 to 1."""

    share: float | None
    note: str | None
    at: int


@dataclass(slots=True)
class Signals:
    """What a run and its process tell each other: each part is set by one, and read from any thread.

    cancel_requested: whether the run is to be cancelled. why_cancelled: as its outcome says it. progress:
    None before the run says anything.
    """

    cancel_requested: bool = False
    why_cancelled: str = ""
    progress: Progress | None = None


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
    _signals: Signals = field(default_factory=Signals, repr=False, compare=False)

    @property
    def cancel_requested(self) -> bool:
        """Whether this run is to be cancelled: a long function may check it now and then, and end.

        A coroutine need not: it is cancelled.
        """
        return self._signals.cancel_requested

    def progress(self, share: float | None, note: str | None = None) -> None:
        """Say how far this run is; commands, pages and the API show the latest of it, within about a second.

        It may be called as often as you like, from coroutines, from functions, and from threads that have the
        run: nothing is written before the ledger's next turn. In another process it says nothing to anybody,
        as in a test that calls the task itself.

        Args:
            share: the part that is done, 0 to 1; None where that is not known.
            note: its present step, in a few words, such as "page 12 of 30"; more than 200 characters are
                cut.

        Raises:
            ValueError: `share` is no number from 0 to 1, or `note` is no text.
        """
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if share is not None and not (is_number and -_ROUNDING <= share <= 1 + _ROUNDING):
            raise ValueError(f"progress() takes a share from 0 to 1, and not {share!r:.80}")
        if note is not None and not isinstance(note, str):
            raise ValueError(f"progress() takes a note that is text, and not {note!r:.80}")
        done = None if share is None else min(max(float(share), 0.0), 1.0)
        self._signals.progress = Progress(done, note, ticks.now())


def describe(
    job: Job,
    run_id: int,
    kind: str,
    tick: int | None,
    attempt: int,
    started: int,
    signals: Signals | None = None,
) -> Run:
    """Return an attempt of a job as its function finds it. `tick` and `started`: microseconds UTC."""
    zone, timeout = job.schedule.zone, job.options.timeout
    ends = None if timeout is None else started + int(timeout * ticks.SECOND)
    return Run(
        run_id,
        job.id,
        kind,
        None if tick is None else _moment(tick, zone),
        attempt,
        None if ends is None else ticks.moment(ends, zone),
        signals or Signals(),
    )


# The instant, the zone and the datetime that were asked for last.
_last_moment: tuple[int, tzinfo, datetime] | None = None


def _moment(instant: int, zone: tzinfo) -> datetime:
    """Return an instant in a zone, made once for all jobs that are due together."""
    global _last_moment
    last = _last_moment
    if last is None or last[0] != instant or last[1] is not zone:
        _last_moment = last = (instant, zone, ticks.moment(instant, zone))
    return last[2]


def why_to_end(job: Job | None, replaced_by: int | None) -> str:
    """Return why a run is asked to end: for a tick of its job, or, without one, since a person asked."""
    if replaced_by is None or job is None:
        return CANCELLED
    return replaced(when(replaced_by, job.schedule.zone))


# What returns the run.
_run: ContextVar[Callable[[], Run]] = ContextVar("scheduler_run")

set_current_run = _run.set


def run_in(variables: Context) -> Run | None:
    """Return the run that these context variables belong to; None before one has begun."""
    run = variables.get(_run)
    return None if run is None else run()


def current_run() -> Run | None:
    """Return the run that called this, also from functions and threads of `asyncio.to_thread` below it.

    None outside of any run, as in a test that calls the task itself.

    Example:
        from everytick import current_run

        def export() -> None:
            run = current_run()
            for page in range(30):
                if run is not None and run.cancel_requested:
                    return
                if run is not None:
                    run.progress(page / 30, f"page {page} of 30")
            print("for", run and run.tick)
    """
    run = _run.get(None)
    return None if run is None else run()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs on this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

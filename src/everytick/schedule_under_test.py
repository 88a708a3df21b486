"""The object behind the fixture `schedule`. It computes: nothing waits for the clock or reads a ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import count
from typing import Any

from everytick.api.loading import load_schedule
from everytick.dryrun import simulation
from everytick.dryrun.simulation import Simulation
from everytick.engine.context import Run, describe, set_current_run
from everytick.engine.executor import call_function
from everytick.errors import nearest
from everytick.model import ticks
from everytick.model.job import Job
from everytick.system import system
from everytick.text.instants import in_reach, parse, when

# Where a time is asked for: ISO text, a date (its midnight), or a datetime. Without an offset it is in the
# job's zone, or the schedule's.
When = str | date | datetime


class ScheduleUnderTest:
    """A schedule to test without running it.

    Raises:
        ScheduleError: the schedule is wrong; one sentence with its file and line.

    Example:
        from everytick import ScheduleUnderTest

        def test_who_is_away_gets_one_reminder_a_day(schedule: ScheduleUnderTest) -> None:
            assert len(schedule.fires("reminder", "2027-03-27", "2027-03-30")) == 3
    """

    def __init__(self) -> None:
        self._scheduler = load_schedule()
        self._numbers = count(1)

    @property
    def job_ids(self) -> list[str]:
        """The ids of all jobs, in the order of their declaration."""
        return [job.id for job in self._scheduler.get_jobs()]

    def job(self, job_id: str) -> Job:
        """Return a job. Raises LookupError, with the nearest id, if none is declared by that name."""
        job = self._scheduler.get_job(job_id)
        if job is None:
            raise LookupError(f"no job {job_id!r} is declared{nearest(job_id, self.job_ids)}")
        return job

    def fires(self, job_id: str, begin: When, end: When) -> list[datetime]:
        """Return when a job is due from `begin` (included) to `end` (not included), in the job's zone.

        Raises:
            LookupError: there is no such job.
            ValueError: one of them is no time, or `end` is earlier than `begin`.
        """
        job = self.job(job_id)
        zone = job.schedule.zone
        first, last = _instant(begin, zone), _instant(end, zone)
        if last < first:
            raise ValueError(f"the end {when(last, zone)} is earlier than the beginning {when(first, zone)}")
        return job.ticks_between(ticks.moment(first, zone), ticks.moment(last, zone))

    async def run(self, job_id: str, *, tick: When | None = None, attempt: int = 1) -> Any:
        """Run a job's function here and now, as the schedule would; return what it returns.

        It gets the arguments of its declaration, and `current_run()` tells it the job, the tick, the attempt
        and the deadline. A plain function runs on a thread of its own. It sees the real clock, unless the
        test has set that.

        Args:
            tick: the instant for which it runs, at which the job must be due; without it, it is one by hand.

        Raises:
            TimeoutError: it took longer than its `timeout`. A plain function cannot be stopped: it goes on.
            ValueError: the job is not due at `tick`.
            Exception: whatever the function raises.
        """
        job = self.job(job_id)
        run = self._describe(job, tick, attempt)
        token = set_current_run(lambda: run)
        try:
            async with asyncio.timeout(job.options.timeout) as limit:
                returned = await call_function(job, _on_thread)
        finally:
            token.var.reset(token)
        if limit.expired():
            # It ended in its own way instead of letting itself be cancelled.
            raise TimeoutError
        return None if returned is None else returned.take()

    def simulate(
        self,
        days: int = 365,
        outages: Iterable[tuple[When, When]] = (),
        *,
        start: When | None = None,
        durations: Mapping[str, float | timedelta] | None = None,
    ) -> Simulation:
        """Return what becomes of all ticks in a number of days, with outages in which nothing is up.

        Args:
            outages: from when (included) until when (not included) each of them lasts.
            start: the first instant; without it, the year of the first outage (or else this one) begins.
            durations: how long a run of a job takes, in seconds; others take no time at all.

        Raises:
            ConfigurationError: an outage lies outside of the days, or a job has too many ticks.
        """
        zone = self._scheduler.timezone
        down = [(_instant(begin, zone), _instant(end, zone)) for begin, end in outages]
        if start is None:
            first = ticks.moment(min(down)[0] if down else ticks.now(), zone)
            start = date(first.year, 1, 1)
        begin = _instant(start, zone)
        known = {self.job(job_id).id: _length(length) for job_id, length in (durations or {}).items()}
        return simulation.simulate(
            self._scheduler.get_jobs(),
            begin,
            simulation.days_later(begin, days, zone),
            zone,
            outages=down,
            durations={job_id: (length, "given") for job_id, length in known.items()},
            group_limits=self._scheduler.settings.group_limits,
        )

    def _describe(self, job: Job, tick: When | None, attempt: int) -> Run:
        zone = job.schedule.zone
        at = None if tick is None else _instant(tick, zone)
        if at is not None and job.next_tick(at - 1) != at:
            raise ValueError(f"{job.id} is not due at {when(at, zone)}{_next(job, at)}")
        kind = "manual" if at is None else "scheduled"
        return describe(job, next(self._numbers), kind, at, attempt, ticks.now())


def _next(job: Job, after: int) -> str:
    tick = job.next_tick(after)
    return "" if tick is None else f": the next tick is {when(tick, job.schedule.zone)}"


def _instant(given: When, zone: tzinfo) -> int:
    if isinstance(given, str):
        given = parse(given)
    elif not isinstance(given, datetime):
        given = datetime.combine(given, time())
    return ticks.instant_in(in_reach(given), zone)


def _length(length: float | timedelta) -> int:
    if not isinstance(length, timedelta):
        length = timedelta(seconds=length)
    return length // timedelta(microseconds=1)


async def _on_thread(call: Callable[[], Any]) -> Any:
    """Call on a thread that is not joined at the end: a function that hangs does not hang the tests."""
    return await system.in_thread(call, daemon=True)

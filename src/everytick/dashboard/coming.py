"""What is due: the next fires of a job, and the coming day of all jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice

from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.read.plan import plan
from sqlalchemy import Connection

from . import jobs

# Up to this many ticks of a job are drawn one by one, more as a bar.
_DRAWN = 96
# How many ticks of each job are listed among those that are due next.
FEW = 3
_HOUR = 3_600 * ticks.SECOND


@dataclass(frozen=True)
class Lane:
    """One job's ticks in a span of time. `number` is None where they are too many to be counted quickly."""

    job_id: str
    ticks: list[int]
    number: int | None
    paused: bool
    cannot_run: bool = False

    @property
    def dense(self) -> bool:
        """Whether there are too many to be drawn."""
        return self.number is None or self.number > _DRAWN


@dataclass(frozen=True)
class Fire:
    """A coming tick, in microseconds UTC; `note` says what is odd about it, `paused` that it will not run."""

    job_id: str
    tick: int
    note: str
    paused: bool


def next_fires(job: jobs.JobView, limit: int) -> list[Fire]:
    """Return the coming ticks of a job that is not paused, with what is odd about their time of day."""
    if job.schedule is None or job.gone or job.paused:
        return []
    begin = max(job.now, job.row.watermark_us) + 1
    found = islice(plan({job.id: job.schedule}, begin, ticks.LAST), limit)
    return [Fire(it.job_id, it.tick, it.note, False) for it in found]


def planned(
    connection: Connection, begin: int, end: int, limit: int, job_id: str | None = None
) -> list[Fire]:
    """Return what is due in [begin, end), at most `limit` ticks."""
    known = jobs.scheduled(connection)
    if job_id is not None:
        jobs.one(connection, job_id)
        known = {job_id: known[job_id]} if job_id in known else {}
    schedules = {job.id: job.schedule for job in known.values() if job.schedule is not None}
    return [
        Fire(it.job_id, it.tick, it.note, known[it.job_id].paused_at(it.tick))
        for it in islice(plan(schedules, begin, end), limit)
    ]


def soonest(connection: Connection, begin: int, end: int, limit: int) -> list[Fire]:
    """Return what is due next in [begin, end), at most `limit` ticks, and of each job the first few.

    Else one job that is due each minute would hide all others.
    """
    found = []
    for job in jobs.scheduled(connection).values():
        if job.schedule is not None:
            first = islice(plan({job.id: job.schedule}, begin, end), FEW)
            found += [Fire(it.job_id, it.tick, it.note, job.paused_at(it.tick)) for it in first]
    return sorted(found, key=lambda fire: (fire.tick, fire.job_id))[:limit]


def lanes(connection: Connection, begin: int, end: int, limit: int, offset: int) -> tuple[list[Lane], int]:
    """Return the lanes of a part of the jobs that are due in [begin, end), and how many jobs that are."""
    due = [
        (first, job.id, job.schedule, job)
        for job in jobs.scheduled(connection).values()
        if job.schedule is not None
        and (first := job.schedule.next_tick(begin - 1)) is not None
        and first < end
    ]
    due.sort(key=lambda lane: lane[:2])
    return [
        _lane(job, schedule, begin, end) for _first, _job_id, schedule, job in due[offset : offset + limit]
    ], len(due)


def _lane(job: jobs.JobView, schedule: Schedule, begin: int, end: int) -> Lane:
    number = ticks.count(schedule.ticks, begin - 1, end - 1, _DRAWN)
    few = number is not None and number <= _DRAWN
    found = [planned.tick for planned in plan({job.id: schedule}, begin, end)] if few else []
    return Lane(job.id, found, number, job.paused, job.problem is not None)


def hours(begin: int, end: int, zone: tzinfo) -> list[tuple[int, str]]:
    """Return the full hours in [begin, end) with what a clock in the zone shows at each."""
    local = ticks.moment(begin, zone)
    past = (local.minute * 60 + local.second) * ticks.SECOND + local.microsecond
    first = begin if past == 0 else begin - past + _HOUR
    return [(at, f"{ticks.moment(at, zone):%H:%M}") for at in range(first, end, _HOUR)]

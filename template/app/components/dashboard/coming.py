"""What is due: the next fires of a job, and the coming day of all jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice

from sqlalchemy import Connection

from app.components.scheduler.runtime import ticks
from app.components.scheduler.runtime.plan import Planned, plan
from app.components.scheduler.runtime.schedules import Schedule

from . import jobs

# Up to so many ticks of a job are drawn one by one, more as a bar.
_DRAWN = 96
_HOUR = 3_600 * ticks.SECOND


@dataclass(frozen=True)
class Lane:
    """One job's ticks in a span of time. `number` is None where they are too many to be counted quickly."""

    job_id: str
    ticks: list[int]
    number: int | None
    paused: bool

    @property
    def dense(self) -> bool:
        """Whether there are too many to be drawn."""
        return self.number is None or self.number > _DRAWN


def next_fires(job: jobs.JobView, limit: int) -> list[Planned]:
    """Return the coming ticks of a job, with what is odd about their time of day."""
    if job.schedule is None or job.gone:
        return []
    begin = max(job.now, job.row.watermark_us) + 1
    return list(islice(plan({job.id: job.schedule}, begin, ticks.LAST), limit))


def planned(
    connection: Connection, begin: int, end: int, limit: int, job_id: str | None = None
) -> list[Planned]:
    """Return what is due in [begin, end), at most `limit` ticks."""
    schedules = jobs.all_schedules(connection)
    if job_id is not None:
        jobs.one(connection, job_id)
        schedules = {job_id: schedules[job_id]} if job_id in schedules else {}
    return list(islice(plan(schedules, begin, end), limit))


def lanes(connection: Connection, begin: int, end: int, limit: int, offset: int) -> tuple[list[Lane], int]:
    """Return the lanes of a part of the jobs that are due in [begin, end), and how many jobs that are."""
    due = [
        (first, job_id, schedule)
        for job_id, schedule in jobs.all_schedules(connection).items()
        if (first := schedule.next_tick(begin - 1)) is not None and first < end
    ]
    due.sort(key=lambda lane: lane[:2])
    paused = jobs.paused_ids(connection)
    return [
        _lane(job_id, schedule, begin, end, job_id in paused)
        for _first, job_id, schedule in due[offset : offset + limit]
    ], len(due)


def _lane(job_id: str, schedule: Schedule, begin: int, end: int, paused: bool) -> Lane:
    number = ticks.count(schedule.ticks, begin - 1, end - 1, _DRAWN)
    if number is None or number > _DRAWN:
        return Lane(job_id, [], number, paused)
    found = [planned.tick for planned in plan({job_id: schedule}, begin, end)]
    return Lane(job_id, found, number, paused)


def hours(begin: int, end: int, zone: tzinfo) -> list[tuple[int, str]]:
    """Return the full hours in [begin, end) with what a clock in the zone shows at each."""
    local = ticks.moment(begin, zone)
    past = (local.minute * 60 + local.second) * ticks.SECOND + local.microsecond
    first = begin if past == 0 else begin - past + _HOUR
    return [(at, f"{ticks.moment(at, zone):%H:%M}") for at in range(first, end, _HOUR)]

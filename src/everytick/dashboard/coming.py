"""The coming day, as its page draws it: a lane for each job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.read.coming import ticks_between
from everytick.read.known_job import Declared, KnownJob, undeclared
from everytick.read.paging import Page
from everytick.settings import settings
from everytick.text.instants import time_of_day

# Up to this many ticks of a job are drawn one by one, more as a bar.
_DRAWN = 96
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


def lanes(jobs: Iterable[KnownJob], begin: int, end: int, size: int, offset: int) -> Page[Lane]:
    """Return the lanes of a part of the jobs that are due in [begin, end), the soonest first."""
    due = [
        (first, job.id, job.schedule, job)
        for job in jobs
        if job.schedule is not None
        and (first := job.schedule.next_tick(begin - 1)) is not None
        and first < end
    ]
    due.sort(key=lambda lane: lane[:2])
    shown = due[offset : offset + size]
    declared = undeclared(settings())
    rows = [_lane(job, schedule, begin, end, declared) for _first, _job_id, schedule, job in shown]
    return Page(rows, len(due), size, offset)


def _lane(job: KnownJob, schedule: Schedule, begin: int, end: int, declared: Declared) -> Lane:
    number = ticks.count(schedule.ticks, begin - 1, end - 1, _DRAWN)
    few = number is not None and number <= _DRAWN
    found = [coming.tick for coming in ticks_between([job], begin, end)] if few else []
    return Lane(job.id, found, number, job.paused, job.problem(declared) is not None)


def hours(begin: int, end: int, zone: tzinfo) -> list[tuple[int, str]]:
    """Return the full hours in [begin, end) with what a clock in the zone shows at each."""
    local = ticks.moment(begin, zone)
    past = (local.minute * 60 + local.second) * ticks.SECOND + local.microsecond
    first = begin if past == 0 else begin - past + _HOUR
    return [(at, time_of_day(at, zone)) for at in range(first, end, _HOUR)]

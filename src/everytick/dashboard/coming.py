"""The coming day, as its page draws it: a lane for each job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.read.coming import Due, ticks_between
from everytick.read.known_job import Declared, KnownJob, jobs_named, undeclared
from everytick.read.paging import Page
from everytick.settings import settings
from everytick.store.querying import Reader
from everytick.text.instants import time_of_day

# Up to this many ticks of a job are drawn one by one, more as a bar.
_DRAWN = 96
_HOUR = 3_600 * ticks.SECOND


@dataclass(frozen=True)
class Lane:
    """One job's ticks in a span of time. `number` is None where they are too many to be counted quickly.

    paused_until: the ticks before this instant do not run; the begin of the span if it is not paused.
    """

    job_id: str
    ticks: list[int]
    number: int | None
    held: str
    paused_until: int
    cannot_run: bool = False

    @property
    def dense(self) -> bool:
        """Whether there are too many to be drawn."""
        return self.number is None or self.number > _DRAWN


def lanes(connection: Reader, due: Sequence[Due], begin: int, end: int, size: int, offset: int) -> Page[Lane]:
    """Return the lanes of a part of the jobs that are due in [begin, end)."""
    shown = due[offset : offset + size]
    known = jobs_named(connection, {one.job.id for one in shown})
    declared = undeclared(settings())
    # Between the two looks at the ledger a job may have gone.
    rows = [
        _lane(known[one.job.id], one.schedule, begin, end, declared) for one in shown if one.job.id in known
    ]
    return Page(rows, len(due), size, offset)


def _lane(job: KnownJob, schedule: Schedule, begin: int, end: int, declared: Declared) -> Lane:
    number = ticks.count(schedule.ticks, begin - 1, end - 1, _DRAWN)
    few = number is not None and number <= _DRAWN
    found = [coming.tick for coming in ticks_between([job], begin, end)] if few else []
    paused_until = begin
    if job.paused:
        paused_until = end if job.row.paused_until_us is None else min(end, job.row.paused_until_us)
    return Lane(job.id, found, number, job.held, paused_until, job.problem(declared) is not None)


def hours(begin: int, end: int, zone: tzinfo) -> list[tuple[int, str]]:
    """Return the full hours in [begin, end) with what a clock in the zone shows at each."""
    local = ticks.moment(begin, zone)
    past = (local.minute * 60 + local.second) * ticks.SECOND + local.microsecond
    first = begin if past == 0 else begin - past + _HOUR
    return [(at, time_of_day(at, zone)) for at in range(first, end, _HOUR)]

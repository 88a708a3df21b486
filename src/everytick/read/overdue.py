"""Ticks that are due and have no row yet: no process has claimed or skipped them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from everytick.model import ticks
from everytick.store.records import settled_until

from .known_job import DueJob

# A tick is claimed within a fraction of a second. One that is not by then has something in its way.
PROMPT = 5 * ticks.SECOND
# The most ticks of a combined trigger that are counted.
_COUNT_LIMIT = 1_000


@dataclass(frozen=True)
class Overdue:
    """The ticks of a job that are due and not claimed.

    since: the first of them, in microseconds UTC. number: how many; None if they are too many to count.
    """

    since: int
    number: int | None


def overdue(job: DueJob) -> Overdue | None:
    """Return a job's first tick that is due and not claimed, and how many are; None if none is."""
    if job.schedule is None:
        return None
    first = overdue_since(job, job.now - PROMPT)
    if first is None:
        return None
    # Of those behind the first one some may not be due yet, by their jitter.
    last = max(first, job.now - PROMPT - job.schedule.jitter)
    return Overdue(first, ticks.count(job.schedule.ticks, first - 1, last, _COUNT_LIMIT))


def overdue_since(job: DueJob, until: int) -> int | None:
    """Return the first tick of a job that is due by `until` and not claimed; None if there is none.

    A tick within a pause waits for its end and is not due. Instants are microseconds UTC.
    """
    if job.schedule is None or job.gone or job.paused:
        return None
    seen = settled_until(job.row.watermark_us, job.row.paused_until_us)
    first = None if seen >= until else job.schedule.first_due(job.id, seen)
    return None if first is None or first.due > until else first.tick


def jobs_behind(jobs: Iterable[DueJob]) -> list[tuple[str, Overdue]]:
    """Return the ids of the jobs with ticks that are due and not claimed, the longest overdue first."""
    found = [(job.id, late) for job in jobs if (late := overdue(job)) is not None]
    return sorted(found, key=lambda one: (one[1].since, one[0]))

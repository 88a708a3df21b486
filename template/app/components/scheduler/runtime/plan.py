"""What is due between two instants: pure, from the schedule alone."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .declaration import Job


@dataclass(frozen=True)
class Planned:
    """One coming tick. `note` says what is odd about its time of day, if anything is."""

    tick: int
    job_id: str
    note: str


def plan(jobs: Sequence[Job], begin: int, end: int) -> Iterator[Planned]:
    """Yield the ticks in [begin, end) of all jobs, in order of time, then of job id."""
    heap = [(tick, job.id, job) for job in jobs if (tick := job.next_tick(begin - 1)) is not None]
    heapq.heapify(heap)
    while heap and heap[0][0] < end:
        tick, job_id, job = heap[0]
        yield Planned(tick, job_id, job.schedule.ticks.note(tick))
        following = job.next_tick(tick)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following, job_id, job))

"""What is due between two instants: pure, from the schedule alone."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .schedules import Schedule


@dataclass(frozen=True)
class Planned:
    """One coming tick. `note` says what is odd about its time of day, if anything is."""

    tick: int
    job_id: str
    note: str


def plan(schedules: Mapping[str, Schedule], begin: int, end: int) -> Iterator[Planned]:
    """Yield the ticks in [begin, end) of all jobs, in order of time, then of job id."""
    first = [(schedule.next_tick(begin - 1), job_id) for job_id, schedule in schedules.items()]
    heap = [(tick, job_id) for tick, job_id in first if tick is not None]
    heapq.heapify(heap)
    while heap and heap[0][0] < end:
        tick, job_id = heap[0]
        schedule = schedules[job_id]
        yield Planned(tick, job_id, schedule.ticks.note(tick))
        following = schedule.next_tick(tick)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following, job_id))

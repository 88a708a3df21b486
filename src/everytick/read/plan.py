"""The ticks between two instants, with remarks. Pure: from schedules and the statistics of runs."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from everytick.model import ticks
from everytick.model.schedule import Schedule

from .job_ids import natural


@dataclass(frozen=True)
class Planned:
    """One coming tick. `note` says if a clock change makes its time of day odd, and is empty otherwise."""

    tick: int
    job_id: str
    note: str


@dataclass(frozen=True)
class RunStatistics:
    """The statistics of a job's runs, and its state.

    p95: seconds that 95 of 100 of its runs took at most; None while it is not known.
    max_instances: how many of its runs may be under way at once.
    held_at: says why a tick does not run, as it falls into a pause: `paused`, `disabled`; empty if it runs.
    overlap: what becomes of a tick beyond that.
    """

    p95: float | None = None
    max_instances: int = 1
    held_at: Callable[[int], str] = lambda _tick: ""
    overlap: str = "skip"


@dataclass
class Overlap:
    """Ticks of a job that come while, by its p95, as many of its runs as may be are still under way.

    then: its `overlap`, which says what becomes of them.
    """

    job_id: str
    seconds: float
    first: int
    then: str = "skip"
    count: int = 0


@dataclass
class Collision:
    """Jobs that are due at the same instant, and at how many instants they are."""

    job_ids: tuple[str, ...]
    first: int
    count: int = 0


@dataclass
class Load:
    """How often a job is due, first and last when, and at how many of its ticks it is held, and why."""

    job_id: str
    first: int
    last: int
    count: int = 0
    paused: int = 0
    held: str = ""


def plan(schedules: Mapping[str, Schedule], begin: int, end: int) -> Iterator[Planned]:
    """Yield the ticks in [begin, end) of all jobs, in order of time, then of job id."""
    job_ids = sorted(schedules, key=natural)
    first = [(schedules[job_id].next_tick(begin - 1), place) for place, job_id in enumerate(job_ids)]
    heap = [(tick, place) for tick, place in first if tick is not None]
    heapq.heapify(heap)
    while heap and heap[0][0] < end:
        tick, place = heap[0]
        job_id = job_ids[place]
        schedule = schedules[job_id]
        yield Planned(tick, job_id, schedule.ticks.note(tick))
        following = schedule.next_tick(tick)
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following, place))


def gaps(schedules: Mapping[str, Schedule], begin: int, end: int) -> dict[str, int | None]:
    """Return the jobs that have no tick in [begin, end), each with its next tick, None if there is none.

    Jobs that only run at each start have no ticks at all, and are left out.
    """
    following = {
        job_id: schedule.next_tick(begin - 1)
        for job_id, schedule in schedules.items()
        if schedule.startup_delay is None
    }
    return {job_id: tick for job_id, tick in following.items() if tick is None or tick >= end}


def often(loads: Iterable[Load], most: int) -> list[Load]:
    """Return the jobs that are due too often to list each tick of theirs, the most frequent first.

    The other jobs have at most `most` ticks together, or one each. Jobs with the same number of ticks are
    treated alike.
    """
    found = sorted(loads, key=lambda load: (load.count, natural(load.job_id)))
    number, highest = 0, 1
    for count, alike in groupby(found, key=lambda load: load.count):
        number += count * len(list(alike))
        if number > most:
            break
        highest = count
    return sorted(
        (load for load in found if load.count > highest), key=lambda load: (-load.count, natural(load.job_id))
    )


@dataclass
class Findings:
    """Remarks about the ticks of a plan together. Pass them to `add` in order, then call `close`.

    A tick in a pause counts as a tick, but does not run: it neither overlaps nor collides.
    """

    run_statistics: Mapping[str, RunStatistics]
    loads: dict[str, Load] = field(default_factory=dict)
    overlaps: dict[str, Overlap] = field(default_factory=dict)
    notes: list[Planned] = field(default_factory=list)
    _collisions: dict[tuple[str, ...], Collision] = field(default_factory=dict)
    _busy: dict[str, list[int]] = field(default_factory=dict)
    _instant: int = 0
    _together: list[str] = field(default_factory=list)

    def add(self, planned: Planned) -> None:
        """Take in the next tick."""
        tick, job_id = planned.tick, planned.job_id
        load = self.loads.setdefault(job_id, Load(job_id, tick, tick))
        load.last, load.count = tick, load.count + 1
        if planned.note:
            self.notes.append(planned)
        if tick != self._instant:
            self.close()
            self._instant = tick
        run_statistics = self.run_statistics.get(job_id, RunStatistics())
        if held := run_statistics.held_at(tick):
            load.paused, load.held = load.paused + 1, held
            return
        self._together.append(job_id)
        self._run(planned, run_statistics)

    def close(self) -> None:
        """Take it that no further tick comes at the instant of the last one."""
        if len(self._together) > 1:
            jobs = tuple(self._together)
            self._collisions.setdefault(jobs, Collision(jobs, self._instant)).count += 1
        self._together = []

    def collisions(self) -> list[Collision]:
        """Return which jobs are due together, the largest numbers of them first."""
        found = self._collisions.values()
        return sorted(
            found, key=lambda one: (-len(one.job_ids), -one.count, one.first, list(map(natural, one.job_ids)))
        )

    def _run(self, planned: Planned, run_statistics: RunStatistics) -> None:
        """Let a run begin that takes as long as p95, unless there is no room for it."""
        if run_statistics.p95 is None:
            return
        busy = self._busy.setdefault(planned.job_id, [])
        while busy and busy[0] <= planned.tick:
            heapq.heappop(busy)
        length = int(run_statistics.p95 * ticks.SECOND)
        if len(busy) < run_statistics.max_instances:
            heapq.heappush(busy, planned.tick + length)
            return
        if run_statistics.overlap == "replace":
            heapq.heapreplace(busy, planned.tick + length)
        elif run_statistics.overlap == "wait" or (
            # The newest takes the place of one that waits.
            run_statistics.overlap == "wait-one" and busy[0] - length <= planned.tick
        ):
            heapq.heapreplace(busy, busy[0] + length)
        begun = Overlap(planned.job_id, run_statistics.p95, planned.tick, run_statistics.overlap)
        self.overlaps.setdefault(planned.job_id, begun).count += 1

"""Jobs that share the limit of a group over a span: they are simulated together, instant by instant.

As in the engine, each run of such a job waits in the queue, and begins when its group has a place; those that
were due first go first. Backfills go the same way, also those of which no group has a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from everytick.model import ticks
from everytick.model.job import Job

from .one_job import OneJob
from .results import JobResult, OutageCost
from .slots import Kind, Run, Slot
from .timeline import Timeline

_REPORT_EVERY = 8_192


class Places:
    """The places of a group: how many of its runs may be under way, and how many are."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    @property
    def is_full(self) -> bool:
        """Whether no more may begin."""
        return self.taken >= self._limit


class Together(Protocol):
    """What is simulated instant by instant, beside others or alone."""

    @property
    def to_be_walked(self) -> int:
        """How many ticks or runs are looked at one by one."""

    def start(self, begin: int, end: int) -> None:
        """Start for the first time at `begin`; all goes on until `end`."""

    def go_down(self, down: int, up: int) -> None:
        """Nothing is up any more, at once and until `up`."""

    def come_up(self) -> int:
        """Decide about what was missed; return when that is."""

    def look_ahead(self, until: int) -> None:
        """Take up what comes before an instant."""

    def next_at(self) -> tuple[int, Kind]:
        """Return when the next event is, and what it is."""

    def step(self) -> None:
        """Let the next event happen."""

    def hand_over(self) -> list[Run]:
        """Return the runs that wait, to be begun in turn with those of others."""

    def begin_or_wait(self, run: Run, now: int) -> None:
        """Begin a run that waits if there is room; else let it wait on."""

    def close(self) -> None:
        """Account for what waits when nothing happens any more."""


class Filling(Together, Protocol):
    """A backfill of a job."""

    job: Job

    @property
    def most_places(self) -> int:
        """How many places of its group its runs hold at most; none if they take no time."""

    def share(self, places: Places) -> None:
        """Let its runs take places of a group, together with others."""


class Member(OneJob):
    """Simulates one job of a group, together with the others. `result` is filled by `simulate_together`."""

    def __init__(self, job: Job, timeline: Timeline, result: JobResult, places: Places) -> None:
        super().__init__(job, timeline, result)
        self._places = places
        # Its ticks to come: a tick of another job may be in between, so they are looked at one by one.
        self._coming: Iterator[int] = iter(())
        self._next_tick = ticks.FOREVER

    @property
    def to_be_walked(self) -> int:
        """All of its ticks."""
        return self._timeline.total

    def look_ahead(self, until: int) -> None:
        """Take up the ticks that come before an instant."""
        self._coming = self._timeline.ticks(self._seen, min(until, self._end) - 1)
        self._next_tick = next(self._coming, ticks.FOREVER)

    def next_at(self) -> tuple[int, Kind]:
        """Return when the next event or tick is, and which of them comes first at an instant."""
        tick = (self._next_tick, Kind.TICK)
        return min(self._events[0][:2], tick) if self._events else tick

    def step(self) -> None:
        """Let the next event happen, or the next tick come due."""
        if self.next_at()[1] is not Kind.TICK:
            self._happen()
            return
        tick = self._seen = self._next_tick
        self._next_tick = next(self._coming, ticks.FOREVER)
        due = self.job.due(tick)
        if due == tick and not self._waits and self._is_full(tick):
            self.result.note_skip("overlap", None)
        else:
            self._let_wait(Run(tick, due), tick)

    def hand_over(self) -> list[Run]:
        """Return the runs that wait, to be begun in turn with those of other jobs."""
        waiting, self._given_back = self._given_back, []
        return waiting

    def begin_or_wait(self, run: Run, now: int) -> None:
        """Begin a run that waits if there is room, also in its group; else let it wait on."""
        if self._places.is_full and run.due <= now and not self._is_full(now):
            run.waited_for_group = True
            self._given_back.append(run)
        else:
            super().begin_or_wait(run, now)

    def _claim_startup(self, now: int) -> Slot | None:
        if self.job.startup_delay is not None:
            self._let_wait(Run(None, now + self.job.startup_delay), now)
        return None

    def _claim_missed(self, missed: Sequence[int], now: int, cost: OutageCost) -> None:
        for run in self._missed_runs(missed, cost):
            self._let_wait(run, now)

    def _let_wait(self, run: Run, now: int) -> None:
        if run.due > now:
            self._push(run.due, Kind.LOOK, None)
        super()._let_wait(run, now)

    def _start(self, slot: Slot, run: Run, now: int) -> None:
        if run.waited_for_group:
            self.result.note_wait_for_group(now - run.due)
            run.waited_for_group = False
        super()._start(slot, run, now)

    def _occupy(self, number: int) -> None:
        super()._occupy(number)
        self._places.taken += number


class Prepared(NamedTuple):
    """What a job is simulated with."""

    job: Job
    timeline: Timeline
    result: JobResult

    @property
    def most_places(self) -> int:
        """How many places of its group its runs hold at most; none if they take no time."""
        return self.job.options.max_instances if self.result.duration else 0


def in_groups(
    made: Sequence[Prepared], backfills: Sequence[Filling], limits: Mapping[str, int]
) -> list[tuple[list[Member], list[Filling]]]:
    """Return, of each group that may fill up, the simulations of its jobs, and of their backfills."""
    found = []
    for name, limit in limits.items():
        of_group = [it for it in made if it.job.options.group == name]
        filling = [it for it in backfills if it.job.options.group == name]
        most = [it.most_places for it in of_group] + [it.most_places for it in filling]
        # A run that takes no time waits for a place, too.
        if sum(most) > limit or (sum(most) == limit and not all(most)):
            places = Places(limit)
            for it in filling:
                it.share(places)
            found.append(([Member(*it, places) for it in of_group], filling))
    return found


def simulate_together(
    jobs: Sequence[Together],
    begin: int,
    end: int,
    outages: Sequence[tuple[int, int]],
    walked: Callable[[int], None],
) -> None:
    """Go from `begin` to `end` with all of these; as `OneJob.simulate` does with one job."""
    for one in jobs:
        one.start(begin, end)
    _begin_waiting(jobs, begin)
    for down, up in outages:
        _live(jobs, down, walked)
        for one in jobs:
            one.go_down(down, up)
        for one in jobs:
            one.come_up()
        _begin_waiting(jobs, min(up, end - 1))
    _live(jobs, end, walked)
    _live(jobs, ticks.FOREVER, walked)
    for one in jobs:
        one.close()


def _live(jobs: Sequence[Together], until: int, walked: Callable[[int], None]) -> None:
    """Let everything happen before an instant."""
    for one in jobs:
        one.look_ahead(until)
    number = 0
    while True:
        following = min((one.next_at(), place) for place, one in enumerate(jobs))
        now = following[0][0]
        if now >= until:
            break
        # At one instant runs end, then others come due, of whichever jobs; only then the places are given.
        while following[0][0] == now:
            jobs[following[1]].step()
            number += 1
            following = min((one.next_at(), place) for place, one in enumerate(jobs))
        _begin_waiting(jobs, now)
        if number >= _REPORT_EVERY:
            walked(number)
            number = 0


def _begin_waiting(jobs: Sequence[Together], now: int) -> None:
    """Begin the runs that wait, as far as there is room, those first that were due first."""
    waiting = [(run.due, place, run) for place, one in enumerate(jobs) for run in one.hand_over()]
    for _due, place, run in sorted(waiting, key=lambda it: it[:2]):
        jobs[place].begin_or_wait(run, now)

"""Which process claims the ticks of a job, where several processes on a server have the same schedule.

By rendezvous hashing each process has a weight for each job. The heaviest one claims ahead of the tick; the
others look, one after another, whether it did. Those that are set not to run a job are left out. A process
that comes or goes changes only the jobs that it is the heaviest for. Nothing depends on it that all processes
see the same others: of two that both claim a tick the ledger lets one have it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache

from everytick.model import ticks
from everytick.model.job_filter import ALL_JOBS, JobFilter
from everytick.store.workers import Claimer

# How old a tick is when the second process looks for it; the third looks as much later again, and so on.
LOOK = 3 * ticks.SECOND // 10
# Those behind the second look at ticks that follow each other fast only so often.
SWEEP = 5 * ticks.SECOND
_LONGEST = 3 * ticks.SECOND

_BITS = (1 << 64) - 1
_ODD = 0x9E3779B97F4A7C15


class Claimers:
    """The processes that claim, as one of them sees them. As long as it knows of no other it is alone.

    `learn` is called on the ledger's thread, and calls `when_changed` there; all else on the event loop.
    """

    def __init__(self, me: str) -> None:
        self._me = me
        self._others: tuple[str, ...] = ()
        # The jobs that each is set to run, of those that are not set to run all.
        self._filters: dict[str, JobFilter] = {}
        # Those that let a tick pass, and when they were last seen to answer; 0 if that is to be asked yet.
        self._suspects: dict[str, int | None] = {}
        # The same by job: until another process is seen to claim it.
        self._missed: dict[str, set[str]] = {}
        # As it was worked out, by job; another dictionary whenever one of the others changes.
        self._places: dict[str, int] = {}
        # Called when there are other processes than before.
        self.when_changed: Callable[[], object] = lambda: None

    @property
    def knows_others(self) -> bool:
        """Whether there are others."""
        return bool(self._others)

    @property
    def suspects_any(self) -> bool:
        """Whether there is one of which it matters that it answers again."""
        return bool(self._suspects)

    def learn(self, found: Iterable[Claimer]) -> None:
        """Take in the processes that claim."""
        others = [one for one in found if one.process_id != self._me]
        answered = {one.process_id: one.answered for one in others}
        for process_id, at in list(self._suspects.items()):
            if process_id not in answered or at not in (0, answered[process_id]):
                self._suspects.pop(process_id, None)
                self._places = {}
            else:
                self._suspects[process_id] = answered[process_id]
        if set(answered) != set(self._others):
            self._others = tuple(answered)
            self._filters = {one.process_id: one.job_filter for one in others if one.job_filter}
            self._places = {}
            self.when_changed()

    def place(self, job_id: str) -> int:
        """Return how many processes come before this one for a job: 0 if it is to claim ahead."""
        if not self._others:
            return 0
        places = self._places
        place = places.get(job_id)
        if place is None:
            place = places[job_id] = len(self._before(job_id))
        return place

    def look_at(self, job_id: str, tick: int, now: int) -> int:
        """Return when to look whether another process claimed a tick; 0 if this one is to claim it ahead."""
        place = self.place(job_id)
        if not place:
            return 0
        look = tick + min(place * LOOK, _LONGEST)
        return look if place == 1 else max(look, now + SWEEP)

    def missed(self, job_id: str) -> bool:
        """Note that those before this process let a tick pass, so that it claims ahead from now on.

        Returns whether that is new of one of them: then this process is first for other jobs as well.
        """
        before = self._before(job_id)
        for process_id in before:
            self._suspects.setdefault(process_id, 0)
            self._missed.setdefault(job_id, set()).add(process_id)
        if before:
            self._places = {}
        return bool(before)

    def was_claimed(self, job_id: str) -> None:
        """Note that another process claims the ticks of a job."""
        if self._missed.pop(job_id, None):
            self._places.pop(job_id, None)

    def _before(self, job_id: str) -> list[str]:
        others = self._others
        if not others:
            return []
        job, passed_over = _number(job_id), self._missed.get(job_id, ())
        mine = _weight(_number(self._me), job)
        return [
            other
            for other in others
            if _weight(_number(other), job) > mine
            and other not in self._suspects
            and other not in passed_over
            and self._filters.get(other, ALL_JOBS).why_disabled(job_id) is None
        ]


@cache
def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest())


def _weight(process: int, job: int) -> int:
    mixed = (process ^ job) * _ODD & _BITS
    return (mixed ^ mixed >> 32) * _ODD & _BITS

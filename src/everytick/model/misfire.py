"""Which of the ticks that are due run, and which are skipped, and why (rule R5). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from . import ticks
from .job import Job

# How long before a tick its run is claimed, so that the commit is over when it is due.
AHEAD = ticks.SECOND // 5
# At most this many skipped ticks get a row each; more of them are one range row.
_ROWS = 10
# Counting further is not done here, where the schedule waits for the answer.
_COUNT_LIMIT = 100


@dataclass(frozen=True)
class Skip:
    """Ticks that will not run: one, or all from `first` to `last` (`count` None: not known)."""

    first: int
    last: int
    count: int | None
    reason: str


class Decision(NamedTuple):
    """The decision about all ticks in (`seen`, `upto`].

    ahead: the tick is not due yet; its run is only reserved.
    """

    job: Job
    seen: int
    upto: int
    run: tuple[int, ...]
    skip: tuple[Skip, ...]
    ahead: bool = False


def decide(job: Job, seen: int, now: int, reason: str = "missed") -> Decision | None:
    """Decide about the ticks of `job` after `seen` and up to `now`; None when there are none.

    `reason` is what ticks beyond their grace are recorded with: `missed`, or `outage` for those that
    fell into a time when nothing was up.
    """
    first = job.schedule.ticks.next(seen)
    if first is None or first > now:
        return None
    return _decide_from(job, first, seen, now, reason)


def decide_ahead(job: Job, seen: int, now: int, reason: str = "missed") -> Decision | None:
    """Decide about the same; where none is due, about the next one if it is in a moment."""
    first = job.schedule.ticks.next(seen)
    if first is None or first > now + AHEAD:
        return None
    if first > now:
        return Decision(job, seen, first, (first,), (), ahead=True)
    return _decide_from(job, first, seen, now, reason)


def _decide_from(job: Job, first: int, seen: int, now: int, reason: str) -> Decision:
    """Decide about ticks the `first` of which is due."""
    schedule = job.schedule.ticks
    second = schedule.next(first)
    if second is None or second > now:
        candidates = [first]
    else:
        candidates = ticks.newest(schedule, seen, now, job.most_caught_up)
    run = tuple(tick for tick in candidates if not job.too_late(job.due(tick), now))
    last = candidates[-1]
    skip = _skipped(job, seen, (run[0] if run else last + 1) - 1, now, reason)
    # Jitter may leave an older tick within its grace and a newer one beyond.
    skip += [Skip(tick, tick, 1, reason) for tick in candidates if run and tick > run[0] and tick not in run]
    return Decision(job, seen, last, run, tuple(skip))


def _skipped(job: Job, after: int, until: int, now: int, reason: str) -> list[Skip]:
    """Return the skips to record for the ticks in (after, until].

    Those still within their grace would have run, had a newer one not taken their place: `coalesced`.
    """
    grace = job.options.grace
    # The end of its grace is still within it.
    too_late_until = min(until, max(after, now - grace - 1)) if grace is not None else after
    return [
        *_rows(job, after, too_late_until, reason),
        *_rows(job, too_late_until, until, "coalesced"),
    ]


def _rows(job: Job, after: int, until: int, reason: str) -> list[Skip]:
    if after >= until:
        # As nearly always: nothing lies between the last tick and this one.
        return []
    schedule = job.schedule.ticks
    number = ticks.count(schedule, after, until, _COUNT_LIMIT)
    if number == 0:
        return []
    if number is None or number > _ROWS:
        first = schedule.next(after)
        assert first is not None
        return [Skip(first, ticks.newest(schedule, after, until, 1)[0], number, reason)]
    return [Skip(tick, tick, 1, reason) for tick in ticks.newest(schedule, after, until, _ROWS)]

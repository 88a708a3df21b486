"""Many ticks at once, and the delay of one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from .cron import CronTicks
from .excluding import ExcludingTicks
from .protocol import Ticks
from .regular import CalendarTicks, IntervalTicks
from .zones import DAY, SECOND

# Days are counted one by one, where the schedule waits for the answer; moved ticks are slow to find.
_MOST_DAYS, _MOST_MOVED = 60, 1_000


def _go_on() -> None:
    """Let a walk take its time."""


def newest(
    ticks: Ticks, after: int, until: int, limit: int, check: Callable[[], object] = _go_on
) -> list[int]:
    """Return the last `limit` ticks in (after, until], oldest first, without walking the rest.

    check: called at each step; it raises to end the walk.
    """
    enough = 2 * limit + 2
    # Too few begin at `few`, too many at `many`; what lies between is halved until it is neither.
    few, many, begin = until, None, max(after, until - SECOND)
    while True:
        found = _first(ticks, begin, until, enough, check)
        if len(found) == enough:
            many = begin
        elif len(found) >= limit or begin == after:
            return found[-limit:]
        else:
            few = begin
        begin = max(after, until - 4 * (until - begin)) if many is None else (many + few) // 2


def count(
    ticks: Ticks, after: int, until: int, limit: int, check: Callable[[], object] = _go_on
) -> int | None:
    """Return the number of ticks in (after, until].

    Combinations are walked: None when counting passes `limit`. All others know their number, with excluded
    days for some weeks. check: called at each step of a walk; it raises to end it.
    """
    if isinstance(ticks, ExcludingTicks):
        return _count_excluding(ticks, after, until, limit, check)
    if isinstance(ticks, IntervalTicks | CronTicks | CalendarTicks):
        return ticks.count(after, until)
    number = len(_first(ticks, after, until, limit + 1, check))
    return None if number > limit else number


def _count_excluding(
    ticks: ExcludingTicks, after: int, until: int, limit: int, check: Callable[[], object]
) -> int | None:
    if ticks.shift != "skip" or until - after > _MOST_DAYS * DAY:
        found = _first(ticks, after, until, min(limit, _MOST_MOVED) + 1, check)
        return None if len(found) > min(limit, _MOST_MOVED) else len(found)
    parts = ticks.kept_parts(after, until)
    numbers = [count(ticks.source, begin, end, limit, check) for begin, end in parts]
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _first(ticks: Ticks, after: int, until: int, limit: int, check: Callable[[], object]) -> list[int]:
    """Return the first `limit` ticks in (after, until]."""
    found: list[int] = []
    tick = ticks.next(after)
    while tick is not None and tick <= until:
        found.append(tick)
        check()
        if len(found) == limit:
            break
        tick = ticks.next(tick)
    return found


def jitter(job_id: str, tick: int, at_most: int) -> int:
    """Return the delay of this tick, 0 to `at_most` microseconds: the same each time it is asked."""
    if not at_most:
        return 0
    digest = hashlib.blake2b(f"{job_id}@{tick}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (at_most + 1)

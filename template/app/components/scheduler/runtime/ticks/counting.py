"""Many ticks at once, and the delay of one."""

from __future__ import annotations

import hashlib

from .cron import CronTicks
from .protocol import Ticks
from .regular import IntervalTicks
from .zones import SECOND


def newest(ticks: Ticks, after: int, until: int, limit: int) -> list[int]:
    """Return the last `limit` ticks in (after, until], oldest first, without walking the rest."""
    window = SECOND
    while True:
        begin = max(after, until - window)
        found: list[int] = []
        tick = ticks.next(begin)
        while tick is not None and tick <= until:
            found.append(tick)
            tick = ticks.next(tick)
        if len(found) >= limit or begin == after:
            return found[-limit:]
        window *= 4


def count(ticks: Ticks, after: int, until: int, limit: int) -> int | None:
    """Return the number of ticks in (after, until].

    Exact for intervals and cron fields. Others are walked: None when counting passes `limit`.
    """
    if isinstance(ticks, IntervalTicks | CronTicks):
        return ticks.count(after, until)
    number = 0
    tick = ticks.next(after)
    while tick is not None and tick <= until:
        number += 1
        if number > limit:
            return None
        tick = ticks.next(tick)
    return number


def jitter(job_id: str, tick: int, at_most: int) -> int:
    """Return the delay of this tick, 0 to `at_most` microseconds: the same each time it is asked."""
    if not at_most:
        return 0
    digest = hashlib.blake2b(f"{job_id}@{tick}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (at_most + 1)

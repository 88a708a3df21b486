"""Ticks that are due and have no row yet: nobody has claimed them, nor decided to skip them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.store.records import is_paused

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


def overdue(row: Any, schedule: Schedule | None, now: int) -> Overdue | None:
    """Return what of a job (its row, its schedule) is due and not claimed; None if nothing is."""
    if schedule is None:
        return None
    until = now - PROMPT - schedule.jitter
    first = overdue_since(row, schedule, until, now)
    if first is None:
        return None
    return Overdue(first, ticks.count(schedule.ticks, first - 1, until, _COUNT_LIMIT))


def overdue_since(row: Any, schedule: Schedule | None, until: int, now: int) -> int | None:
    """Return the first tick of a job up to `until` that nobody has claimed; None if there is none.

    What falls into a pause waits for its end and is not due. Instants are microseconds UTC.
    """
    if schedule is None or row.removed_us is not None or row.exhausted_us is not None:
        return None
    if is_paused(row.paused_us, row.paused_until_us, now):
        return None
    seen = row.watermark_us
    if row.paused_until_us is not None:
        # Ticks of a pause are written down together with the next tick after it.
        seen = max(seen, row.paused_until_us - 1)
    first = None if seen >= until else schedule.next_tick(seen)
    return first if first is not None and first <= until else None

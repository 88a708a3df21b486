"""Datetimes that were computed from the present moment, as `next_run_time=datetime.now()` is.

They are other ones at each start, so they cannot be part of a schedule that lasts: they say how long after
each start something is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from everytick.model import ticks

# `next_run_time=datetime.now()` is evaluated a moment before it is read; a little later means "soon".
_NOW_TOLERANCE = 60 * ticks.SECOND
_SOON = 3_600 * ticks.SECOND


def read_next_run_time(value: Any, zones: Sequence[tzinfo]) -> int:
    """Return the delay after each start, in microseconds, that `next_run_time=value` asks for."""
    if not isinstance(value, datetime):
        raise ValueError(f"next_run_time={value!r} must be None (paused at first) or datetime.now()")
    for reading in _readings(value, zones):
        delay = ticks.instant(reading) - ticks.now()
        if -_NOW_TOLERANCE <= delay <= _SOON:
            return max(0, delay)
    raise ValueError(
        f"next_run_time={value} is neither now nor within the next hour: for a first date give the trigger a"
        " start_date=, for a single run use trigger='date', run_date=..."
    )


def _readings(value: datetime, zones: Sequence[tzinfo]) -> list[datetime]:
    """Return the moments that a now() may mean: a naive one is in the host's zone or one of `zones`."""
    if value.tzinfo:
        return [value]
    return [value.astimezone(), *(value.replace(tzinfo=zone) for zone in zones)]


def is_computed(value: Any) -> bool:
    """Return whether a date was computed: only then it has microseconds, as datetime.now() does."""
    return isinstance(value, datetime) and value.microsecond != 0


def delay_from_now(value: Any, zone: tzinfo) -> int | None:
    """Return how long after now a computed datetime lies; None if it is fixed, past, or not soon."""
    if not is_computed(value):
        return None
    for reading in _readings(value, [zone]):
        delay = ticks.instant(reading) - ticks.now()
        if -_NOW_TOLERANCE <= delay <= _SOON:
            return max(0, delay)
    return None

"""Instants and the wall clocks of zones.

An instant is an integer: microseconds since 1970-01-01T00:00 UTC.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
DAY = 86_400 * SECOND
# Later than anything; fits into 64 bits.
FOREVER = 2**62
# Instants beyond these are never computed.
FIRST = int((datetime(1, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) * SECOND
LAST_YEAR = 9990
LAST = int((datetime(LAST_YEAR, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) * SECOND
MICROSECOND = timedelta(microseconds=1)
# Ticks are counted from here on: no ledger has earlier ones, but for an instant that was written by hand.
COUNTED_FROM = 0
# Long spans are looked through in pieces of this length, each of them once.
_BLOCK = 366 * DAY


def instant(moment: datetime) -> int:
    """Return an aware datetime as microseconds since the epoch."""
    return (moment - EPOCH) // MICROSECOND


def instant_in(moment: datetime, zone: tzinfo) -> int:
    """Return a datetime as an instant; one without a zone is a wall-clock time in `zone`."""
    if moment.utcoffset() is None:
        return instant_of_wall(moment.replace(tzinfo=None), zone)
    return instant(moment)


def moment(instant: int, zone: tzinfo = UTC) -> datetime:
    """Return an instant as a datetime in `zone`; the first or the last there is for one beyond.

    A ledger may hold any number of 64 bits, and one row must not keep a page from being shown.
    """
    # Two days from the end, so that no zone leads beyond it.
    instant = min(max(instant, FIRST + 2 * DAY), LAST)
    return (EPOCH + timedelta(microseconds=instant)).astimezone(zone)


def wall_clock(instant: int, zone: tzinfo) -> datetime:
    """Return what a clock in `zone` shows, as a datetime without a zone."""
    return moment(instant, zone).replace(tzinfo=None, fold=0)


def occurrences(wall: datetime, zone: tzinfo) -> list[int]:
    """Return the instants at which a clock in `zone` shows `wall`: none, one or two."""
    both = {instant(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)}
    return sorted(tick for tick in both if wall_clock(tick, zone) == wall)


def ambiguous(wall: datetime, zone: tzinfo) -> bool:
    """Return whether a clock in `zone` shows `wall` twice."""
    return len(occurrences(wall, zone)) == 2


def instant_of_wall(wall: datetime, zone: tzinfo) -> int:
    """Return the first instant that shows `wall`; the end of the gap if the clock jumps over it."""
    real = occurrences(wall, zone)
    if real:
        return real[0]
    both = (instant(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    before, after = sorted(both)
    return transition(before, after, zone)


def note_on_wall_clock(wall: datetime, zone: tzinfo) -> str:
    """Return what to know of a time that a clock in `zone` jumps over, or shows twice; "" of all others."""
    number = len(occurrences(wall, zone))
    if number == 0:
        return note_on_jump(wall_clock(instant_of_wall(wall, zone), zone))
    return f"{comes_twice(wall)}: due at the first only" if number > 1 else ""


def note_on_jump(due: datetime) -> str:
    """Return the note on what was planned for a time that the clock jumps over, and is due at another."""
    return f"the clock jumps over the planned time this day: due at {due:%H:%M}"


def comes_twice(wall: datetime) -> str:
    """Return the note on a time that the clock shows twice."""
    return f"{wall:%H:%M} comes twice this day"


def transition(before: int, after: int, zone: tzinfo) -> int:
    """Return the instant in (before, after] from which the offset of `after` holds."""
    offset = moment(after, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if moment(middle, zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def jumped_over(instant: int, zone: tzinfo) -> datetime:
    """Return the first wall-clock time of the gap that ends at an instant; the time shown, if none does."""
    return min(wall_clock(instant - 1, zone) + MICROSECOND, wall_clock(instant, zone))


def set_back(begin: int, end: int, zone: tzinfo) -> int | None:
    """Return the instant in (begin, end] at which the clock is set back, if there is one."""
    first, last = moment(begin, zone).utcoffset(), moment(end, zone).utcoffset()
    if first is None or last is None or last >= first:
        return None
    return transition(begin, end, zone)


def spans(begin: int, end: int, zone: tzinfo) -> Iterator[tuple[int, int]]:
    """Yield the parts of [begin, end) in which the zone's offset stays the same, in order."""
    start = begin
    while begin < end:
        block, is_within = divmod(begin, _BLOCK)
        if is_within or begin + _BLOCK > end:
            following = min(begin + DAY, end, (block + 1) * _BLOCK)
            shifts = _shifts(begin, following, zone)
        else:
            following, shifts = begin + _BLOCK, _shifts_of_block(block, zone)
        for shift in shifts:
            if shift < end:
                yield start, shift
                start = shift
        begin = following
    yield start, end


def _shifts(begin: int, end: int, zone: tzinfo) -> tuple[int, ...]:
    """Return the instant in (begin, end], of a day, at which the offset changes; none where it stays."""
    if moment(begin, zone).utcoffset() == moment(end, zone).utcoffset():
        return ()
    return (transition(begin, end, zone),)


@functools.lru_cache(maxsize=2_000)
def _shifts_of_block(number: int, zone: tzinfo) -> tuple[int, ...]:
    """Return the instants at which the offset changes in about a year, counted from 1970."""
    days = range(number * _BLOCK, (number + 1) * _BLOCK, DAY)
    return tuple(shift for day in days for shift in _shifts(day, day + DAY, zone))

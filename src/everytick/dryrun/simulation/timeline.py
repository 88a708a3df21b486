"""All ticks of a span, kept by their regularity: a year of seconds is 365 times the same day.

Regular ticks are never walked one by one. The ticks are the same as those that `Ticks.next` gives.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from everytick.model.schedule import Schedule
from everytick.model.ticks import DAY, SECOND, CronTicks, IntervalTicks, Ticks
from everytick.model.ticks.zones import moment, transition, wall_clock

# The ticks of combined triggers are found one by one, at some twenty thousand a second.
MOST_COMBINED = 200_000


class TooManyTicks(Exception):
    """The ticks of a combined trigger would take too long to be found."""


@dataclass(frozen=True)
class Stretch:
    """Ticks in order: `base` plus each of `values`; instants and gaps are microseconds.

    longest_after: the tick after which the longest gap begins, as one of `values`.
    """

    base: int
    values: Sequence[int]
    shortest: int | None
    longest: int
    longest_after: int

    @property
    def first(self) -> int:
        return self.base + self.values[0]

    @property
    def last(self) -> int:
        return self.base + self.values[-1]

    def moved(self, base: int) -> Stretch:
        """Return the same pattern elsewhere."""
        return Stretch(base, self.values, self.shortest, self.longest, self.longest_after)

    def within(self, after: int, until: int) -> Stretch | None:
        """Return the part of it in (after, until]."""
        if after < self.first and self.last <= until:
            return self
        low = bisect_right(self.values, after - self.base)
        high = bisect_right(self.values, until - self.base)
        return stretch(self.base, self.values[low:high]) if low < high else None


def stretch(base: int, values: Sequence[int]) -> Stretch:
    """Return a stretch of these ticks, of which there is at least one."""
    if isinstance(values, range):
        step = values.step if len(values) > 1 else None
        return Stretch(base, values, step, step or 0, values[0])
    gaps = [later - earlier for earlier, later in pairwise(values)]
    longest = max(gaps, default=0)
    return Stretch(base, values, min(gaps, default=None), longest, values[gaps.index(longest) if gaps else 0])


class Timeline:
    """The ticks of one schedule in a span."""

    def __init__(self, stretches: list[Stretch]) -> None:
        self._stretches = stretches
        self._lasts = [part.last for part in stretches]
        self.total = sum(len(part.values) for part in stretches)
        gaps = [later.first - earlier.last for earlier, later in pairwise(stretches)]
        gaps += {part.shortest for part in stretches if part.shortest is not None}
        self.shortest_gap = min(gaps, default=None)

    def between(self, after: int, until: int) -> Iterator[Stretch]:
        """Yield the ticks in (after, until] by stretches."""
        index = bisect_right(self._lasts, after)
        while index < len(self._stretches) and self._stretches[index].first <= until:
            part = self._stretches[index].within(after, until)
            if part is not None:
                yield part
            index += 1

    def ticks(self, after: int, until: int) -> Iterator[int]:
        """Yield the ticks in (after, until] one by one."""
        for part in self.between(after, until):
            base = part.base
            for value in part.values:
                yield base + value

    def count(self, after: int, until: int) -> int:
        """Return how many ticks lie in (after, until]."""
        return sum(len(part.values) for part in self.between(after, until))


def timeline(schedule: Schedule, begin: int, end: int) -> Timeline:
    """Return the ticks in [begin, end).

    Raises:
        TooManyTicks: there are more than MOST_COMBINED, of a trigger that must be walked.
    """
    if isinstance(schedule.ticks, IntervalTicks):
        return Timeline(_of_interval(schedule.ticks, begin, end))
    if isinstance(schedule.ticks, CronTicks):
        return Timeline(list(_of_cron(schedule, schedule.ticks, begin, end)))
    return Timeline(_walked(schedule.ticks, begin, end))


def _of_interval(ticks: IntervalTicks, begin: int, end: int) -> list[Stretch]:
    number, first = ticks.count(begin - 1, end - 1), ticks.next(begin - 1)
    if not number or first is None:
        return []
    return [stretch(first, range(0, number * ticks.step, ticks.step))]


def _of_cron(schedule: Schedule, ticks: CronTicks, begin: int, end: int) -> Iterator[Stretch]:
    times = ticks.times_of_day
    whole = stretch(0, times)
    tick = ticks.next(begin - 1)
    while tick is not None and tick < end:
        midnight, stop = _day_of(schedule, tick)
        found = whole.moved(midnight)
        if found.first != tick or found.last >= min(stop, end) or not _has_last(ticks, found):
            found = _part_of_day(ticks, times, tick, midnight, min(stop, end))
        yield found
        tick = ticks.next(found.last)


def _day_of(schedule: Schedule, tick: int) -> tuple[int, int]:
    """Return when the tick's day began by its own offset, and until when that offset holds on it."""
    wall = wall_clock(tick, schedule.zone)
    since = ((wall.hour * 60 + wall.minute) * 60 + wall.second) * SECOND + wall.microsecond
    midnight = tick - since
    last = midnight + DAY - 1
    if moment(tick, schedule.zone).utcoffset() == moment(last, schedule.zone).utcoffset():
        return midnight, midnight + DAY
    return midnight, transition(tick, last, schedule.zone)


def _has_last(ticks: CronTicks, found: Stretch) -> bool:
    return len(found.values) == 1 or ticks.next(found.last - 1) == found.last


def _part_of_day(ticks: CronTicks, times: list[int], tick: int, midnight: int, stop: int) -> Stretch:
    """Return the ticks from `tick` on and before `stop`, between which the clock is not shifted.

    They are the day's times from there on, as many as there are (a bound may end them). The end of a gap may
    be a tick of its own, the first.
    """
    low = bisect_left(times, tick - midnight)
    number = ticks.count(tick - 1, stop - 1)
    values = times[low : low + number]
    if len(values) == number and values[0] == tick - midnight:
        found = stretch(midnight, values)
        if _has_last(ticks, found):
            return found
    return stretch(tick, range(1))


def _walked(ticks: Ticks, begin: int, end: int) -> list[Stretch]:
    values: list[int] = []
    tick = ticks.next(begin - 1)
    while tick is not None and tick < end:
        values.append(tick)
        if len(values) > MOST_COMBINED:
            raise TooManyTicks
        tick = ticks.next(tick)
    return [stretch(0, values)] if values else []

"""Intervals of elapsed time, single dates, and every n-th day of the calendar."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo

from .protocol import ON_TIME, bounds
from .zones import COUNTED_FROM, LAST, ambiguous, instant_of_wall, jumped_over, wall_clock


class IntervalTicks:
    """Elapsed time, counted in whole steps from a fixed anchor."""

    def __init__(self, step: int, anchor: int, start: int | None = None, end: int | None = None) -> None:
        self.step, self._anchor = step, anchor
        self._start, self._end = start, end
        self.canonical = f"interval {step}us from {anchor}{bounds(start, end)}"

    def next(self, after: int) -> int | None:
        if self._start is not None and after < self._start:
            after = self._start - 1
        tick = self._anchor + ((after - self._anchor) // self.step + 1) * self.step
        return None if tick > (LAST if self._end is None else self._end) else tick

    def count(self, after: int, until: int) -> int:
        """Return how many ticks lie in (after, until]."""
        if self._start is not None:
            after = max(after, self._start - 1)
        if self._end is not None:
            until = min(until, self._end)
        return max(0, (until - self._anchor) // self.step - (after - self._anchor) // self.step)

    def note(self, tick: int) -> str:
        return ""

    def postponed(self, tick: int) -> set[timedelta]:
        return {ON_TIME}


class DateTicks:
    """One instant, or none at all (a job that only runs at each start)."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.canonical = f"date {at}" if at is not None else "date none"

    def next(self, after: int) -> int | None:
        return self.at if self.at is not None and self.at > after else None

    def note(self, tick: int) -> str:
        return ""

    def postponed(self, tick: int) -> set[timedelta]:
        return {ON_TIME}


class CalendarTicks:
    """A time of day on every n-th day, week, month or year of the calendar, from a fixed date."""

    def __init__(
        self,
        years: int,
        months: int,
        days: int,
        at: time,
        zone: tzinfo,
        start: date,
        end: date | None,
    ) -> None:
        self._months = years * 12 + months
        self._days = days
        self._at, self._zone, self._begin, self._end = at, zone, start, end
        until = f" until {end}" if end else ""
        self.canonical = f"calendarinterval {self._months}m{days}d {at} from {start}{until} zone={zone}"
        self._dates = [start]
        self._more = self._walk()

    def next(self, after: int) -> int | None:
        return next(self._after(after), None)

    def count(self, after: int, until: int) -> int:
        """Return how many ticks since 1970 lie in (after, until]."""
        after = max(after, COUNTED_FROM - 1)
        return sum(1 for _tick in itertools.takewhile(lambda tick: tick <= until, self._after(after)))

    def _after(self, after: int) -> Iterator[int]:
        """Yield the ticks later than `after`; two dates may come to the same instant in a gap."""
        if after >= LAST:
            return
        day = max(wall_clock(after, self._zone).date() - timedelta(days=2), self._begin)
        for candidate in self._from(day):
            if candidate == date.max or (self._end and candidate > self._end):
                return
            tick = instant_of_wall(datetime.combine(candidate, self._at), self._zone)
            if tick > after:
                after = tick
                yield tick

    def note(self, tick: int) -> str:
        wall = wall_clock(tick, self._zone)
        if wall.time() != self._at:
            return f"the clock jumps over {self._at:%H:%M} this day: due at {wall:%H:%M}"
        if ambiguous(wall, self._zone):
            return f"{wall:%H:%M} comes twice this day: due at the first only"
        return ""

    def postponed(self, tick: int) -> set[timedelta]:
        first, last = jumped_over(tick, self._zone), wall_clock(tick, self._zone)
        dates = itertools.takewhile(
            lambda day: day <= last.date(), self._from(max(first.date(), self._begin))
        )
        planned = (datetime.combine(day, self._at) for day in dates)
        return {last - wall for wall in planned if first <= wall <= last}

    def _from(self, day: date) -> Iterator[date]:
        if not self._months:
            steps = -(-(day - self._begin).days // self._days)
            while True:
                yield self._begin + timedelta(days=steps * self._days)
                steps += 1
        while self._dates[-1] < day:
            self._dates.append(next(self._more))
        index = bisect.bisect_left(self._dates, day)
        while True:
            if index == len(self._dates):
                self._dates.append(next(self._more))
            yield self._dates[index]
            index += 1

    def _walk(self) -> Iterator[date]:
        """Yield the dates after the first. A date that does not exist (30 February) is skipped."""
        year, month, day = self._begin.year, self._begin.month, self._begin.day
        while True:
            month += self._months
            year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
            try:
                found = date(year, month, day) + timedelta(days=self._days)
            except ValueError:
                if year > date.max.year:
                    yield date.max
                continue
            if self._days:
                year, month, day = found.year, found.month, found.day
            yield found

"""Ticks without those of excluded days, which are left out or moved to a workday, and workdays of a month.

A day is one on the wall clock of the job's zone. A workday is a day from Monday to Friday that is not
excluded. A tick that is moved keeps its time of day, also one that the clock jumps over on the excluded day;
where the clock jumps over that, or shows it twice on the workday, R9 holds as for any other wall-clock time.
Ticks that come to one instant are one tick.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal

from .days import Days, with_weekday
from .protocol import ON_TIME, Ticks
from .zones import (
    LAST,
    MICROSECOND,
    SECOND,
    instant_of_wall,
    jumped_over,
    occurrences,
    set_back,
    spans,
    wall_clock,
)

Shift = Literal["skip", "next-workday", "previous-workday"]
Workday = Literal["first", "last"]

_ONE = timedelta(days=1)
# How many days without a tick are passed, one by one, before there is none to come.
_SEARCH_LIMIT = 5_000
# No clock is set back by more.
_LONGEST_SHIFT = 6 * 3_600 * SECOND


class ExcludingTicks:
    """The ticks of another set, as far as their days are not excluded.

    Args:
        source: the ticks as if no day were excluded.
        days: the excluded days.
        zone: where a day begins and ends.
        shift: what becomes of the ticks of an excluded day: they are left out, or moved.
        workday: only the first or the last workday of each month counts; `shift` is `skip` then.
    """

    def __init__(
        self, source: Ticks, days: Days, zone: tzinfo, shift: Shift = "skip", workday: Workday | None = None
    ) -> None:
        self.source, self.days, self.shift, self.workday = source, days, shift, workday
        self._zone = zone
        which = f" on the {workday} workday" if workday else ""
        self.canonical = f"{source.canonical}{which} excluding {days.canonical} shift={shift} days of {zone}"
        self._target = functools.lru_cache(maxsize=1_000)(self._find_target)
        self._planned = functools.lru_cache(maxsize=10)(self._find_planned)
        # The ticks after `_asked` and up to `_found` are known: it is the first of them.
        self._known: tuple[int, int] = (0, 0)

    def next(self, after: int) -> int | None:
        if after >= LAST:
            return None
        asked, found = self._known
        if asked <= after < found:
            return found
        tick = self._next_kept(after) if self.shift == "skip" else self._next_of_shifted(after)
        if tick is not None:
            self._known = after, tick
        return tick

    def note(self, tick: int) -> str:
        day = self._day(tick)
        notes = []
        if self._target(day) == day and self.source.next(tick - 1) == tick:
            notes.append(self.source.note(tick))
        # The clock may jump over the end of a day: what was due then is due at the beginning of the next.
        targets = [day - _ONE, day] if tick == self._begin(day) else [day]
        moved = [
            source
            for target in targets
            for source in self._moved_to(target)
            if self._first_moved(source, target, tick - 1) == tick
        ]
        if moved:
            notes.append(f"moved from {', '.join(map(self._named, moved))}")
        if self.workday:
            notes += [f"{self._named(it)} is excluded" for it in self._passed_over(day)]
        return "; ".join(filter(None, notes))

    def left_out(self, instant: int) -> str:
        """Return why the source has a tick at an instant and this has none; empty if that is not so."""
        day = self._day(instant)
        target = self._target(day)
        if target == day or self.source.next(instant - 1) != instant:
            return ""
        said = self.excluded_day(instant)
        if not said:
            said = f"{with_weekday(day)} is not the {self.workday} workday of its month"
        if target is None:
            return said
        moved = [wall_clock(self._moved(time, target), self._zone) for time in self._planned(instant)]
        first, last = f"{moved[0]:%H:%M}", f"{moved[-1]:%H:%M}"
        until = "" if first == last else f" to {last}"
        return f"{said}: moved to {with_weekday(moved[0].date())} {first}{until}"

    def postponed(self, tick: int) -> set[timedelta]:
        return {ON_TIME}

    def excluded_day(self, instant: int) -> str:
        """Return that the day of an instant is excluded, in words; empty if it is not."""
        day = self._day(instant)
        return f"{self._named(day)} is excluded" if day in self.days else ""

    def left_out_between(self, begin: int, end: int, *, moved: bool = False) -> Iterator[tuple[int, str]]:
        """Yield the first tick that is left out of each date in [begin, end), and why.

        Those that are left out by their weekday alone are an everyday matter, and not among them.

        moved: also those that are due on another day instead.
        """
        if (self.shift != "skip" and not moved) or self.workday or end <= begin:
            return
        for day in self.days.dates(self._day(begin), self._day(end - 1) + _ONE):
            tick = self.source.next(max(begin, self._begin(day)) - 1)
            if tick is not None and tick < end and self._day(tick) == day:
                yield tick, self.left_out(tick)

    def excludes_all(self, begin: int, end: int) -> bool:
        """Return whether the source has ticks in [begin, end), and none of them is left."""
        planned, tick = self.source.next(begin - 1), self.next(begin - 1)
        return planned is not None and planned < end and (tick is None or tick >= end)

    def excludes_any(self, begin: int, end: int) -> bool:
        """Return whether the source has a tick in [begin, end) on an excluded day."""
        tick = self.source.next(begin - 1)
        while tick is not None and tick < end:
            if self._day(tick) in self.days:
                return True
            tick = self.source.next(self._end_of_day(tick) - 1)
        return False

    def kept_parts(self, after: int, until: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of (after, until], as (begin, end], in which each tick of the source is one."""
        begin = after
        while begin < until:
            end = min(until, self._end_of_day(begin + 1) - 1)
            day = self._day(begin + 1)
            if self._target(day) == day:
                yield begin, end
            begin = end

    # --- days

    def _day(self, instant: int) -> date:
        return wall_clock(instant, self._zone).date()

    def _begin(self, day: date) -> int:
        return instant_of_wall(datetime.combine(day, time()), self._zone)

    def _end(self, day: date) -> int:
        midnight = datetime.combine(day + _ONE, time())
        return (occurrences(midnight, self._zone) or [instant_of_wall(midnight, self._zone)])[-1]

    def _end_of_day(self, instant: int) -> int:
        """Return the first instant after this one at which the clock shows another day."""
        day = self._day(instant)
        end = self._begin(day + _ONE)
        if end <= instant:
            # Midnight came already, and the clock was set back over it.
            return self._end(day)
        back = set_back(instant, end, self._zone)
        return back if back is not None and self._day(back) != day else end

    def _find_target(self, day: date) -> date | None:
        """Return the day on which the ticks of a day are due; None if they are left out."""
        if self.workday is not None:
            return day if day == self._workday_of_month(day) else None
        if day not in self.days:
            return day
        if self.shift == "skip":
            return None
        return self._workday_from(day, _ONE if self.shift == "next-workday" else -_ONE)

    def _workday_of_month(self, day: date) -> date | None:
        first = day.replace(day=1)
        following = (first + 31 * _ONE).replace(day=1)
        begin, step = (first - _ONE, _ONE) if self.workday == "first" else (following, -_ONE)
        found = self._workday_from(begin, step)
        return found if found is not None and first <= found < following else None

    def _workday_from(self, day: date, step: timedelta) -> date | None:
        """Return the nearest workday after a day, or before it."""
        for _ in range(_SEARCH_LIMIT):
            day += step
            if self.days.is_workday(day):
                return day
        return None

    def _moved_to(self, day: date) -> list[date]:
        """Return the days whose ticks are moved to a day."""
        if self.shift == "skip" or not self.days.is_workday(day):
            return []
        step = -_ONE if self.shift == "next-workday" else _ONE
        other = self._workday_from(day, step)
        found, at = [], day + step
        while other is not None and at != other:
            if at in self.days:
                found.append(at)
            at += step
        return sorted(found)

    def _passed_over(self, day: date) -> list[date]:
        """Return the days from Monday to Friday for which the workday of a month stands in."""
        step = -_ONE if self.workday == "first" else _ONE
        found, at = [], day + step
        while at.month == day.month:
            if at.weekday() < 5:
                found.append(at)
            at += step
        return sorted(found)

    def _named(self, day: date) -> str:
        return " ".join(filter(None, [with_weekday(day), self.days.name(day)]))

    # --- ticks

    def _next_kept(self, after: int) -> int | None:
        tick = self.source.next(after)
        for _ in range(_SEARCH_LIMIT):
            if tick is None:
                return None
            day = self._day(tick)
            if self._target(day) == day:
                return tick
            tick = self.source.next(self._end_of_day(tick) - 1)
        return None

    def _next_of_shifted(self, after: int) -> int | None:
        today = self._day(after)
        tick = self.source.next(self._begin(self._first_source(today)) - 1)
        best: int | None = None
        for _ in range(_SEARCH_LIMIT):
            if tick is None or (best is not None and self._soonest(self._day(tick)) > self._day(best)):
                break
            found = self._first_due(tick, today, after)
            if found is not None and (best is None or found < best):
                best = found
            tick = self.source.next(self._end_of_day(tick) - 1)
        return best

    def _first_source(self, today: date) -> date:
        """Return the first day whose ticks may be due on a day or later."""
        if self.shift == "previous-workday":
            return today
        before = self._workday_from(today, -_ONE)
        return today if before is None else before + _ONE

    def _soonest(self, day: date) -> date:
        """Return the first day on which ticks of a day, or of a later one, may be due."""
        if self.shift == "next-workday":
            return day
        return self._workday_from(day + _ONE, -_ONE) or day

    def _first_due(self, tick: int, today: date, after: int) -> int | None:
        """Return when the ticks of a day, whose first one is given, are due for the first time after."""
        day = self._day(tick)
        target = self._target(day)
        if target is None or target < today:
            return None
        if target != day:
            return self._first_moved(day, target, after)
        if tick > after:
            return tick
        later = self.source.next(after)
        return later if later is not None and self._day(later) == day else None

    def _first_moved(self, day: date, target: date, after: int) -> int | None:
        """Return when a tick of a day that is due on another one is due for the first time after."""
        shown = self._shown_until(target, after)
        low = datetime.combine(day, shown.time()) if shown else datetime.combine(day, time()) - MICROSECOND
        found: list[time] = []
        # Within each of these parts the clock only goes forward.
        for begin, end in spans(self._begin(day), self._end(day), self._zone):
            wall = wall_clock(begin, self._zone)
            since = max((low - wall) // MICROSECOND, -1)
            if jumped_over(begin, self._zone) < wall:
                # At the end of a gap those are due that lie in it, too.
                due = self._planned(begin)
                found += due[bisect_right(due, shown.time()) if shown else 0 :][:1]
                since = max(since, 0)
            tick = self.source.next(begin + since)
            if tick is not None and tick < end and self._day(tick) == day:
                found.append(wall_clock(tick, self._zone).time())
        return self._moved(min(found), target) if found else None

    def _find_planned(self, tick: int) -> list[time]:
        """Return the times of day that are due at an instant, if it is a tick of the source, in order."""
        if self.source.next(tick - 1) != tick:
            return []
        wall = wall_clock(tick, self._zone)
        return sorted({(wall - by).time() for by in self.source.postponed(tick)})

    def _moved(self, at: time, target: date) -> int:
        return instant_of_wall(datetime.combine(target, at), self._zone)

    def _shown_until(self, day: date, instant: int) -> datetime | None:
        """Return the latest time of a day that the clock has shown up to an instant; None if none of it."""
        wall = wall_clock(instant, self._zone)
        back = set_back(instant - _LONGEST_SHIFT, instant, self._zone)
        if back is not None:
            wall = max(wall, wall_clock(back - 1, self._zone))
        return wall if wall.date() == day else None

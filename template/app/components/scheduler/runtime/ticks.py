"""When a job is due: from a trigger's canonical form to UTC instants.

Pure functions of the definition and the time zone database, without I/O (`now` alone reads the clock). An
instant is an integer: microseconds since 1970-01-01T00:00 UTC. Every class here has

- `canonical`: text that is equal for equal sets of ticks, and is what "the same definition" means
- `next(after)`: the first tick later than `after`, or None when there is none
- `note(tick)`: what is odd about a tick's wall-clock time, for people

Daylight saving (rule R9): a cron trigger whose hour field covers all 24 hours fires at every real
occurrence of its times. Any other is a set of wall-clock times: one that the clock jumps over fires at
the end of the gap, one that comes twice fires at the first.
"""

from __future__ import annotations

import bisect
import hashlib
import time as clock
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

from apscheduler.triggers.cron import CronTrigger

UTC = UTC
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
DAY = 86_400 * SECOND
# Later than anything; fits into 64 bits.
FOREVER = 2**62
# Instants beyond this are not reckoned with.
LAST = int((datetime(9990, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) * SECOND
_MICROSECOND = timedelta(microseconds=1)


def now() -> int:
    """Return the present instant by the machine's wall clock."""
    return clock.time_ns() // 1000


def instant(moment: datetime) -> int:
    """Return an aware datetime as microseconds since the epoch."""
    return (moment - EPOCH) // _MICROSECOND


def instant_in(moment: datetime, zone: tzinfo) -> int:
    """Return a datetime as an instant; one without a zone is a wall-clock time in `zone`."""
    return instant(moment) if moment.tzinfo else instant_of_wall(moment, zone)


def moment(instant: int, zone: tzinfo = UTC) -> datetime:
    """Return an instant as a datetime in `zone`."""
    return (EPOCH + timedelta(microseconds=instant)).astimezone(zone)


class Ticks(Protocol):
    """The set of instants at which a job is due."""

    canonical: str

    def next(self, after: int) -> int | None: ...
    def note(self, tick: int) -> str: ...


class CronTicks:
    """Wall-clock times that match eight cron fields, read in a zone."""

    def __init__(
        self, fields: dict[str, str], zone: tzinfo, start: int | None = None, end: int | None = None
    ) -> None:
        self._cron = CronTrigger(**fields, timezone=UTC)
        self._zone = zone
        self._start, self._end = start, end
        written = " ".join(f"{field.name}={field}" for field in self._cron.fields)
        self.canonical = f"cron {written} zone={zone}{_bounds(start, end)}"
        hours = self._cron.fields[self._cron.FIELD_NAMES.index("hour")]
        noon = datetime(2000, 1, 1)
        self._every_hour = all(hours.get_next_value(noon.replace(hour=hour)) == hour for hour in range(24))

    def next(self, after: int) -> int | None:
        if self._start is not None:
            after = max(after, self._start - 1)
        if after >= LAST:
            return None
        find = self._next_occurrence if self._every_hour else self._next_wall_time
        tick = find(after)
        return None if tick is None or (self._end is not None and tick > self._end) else tick

    def note(self, tick: int) -> str:
        wall = _wall(tick, self._zone)
        if self._next_match(wall - _MICROSECOND) != wall:
            return f"the clock jumps over the planned time this day: due at {wall:%H:%M}"
        if _ambiguous(wall, self._zone):
            again = "" if self._every_hour else ": due at the first only"
            return f"{wall:%H:%M} comes twice this day{again}"
        return ""

    def _next_wall_time(self, after: int) -> int | None:
        wall: datetime | None = _wall(after, self._zone)
        while (wall := self._next_match(wall)) is not None:
            tick = instant_of_wall(wall, self._zone)
            if tick > after:
                return tick
        return None

    def _next_occurrence(self, after: int) -> int | None:
        found = self._first_real(_wall(after, self._zone), after)
        # A clock set back within a day from now repeats times that lie before `after` on the dial.
        set_back = _set_back(after, after + DAY + 7_200 * SECOND, self._zone)
        if set_back is not None and (found is None or set_back <= found):
            again = self._first_real(_wall(set_back, self._zone) - _MICROSECOND, set_back - 1)
            found = again if found is None or (again is not None and again < found) else found
        return found

    def _first_real(self, wall: datetime | None, after: int) -> int | None:
        while (wall := self._next_match(wall)) is not None:
            real = [tick for tick in _occurrences(wall, self._zone) if tick > after]
            if real:
                return min(real)
        return None

    def _next_match(self, wall: datetime | None) -> datetime | None:
        """Return the first matching wall-clock time after `wall`, as if the zone had no shifts."""
        if wall is None:
            return None
        found = self._cron.get_next_fire_time(None, wall.replace(tzinfo=UTC) + _MICROSECOND)
        return None if found is None else found.replace(tzinfo=None)


class IntervalTicks:
    """Elapsed time, counted in whole steps from a fixed anchor."""

    def __init__(self, step: int, anchor: int, start: int | None = None, end: int | None = None) -> None:
        self.step, self._anchor = step, anchor
        self._start, self._end = start, end
        self.canonical = f"interval {step}us from {anchor}{_bounds(start, end)}"

    def next(self, after: int) -> int | None:
        if self._start is not None:
            after = max(after, self._start - 1)
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


class DateTicks:
    """One instant, or none at all (a job that only runs at each start)."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.canonical = f"date {at}" if at is not None else "date none"

    def next(self, after: int) -> int | None:
        return self.at if self.at is not None and self.at > after else None

    def note(self, tick: int) -> str:
        return ""


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
        if after >= LAST:
            return None
        day = max(_wall(after, self._zone).date() - timedelta(days=2), self._begin)
        for candidate in self._from(day):
            if candidate == date.max or (self._end and candidate > self._end):
                return None
            tick = instant_of_wall(datetime.combine(candidate, self._at), self._zone)
            if tick > after:
                return tick
        return None

    def note(self, tick: int) -> str:
        wall = _wall(tick, self._zone)
        if wall.time() != self._at:
            return f"the clock jumps over {self._at:%H:%M} this day: due at {wall:%H:%M}"
        if _ambiguous(wall, self._zone):
            return f"{wall:%H:%M} comes twice this day: due at the first only"
        return ""

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


class UnionTicks:
    """Due when any part is (`or`)."""

    def __init__(self, parts: list[Ticks]) -> None:
        self._parts = parts
        self.canonical = f"or({'; '.join(sorted(part.canonical for part in parts))})"

    def next(self, after: int) -> int | None:
        found = [tick for part in self._parts if (tick := part.next(after)) is not None]
        return min(found, default=None)

    def note(self, tick: int) -> str:
        return next((n for p in self._parts if p.next(tick - 1) == tick and (n := p.note(tick))), "")


class IntersectionTicks:
    """Due when all parts are at the same instant (`and`)."""

    # Parts that never meet would be searched for ever; daily parts are followed for years.
    SEARCH_LIMIT = 2_000

    def __init__(self, parts: list[Ticks]) -> None:
        self._parts = parts
        self.canonical = f"and({'; '.join(sorted(part.canonical for part in parts))})"

    def next(self, after: int) -> int | None:
        for _ in range(self.SEARCH_LIMIT):
            found = [part.next(after) for part in self._parts]
            ticks = [tick for tick in found if tick is not None]
            if len(ticks) < len(found):
                return None
            if min(ticks) == max(ticks):
                return ticks[0]
            after = max(ticks) - 1
        return None

    def note(self, tick: int) -> str:
        return next((note for part in self._parts if (note := part.note(tick))), "")


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
    """Return the number of ticks in (after, until]; None when counting passes `limit`."""
    if isinstance(ticks, IntervalTicks):
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


def _bounds(start: int | None, end: int | None) -> str:
    return (f" start={start}" if start is not None else "") + (f" end={end}" if end is not None else "")


def _wall(instant: int, zone: tzinfo) -> datetime:
    return moment(instant, zone).replace(tzinfo=None, fold=0)


def _occurrences(wall: datetime, zone: tzinfo) -> list[int]:
    """Return the instants at which a clock in `zone` shows `wall`: none, one or two."""
    both = {instant(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)}
    return sorted(tick for tick in both if _wall(tick, zone) == wall)


def _ambiguous(wall: datetime, zone: tzinfo) -> bool:
    return len(_occurrences(wall, zone)) == 2


def instant_of_wall(wall: datetime, zone: tzinfo) -> int:
    """Return the first instant that shows `wall`; the end of the gap if the clock jumps over it."""
    real = _occurrences(wall, zone)
    if real:
        return real[0]
    both = (instant(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    before, after = sorted(both)
    return _transition(before, after, zone)


def _transition(before: int, after: int, zone: tzinfo) -> int:
    """Return the instant in (before, after] from which the offset of `after` holds."""
    offset = moment(after, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if moment(middle, zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def _set_back(begin: int, end: int, zone: tzinfo) -> int | None:
    """Return the instant in (begin, end] at which the clock is set back, if there is one."""
    first, last = moment(begin, zone).utcoffset(), moment(end, zone).utcoffset()
    if first is None or last is None or last >= first:
        return None
    return _transition(begin, end, zone)

"""Cron fields read on a zone's wall clock, with the daylight-saving rule (R9).

A trigger whose hour field covers all 24 hours fires at every real occurrence of its times. Any other is a set
of wall-clock times: one that the clock jumps over fires at the end of the gap, one that comes twice fires at
the first.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.cron.fields import DEFAULT_VALUES, BaseField

from .protocol import ON_TIME, bounds
from .zones import (
    COUNTED_FROM,
    DAY,
    LAST,
    MICROSECOND,
    SECOND,
    ambiguous,
    comes_twice,
    instant_of_wall,
    jumped_over,
    note_on_jump,
    occurrences,
    set_back,
    spans,
    wall_clock,
)

_DAY = timedelta(days=1)
# The calendar repeats itself after 400 years: a date that did not come until then never does.
_CYCLE = timedelta(days=146_097)
_SIZES = {"hour": 24, "minute": 60, "second": 60}
_DATE_FIELDS = ("year", "month", "day", "week", "day_of_week")
# Of longer spans, the dates of each year are found once for all that have the same fields.
_LONG = timedelta(days=60)


class CronTicks:
    """Wall-clock times that match eight cron fields, read in a zone."""

    def __init__(
        self, fields: dict[str, str], zone: tzinfo, start: int | None = None, end: int | None = None
    ) -> None:
        self._cron = _Fields(fields)
        self._zone = zone
        self._start, self._end = start, end
        self.canonical = f"cron {self._cron.written} zone={zone}{bounds(start, end)}"
        # The ticks after `_asked` and up to `_found` are known: it is the first of them.
        self._known: tuple[int, int] = (0, 0)
        # Each year has each month and each weekday.
        self._may_be_never = any(fields.get(name, "*") != "*" for name in ("day", "week"))
        self._names_years = fields.get("year", "*") != "*"
        self._every_hour = len(_matching(self._cron, "hour")) == 24

    @property
    def text(self) -> str:
        """The fields that were given, as people are shown them."""
        return f"cron[{self._cron.text}]"

    def next(self, after: int) -> int | None:
        if self._start is not None:
            after = max(after, self._start - 1)
        if after >= LAST:
            return None
        asked, found = self._known
        if asked <= after < found:
            return found
        find = self._next_occurrence if self._every_hour else self._next_wall_time
        tick = find(after)
        if tick is None or (self._end is not None and tick > self._end):
            return None
        # Asked by each look at a job, and by each job that has the same trigger.
        self._known = after, tick
        return tick

    @functools.cached_property
    def _dial(self) -> _Dial:
        return _Dial(self._cron)

    @property
    def times_of_day(self) -> list[int]:
        """The times of a day that has any, in microseconds after midnight, as if the zone had no shifts."""
        return self._dial.times()

    def count(self, after: int, until: int) -> int:
        """Return how many ticks since 1970 lie in (after, until], without walking them."""
        if self._may_be_never and self._is_never:
            return 0
        after = max(after, COUNTED_FROM - 1)
        if self._start is not None:
            after = max(after, self._start - 1)
        until = min(until, LAST if self._end is None else self._end)
        number = 0
        # A wall clock time that was shown before does not fire again: a shift may lie shortly before.
        shown: datetime | None = None
        for begin, end in spans(after - 2 * DAY, until + 1, self._zone) if until > after else ():
            first, last = wall_clock(begin, self._zone), wall_clock(end - 1, self._zone) + MICROSECOND
            if end > after + 1:
                low = max(first, wall_clock(max(begin, after + 1), self._zone))
                if shown is not None and not self._every_hour:
                    number += begin > after and self._fires_at_gap_end(shown, first)
                    low = max(low, shown)
                number += self._dial.count(low, last)
            shown = last if shown is None else max(shown, last)
        return number

    def _fires_at_gap_end(self, shown: datetime, first: datetime) -> bool:
        """Return whether times that the clock jumped over fire at the gap's end, itself none of them."""
        return self._dial.count(shown, first) > 0 and not self._dial.count(first, first + MICROSECOND)

    def note(self, tick: int) -> str:
        wall = wall_clock(tick, self._zone)
        if self._next_match(wall - MICROSECOND) != wall:
            return note_on_jump(wall)
        if ambiguous(wall, self._zone):
            again = "" if self._every_hour else ": due at the first only"
            return f"{comes_twice(wall)}{again}"
        return ""

    def postponed(self, tick: int) -> set[timedelta]:
        if self._every_hour:
            return {ON_TIME}
        last = wall_clock(tick, self._zone)
        found, wall = set(), self._next_match(jumped_over(tick, self._zone) - MICROSECOND)
        while wall is not None and wall <= last:
            found.add(last - wall)
            wall = self._next_match(wall)
        return found

    def _next_wall_time(self, after: int) -> int | None:
        wall: datetime | None = wall_clock(after, self._zone)
        while (wall := self._next_match(wall)) is not None:
            tick = instant_of_wall(wall, self._zone)
            if tick > after:
                return tick
        return None

    def _next_occurrence(self, after: int) -> int | None:
        found = self._first_real(wall_clock(after, self._zone), after)
        # A clock set back within a day from now repeats times that lie before `after` on the dial.
        back = set_back(after, after + DAY + 7_200 * SECOND, self._zone)
        if back is not None and (found is None or back <= found):
            again = self._first_real(wall_clock(back, self._zone) - MICROSECOND, back - 1)
            found = again if found is None or (again is not None and again < found) else found
        return found

    def _first_real(self, wall: datetime | None, after: int) -> int | None:
        while (wall := self._next_match(wall)) is not None:
            real = [tick for tick in occurrences(wall, self._zone) if tick > after]
            if real:
                return min(real)
        return None

    def _next_match(self, wall: datetime | None) -> datetime | None:
        """Return the first matching wall-clock time after `wall`, as if the zone had no shifts."""
        if wall is None or (self._may_be_never and self._is_never):
            return None
        found = self._cron.get_next_fire_time(None, wall.replace(tzinfo=UTC) + MICROSECOND)
        return None if found is None else found.replace(tzinfo=None)

    @functools.cached_property
    def _is_never(self) -> bool:
        """Whether no date matches, such as a 30 February: without years named, one cycle tells."""
        if self._names_years:
            return False
        begin = datetime(2000, 1, 1, tzinfo=UTC)
        fields = {field.name: str(field) for field in self._cron.fields}
        cycle = CronTrigger(**fields, timezone=UTC, end_date=begin + _CYCLE)
        return cycle.get_next_fire_time(None, begin) is None


class _Fields(CronTrigger):
    """APScheduler's trigger in UTC, with fields that are read once for all triggers that have them.

    written: all eight fields, as they identify the ticks. text: those that were given, for people.
    """

    def __init__(self, given: dict[str, str]) -> None:
        self.timezone, self.start_date, self.end_date, self.jitter = UTC, None, None, None
        if unknown := given.keys() - set(self.FIELD_NAMES):
            raise ValueError(f"a cron trigger has no field {', '.join(sorted(unknown))}")
        # Without any it is each second.
        left, read = len(given) or 1, []
        for name in self.FIELD_NAMES:
            # As CronTrigger has it: any value before the last field that is given, the least behind it.
            if name in given:
                left -= 1
                read.append(_field(name, given[name], False))
            else:
                read.append(_field(name, "*" if left else str(DEFAULT_VALUES[name]), True))
        self.fields = [field for field, _written, _text in read]
        self.written = " ".join(written for _field, written, _text in read)
        self.text = ", ".join(text for _field, _written, text in read if text)


@functools.lru_cache(maxsize=10_000)
def _field(name: str, value: str, is_default: bool) -> tuple[BaseField, str, str]:
    """Return a field, which has no state, how it is written, and how it is shown if it was given."""
    field = CronTrigger.FIELDS_MAP[name](name, value, is_default)
    return field, f"{name}={field}", "" if is_default else f"{name}='{field}'"


def _written(cron: CronTrigger, name: str) -> str:
    return str(cron.fields[cron.FIELD_NAMES.index(name)])


def _matching(cron: CronTrigger, name: str) -> tuple[int, ...]:
    """Return the hours of a day, the minutes of an hour or the seconds of a minute that match."""
    return _values(name, _written(cron, name))


@functools.lru_cache(maxsize=1_000)
def _values(name: str, written: str) -> tuple[int, ...]:
    field = CronTrigger.FIELDS_MAP[name](name, written)
    moments = [(n, datetime(2000, 1, 1, **{name: n})) for n in range(_SIZES[name])]  # type: ignore[arg-type]
    return tuple(n for n, moment in moments if field.get_next_value(moment) == n)


def _count_in_year(written: tuple[str, ...], year: int, begin: date, end: date) -> int:
    """Return how many dates of a year in [begin, end) match."""
    found = _matching_days(written, year)
    return bisect_left(found, end.toordinal()) - bisect_left(found, begin.toordinal())


@functools.lru_cache(maxsize=2_000)
def _matching_days(written: tuple[str, ...], year: int) -> tuple[int, ...]:
    """Return the dates of a year that match, as ordinals."""
    dates, found = _dates(written), []
    day = dates.get_next_fire_time(None, datetime(year, 1, 1, tzinfo=UTC))
    while day is not None and day.year == year:
        found.append(day.toordinal())
        day = dates.get_next_fire_time(None, day + _DAY)
    return tuple(found)


@functools.lru_cache(maxsize=1_000)
def _dates(written: tuple[str, ...]) -> CronTrigger:
    """Return a trigger for the midnights of the dates that match, without a zone's shifts."""
    return CronTrigger(**dict(zip(_DATE_FIELDS, written, strict=True)), hour=0, timezone=UTC)


class _Dial:
    """Counts matching wall-clock times, as if the zone had no shifts."""

    def __init__(self, cron: CronTrigger) -> None:
        self.hours, self._minutes, self._seconds = (
            _matching(cron, name) for name in ("hour", "minute", "second")
        )
        self._a_day = len(self.hours) * len(self._minutes) * len(self._seconds)
        self._written = tuple(_written(cron, name) for name in _DATE_FIELDS)
        self._dates = _dates(self._written)

    def times(self) -> list[int]:
        """Return the times of a matching day, in microseconds after midnight."""
        of_an_hour = [60 * minute + second for minute in self._minutes for second in self._seconds]
        return [(3_600 * hour + rest) * SECOND for hour in self.hours for rest in of_an_hour]

    def count(self, begin: datetime, end: datetime) -> int:
        """Return how many times in [begin, end) match."""
        if end <= begin:
            return 0
        number = self._count_days(begin.date(), end.date()) * self._a_day
        if self._count_days(begin.date(), begin.date() + _DAY):
            number -= self._count_before(begin)
        if self._count_days(end.date(), end.date() + _DAY):
            number += self._count_before(end)
        return number

    def _count_days(self, begin: date, end: date) -> int:
        """Return how many dates in [begin, end) match."""
        if end - begin > _LONG:
            years = range(begin.year, end.year + 1)
            return sum(_count_in_year(self._written, year, begin, end) for year in years)
        number = 0
        last = datetime.combine(end, time(), UTC)
        found = self._dates.get_next_fire_time(None, datetime.combine(begin, time(), UTC))
        while found is not None and found < last:
            number += 1
            found = self._dates.get_next_fire_time(None, found + _DAY)
        return number

    def _count_before(self, moment: datetime) -> int:
        """Return how many of a matching day's times lie before a moment of it."""
        hour, minute = bisect_left(self.hours, moment.hour), bisect_left(self._minutes, moment.minute)
        number = hour * len(self._minutes) * len(self._seconds)
        if moment.hour in self.hours:
            number += minute * len(self._seconds)
            if moment.minute in self._minutes:
                second = moment.second + (moment.microsecond > 0)
                number += bisect_left(self._seconds, second)
        return number

"""Times as people type them: `05:39`, `yesterday 02:30`, `monday`, `2h`, or a date. Pure.

A length, a time of day and a day of the week leave open on which side of now they lie. An option about the
past means the past, one about a plan the future. `2h ago` and `in 2h` say it themselves.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from everytick.model import ticks
from everytick.model.ticks.zones import occurrences

from .instants import in_reach, parse
from .wording import WEEKDAYS

# What a refusal names.
EXAMPLES = "2026-12-24T18:00, 05:39, yesterday 02:30, monday or 2h"

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_PART = (
    r"(\d{1,9}(?:\.\d{1,6})?)\s*"
    r"(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)"
)
_LENGTH = re.compile(rf"(?P<ahead>in\s+)?(?P<parts>{_PART}(?:\s*{_PART})*)(?P<back>\s+ago)?")
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_WEEKDAYS = {name: number for number, day in enumerate(WEEKDAYS) for name in (day.lower(), day[:3].lower())}
_DAY_AND_TIME = re.compile(
    rf"(?P<day>{'|'.join((*_DAYS, *_WEEKDAYS))})?\s*"
    r"(?:\b(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)?"
)


def read_time(text: str, zone: tzinfo, now: int, *, ahead: bool) -> datetime:
    """Return the time that a person means; without a zone of its own it is what a clock in `zone` shows.

    - `now`, to the second
    - `2h`, `1h30m`, `90 s`, `3 days`, `1w`: so long ago, or so long from now if `ahead`. These are lengths: a
      day has 24 hours, whatever the clock does. `2h ago` and `in 2h` are the same wherever they stand.
    - `05:39`, `05:39:30`: the last time that a clock showed that, or the next time if `ahead`; of a time that
      it shows twice, as in the night in which it is set back, the nearer one.
    - `today`, `yesterday`, `tomorrow`: the beginning of that day; or a time of it: `yesterday 02:30`.
    - `monday`, `mon`, `monday 09:00`: the last one, or the next one if `ahead`.
    - a date with or without a time, see `instants.parse`.

    Args:
        text: what was typed; upper and lower case are the same.
        zone: in which days begin and clocks are read.
        now: the present, in microseconds UTC.
        ahead: whether the option is about the future.

    Raises:
        ValueError: it is none of these, or no ledger has such a time; a sentence that begins with the text.
    """
    typed, whole = " ".join(text.lower().split()), now // ticks.SECOND * ticks.SECOND
    if typed == "now":
        return ticks.moment(whole)
    if found := _LENGTH.fullmatch(typed):
        if not (found["ahead"] and found["back"]):
            length = _length(found["parts"])
            is_ahead = bool(found["ahead"]) or (ahead and not found["back"])
            return in_reach(ticks.moment(whole + length if is_ahead else whole - length, UTC))
    elif typed and (found := _DAY_AND_TIME.fullmatch(typed)):
        return _on_a_day(found, zone, now, ahead=ahead)
    try:
        given = parse(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date or time such as {EXAMPLES}") from None
    return in_reach(given)


def _length(parts: str) -> int:
    """Return a length in microseconds."""
    return sum(
        round(float(number) * _SECONDS[unit[0]] * ticks.SECOND) for number, unit in re.findall(_PART, parts)
    )


def _on_a_day(found: re.Match[str], zone: tzinfo, now: int, *, ahead: bool) -> datetime:
    """Return the time that a day, a time of day, or both name."""
    day, today = found["day"], ticks.moment(now, zone).date()
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    clock = time(hour, minute, second)
    if day in _DAYS:
        return datetime.combine(today + timedelta(days=_DAYS[day]), clock)
    walls = (datetime.combine(one, clock) for one in _days_around(today))
    meant = [wall for wall in walls if day is None or wall.weekday() == _WEEKDAYS[day]]
    # A day begins once; a time of it may come twice where the clock is set back.
    shown = [one for wall in meant for one in _instants(wall, zone)[: None if found["hour"] else 1]]
    return ticks.moment(
        min(one for one in shown if one > now) if ahead else max(one for one in shown if one <= now), zone
    )


def _instants(wall: datetime, zone: tzinfo) -> list[int]:
    """Return the instants at which a clock shows this; the end of the gap if it jumps over it."""
    return occurrences(wall, zone) or [ticks.instant_of_wall(wall, zone)]


def _days_around(today: date) -> list[date]:
    """Return the days among which the last and the next one of each day of the week are."""
    # Two weeks: a zone may leave out a day (as Samoa did), or set its clock back to the day before.
    return [today + timedelta(days=number) for number in range(-14, 15)]

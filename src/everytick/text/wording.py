"""The smallest pieces of sentences about times: instants, lists, ordinals, lengths."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from itertools import pairwise

from everytick.model import ticks

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# Longer lists are not read by anybody.
MOST_LISTED = 6

_UNITS = (("hour", 3_600_000_000), ("minute", 60_000_000), ("second", 1_000_000))


def when(instant: int, zone: tzinfo) -> str:
    """Return an instant (microseconds since 1970 UTC) in a zone: to the second, finer if it is a fraction."""
    moment, rest = ticks.moment(instant, zone), instant % ticks.SECOND
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {moment:%Z}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `3rd`, `4th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: float, unit: str) -> str:
    """Return `1 hour`, `4 hours`."""
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def length(microseconds: int) -> str:
    """Return a length of time in the largest unit that it is a whole number of, up to hours."""
    for unit, size in _UNITS:
        if microseconds % size == 0 and microseconds:
            return counted(microseconds // size, unit)
    seconds = f"{microseconds / 1_000_000:.6f}".rstrip("0")
    return f"{seconds} seconds"


def every(microseconds: int) -> str:
    """Return `every hour`, `every 4 hours`."""
    said = length(microseconds)
    return f"every {said.removeprefix('1 ') if said.startswith('1 ') else said}"


def clock(second: int) -> str:
    """Return a second of the day as `09:00`, or `09:00:30`."""
    shown = f"{second // 3600:02}:{second // 60 % 60:02}"
    return f"{shown}:{second % 60:02}" if second % 60 else shown


def date_and_time(wall: datetime) -> str:
    """Return a wall-clock time with as much of it as is not zero."""
    spec = "microseconds" if wall.microsecond else "seconds" if wall.second else "minutes"
    return wall.isoformat(sep=" ", timespec=spec)


def is_run(values: Sequence[int], step: int = 1) -> bool:
    """Return whether sorted numbers follow each other in equal steps."""
    return all(later - earlier == step for earlier, later in pairwise(values))


def not_a_run(text: str) -> str:
    """Return the sentence for what is given as the number of a run and is none."""
    return f"{text!r} is not the number of a run such as 4711: the command runs lists those that are kept"

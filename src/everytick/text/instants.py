"""Instants as text: for programs in ISO 8601, for people as the clock of a zone shows them. Pure.

Instants are microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import overload

from everytick.model import ticks


@overload
def iso(instant: int) -> str: ...
@overload
def iso(instant: int | None) -> str | None: ...
def iso(instant: int | None) -> str | None:
    """Return an instant as ISO 8601 in UTC; None for None."""
    if instant is None:
        return None
    return ticks.moment(instant).isoformat(timespec="microseconds" if instant % ticks.SECOND else "seconds")


def when(instant: int, zone: tzinfo) -> str:
    """Return an instant with the name of its zone: to the second, finer if it is a fraction."""
    moment, rest = ticks.moment(instant, zone), instant % ticks.SECOND
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {moment:%Z}"


def at(instant: int, zone: tzinfo) -> str:
    """Return the same to the second: for what was measured rather than planned."""
    return when(instant // ticks.SECOND * ticks.SECOND, zone)


def local(text: str | None, zone: tzinfo) -> str:
    """Return an ISO time to the second as it reads in a zone, whose name the reader knows; `-` for None."""
    return "-" if text is None else f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def local_with_zone(text: str | None, zone: tzinfo) -> str:
    """Return the same with the zone's name at that time."""
    return "-" if text is None else f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def clock(second: int) -> str:
    """Return a second of the day as `09:00`, or `09:00:30`."""
    shown = f"{second // 3600:02}:{second // 60 % 60:02}"
    return f"{shown}:{second % 60:02}" if second % 60 else shown


def date_and_time(wall: datetime) -> str:
    """Return a wall-clock time with as much of it as is not zero."""
    spec = "microseconds" if wall.microsecond else "seconds" if wall.second else "minutes"
    return wall.isoformat(sep=" ", timespec=spec)

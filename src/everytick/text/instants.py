"""Instants as text: for programs in ISO 8601, for people as the clock of a zone shows them; and back. Pure.

Instants are microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import overload

from everytick.model import ticks
from everytick.model.ticks import zones

from .durations import duration
from .wording import WEEKDAYS

# No ledger holds anything from before, and sums with later ones might not fit into a datetime.
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
# Marks what was written without an offset; never used to compute anything.
_NAIVE = timezone(timedelta(seconds=1))


@overload
def iso(instant: int, zone: tzinfo = UTC) -> str: ...
@overload
def iso(instant: int | None, zone: tzinfo = UTC) -> str | None: ...
def iso(instant: int | None, zone: tzinfo = UTC) -> str | None:
    """Return an instant as ISO 8601 with its offset in a zone, by default UTC; None for None."""
    if instant is None:
        return None
    return ticks.moment(instant, zone).isoformat(
        timespec="microseconds" if instant % ticks.SECOND else "seconds"
    )


def when(instant: int, zone: tzinfo) -> str:
    """Return an instant with the name of its zone: to the second, finer if it is a fraction."""
    rest = instant % ticks.SECOND
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{dated(instant, zone)}{fraction} {ticks.moment(instant, zone):%Z}"


def at(instant: int, zone: tzinfo) -> str:
    """Return the same to the second: for what was measured rather than planned."""
    return when(instant // ticks.SECOND * ticks.SECOND, zone)


def on_weekday(instant: int, zone: tzinfo) -> str:
    """Return the same with the day of the week before it."""
    return f"{WEEKDAYS[ticks.moment(instant, zone).weekday()]} {at(instant, zone)}"


def dated(instant: int | None, zone: tzinfo) -> str:
    """Return an instant to the second as it reads in a zone, whose name the reader knows; `-` for None."""
    return "-" if instant is None else f"{ticks.moment(instant, zone):%Y-%m-%d %H:%M:%S}"


def short(instant: int, zone: tzinfo, now: int) -> str:
    """Return an instant to the second as it reads in a zone, without the date of `now`."""
    moment, today = ticks.moment(instant, zone), ticks.moment(now, zone)
    return f"{moment:%H:%M:%S}" if moment.date() == today.date() else dated(instant, zone)


def brief(instant: int, zone: tzinfo, now: int) -> str:
    """Return an instant to the minute as it reads in a zone; without its date if it is of the last day."""
    moment = ticks.moment(instant, zone)
    return f"{moment:%H:%M}" if 0 <= now - instant < ticks.DAY else f"{moment:%Y-%m-%d %H:%M}"


def from_now(instant: int, now: int) -> str:
    """Return how far an instant is from now, to the second: `in 3 h 12 min`, `5 s ago`."""
    away = round((instant - now) / ticks.SECOND) * ticks.SECOND
    return f"in {duration(away)}" if instant >= now else f"{duration(-away)} ago"


def time_of_day(instant: int, zone: tzinfo) -> str:
    """Return what a clock in a zone shows, as `clock` has it."""
    moment = ticks.moment(instant, zone)
    return clock(moment.hour * 3_600 + moment.minute * 60 + moment.second)


def typed(instant: int, zone: tzinfo) -> str:
    """Return an instant as a person types it, where it is read in this zone."""
    wall = ticks.moment(instant, zone)
    if len(zones.occurrences(wall.replace(tzinfo=None), zone)) == 1:
        # A clock shows it once, so it needs no offset.
        wall = wall.replace(tzinfo=None)
    return wall.isoformat(timespec="auto" if wall.second or wall.microsecond else "minutes")


def local(text: str | None, zone: tzinfo) -> str:
    """Return an ISO time with its offset as `dated` shows an instant; `-` for None."""
    return dated(None if text is None else _instant(text), zone)


def local_with_zone(text: str | None, zone: tzinfo) -> str:
    """Return the same with the zone's name at that time."""
    return "-" if text is None else at(_instant(text), zone)


def local_short(text: str, zone: tzinfo, now: int) -> str:
    """Return an ISO time with its offset as `short` shows an instant."""
    return short(_instant(text), zone, now)


def is_to_come(text: str, now: int) -> bool:
    """Return whether an ISO time is later than now."""
    return _instant(text) > now


def local_from_now(text: str, now: int) -> str:
    """Return how far an ISO time is from now, as `from_now` has it."""
    return from_now(_instant(text), now)


def _instant(text: str) -> int:
    return ticks.instant(datetime.fromisoformat(text))


def clock(second: int) -> str:
    """Return a second of the day as `09:00`, or `09:00:30`."""
    shown = f"{second // 3600:02}:{second // 60 % 60:02}"
    return f"{shown}:{second % 60:02}" if second % 60 else shown


def date_and_time(wall: datetime) -> str:
    """Return a wall-clock time with as much of it as is not zero."""
    spec = "microseconds" if wall.microsecond else "seconds" if wall.second else "minutes"
    return wall.isoformat(sep=" ", timespec=spec)


def parse(text: str) -> datetime:
    """Return the time that a text names; without an offset in the text it has no zone.

    A text is ISO 8601 (`2026-12-24`, `2026-12-24T18:00+01:00`) or, as APScheduler takes it, a date and time
    without leading zeros (`2026-1-5 9:30:00`). Blanks around it do not count.

    Raises:
        ValueError: it names none; a sentence that begins with the text.
    """
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        pass
    # Only here: most texts are ISO 8601, and a command that reads one need not load APScheduler.
    from apscheduler.util import convert_to_datetime

    try:
        found: datetime = convert_to_datetime(text.strip(), _NAIVE, "it")
    except ValueError:
        raise ValueError(f"{text!r} is not a date or time such as 2026-12-24 or 2026-12-24T18:00") from None
    return found.replace(tzinfo=None) if found.tzinfo is _NAIVE else found


def parse_in_reach(text: str) -> datetime:
    """Return the time that somebody asks about, or asks for, in a text; see `parse`.

    Raises:
        ValueError: it names none, or one that no ledger has.
    """
    return in_reach(parse(text))


def in_reach(moment: datetime) -> datetime:
    """Return a time that a ledger may have.

    Raises:
        ValueError: it may not have it.
    """
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"{date_and_time(moment)} must lie between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return moment

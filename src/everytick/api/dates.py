"""Arguments that are a date or a moment: text, a date, a datetime with or without a zone.

Every function raises ValueError with a sentence that begins with the argument's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, tzinfo
from typing import Any, NamedTuple

from everytick.model import ticks
from everytick.text import instants

from .relative_dates import delay_from_now, is_computed

_LAST_YEAR = ticks.moment(ticks.LAST).year


class Reading(NamedTuple):
    """How to read what a trigger does not say itself.

    zone: where its wall-clock times are.
    stored: whether a date computed from the present moment stays what it is. It does in a job that is kept
        as data; in a declaration it is another one at each start.
    """

    zone: tzinfo
    stored: bool = False


def instant_given(given: Mapping[str, Any], name: str, reading: Reading) -> int | None:
    """Return the instant of an argument; None without one."""
    value, zone = given.get(name), reading.zone
    if value is None:
        return None
    if is_computed(value):
        _check_computed(value, name, reading)
    if isinstance(value, str):
        value = parse_given(name, value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError(f"{name}={value!r} must be a datetime, a date or text")
    return instant_of(value, name, zone)


def instant_of(value: datetime, name: str, zone: tzinfo) -> int:
    """Return a moment, in `zone` unless it has one, as an instant."""
    if 1 < value.year < _LAST_YEAR - 1:
        # In every zone it is of a year that there is.
        return ticks.instant_in(value, zone)
    try:
        found = ticks.instant_in(value, zone)
        # It is shown in the zone, where it may be in no year that there is.
        ticks.moment(found, zone)
    except OverflowError:
        found = ticks.FOREVER
    if not ticks.FIRST <= found < ticks.LAST:
        raise ValueError(f"{name}={value} is too far away")
    return found


def day_given(given: Mapping[str, Any], name: str, reading: Reading) -> date | None:
    """Return a date as it is written: of a datetime the time of day and the zone do not count."""
    value: Any = given.get(name)
    if is_computed(value):
        _check_computed(value, name, reading)
    if isinstance(value, str):
        value = parse_given(name, value)
    if value is not None and not isinstance(value, date):
        raise ValueError(f"{name}={value!r} must be a date, a datetime or text")
    return value.date() if isinstance(value, datetime) else value


def _check_computed(value: datetime, name: str, reading: Reading) -> None:
    if not reading.stored and not (name == "run_date" and delay_from_now(value, reading.zone) is not None):
        raise ValueError(
            f"{name} is computed from the present moment, so that every start would move the schedule: write"
            " a fixed date in whole seconds, or leave it out"
        )
    if reading.stored:
        check_zone_is_clear(value, name, reading.zone)


def check_zone_is_clear(value: datetime, name: str, zone: tzinfo) -> None:
    """Refuse a computed moment without a zone where the machine's clock and `zone` show different times."""
    if is_computed(value) and not value.tzinfo and value.astimezone() != value.replace(tzinfo=zone):
        raise ValueError(
            f"{name}={value} may be of this machine's clock or of {zone}: give it a zone, as"
            " datetime.now(UTC) has one"
        )


def parse_given(name: str, text: str) -> datetime:
    """Return the time that a text names."""
    try:
        return instants.parse(text)
    except ValueError as problem:
        raise ValueError(f"{name}={problem}") from None

"""Checks APScheduler's triggers as declared, and brings them into a canonical form.

APScheduler fills in what was not said with the machine's zone and the moment of the call; here that means the
scheduler's zone and a fixed anchor (rule R9). What a trigger object was given: see `trigger_arguments`.

Every function raises ValueError with a sentence that says what would be right.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from apscheduler.util import astimezone
from everytick.errors import nearest
from everytick.model import schedule, ticks
from everytick.model.schedule import Schedule
from everytick.text import instants
from everytick.text.wording import not_a_zone

from .relative_dates import delay_from_now, is_computed
from .trigger_arguments import arguments_of, is_read_whole, split_field

BY_NAME: dict[str, type[BaseTrigger]] = {
    "cron": CronTrigger,
    "interval": IntervalTrigger,
    "date": DateTrigger,
    "calendarinterval": CalendarIntervalTrigger,
    "or": OrTrigger,
    "and": AndTrigger,
}
_ANCHOR = datetime(2000, 1, 1)
_SHORTEST = timedelta(milliseconds=100)
_LONGEST = timedelta(days=36_600)


@dataclass(frozen=True)
class Reading:
    """How to read what a trigger does not say itself.

    zone: where its wall-clock times are.
    stored: whether a date computed from the present moment stays what it is. It does in a job that is kept
        as data; in a declaration it is another one at each start.
    """

    zone: tzinfo
    stored: bool = False


def read(
    trigger: Any, arguments: Mapping[str, Any], known_options: frozenset[str], reading: Reading
) -> Schedule:
    """Return what `add_job(trigger=..., **arguments)` means.

    `known_options` are names that add_job itself takes: they only serve the hint for a misspelt one.
    """
    # Zones of other libraries cannot be a key.
    is_key = isinstance(reading.zone, ZoneInfo)
    if is_key and trigger in _SHARED and all(type(value) in (str, int) for value in arguments.values()):
        return _read_once(trigger, tuple(arguments.items()), known_options, reading)
    return _read(trigger, arguments, known_options, reading)


# Many jobs may have the same trigger. These say what they mean without the present moment, and what they
# become has no state.
_SHARED = ("cron", "interval")


@functools.lru_cache(maxsize=1_000)
def _read_once(
    trigger: str, arguments: tuple[tuple[str, Any], ...], known_options: frozenset[str], reading: Reading
) -> Schedule:
    return _read(trigger, dict(arguments), known_options, reading)


def _read(
    trigger: Any, arguments: Mapping[str, Any], known_options: frozenset[str], reading: Reading
) -> Schedule:
    if isinstance(trigger, BaseTrigger):
        if arguments:
            extra = ", ".join(f"{name}=" for name in arguments)
            raise ValueError(
                f"{extra} beside a trigger object has no effect: give it to {type(trigger).__name__}(...)"
            )
        if isinstance(trigger, OrTrigger | AndTrigger):
            _check_parts(trigger)
        return _compile_object(trigger, reading)
    if trigger is None:
        trigger = "date"
    if not isinstance(trigger, str) or trigger not in BY_NAME:
        hint = nearest(str(trigger), BY_NAME)
        raise ValueError(f"unknown trigger {trigger!r}: use one of {', '.join(BY_NAME)}{hint}")
    cls = BY_NAME[trigger]
    known = _parameters(trigger)
    for name in arguments:
        if name not in known:
            hint = nearest(name, known | known_options)
            raise ValueError(f"{name}= is neither an option of add_job nor of the {trigger} trigger{hint}")
    if cls is CronTrigger:
        _check_fields({n: v for n, v in arguments.items() if n in CronTrigger.FIELD_NAMES})
    taken = dict(arguments)
    if cls is not CalendarIntervalTrigger:
        for name in ("run_date", "start_date", "end_date"):
            _instant(arguments, name, Reading(UTC, reading.stored))
            if isinstance(text := arguments.get(name), str):
                # APScheduler itself does not take every text that is a time.
                taken[name] = _parse(name, text)
    try:
        made = cls(**taken)
    except OverflowError:
        raise ValueError(f"the {trigger} trigger does not take numbers as large as these") from None
    except (TypeError, ValueError) as problem:
        raise ValueError(f"the {trigger} trigger does not take this: {problem}") from None
    except KeyError:
        raise ValueError(f"timezone={not_a_zone(arguments.get('timezone'))}") from None
    if isinstance(made, OrTrigger | AndTrigger):
        _check_parts(made)
        return _compile_object(made, reading)
    return _compile(
        cls, made, {name: value for name, value in arguments.items() if value is not None}, reading
    )


@functools.cache
def _parameters(trigger: str) -> frozenset[str]:
    return frozenset(inspect.signature(BY_NAME[trigger].__init__).parameters) - {"self"}


def _compile_object(trigger: BaseTrigger, reading: Reading) -> Schedule:
    """Return the canonical form of a trigger object; what it was not given comes from `reading`."""
    for combining in (OrTrigger, AndTrigger):
        if _has_ticks_of(trigger, combining):
            return _combined(trigger, reading)
    for cls in _COMPILERS:
        if _has_ticks_of(trigger, cls):
            given = arguments_of(trigger, reading.zone, stored=reading.stored)
            return _compile(cls, trigger, given, reading)
    raise ValueError(
        f"{type(trigger).__name__} is a trigger of your own, whose ticks could not be found again after a"
        f" restart: use or combine {', '.join(BY_NAME)}"
    )


def _has_ticks_of(trigger: BaseTrigger, cls: type[BaseTrigger]) -> bool:
    """Return whether a trigger is of a class, and reckons its ticks as that does."""
    own = getattr(trigger.get_next_fire_time, "__func__", None)
    return isinstance(trigger, cls) and own is cls.get_next_fire_time


def _check_parts(trigger: OrTrigger | AndTrigger, around: tuple[BaseTrigger, ...] = ()) -> None:
    """Refuse what is no list of triggers, and a trigger within itself."""
    word = "or" if isinstance(trigger, OrTrigger) else "and"
    parts = trigger.triggers
    if not isinstance(parts, list | tuple) or not all(isinstance(part, BaseTrigger) for part in parts):
        said = type(parts).__name__
        if isinstance(parts, list | tuple):
            said = " and ".join(sorted({type(part).__name__ for part in parts}))
        raise ValueError(f"the '{word}' trigger takes a list of trigger objects, not {said}")
    around = (*around, trigger)
    if any(part is outer for part in parts for outer in around):
        raise ValueError(f"an '{word}' trigger cannot be a part of itself")
    for part in parts:
        if isinstance(part, OrTrigger | AndTrigger):
            _check_parts(part, around)


def _compile(
    cls: type[BaseTrigger], trigger: BaseTrigger, given: dict[str, Any], reading: Reading
) -> Schedule:
    return _COMPILERS[cls](trigger, given, replace(reading, zone=_zone(given, reading.zone)))


def _cron(trigger: CronTrigger, given: dict[str, Any], reading: Reading) -> Schedule:
    weekday = str(given.get("day_of_week", "*"))
    if "crontab" in given and re.search(r"\d", weekday):
        raise ValueError(
            f"from_crontab({given['crontab']!r}): the weekday number {weekday} means another day in"
            " APScheduler (0 is Monday) than in a crontab (0 is Sunday): write names, such as mon or mon-fri"
        )
    fields = {name: str(given[name]) for name in CronTrigger.FIELD_NAMES if name in given}
    _check_fields(fields)
    data = {"trigger": "cron", "fields": fields, **_bounds(given, reading)}
    return schedule.make(data, reading.zone, str(trigger), _jitter(given))


def _interval(trigger: IntervalTrigger, given: dict[str, Any], reading: Reading) -> Schedule:
    units = ("weeks", "days", "hours", "minutes", "seconds")
    said = ", ".join(f"{unit}={given[unit]}" for unit in units if unit in given) or "no length"
    if any(given.get(unit, 0) < 0 for unit in units):
        raise ValueError(f"an interval of {said} is too short: no part of it can be negative")
    try:
        step = timedelta(**{unit: given[unit] for unit in units if unit in given})
    except OverflowError:
        step = timedelta.max
    if step > _LONGEST:
        raise ValueError(f"an interval of {said} is too long: it must be at most a century")
    if step < _SHORTEST:
        raise ValueError(f"an interval of {said} is too short: it must be at least 0.1 seconds")
    bounds = _bounds(given, reading)
    anchor = bounds["start"]
    if anchor is None:
        anchor = ticks.instant_of_wall(_ANCHOR, reading.zone)
    data = {"trigger": "interval", "step": step // timedelta(microseconds=1), "anchor": anchor, **bounds}
    return schedule.make(data, reading.zone, str(trigger), _jitter(given))


def _date(trigger: DateTrigger, given: dict[str, Any], reading: Reading) -> Schedule:
    zone, said = reading.zone, given.get("run_date")
    if not reading.stored:
        # `run_date=datetime.now()` is another date at each start: what it asks for is a run at each start.
        delay = 0 if said is None else delay_from_now(said, zone)
        if delay is not None:
            return schedule.at_each_start(zone, delay)
    at = ticks.now() if said is None else _instant(given, "run_date", reading)
    text = f"date[{instants.at(at or 0, zone)}]"
    return schedule.make({"trigger": "date", "at": at}, zone, text)


def _calendar(trigger: CalendarIntervalTrigger, given: dict[str, Any], reading: Reading) -> Schedule:
    amounts = {unit: given.get(unit, 0) for unit in ("years", "months", "weeks", "days")}
    for unit, amount in amounts.items():
        most = {"years": 100, "months": 1_200, "weeks": 5_200, "days": 36_500}[unit]
        if not isinstance(amount, int) or not 0 <= amount <= most:
            raise ValueError(f"{unit}={amount} of a calendarinterval must be a whole number from 0 to {most}")
    at = time(given.get("hour", 0), given.get("minute", 0), given.get("second", 0))
    start = trigger.start_date if "start_date" in given else _ANCHOR.date()
    data = {
        "trigger": "calendarinterval",
        "years": amounts["years"],
        "months": amounts["months"],
        "days": amounts["weeks"] * 7 + amounts["days"],
        "time": at.isoformat(),
        "start": start.isoformat(),
        "end": trigger.end_date and trigger.end_date.isoformat(),
    }
    every = ", ".join(f"{unit}={amount}" for unit, amount in amounts.items() if amount)
    return schedule.make(data, reading.zone, f"calendarinterval[{every}, time={at}]", _jitter(given))


def _combined(trigger: OrTrigger | AndTrigger, reading: Reading) -> Schedule:
    word = "or" if isinstance(trigger, OrTrigger) else "and"
    if not trigger.triggers:
        raise ValueError(f"an '{word}' trigger needs at least one trigger in its list")
    parts = [_compile_object(part, reading) for part in trigger.triggers]
    if any(part.jitter for part in parts):
        raise ValueError(f"give jitter= to the '{word}' trigger itself: a part of it cannot have its own")
    if any(part.startup_delay is not None for part in parts):
        raise ValueError(f"a date trigger without a date cannot be a part of an '{word}' trigger")
    return schedule.combine(word, parts, _jitter({"jitter": trigger.jitter}))


_COMPILERS: dict[type[BaseTrigger], Callable[..., Schedule]] = {
    CronTrigger: _cron,
    IntervalTrigger: _interval,
    DateTrigger: _date,
    CalendarIntervalTrigger: _calendar,
}


def _check_fields(fields: Mapping[str, Any]) -> None:
    """Refuse what APScheduler's patterns take although they do not match to the end."""
    for name, value in fields.items():
        if value is None:
            continue
        try:
            CronTrigger.FIELDS_MAP[name](name, value)
        except ValueError as problem:
            reason = re.sub(r"^Error validating expression .*?: ", "", str(problem))
            raise ValueError(f"{name}={value!r} is not a cron field: {reason}") from None
        for part in split_field(value):
            if not is_read_whole(name, part):
                raise ValueError(f"{name}={value!r} is not a cron field: {_right(name, part)}")


def _right(field: str, part: str) -> str:
    nth = re.fullmatch(r"([a-z]{3})#([1-5])", part, re.IGNORECASE)
    if nth:
        ordinal = ("1st", "2nd", "3rd", "4th", "5th")[int(nth[2]) - 1]
        return f"for the {ordinal} {nth[1]} of the month write day='{ordinal} {nth[1]}'"
    if "/" in part:
        return f"a step needs numbers, so write the names in a list instead of {part!r}"
    if part.lower().startswith("last"):
        return "write day='last' or, for a weekday, day='last fri'"
    return f"{part!r} is not understood; write for example 5, 1-5, */10, or in '{field}' a name"


def _zone(given: Mapping[str, Any], default: tzinfo) -> tzinfo:
    named = given.get("timezone")
    if named is None:
        for name in ("start_date", "end_date"):
            value = given.get(name)
            if isinstance(value, datetime) and value.tzinfo:
                named = value.tzinfo
                break
    try:
        return default if named is None else astimezone(named)
    except (KeyError, ValueError, TypeError, OSError):
        raise ValueError(f"timezone={not_a_zone(named)}") from None


def _bounds(given: Mapping[str, Any], reading: Reading) -> dict[str, int | None]:
    return {"start": _instant(given, "start_date", reading), "end": _instant(given, "end_date", reading)}


def _instant(given: Mapping[str, Any], name: str, reading: Reading) -> int | None:
    value, zone = given.get(name), reading.zone
    if value is None:
        return None
    if is_computed(value):
        _check_computed(value, name, reading)
    if isinstance(value, str):
        value = _parse(name, value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError(f"{name}={value!r} must be a datetime, a date or text")
    found = ticks.instant_in(value, zone)
    if not -ticks.LAST < found < ticks.LAST:
        raise ValueError(f"{name}={value} is too far away")
    return found


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


def _parse(name: str, text: str) -> datetime:
    try:
        return instants.parse(text)
    except ValueError as problem:
        raise ValueError(f"{name}={problem}") from None


def _jitter(given: Mapping[str, Any]) -> int:
    seconds = given.get("jitter") or 0
    if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST.total_seconds():
        raise ValueError(f"jitter={seconds!r} must be a number of seconds, 0 or more")
    return int(seconds * ticks.SECOND)

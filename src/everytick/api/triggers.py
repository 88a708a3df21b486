"""Checks APScheduler's triggers as declared, and brings them into a canonical form.

APScheduler fills in what was not said with the machine's zone and the moment of the call; here that means the
scheduler's zone and a fixed anchor (rule R9). The arguments of a trigger object: see `trigger_arguments`.

Every function raises ValueError with a sentence that says what would be right.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick.errors import nearest
from everytick.model import schedule, ticks
from everytick.model.schedule import Schedule
from everytick.model.zone_names import kept_name
from everytick.text import instants

from . import exclusions
from .cron_fields import check_fields, check_length, is_right
from .crontab import is_crontab, not_a_place_for, problem_of
from .dates import Reading, day_given, instant_given, parse_given
from .relative_dates import delay_from_now
from .trigger_arguments import arguments_of
from .zones import zone_given

BY_NAME: dict[str, type[BaseTrigger]] = {
    "cron": CronTrigger,
    "interval": IntervalTrigger,
    "date": DateTrigger,
    "calendarinterval": CalendarIntervalTrigger,
    "or": OrTrigger,
    "and": AndTrigger,
}
_ANCHOR = datetime(2000, 1, 1)
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_SHORTEST = timedelta(milliseconds=100)
_LONGEST = timedelta(days=36_600)


def read(
    trigger: Any, arguments: Mapping[str, Any], known_options: frozenset[str], reading: Reading
) -> Schedule:
    """Return what `add_job(trigger=..., **arguments)` means.

    `known_options` are names that add_job itself takes: they only serve the hint for a misspelt one. Of them
    `exclude` and `shift`, which say on which days the trigger's ticks count, may be among the arguments.
    """
    arguments, chosen = exclusions.split(trigger, arguments)
    return exclusions.apply(_read_trigger(trigger, arguments, known_options, reading), chosen)


def _read_trigger(
    trigger: Any, arguments: Mapping[str, Any], known_options: frozenset[str], reading: Reading
) -> Schedule:
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
        if is_crontab(trigger):
            raise ValueError(not_a_place_for(f"trigger={trigger!r}", trigger, arguments.get("timezone")))
        hint = nearest(str(trigger), BY_NAME)
        raise ValueError(f"unknown trigger {trigger!r}: use one of {', '.join(BY_NAME)}{hint}")
    cls = BY_NAME[trigger]
    known = parameters(trigger)
    for name, value in arguments.items():
        is_field = cls is CronTrigger and name in CronTrigger.FIELD_NAMES
        if is_field:
            check_length(name, value)
        if isinstance(value, str) and is_crontab(value) and not (is_field and is_right(name, value)):
            what = " is not a cron field: it" if is_field else ""
            raise ValueError(not_a_place_for(f"{name}={value!r}{what}", value, arguments.get("timezone")))
        if name not in known:
            hint = nearest(name, known | known_options)
            raise ValueError(f"{name}= is neither an option of add_job nor of the {trigger} trigger{hint}")
    if cls is CronTrigger:
        check_fields({n: v for n, v in arguments.items() if n in CronTrigger.FIELD_NAMES})
    given = {name: value for name, value in arguments.items() if value is not None}
    if cls in (CronTrigger, IntervalTrigger):
        # No object of APScheduler's is made: its ticks are not asked for, and what it would refuse is.
        return _compile(cls, None, given, reading)
    taken = _as_apscheduler_takes_it(cls, arguments, reading)
    try:
        made = cls(**taken)
    except OverflowError:
        raise ValueError(f"the {trigger} trigger does not take numbers as large as these") from None
    except (TypeError, ValueError) as problem:
        raise ValueError(f"the {trigger} trigger does not take this: {problem}") from None
    if isinstance(made, OrTrigger | AndTrigger):
        _check_parts(made)
        return _compile_object(made, reading)
    return _compile(cls, made, given, reading)


def _as_apscheduler_takes_it(
    cls: type[BaseTrigger], arguments: Mapping[str, Any], reading: Reading
) -> dict[str, Any]:
    """Return arguments with their zone and dates in a form that each trigger of APScheduler takes."""
    if issubclass(cls, OrTrigger | AndTrigger):
        return dict(arguments)
    # APScheduler only checks the arguments here, and computes no times: the zone does not matter.
    taken, reading = {**arguments, "timezone": UTC}, reading._replace(zone=_own_zone(arguments, reading))
    for name in {"run_date", "start_date", "end_date"} & arguments.keys():
        if cls is CalendarIntervalTrigger:
            taken[name] = day_given(arguments, name, reading)
        elif instant_given(arguments, name, reading) is not None and isinstance(arguments[name], str):
            taken[name] = parse_given(name, arguments[name])
    return taken


@functools.cache
def parameters(trigger: str) -> frozenset[str]:
    """Return the names of the arguments that a trigger takes, by its name."""
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
    """Return whether a trigger is of a class, and computes its ticks as that does."""
    own = getattr(trigger.get_next_fire_time, "__func__", None)
    return isinstance(trigger, cls) and own is cls.get_next_fire_time


def _check_parts(trigger: OrTrigger | AndTrigger, around: tuple[BaseTrigger, ...] = ()) -> None:
    """Refuse anything but a list of triggers, and a trigger that contains itself."""
    word = "or" if isinstance(trigger, OrTrigger) else "and"
    parts = trigger.triggers
    if not isinstance(parts, list | tuple) or not all(isinstance(part, BaseTrigger) for part in parts):
        kind = type(parts).__name__
        if isinstance(parts, list | tuple):
            kind = " and ".join(sorted({type(part).__name__ for part in parts}))
        raise ValueError(f"the '{word}' trigger takes a list of trigger objects, not {kind}")
    around = (*around, trigger)
    if any(part is outer for part in parts for outer in around):
        raise ValueError(f"an '{word}' trigger cannot be a part of itself")
    for part in parts:
        if isinstance(part, OrTrigger | AndTrigger):
            _check_parts(part, around)


def _compile(
    cls: type[BaseTrigger], trigger: BaseTrigger | None, given: dict[str, Any], reading: Reading
) -> Schedule:
    if "timezone" in given:
        reading = reading._replace(zone=_own_zone(given, reading))
    return _COMPILERS[cls](trigger, given, reading)


def _own_zone(given: Mapping[str, Any], reading: Reading) -> tzinfo:
    named = given.get("timezone")
    try:
        return reading.zone if named is None else zone_given(named)
    except ValueError as problem:
        raise ValueError(f"timezone={problem}") from None


def _cron(_trigger: CronTrigger | None, given: dict[str, Any], reading: Reading) -> Schedule:
    fields = {name: str(given[name]) for name in CronTrigger.FIELD_NAMES if name in given}
    for name, text in fields.items():
        check_length(name, text)
    if "crontab" in given:
        problem = problem_of(given["crontab"], reading.zone if "timezone" in given else None)
        if problem is not None:
            raise ValueError(problem)
    check_fields(fields)
    data = {"trigger": "cron", "fields": fields, **_bounds(given, reading)}
    remark = _zone_of_a_date(given, reading.zone)
    return schedule.make(data, reading.zone, None, _jitter(given), remark)


def _zone_of_a_date(given: Mapping[str, Any], zone: tzinfo) -> str:
    """Return what to say of a date in another zone than the trigger's, which APScheduler would take."""
    if given.get("timezone") is not None:
        return ""
    for name in ("start_date", "end_date"):
        value = given.get(name)
        if isinstance(value, datetime) and value.tzinfo is not None:
            own = _shown(value.tzinfo)
            if own == kept_name(zone):
                return ""
            return (
                f"its times are read in {kept_name(zone)}, the scheduler's zone, and not in that of its"
                f" {name}, {own}: give timezone= to say which is meant"
            )
    return ""


def _shown(zone: tzinfo) -> str:
    """Return how a zone is shown, also one that could not be found again."""
    try:
        return kept_name(zone_given(zone)) or ""
    except ValueError:
        return str(zone)


def _interval(_trigger: IntervalTrigger | None, given: dict[str, Any], reading: Reading) -> Schedule:
    bounds = _bounds(given, reading)
    parts = {unit: given[unit] for unit in _UNITS if unit in given}
    try:
        step = timedelta(**parts)
    except OverflowError:
        raise ValueError("the interval trigger does not take numbers as large as these") from None
    except (TypeError, ValueError) as problem:
        raise ValueError(f"the interval trigger does not take this: {problem}") from None
    if not _SHORTEST <= step <= _LONGEST or min(parts.values()) < 0:
        raise ValueError(_wrong_length(step, parts))
    anchor = bounds["start"]
    if anchor is None:
        anchor = _anchor_in(reading.zone)
    data = {"trigger": "interval", "step": step // timedelta(microseconds=1), "anchor": anchor, **bounds}
    return schedule.make(data, reading.zone, f"interval[{step}]", _jitter(given))


def _anchor_in(zone: tzinfo) -> int:
    return _known_anchor(zone) if isinstance(zone, ZoneInfo) else ticks.instant_of_wall(_ANCHOR, zone)


@functools.lru_cache(maxsize=100)
def _known_anchor(zone: ZoneInfo) -> int:
    return ticks.instant_of_wall(_ANCHOR, zone)


def _wrong_length(step: timedelta, parts: Mapping[str, float]) -> str:
    length = ", ".join(f"{unit}={part}" for unit, part in parts.items()) or "no length"
    if any(part < 0 for part in parts.values()):
        return f"an interval of {length} is too short: no part of it can be negative"
    if step > _LONGEST:
        return f"an interval of {length} is too long: it must be at most a century"
    return f"an interval of {length} is too short: it must be at least 0.1 seconds"


def _date(trigger: DateTrigger, given: dict[str, Any], reading: Reading) -> Schedule:
    zone, run_date = reading.zone, given.get("run_date")
    if not reading.stored:
        # `run_date=datetime.now()` is another date at each start: what it asks for is a run at each start.
        delay = 0 if run_date is None else delay_from_now(run_date, zone)
        if delay is not None:
            return schedule.at_each_start(zone, delay)
    at = ticks.now() if run_date is None else instant_given(given, "run_date", reading)
    text = f"date[{instants.at(at or 0, zone)}]"
    return schedule.make({"trigger": "date", "at": at}, zone, text)


def _calendar(trigger: CalendarIntervalTrigger, given: dict[str, Any], reading: Reading) -> Schedule:
    amounts = {unit: given.get(unit) or 0 for unit in ("years", "months", "weeks", "days")}
    for unit, amount in amounts.items():
        most = {"years": 100, "months": 1_200, "weeks": 5_200, "days": 36_500}[unit]
        if not isinstance(amount, int) or not 0 <= amount <= most:
            raise ValueError(f"{unit}={amount} of a calendarinterval must be a whole number from 0 to {most}")
    if not any(amounts.values()):
        raise ValueError("a calendarinterval needs a length: years=, months=, weeks= or days=")
    at = time(given.get("hour", 0), given.get("minute", 0), given.get("second", 0))
    start, end = (day_given(given, name, reading) for name in ("start_date", "end_date"))
    data = {
        "trigger": "calendarinterval",
        "years": amounts["years"],
        "months": amounts["months"],
        "days": amounts["weeks"] * 7 + amounts["days"],
        "time": at.isoformat(),
        "start": (start or _ANCHOR.date()).isoformat(),
        "end": None if end is None else end.isoformat(),
    }
    every = ", ".join(f"{unit}={amount}" for unit, amount in amounts.items() if amount)
    text = f"calendarinterval[{every}, time={at}]"
    return schedule.make(data, reading.zone, text, _jitter(given), _zone_of_a_date(given, reading.zone))


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


def _bounds(given: Mapping[str, Any], reading: Reading) -> dict[str, int | None]:
    return {
        "start": instant_given(given, "start_date", reading),
        "end": instant_given(given, "end_date", reading),
    }


def _jitter(given: Mapping[str, Any]) -> int:
    seconds = given.get("jitter") or 0
    if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST.total_seconds():
        raise ValueError(f"jitter={seconds!r} must be a number of seconds, 0 or more, at most a century")
    return int(seconds * ticks.SECOND)

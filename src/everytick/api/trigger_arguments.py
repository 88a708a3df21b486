"""The arguments that a trigger object was made with.

APScheduler fills in what was not said with the machine's zone and the moment of the call, and keeps no trace
of having done so. Where an object leaves that open, the call that made it is looked up in the user's files;
where that does not tell either, a sentence says so, instead of a guess. No class of APScheduler is touched.

Every function raises ValueError with a sentence that says what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from apscheduler.util import astimezone
from everytick.system import system

from .cron_fields import is_read_whole
from .crontab import FIELDS as CRONTAB_FIELDS
from .default_zone import is_marked
from .relative_dates import is_computed
from .trigger_source import OPEN, Origin, TriggerCall
from .zones import can_be_found_again, machine_zone

# When the program began, or somewhat earlier: a trigger may be older than this module.
_BEGAN = system.local_now() - timedelta(hours=1)

_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_AMOUNTS = ("years", "months", "weeks", "days")
_TIMES = ("hour", "minute", "second")
# Of these APScheduler reads what stands before the sign.
_CUT_OFF = re.compile(r"[a-z][#/][\dl]", re.IGNORECASE)
# Names of one zone.
_UTC = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Etc/Universal", "Universal", "Etc/Zulu", "Zulu"})


def arguments_of(trigger: BaseTrigger, zone: tzinfo, *, stored: bool) -> dict[str, Any]:
    """Return the arguments that a trigger object was made with, as far as they matter.

    `zone`: the scheduler's. `stored`: as in `triggers.Reading`. A `crontab` among them is the expression that
    `from_crontab` got.
    """
    for cls, (read, fits) in _READERS.items():
        if isinstance(trigger, cls):
            return read(trigger, Origin(trigger, cls, partial(_fits, trigger, fits)), zone, stored)
    raise AssertionError(f"no trigger of APScheduler's: {trigger!r}")


def _cron(trigger: CronTrigger, origin: Origin, zone: tzinfo, _stored: bool) -> dict[str, Any]:
    given = {field.name: str(field) for field in trigger.fields if not field.is_default}
    for name, kept in given.items():
        # APScheduler reads `mon#1` as mon, and keeps no more: the rest is seen only where it is written.
        written = [found[name] for found in map(_texts, origin.calls) if name in found]
        if written and not any(is_read_whole(name, text) for text in written):
            given[name] = written[0]
        elif not written and (text := _cut_off(trigger, name, origin)) is not None:
            raise ValueError(
                f"whether {name}={text!r} was given to this CronTrigger, of which APScheduler keeps only"
                f" {kept!r}, cannot be told from the object: write CronTrigger(...) inside of this call, or"
                " give this call the trigger's name and arguments"
            )
    # Only a crontab sets all these five, and none of the others.
    if given.keys() == set(CRONTAB_FIELDS) and origin.ask(lambda call: call.crontab) is not False:
        given["crontab"] = " ".join(given[name] for name in CRONTAB_FIELDS)
    return given | _zone_and_dates(trigger, origin, zone) | _jitter(trigger)


def _cut_off(trigger: CronTrigger, name: str, origin: Origin) -> str | None:
    """Return a text in the user's files, as `mon#1`, of which a field of a trigger may be what was kept."""
    fields = {field.name: field for field in trigger.fields}
    for text in filter(_CUT_OFF.search, origin.texts):
        parts = text.split()
        is_line = len(parts) == len(CRONTAB_FIELDS)
        words = dict(zip(CRONTAB_FIELDS, parts, strict=True)) if is_line else {name: text}
        is_cut = name in words and not is_read_whole(name, words[name])
        if is_cut and all(_field_fits(fields[it], word) for it, word in words.items()):
            return words[name]
    return None


def _interval(trigger: IntervalTrigger, origin: Origin, zone: tzinfo, stored: bool) -> dict[str, Any]:
    length = trigger.interval
    given: dict[str, Any] = {"days": length.days} if length.days else {}
    if length.seconds or length.microseconds:
        given["seconds"] = length.seconds + (length.microseconds and length.microseconds / 1e6)
    given |= _zone_and_dates(trigger, origin, zone) | _jitter(trigger)
    if trigger.start_date.microsecond and _BEGAN <= trigger.start_date - length <= system.local_now():
        named = origin.ask(lambda call: call.gives("start_date"))
        if named is None and stored:
            raise _unknown(trigger, "its start_date", "start_date")
        if not named:
            del given["start_date"]
    return given


def _date(trigger: DateTrigger, origin: Origin, zone: tzinfo, stored: bool) -> dict[str, Any]:
    at = trigger.run_date
    if is_computed(at):
        named = origin.ask(lambda call: call.gives("run_date"))
        is_default = named is False or (named is None and not stored)
        if _BEGAN <= at <= system.local_now() and is_default:
            return {}
        # The very instant is meant, unless it was handed over without a zone.
        if _is_local(at.tzinfo) and not _is_aware("run_date", origin) and origin.ask(_leaves_zone_open):
            return {"run_date": at.replace(tzinfo=None)}
        return {"run_date": at}
    is_aware = _is_aware("run_date", origin)
    if _is_local(at.tzinfo) and not is_aware and _zone_is_open(trigger, origin, zone):
        return {"run_date": at.replace(tzinfo=None)}
    # A moment with a zone of its own is shown in the scheduler's.
    named = origin.ask(lambda call: call.gives("timezone"))
    if named is False or not can_be_found_again(at.tzinfo):
        return {"run_date": at}
    return {"run_date": at, "timezone": at.tzinfo}


def _calendar(
    trigger: CalendarIntervalTrigger, origin: Origin, zone: tzinfo, _stored: bool
) -> dict[str, Any]:
    given = {name: getattr(trigger, name) for name in _AMOUNTS}
    given |= {name: getattr(trigger._time, name) for name in _TIMES}
    given |= {"start_date": trigger.start_date, "end_date": trigger.end_date, "timezone": trigger.timezone}
    given |= _jitter(trigger)
    if _is_local(trigger.timezone) and _zone_is_open(trigger, origin, zone):
        del given["timezone"]
    # In the machine's zone of now, as APScheduler takes its day.
    if _BEGAN.astimezone().date() <= _day(trigger.start_date) <= system.local_now().date():
        named = origin.ask(lambda call: call.gives("start_date"))
        if named is None:
            raise _unknown(trigger, f"its start_date, {trigger.start_date},", "start_date")
        if not named:
            del given["start_date"]
    return {name: value for name, value in given.items() if value is not None}


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _zone_and_dates(trigger: CronTrigger | IntervalTrigger, origin: Origin, zone: tzinfo) -> dict[str, Any]:
    """Return the trigger's own zone, unless it was given none, and the dates.

    A date with a zone gives APScheduler's trigger that zone. Here it says an instant, and no more.
    """
    own = trigger.timezone
    dates = {"start_date": trigger.start_date, "end_date": trigger.end_date}
    dates = {name: value for name, value in dates.items() if value is not None}
    if not _is_local(own):
        is_open = _zone_is_that_of_a_date(trigger, dates, origin, zone)
        return dates if is_open else {**dates, "timezone": own}
    if not _zone_is_open(trigger, origin, zone):
        return {**dates, "timezone": own}
    return {name: _as_given(name, value, own, origin) for name, value in dates.items()}


def _as_given(name: str, value: datetime, own: tzinfo, origin: Origin) -> datetime | str:
    """Return a date of a trigger whose zone was filled in: without a zone, unless it had one itself."""
    if _is_aware(name, origin):
        return value
    # One with an offset was text.
    return value.replace(tzinfo=None) if value.tzinfo is own else value.isoformat()


def _is_aware(name: str, origin: Origin) -> bool:
    """Return whether a date certainly had a zone itself."""
    return origin.ask(lambda call: call.is_aware(name)) is True


def _zone_is_that_of_a_date(
    trigger: CronTrigger | IntervalTrigger, dates: dict[str, datetime], origin: Origin, zone: tzinfo
) -> bool:
    """Return whether a trigger got its zone from a date, rather than by `timezone=`."""
    own = trigger.timezone
    if _key(own) == _key(zone) or all(value.tzinfo is not own for value in dates.values()):
        return False
    named = origin.ask(lambda call: call.gives("timezone"))
    if named is None and isinstance(trigger, CronTrigger):
        raise _unknown(trigger, f"its time zone, {own},", "timezone")
    return named is False


def _zone_is_open(trigger: BaseTrigger, origin: Origin, zone: tzinfo) -> bool:
    """Return whether a trigger that is in the machine's zone was given none: then the scheduler's counts."""
    if _key(machine_zone()) == _key(zone) or is_marked(_zone_of(trigger)):
        return True
    found = origin.ask(_leaves_zone_open)
    if found is not None:
        return found
    # On a machine in UTC `timezone="UTC"` gives another object than its own zone: this one was filled in.
    if _key(machine_zone()) == "UTC":
        return True
    raise _unknown(trigger, f"its time zone, {machine_zone()},", "timezone")


def _leaves_zone_open(call: TriggerCall) -> bool | None:
    named = call.gives("timezone")
    if named is not False:
        return None if named is None else False
    dates = ("run_date", "start_date", "end_date")
    is_clear = all(call.is_naive(name) or call.is_aware(name) for name in dates)
    return True if call.crontab or is_clear else None


def _unknown(trigger: BaseTrigger, what: str, name: str) -> ValueError:
    kind = next(cls.__name__ for cls in _READERS if isinstance(trigger, cls))
    return ValueError(
        f"whether {what} was given to this {kind} or filled in by APScheduler cannot be told from the object:"
        f" write {kind}(...) inside of this call, with {name}= if it is meant, or give this call the"
        " trigger's name and arguments"
    )


def _cron_fits(trigger: CronTrigger, call: TriggerCall) -> bool:
    return all(_field_fits(field, _written(call, field.name)) for field in trigger.fields)


def _written(call: TriggerCall, name: str) -> Any:
    """Return what a call gives as a cron field; None if nothing, OPEN if that cannot be read off."""
    if not call.crontab:
        return call.value(name)
    if name not in CRONTAB_FIELDS:
        return None
    expression = call.value("expr")
    words = expression.split() if isinstance(expression, str) else []
    return words[CRONTAB_FIELDS.index(name)] if len(words) == len(CRONTAB_FIELDS) else OPEN


def _field_fits(field: Any, value: Any) -> bool:
    if value is OPEN:
        return True
    if value is None or field.is_default:
        return value is None and field.is_default
    try:
        return str(CronTrigger.FIELDS_MAP[field.name](field.name, value)) == str(field)
    except (ValueError, TypeError):
        return False


def _texts(call: TriggerCall) -> dict[str, str]:
    """Return the cron fields that a call gives, as far as they can be read off."""
    values = {name: _written(call, name) for name in CronTrigger.FIELD_NAMES}
    return {name: str(value) for name, value in values.items() if value is not None and value is not OPEN}


def _interval_fits(trigger: IntervalTrigger, call: TriggerCall) -> bool:
    values = {unit: call.value(unit) for unit in _UNITS}
    if OPEN in values.values():
        return True
    try:
        length = timedelta(**{unit: value or 0 for unit, value in values.items()})
    except (TypeError, OverflowError):
        return False
    return bool((length or timedelta(seconds=1)) == trigger.interval)


def _calendar_fits(trigger: CalendarIntervalTrigger, call: TriggerCall) -> bool:
    own = {name: getattr(trigger, name) for name in _AMOUNTS}
    own |= {name: getattr(trigger._time, name) for name in _TIMES}
    return all(call.value(name) is OPEN or (call.value(name) or 0) == value for name, value in own.items())


def _date_fits(trigger: DateTrigger, call: TriggerCall) -> bool:
    if call.gives("run_date") is False:
        return is_computed(trigger.run_date)
    value = call.value("run_date")
    if not isinstance(value, str):
        return True
    try:
        written = DateTrigger(value, "UTC").run_date
    except ValueError:
        return False
    return bool(written.replace(tzinfo=None) == trigger.run_date.replace(tzinfo=None))


def _fits(trigger: BaseTrigger, has_its_times: Callable[[Any, TriggerCall], bool], call: TriggerCall) -> bool:
    """Return whether a call may have made a trigger, with its times, zone, jitter, start and end."""
    if not has_its_times(trigger, call):
        return False
    zone = call.value("timezone")
    if isinstance(zone, str) and not _is_named(zone, _zone_of(trigger)):
        return False
    if isinstance(trigger, DateTrigger):
        return True
    if call.value("jitter") is not OPEN and call.value("jitter") != trigger.jitter:
        return False
    # A cron trigger alone has no start of its own where none was given.
    limits = ("start_date", "end_date") if isinstance(trigger, CronTrigger) else ("end_date",)
    return all(_has(call, name) in (None, getattr(trigger, name) is not None) for name in limits)


def _has(call: TriggerCall, name: str) -> bool | None:
    """Return whether a call gives a limit: one that is computed is given."""
    return True if name in call.arguments and call.value(name) is OPEN else call.gives(name)


def _is_named(name: str, zone: tzinfo | None) -> bool:
    try:
        named = astimezone(name)
    except (KeyError, ValueError, OSError):
        return False
    # `UTC` gives another object than a machine's own zone of that name is.
    return type(named) is type(zone) and str(named) == str(zone)


def _zone_of(trigger: Any) -> tzinfo | None:
    zone: tzinfo | None = trigger.run_date.tzinfo if isinstance(trigger, DateTrigger) else trigger.timezone
    return zone


def _is_local(zone: tzinfo | None) -> bool:
    local = machine_zone()
    if is_marked(zone):
        return True
    return zone is local or (zone is not None and getattr(zone, "key", None) == getattr(local, "key", ""))


def _key(zone: tzinfo | None) -> object:
    name = getattr(zone, "key", None) or str(zone)
    return "UTC" if name in _UTC else name


def _jitter(trigger: Any) -> dict[str, Any]:
    return {} if trigger.jitter is None else {"jitter": trigger.jitter}


_Reader = Callable[[Any, Origin, tzinfo, bool], dict[str, Any]]
_READERS: dict[type[BaseTrigger], tuple[_Reader, Callable[[Any, TriggerCall], bool]]] = {
    CronTrigger: (_cron, _cron_fits),
    IntervalTrigger: (_interval, _interval_fits),
    DateTrigger: (_date, _date_fits),
    CalendarIntervalTrigger: (_calendar, _calendar_fits),
}

"""The errors of APScheduler's own triggers in the user's code, in sentences that say what to write."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from types import FrameType
from typing import Any

from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.util import convert_to_datetime
from everytick.call_site import place_of
from everytick.errors import ScheduleError

from .cron_fields import check_fields
from .crontab import problem_of
from .dates import parse_given
from .zones import zone_given

_DATES = ("run_date", "start_date", "end_date")


@contextmanager
def explained() -> Iterator[None]:
    """Say what to write, of an error in one sentence that comes from a trigger of APScheduler."""
    try:
        yield
    except ScheduleError as problem:
        cause = problem.__context__
        advice = None if cause is None else _instead(cause)
        if cause is None or advice is None:
            raise
        raise ScheduleError(f"{place_of(cause)}: {advice}") from None


def _instead(problem: BaseException) -> str | None:
    for frame, _line in traceback.walk_tb(problem.__traceback__):
        if frame.f_globals.get("__name__", "").startswith("apscheduler.triggers."):
            return (
                _of_crontab(frame)
                or _of_fields(frame)
                or _of_zones(frame.f_locals)
                or _of_dates(frame.f_locals)
            )
    return None


def _of_crontab(frame: FrameType) -> str | None:
    expression = frame.f_locals.get("expr")
    if frame.f_code.co_name != "from_crontab" or not isinstance(expression, str):
        return None
    return problem_of(expression, frame.f_locals.get("timezone"))


def _of_fields(frame: FrameType) -> str | None:
    if not isinstance(frame.f_locals.get("self"), CronTrigger):
        return None
    try:
        check_fields({name: frame.f_locals.get(name) for name in CronTrigger.FIELD_NAMES})
    except ValueError as problem:
        return str(problem)
    return None


def _of_dates(given: Mapping[str, Any]) -> str | None:
    """Return what to write instead of a text that is a date only here, or none."""
    is_calendar = isinstance(given.get("self"), CalendarIntervalTrigger)
    for name in _DATES:
        text = given.get(name)
        if not isinstance(text, str):
            continue
        try:
            date.fromisoformat(text) if is_calendar else convert_to_datetime(text, UTC, name)
        except ValueError:
            return _instead_of(name, text, is_day=is_calendar)
    return None


def _instead_of(name: str, text: str, *, is_day: bool) -> str:
    try:
        moment = parse_given(name, text)
    except ValueError as problem:
        return str(problem)
    right = moment.date() if is_day else moment
    return f"a trigger of APScheduler does not take {name}={text!r}: write {name}={right!r}"


def _of_zones(given: Mapping[str, Any]) -> str | None:
    """Return what to write instead of a zone, or of that of a date."""
    dates = (given.get(name) for name in _DATES)
    zones = [("timezone", given.get("timezone"))]
    zones += [("tzinfo", value.tzinfo) for value in dates if isinstance(value, datetime)]
    return next(filter(None, (_of_zone(name, zone) for name, zone in zones if zone is not None)), None)


def _of_zone(name: str, zone: Any) -> str | None:
    try:
        known = zone_given(zone)
    except ValueError as problem:
        return f"{name}={problem}"
    return (
        None if known is zone else f"a trigger of APScheduler does not take {zone!r}: write {name}={known!r}"
    )

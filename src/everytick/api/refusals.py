"""The errors of APScheduler's own triggers in the user's code, in sentences that say what to write."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from everytick.call_site import place_of
from everytick.errors import ScheduleError

from .cron_fields import check_fields
from .crontab import problem_of
from .zones import zone_given


@contextmanager
def explained() -> Iterator[None]:
    """Say what to write, of an error in one sentence that comes from a trigger of APScheduler."""
    try:
        yield
    except ScheduleError as problem:
        cause = problem.__context__
        said = None if cause is None else _instead(cause)
        if cause is None or said is None:
            raise
        raise ScheduleError(f"{place_of(cause)}: {said}") from None


def _instead(problem: BaseException) -> str | None:
    for frame, _line in traceback.walk_tb(problem.__traceback__):
        if frame.f_globals.get("__name__", "").startswith("apscheduler.triggers."):
            return _of_crontab(frame) or _of_fields(frame) or _of_zones(frame.f_locals)
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


def _of_zones(given: Mapping[str, Any]) -> str | None:
    """Return what to write instead of a zone, or of that of a date."""
    dates = (given.get(name) for name in ("run_date", "start_date", "end_date"))
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

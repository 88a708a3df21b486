"""Which trigger objects were given no zone, while the user's schedule is loaded.

APScheduler fills in the machine's zone, and a trigger does not tell that from the same zone given on purpose.
While the schedule is loaded, the functions by which APScheduler's triggers ask for the machine's zone answer
with an object of their own: the same zone, and not the object that `ZoneInfo(name)` gives. Classes are left
as they are, and afterwards the functions are those of before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers import calendarinterval, cron, date, interval

from .zones import machine_zone

_ASKING: tuple[Any, ...] = (calendarinterval, cron, date, interval)


@contextmanager
def marked() -> Iterator[None]:
    """Mark the zone of triggers that are made meanwhile without one. Such a zone works like any other."""
    # APScheduler itself fails on a machine whose zone has no name.
    mark = ZoneInfo.no_cache(_name(machine_zone()) or "UTC")
    before = [module.get_localzone for module in _ASKING]
    for module in _ASKING:
        module.get_localzone = lambda: mark
    try:
        yield
    finally:
        for module, function in zip(_ASKING, before, strict=True):
            module.get_localzone = function


def is_marked(zone: tzinfo | None) -> bool:
    """Return whether APScheduler filled a zone in; also of a trigger that was copied or pickled."""
    name = _name(zone)
    return name is not None and zone is not ZoneInfo(name)


def _name(zone: tzinfo | None) -> str | None:
    """Return the name under which ZoneInfo has a zone; None for zones of other kinds, and without a name."""
    return getattr(zone, "key", None) if isinstance(zone, ZoneInfo) else None

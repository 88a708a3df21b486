"""Which trigger objects were given no zone, while the user's schedule is loaded.

APScheduler fills in the machine's zone, and a trigger does not tell that from the same zone given on purpose.
While the schedule is loaded, the functions by which APScheduler's triggers ask for the machine's zone answer
with that zone as an object of a class of its own. APScheduler's classes are left as they are, and afterwards
the functions are those of before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers import calendarinterval, cron, date, interval
from everytick.text.zone_hints import is_zone

from .zones import machine_zone

_ASKING: tuple[Any, ...] = (calendarinterval, cron, date, interval)


@contextmanager
def marked() -> Iterator[None]:
    """Mark the zone of triggers that are made meanwhile without one. Such a zone works like any other."""
    name = getattr(machine_zone(), "key", None)
    # APScheduler itself fails on a machine whose zone has no name.
    mark = _FilledIn(name if name is not None and is_zone(name) else "UTC")
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
    return isinstance(zone, _FilledIn)


class _FilledIn(ZoneInfo):
    """The machine's zone, where APScheduler filled it in."""

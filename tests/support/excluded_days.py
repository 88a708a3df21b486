"""Days that are left out of a schedule, as `exclude=` keeps them, and ticks without them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from everytick.model.ticks import Days, ExcludingTicks, Ticks
from everytick.model.ticks.excluding import Shift, Workday

BERLIN = ZoneInfo("Europe/Berlin")


def days(
    *dates: str, weekdays: tuple[int, ...] = (), calendars: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    """Return the data of dates, of weekdays (0 is Monday) and of calendars of public holidays."""
    return {
        "weekdays": list(weekdays),
        "ranges": [[one, one] for one in dates],
        "calendars": list(calendars),
    }


def excluding(
    source: Ticks,
    data: dict[str, Any],
    shift: Shift = "skip",
    workday: Workday | None = None,
    zone: ZoneInfo = BERLIN,
) -> ExcludingTicks:
    """Return the ticks of a source without those of such days, or with these moved to a workday."""
    return ExcludingTicks(source, Days(data), zone, shift, workday)

"""Arguments that are a time zone, an IANA name or an object of any library, in one canonical form.

A zone of another library that has a name, or the same offset at all times, becomes one that any process
finds again: by that name, or by that offset. `datetime.now().astimezone().tzinfo` is such an offset, whatever
it calls itself.
"""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from everytick.model.zone_names import fixed_offset, with_offset
from everytick.text.zone_hints import not_a_zone, zone_by_name
from tzlocal import get_localzone

_NAMELESS = timezone(timedelta(0), "the machine's zone")


def zone_given(given: Any) -> tzinfo:
    """Return the zone that a `timezone=` means.

    One that has neither a name nor the same offset at all times is returned as it is.

    Raises:
        ValueError: it is none; a sentence that begins with what was given.
    """
    if isinstance(given, str):
        return zone_by_name(given)
    if not isinstance(given, tzinfo):
        raise ValueError(not_a_zone(given))
    if isinstance(given, ZoneInfo) and given.key is not None:
        return given
    name = _name(given)
    if name is not None:
        return zone_by_name(name)
    offset = fixed_offset(given)
    return given if offset is None else with_offset(offset)


def machine_zone() -> tzinfo:
    """Return the machine's zone; one that is like no other where it has no name, as with `TZ=IST-5:30`."""
    try:
        return get_localzone()
    except Exception:
        return _NAMELESS


def _name(zone: tzinfo) -> str | None:
    """Return the IANA name of a zone of pytz or dateutil; None for one without."""
    name = getattr(zone, "zone", None)
    if isinstance(name, str):
        return name
    if not type(zone).__module__.startswith("dateutil."):
        return None
    # dateutil's zone of the machine; of a file it has the path alone.
    if type(zone).__name__ == "tzlocal" or "localtime" in repr(zone):
        return None if fixed_offset(zone) is not None else getattr(machine_zone(), "key", None)
    found = re.fullmatch(r"tzfile\('(?:.*/zoneinfo/)?([^']+)'\)", repr(zone))
    try:
        return found and ZoneInfo(found[1]).key
    except (KeyError, ValueError, OSError):
        return None

"""Arguments that are a time zone, an IANA name or an object of any library, in one canonical form.

A zone of another library that has a name, or the same offset at all times, becomes one that any process
finds again: by that name, or by that offset. `datetime.now().astimezone().tzinfo` is such an offset, whatever
it calls itself.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from everytick.model.zone_names import fixed_offset, with_offset
from everytick.text.zone_hints import is_of_machine, is_zone, not_a_zone, zone_by_name
from tzlocal import get_localzone

_NAMELESS = timezone(timedelta(0), "the machine's zone")


def zone_given(given: Any) -> tzinfo:
    """Return the zone that a `timezone=` means.

    Raises:
        ValueError: it is none, or could not be found again; a sentence that begins with what was given.
    """
    if isinstance(given, str):
        return zone_by_name(given)
    if not isinstance(given, tzinfo):
        raise ValueError(not_a_zone(given))
    name = _name(given)
    # One that was read from a file may have any name.
    if name is not None and (not isinstance(given, ZoneInfo) or is_zone(name)):
        return zone_by_name(name)
    if name is not None and is_of_machine(name):
        raise ValueError(not_a_zone(name))
    offset = fixed_offset(given)
    if offset is None:
        raise ValueError(
            f"{given!r} has no IANA name, nor the same offset at all times, so no other process could find"
            " it: give the name of a zone such as 'Europe/Berlin'"
        )
    return with_offset(offset)


def can_be_found_again(zone: tzinfo) -> bool:
    """Return whether a zone has a name, or the same offset at all times."""
    try:
        zone_given(zone)
    except ValueError:
        return False
    return True


def machine_zone() -> tzinfo:
    """Return the machine's zone; one that is like no other where it has no name, as with `TZ=IST-5:30`."""
    try:
        return get_localzone()
    except Exception:
        return _NAMELESS


def _name(zone: tzinfo) -> str | None:
    """Return the name of a zone of zoneinfo, pytz or dateutil; None for one without."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    name = getattr(zone, "zone", None)
    if isinstance(name, str):
        return name
    if not type(zone).__module__.startswith("dateutil."):
        return None
    # A zone that was read from a file has the path alone, which may be a link.
    file = re.fullmatch(r"tzfile\('([^']+)'\)", repr(zone))
    if file is not None:
        path = os.path.realpath(file[1]) if os.path.isabs(file[1]) else file[1]
        name = path.rpartition("/zoneinfo/")[2]
        if is_zone(name):
            return name
    # That of the machine.
    if type(zone).__name__ == "tzlocal" or (file is not None and "localtime" in file[1]):
        name = getattr(machine_zone(), "key", None)
        return name if fixed_offset(zone) is None and name is not None and is_zone(name) else None
    return None

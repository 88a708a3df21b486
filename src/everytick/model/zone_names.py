"""The names by which zones are kept: an IANA name, or an offset such as `UTC+05:30`; and back.

Version 0.1.0 kept a zone with a fixed offset by the name that it had, as machines abbreviate it: `IST`,
`EDT`, `-03`. Such data is read as what it can only have meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from . import ticks

# The abbreviations that zones in use have for their time, and the hours from UTC of each. A test holds these
# equal to the time zone database.
ABBREVIATIONS: Mapping[str, tuple[float, ...]] = {
    "ACDT": (10.5,),
    "ACST": (9.5,),
    "ADT": (-3,),
    "AEDT": (11,),
    "AEST": (10,),
    "AKDT": (-8,),
    "AKST": (-9,),
    "AST": (-4,),
    "AWST": (8,),
    "BST": (1,),
    "CAT": (2,),
    "CDT": (-5, -4),
    "CEST": (2,),
    "CET": (1,),
    "CST": (-6, -5, 8),
    "ChST": (10,),
    "EAT": (3,),
    "EDT": (-4,),
    "EEST": (3,),
    "EET": (2,),
    "EST": (-5,),
    "GMT": (0,),
    "HDT": (-9,),
    "HKT": (8,),
    "HST": (-10,),
    "IDT": (3,),
    "IST": (1, 2, 5.5),
    "JST": (9,),
    "KST": (9,),
    "MDT": (-6,),
    "MSK": (3,),
    "MST": (-7,),
    "NDT": (-2.5,),
    "NST": (-3.5,),
    "NZDT": (13,),
    "NZST": (12,),
    "PDT": (-7,),
    "PKT": (5,),
    "PST": (-8, 8),
    "SAST": (2,),
    "SST": (-11,),
    "UTC": (0,),
    "WAT": (1,),
    "WEST": (1,),
    "WET": (0,),
    "WIB": (7,),
    "WIT": (9,),
    "WITA": (8,),
    "MEST": (2,),
    "MET": (1,),
}
# Abbreviations that are IANA names too: of zones which have daylight saving time.
_TWO_MEANINGS = frozenset({"CET", "EET", "MET", "WET"})
_IS_NAME = "zone_is_iana_name"
_ANCHOR = datetime(2000, 1, 1)
# Twice a month, so that no daylight saving time is missed; until 2037, where the data of some libraries end.
_MOMENTS = [
    datetime(year, month, day) for year in range(2000, 2038) for month in range(1, 13) for day in (1, 15)
]


def fixed_offset(zone: tzinfo) -> timedelta | None:
    """Return the offset of a zone that has the same one at all times; None for any other zone.

    A zone that is written as the documentation of `datetime` shows answers `utcoffset(None)` with its offset
    in winter, so only moments tell.
    """
    if type(zone) is timezone:
        return zone.utcoffset(None)
    try:
        offsets = {moment.replace(tzinfo=zone).utcoffset() for moment in _MOMENTS}
    except Exception:
        # A class of the user's own may raise anything.
        return None
    return offsets.pop() if len(offsets) == 1 else None


def with_offset(offset: timedelta) -> tzinfo:
    """Return the zone that has this offset at all times."""
    return timezone(offset) if offset else ZoneInfo("UTC")


def kept_name(zone: tzinfo) -> str | None:
    """Return the IANA name of a zone, or its offset as `UTC+05:30`; None if it has neither."""
    name: str | None = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if name is not None:
        return name
    offset = fixed_offset(zone)
    return None if offset is None else str(timezone(offset))


def kept_zone(zone: tzinfo) -> dict[str, Any]:
    """Return a zone, with an IANA name or one offset, as the data of a schedule hold it."""
    name = kept_name(zone)
    assert name is not None, f"{zone!r} could not be found again"
    return {"zone": name, _IS_NAME: True} if name in _TWO_MEANINGS else {"zone": name}


def zone_named(name: str) -> tzinfo:
    """Return the zone of an IANA name or an offset such as `UTC+01:00`; raise ValueError if there is none."""
    offset = _offset(name.removeprefix("UTC")) if name.startswith("UTC") else None
    if offset is not None:
        return with_offset(offset)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"this machine does not know the time zone {name!r}") from None


def zone_of(data: Mapping[str, Any]) -> tzinfo:
    """Return the zone of a schedule's data, a single trigger's.

    One that an earlier version kept by its abbreviation has that as its name still: a definition that is in
    the ledger stays the same.

    Raises:
        ValueError: this machine does not know it, or it may have been one of several.
    """
    name: str = data["zone"]
    try:
        return zone_named(name)
    except ValueError:
        if "/" in name:
            raise
    offset = _offset(name)
    if offset is None:
        offset = _offset_by_times(data)
    if offset is not None:
        return timezone(offset, name)
    meanings = [timedelta(hours=hours) for hours in ABBREVIATIONS.get(name, ())]
    if len(meanings) == 1:
        return timezone(meanings[0], name)
    if data["trigger"] in ("date", "interval"):
        # Its ticks are instants, whatever the zone was: they are shown in UTC.
        return ZoneInfo("UTC")
    known = " or ".join(str(timezone(meaning)) for meaning in meanings)
    what = f"may mean {known}" if known else "is not known"
    raise ValueError(
        f"its time zone was kept as {name!r}, which {what}: add the job anew with replace_existing=True and"
        " timezone= as an IANA name such as 'Europe/Berlin', or as datetime.timezone(...) with its offset"
    )


def doubtful_zones(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the zones of a schedule that an earlier version may have meant as a fixed offset: name, offset.

    They are read as the zones of that name, which have daylight saving time.
    """
    source = data.get("source")
    for part in (*data.get("parts", ()), *([source] if source else ())):
        yield from doubtful_zones(part)
    if data["trigger"] not in ("cron", "calendarinterval") or data.get(_IS_NAME):
        return
    if data["zone"] in _TWO_MEANINGS:
        yield data["zone"], str(timezone(timedelta(hours=ABBREVIATIONS[data["zone"]][0])))


def _offset(text: str) -> timedelta | None:
    """Return what `+05:30`, `-03`, `+0530` or nothing says; None if it is no offset."""
    if not text:
        return timedelta(0)
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)?:?(\d\d(?:\.\d{1,6})?)?", text)
    if found is None:
        return None
    sign, hours, minutes, seconds = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=float(seconds or 0))
    return None if offset >= timedelta(days=1) else -offset if sign == "-" else offset


def _offset_by_times(data: Mapping[str, Any]) -> timedelta | None:
    """Return the offset that follows from a time which is kept both as an instant and as a clock shows it."""
    if data["trigger"] == "interval" and data["start"] is None:
        return _ANCHOR - ticks.moment(data["anchor"]).replace(tzinfo=None)
    shown = re.fullmatch(r"date\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) .*\]", data["text"])
    if data["trigger"] != "date" or data["at"] is None or shown is None:
        return None
    at = ticks.moment(data["at"] // ticks.SECOND * ticks.SECOND).replace(tzinfo=None)
    return datetime.fromisoformat(shown[1]) - at

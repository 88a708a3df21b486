"""The names of time zones, and which one a misspelt name most likely means.

Copier's question asks the same in `includes/nearest-zone.jinja`, which reads the same hints: a test holds the
answers of both equal.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

# Names that machines may have beside those of the database: each means another zone elsewhere, or none. Zones
# in these folders have leap seconds, or are there twice.
_NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})
_NO_FOLDERS = ("posix/", "right/")
_OFFSET = re.compile(r"([a-z]*)_?([-+])_?0?([0-9]{1,2})(:?00)?")
_LONGEST = 40


def zone_by_name(name: str) -> ZoneInfo:
    """Return the zone of an IANA name.

    Raises:
        ValueError: it is none; a sentence that begins with the name.
    """
    if not is_zone(name):
        raise ValueError(not_a_zone(name))
    return ZoneInfo(name)


def is_zone(name: str) -> bool:
    """Return whether this machine knows a zone by this name, and it is the same one on other machines."""
    if is_of_machine(name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def is_of_machine(name: str) -> bool:
    """Return whether a name means a zone on some machines only, or another one on each."""
    return name in _NO_ZONES or name.startswith(_NO_FOLDERS)


def not_a_zone(given: object) -> str:
    """Return the error sentence for a value that is not a time zone."""
    hint = _hint(given) if isinstance(given, str) else ""
    return f"{given!r} is not an IANA time zone such as Europe/Berlin{hint}"


def _hint(value: str) -> str:
    near = nearest_zone(value, zone_names())
    reversed_sign = " (there the sign is reversed)" if near.startswith("Etc/") else ""
    return f"; did you mean {near!r}{reversed_sign}?" if near else ""


@functools.cache
def zone_names() -> Sequence[str]:
    """Return the names of all zones that this machine knows, in order."""
    return sorted(available_timezones() - _NO_ZONES)


@functools.cache
def hints() -> Mapping[str, str]:
    """Return what people write, and the zone that it most likely means."""
    lines = (files(__package__) / "zone_hints.txt").read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split(" ") for line in lines)


def nearest_zone(value: str, names: Sequence[str]) -> str:
    """Return the one of `names` that is most likely meant; nothing if none is near.

    A wrong hint is worse than none.
    """
    wanted = re.sub(r"[\s_]+", "_", value.strip().lower()).replace("\\", "/")
    by_lower = {name.lower(): name for name in names}
    if wanted in by_lower:
        return by_lower[wanted]
    city = wanted.rpartition("/")[2]
    hint = hints().get(wanted) or (hints().get(city, "") if len(city) > 4 else "")
    if hint:
        return hint if hint in names else ""
    offset = _OFFSET.fullmatch(wanted)
    if offset is not None and offset[1] in ("", "utc", "gmt"):
        # In these names the sign says how far UTC is ahead: the reverse of what people write.
        fixed = f"Etc/GMT{'-' if offset[2] == '+' else '+'}{offset[3]}"
        return "UTC" if offset[3] == "0" else fixed if fixed in names else ""
    places = [name for lower, name in by_lower.items() if lower.endswith(f"/{wanted}")]
    if places:
        return min(places, key=len)
    if offset is not None and offset[1] in by_lower:
        return by_lower[offset[1]]
    # Of two offsets that differ by a digit neither is meant for the other.
    is_like_another = 4 < len(wanted) <= _LONGEST and not wanted.startswith("etc/gmt")
    return _closest(wanted, names) if is_like_another else ""


def _closest(wanted: str, names: Sequence[str]) -> str:
    """Return the name with the fewest slips, among the eight that share most pairs of letters."""
    pairs = [wanted[i : i + 2] for i in range(len(wanted) - 1)]
    scored = []
    for name in names:
        text = name.lower() if "/" in wanted else name.lower().rpartition("/")[2]
        shared = sum(pair in text for pair in pairs)
        if shared:
            scored.append((shared / (len(pairs) + len(text) - 1), text, name))
    best, fewest = "", max(len(wanted) // 6, 1) + 1
    for _score, text, name in sorted(scored, reverse=True)[:8]:
        slips = _slips(wanted, text)
        if slips < fewest:
            best, fewest = name, slips
    return best


def _slips(one: str, other: str) -> int:
    """Return how many letters to add, drop, change or swap with a neighbour make one text the other."""
    rows = [list(range(len(other) + 1))]
    for i in range(1, len(one) + 1):
        row = [i]
        for j in range(1, len(other) + 1):
            change = 0 if one[i - 1] == other[j - 1] else 1
            cost = min(row[-1] + 1, rows[-1][j] + 1, rows[-1][j - 1] + change)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]

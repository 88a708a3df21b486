"""Times and durations as people read them."""

from __future__ import annotations

from datetime import tzinfo

from everytick.model import ticks
from everytick.text.wording import when

_UNITS = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def at(instant: int, zone: tzinfo) -> str:
    """Return an instant in a zone to the second: for what was measured rather than planned."""
    return when(instant // ticks.SECOND * ticks.SECOND, zone)


def duration(length: int) -> str:
    """Return a length of time (microseconds) in its two largest units."""
    seconds = abs(length) / ticks.SECOND
    if seconds < 0.1:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    left, parts = round(seconds), []
    for name, size in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {name}" + ("s" if name == "day" and number > 1 else ""))
    return " ".join(parts[:2])


def host(name: str) -> str:
    """Return a host as people call it: without what tells apart its boots and containers."""
    return name.partition("/")[0]


def quoted(note: str | None) -> str:
    """Return a note in brackets, or that there is none."""
    return f'(note: "{note}")' if note else "(without a note)"

"""Lengths of time as text. Pure. Lengths are microseconds unless said otherwise."""

from __future__ import annotations

import math

from everytick.model import ticks

from .wording import counted

_UNITS = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_ONE = {"1 day": "day", "1 h": "hour", "1 min": "minute", "1 s": "second"}
_EXACT_UNITS = (("hour", 3_600_000_000), ("minute", 60_000_000), ("second", 1_000_000))


def duration(length: int) -> str:
    """Return a length that was measured, in its two largest units: `1 day 10 min`, `4.25 s`, `12 ms`.

    `duration` in the dashboard's `page.js` does the same to the second.
    """
    seconds = abs(length) / ticks.SECOND
    if not length:
        return "0 s"
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


def duration_of_seconds(seconds: float) -> str:
    """Return the same for a number of seconds."""
    return duration(round(seconds * ticks.SECOND))


def plain_seconds(seconds: float | None) -> str:
    """Return a number of seconds to the thousandth, for a column that says so; `-` for None."""
    return "-" if seconds is None else f"{seconds:.3f}"


def exact(length: int) -> str:
    """Return a length that was declared, in the largest unit that it is a whole number of, up to hours."""
    for unit, size in _EXACT_UNITS:
        if length % size == 0 and length:
            return counted(length / size, unit)
    return counted(length / ticks.SECOND, "second")


def exact_seconds(seconds: float) -> str:
    """Return the same for a number of seconds, as options and settings have them; they may be infinite."""
    return exact(round(seconds * ticks.SECOND)) if math.isfinite(seconds) else "any length of time"


def about_every(length: int) -> str:
    """Return how often something comes that was measured: `every day`, `every 1 h 30 min`."""
    shown = duration(length)
    return f"every {_ONE.get(shown, shown)}"


def every(length: int) -> str:
    """Return `every hour`, `every 4 hours`."""
    return f"every {exact(length).removeprefix('1 ')}"

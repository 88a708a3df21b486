"""The interface of every set of ticks."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol


class Ticks(Protocol):
    """The set of instants at which a job is due."""

    canonical: str

    def next(self, after: int) -> int | None: ...
    def note(self, tick: int) -> str: ...
    def postponed(self, tick: int) -> set[timedelta]: ...


# It is due at the time that was planned.
ON_TIME = timedelta()


def bounds(start: int | None, end: int | None) -> str:
    """Return the part of a canonical form that says from when and until when."""
    return (f" start={start}" if start is not None else "") + (f" end={end}" if end is not None else "")

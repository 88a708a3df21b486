"""How many runs ended in each hour of the last day, and how many of them failed.

A busy day has millions of rows, and of a minute that is over for long the numbers hardly change. So they are
counted piece by piece, by the index of `finished_us`, and kept by who asks often: a dashboard counts no more
than the newest minutes at each change.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from everytick.model import ticks
from everytick.store import schema
from everytick.system import system
from sqlalchemy import Connection, case, func, select

from .last_runs import FAILURES

_HOURS = 24
_MINUTE, _HOUR = 60 * ticks.SECOND, 3_600 * ticks.SECOND
# An outcome may be written a moment after it happened. Older ones are counted once.
_SETTLED = 2 * _MINUTE
# A retry moves the end of a run, and old runs are removed: after this many seconds all is counted anew.
_HOLDS_SECONDS = 900.0

_runs = schema.runs.c


@dataclass(frozen=True)
class Hour:
    """The runs that ended in the hour from `begin` (microseconds UTC) on.

    Skipped ticks are no runs. Both numbers are None as long as that hour is not counted.
    """

    begin: int
    runs: int | None
    failed: int | None


class HourlyRuns:
    """Counts runs by the hour in which they ended. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By the begin of a minute or of an hour: how many runs, how many failed, and until when that holds.
        self._minutes: dict[int, tuple[int, int, float]] = {}
        self._hours: dict[int, tuple[int, int, float]] = {}

    def read(self, connection: Connection, now: int, patience: float | None = None) -> list[Hour]:
        """Return the last 24 hours, the one that goes on now included, the oldest first.

        Args:
            now: the present, in microseconds UTC.
            patience: seconds after which no further hour is counted; None for no limit. The newest hours are
                counted first, and the others when this is called again.
        """
        newest = now - now % _HOUR
        begins = [newest - _HOUR * back for back in range(_HOURS)]
        with self._lock:
            self._forget(begins[-1])
            give_up = None if patience is None else system.monotonic() + patience
            found = [self._hour(connection, begin, now, give_up) for begin in begins]
        return found[::-1]

    def _forget(self, oldest: int) -> None:
        present = system.monotonic()
        for kept in (self._minutes, self._hours):
            for begin in [it for it, (_, _, until) in kept.items() if it < oldest or until < present]:
                del kept[begin]

    def _hour(self, connection: Connection, begin: int, now: int, give_up: float | None) -> Hour:
        if begin in self._hours:
            return Hour(begin, *self._hours[begin][:2])
        if give_up is not None and system.monotonic() >= give_up:
            return Hour(begin, None, None)
        if begin + _HOUR + _SETTLED <= now:
            counted = _count(connection, begin, begin + _HOUR)
            # Not all at the same time.
            self._hours[begin] = (
                *counted,
                system.monotonic() + _HOLDS_SECONDS * (1 + begin // _HOUR % 24 / 24),
            )
            return Hour(begin, *counted)
        return Hour(begin, *self._by_minutes(connection, begin, now))

    def _by_minutes(self, connection: Connection, begin: int, now: int) -> tuple[int, int]:
        """Count an hour that goes on, or has just ended."""
        settled = min(begin + _HOUR, max(begin, now - now % _MINUTE - _SETTLED))
        runs, failed = _count(connection, settled, begin + _HOUR)
        for minute in range(begin, settled, _MINUTE):
            if minute not in self._minutes:
                until = system.monotonic() + _HOLDS_SECONDS
                self._minutes[minute] = *_count(connection, minute, minute + _MINUTE), until
            runs, failed = runs + self._minutes[minute][0], failed + self._minutes[minute][1]
        return runs, failed


def _count(connection: Connection, begin: int, end: int) -> tuple[int, int]:
    """Return how many runs ended in [begin, end), and how many of them failed."""
    failed = func.coalesce(func.sum(case((_runs.state.in_(FAILURES), 1), else_=0)), 0)
    query = select(func.count(), failed).where(
        _runs.finished_us >= begin, _runs.finished_us < end, _runs.state != "skipped"
    )
    row = connection.execute(query).one()
    return int(row[0]), int(row[1])

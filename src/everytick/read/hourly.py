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
from everytick.store.unreadable import unchecked
from everytick.system import system
from sqlalchemy import Connection, case, func, select

from .run_filter import FAILED

_HOURS = 24
_MINUTE, _HOUR = 60 * ticks.SECOND, 3_600 * ticks.SECOND
# So much of an hour that is over is counted at once.
_PIECE = 10 * _MINUTE
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
        # By begin and end of an hour, or of a piece: how many runs, how many failed, until when that holds.
        self._kept: dict[tuple[int, int], tuple[int, int, float]] = {}

    def read(self, connection: Connection, now: int, patience: float | None = None) -> list[Hour]:
        """Return the last 24 hours, the one that goes on now included, the oldest first.

        Args:
            now: the present, in microseconds UTC.
            patience: seconds after which nothing more is counted; None for no limit. The newest hours are
                counted first, and the others when this is called again.
        """
        newest = now - now % _HOUR
        begins = [newest - _HOUR * back for back in range(_HOURS)]
        with self._lock:
            present = system.monotonic()
            self._forget(begins[-1], now, present)
            counting = _Counting(connection, self._kept, now, present, patience)
            found = [Hour(begin, *(counting.hour(begin) or (None, None))) for begin in begins]
        return found[::-1]

    def _forget(self, oldest: int, now: int, present: float) -> None:
        """Drop hours that are too old, and those that the clock, when it was ahead, took for ended."""
        for (begin, end), (_, _, until) in list(self._kept.items()):
            if begin < oldest or end > now or until < present:
                del self._kept[begin, end]


@dataclass(frozen=True)
class _Counting:
    """One reading of the last day, which began at `present` of the monotonic clock."""

    connection: Connection
    kept: dict[tuple[int, int], tuple[int, int, float]]
    now: int
    present: float
    patience: float | None

    def hour(self, begin: int) -> tuple[int, int] | None:
        """Return how many runs ended in an hour and how many of them failed, or None if patience is over."""
        end = begin + _HOUR
        if (begin, end) in self.kept:
            return self.kept[begin, end][:2]
        settled = min(end, max(begin, self.now - self.now % _MINUTE - _SETTLED))
        is_over = settled == end
        length = _PIECE if is_over else _MINUTE
        if not is_over and self._is_late():
            return None
        runs, failed = (0, 0) if is_over else _count(self.connection, settled, end)
        for at in range(begin, settled, length):
            piece = self._piece(at, at + length)
            if piece is None:
                return None
            runs, failed = runs + piece[0], failed + piece[1]
        if is_over:
            # Not all hours are counted anew at the same time.
            until = self.present + _HOLDS_SECONDS * (1 + begin // _HOUR % 24 / 24)
            self.kept[begin, end] = (runs, failed, until)
        return runs, failed

    def _piece(self, begin: int, end: int) -> tuple[int, int] | None:
        if (begin, end) not in self.kept:
            if self._is_late():
                return None
            counted = _count(self.connection, begin, end)
            self.kept[begin, end] = (*counted, self.present + _HOLDS_SECONDS)
        return self.kept[begin, end][:2]

    def _is_late(self) -> bool:
        return self.patience is not None and system.monotonic() >= self.present + self.patience


def _count(connection: Connection, begin: int, end: int) -> tuple[int, int]:
    """Return how many runs ended in [begin, end), and how many of them failed."""
    failed = func.coalesce(func.sum(case((_runs.state.in_(FAILED), 1), else_=0)), 0)
    query = select(func.count(), failed).where(
        _runs.finished_us >= begin, _runs.finished_us < end, _runs.state != "skipped"
    )
    row = connection.execute(query, execution_options=unchecked(connection)).one()
    return int(row[0]), int(row[1])

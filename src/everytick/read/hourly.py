"""How many runs ended in the last 24 hours, and in each hour of them, and how many of them failed.

The numbers are those of the list of runs for the same time: one filter says which are counted. A busy day
has millions of rows, and of a minute that is over for long the numbers hardly change. So they are counted
piece by piece, by the index of `finished_us`, and kept by who asks often: a dashboard counts no more than the
newest minutes at each change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from everytick.model import ticks
from everytick.store.querying import Reader
from everytick.system import system

from .retried import TriedAgain
from .run_filter import ENDED_RUNS, FAILED, RunFilter
from .trouble_counts import BAD_REASONS, TICKS_IN_ROW

_MINUTE, _HOUR = 60 * ticks.SECOND, 3_600 * ticks.SECOND
# So much of an hour that is over is counted at once.
_PIECE = 10 * _MINUTE
# An outcome may be written a moment after it happened. Older ones are counted once.
_SETTLED = 2 * _MINUTE
# A retry moves the end of a run, and old runs are removed: after this many seconds all is counted anew.
_HOLDS_SECONDS = 900.0

_FAILED = ", ".join(f"'{state}'" for state in FAILED)
# The table itself: a view reads every column of each row to check it. Those that ended, by their index.
_COUNT = f"""
SELECT COALESCE(sum(CASE WHEN state <> 'skipped' THEN 1 ELSE 0 END), 0) AS number,
       COALESCE(sum(CASE WHEN state IN ({_FAILED}) THEN 1 ELSE 0 END), 0) AS failed,
       COALESCE(sum(
           CASE WHEN state = 'skipped' AND reason IN ({BAD_REASONS}) THEN {TICKS_IN_ROW} ELSE 0 END
       ), 0) AS skipped
FROM main.scheduler_runs
WHERE finished_us IS NOT NULL AND finished_us >= :begin AND finished_us < :end
"""


class _Numbers(NamedTuple):
    """How many runs ended in a time, how many of them failed, and how many ticks were skipped."""

    runs: int
    failed: int
    skipped: int


@dataclass(frozen=True)
class Hour:
    """The runs that ended in [begin, end), microseconds UTC, as the list of runs has them for that time.

    skipped: how many ticks were missed, or skipped as overlap, as was written down in that time. All numbers
    are None as long as that hour is not counted.
    """

    begin: int
    end: int
    runs: int | None
    failed: int | None
    skipped: int | None


@dataclass(frozen=True)
class LastDay:
    """The runs that ended within 24 hours, as the list of runs has them since then.

    hours: by the hours of the clock, oldest first; of the first and the last one a part. A run that failed
    and was tried again may stand in two of them, and counts once in the day. complete: whether all hours are
    counted.
    """

    begin: int
    hours: Sequence[Hour]
    runs: int
    failed: int
    skipped: int
    complete: bool


class HourlyRuns:
    """Counts runs by the hour in which they ended. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By begin and end of an hour, or of a piece: its numbers, and until when they hold.
        self._kept: dict[tuple[int, int], tuple[_Numbers, float]] = {}

    def read(self, connection: Reader, now: int, patience: float | None = None) -> LastDay:
        """Return the last 24 hours.

        Args:
            now: the present, in microseconds UTC.
            patience: seconds after which nothing more is counted; None for no limit. The newest hours are
                counted first, and the others when this is called again.
        """
        begin, newest = now - ticks.DAY, now - now % _HOUR
        spans = [(max(begin, at), at + _HOUR) for at in range(newest, newest - ticks.DAY - 1, -_HOUR)]
        with self._lock:
            present = system.monotonic()
            self._forget(begin, now, present)
            counting = _Counting(connection, self._kept, now, present, patience)
            counted = {span: numbers for span in spans if (numbers := counting.hour(*span)) is not None}
        again = TriedAgain(connection, RunFilter(since=begin))
        hours = [
            Hour(*span, *(_with(again, counted[span], *span) if span in counted else (None, None, None)))
            for span in reversed(spans)
        ]
        whole = _with(again, _sum(counted.values()), begin, None)
        return LastDay(begin, hours, *whole, len(counted) == len(spans))

    def _forget(self, oldest: int, now: int, present: float) -> None:
        """Drop hours that are too old, and those that the clock, when it was ahead, took for ended."""
        for (begin, end), (_numbers, until) in list(self._kept.items()):
            if begin < oldest or end > now or until < present:
                del self._kept[begin, end]


@dataclass(frozen=True)
class _Counting:
    """One reading of the last day, which began at `present` of the monotonic clock."""

    connection: Reader
    kept: dict[tuple[int, int], tuple[_Numbers, float]]
    now: int
    present: float
    patience: float | None

    def hour(self, begin: int, end: int) -> _Numbers | None:
        """Return the numbers of an hour, or of a part of one; None if patience is over."""
        if (begin, end) in self.kept:
            return self.kept[begin, end][0]
        settled = min(end, max(begin, self.now - self.now % _MINUTE - _SETTLED))
        length = _PIECE if settled == end else _MINUTE
        # The first hour of the day begins somewhere in a piece.
        first = min(settled, begin + -begin % length)
        is_whole = settled == end and end - begin == _HOUR
        if not is_whole and self._is_late():
            return None
        edges = [(begin, first), (settled, end)]
        found = [_count(self.connection, *edge) for edge in edges if edge[0] < edge[1]]
        for at in range(first, settled, length):
            piece = self._piece(at, at + length)
            if piece is None:
                return None
            found.append(piece)
        numbers = _sum(found)
        if is_whole:
            # Not all hours are counted anew at the same time.
            until = self.present + _HOLDS_SECONDS * (1 + begin // _HOUR % 24 / 24)
            self.kept[begin, end] = (numbers, until)
        return numbers

    def _piece(self, begin: int, end: int) -> _Numbers | None:
        if (begin, end) not in self.kept:
            if self._is_late():
                return None
            counted = _count(self.connection, begin, end)
            self.kept[begin, end] = (counted, self.present + _HOLDS_SECONDS)
        return self.kept[begin, end][0]

    def _is_late(self) -> bool:
        return self.patience is not None and system.monotonic() >= self.present + self.patience


def _sum(some: Iterable[_Numbers]) -> _Numbers:
    return _Numbers(*(sum(column) for column in zip(_Numbers(0, 0, 0), *some, strict=True)))


def _count(connection: Reader, begin: int, end: int) -> _Numbers:
    """Return the numbers of [begin, end)."""
    row = connection.first(_COUNT, {"begin": begin, "end": end})
    return _Numbers(int(row.number), int(row.failed), int(row.skipped))


def _with(again: TriedAgain, numbers: _Numbers, since: int, until: int | None) -> _Numbers:
    """Return numbers of runs that ended, and failed, with those that did before they were tried again."""
    runs, failed = (
        number + again.count(RunFilter(states=states, since=since, until=until))
        for number, states in zip(numbers[:2], (ENDED_RUNS, FAILED), strict=True)
    )
    return _Numbers(runs, failed, numbers.skipped)

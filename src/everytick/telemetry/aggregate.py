"""Sums over what has ended: how often, how late and how long, for each job."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from everytick.model import ticks
from everytick.read.completions import Completion

# Upper bounds, in seconds.
LATENESS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
DURATION = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)

# Runs that ended in another state: when the function ended is not known.
_TIMED = {"succeeded", "failed", "timed_out"}


class Distribution:
    """How often a number of seconds lay between two bounds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count a number; one below 0, after a clock was set back, as 0."""
        seconds = max(0.0, seconds)
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def merge(self, other: Distribution) -> None:
        """Add all that another one of the same bounds has counted."""
        self._counts = [mine + its for mine, its in zip(self._counts, other._counts, strict=True)]
        self.total += other.total

    def buckets(self) -> list[tuple[str, float]]:
        """Return each upper bound with the number of those up to it."""
        bounds = [*map(str, self._bounds), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self._counts)), strict=True))


class Aggregate:
    """Sums by label. A label is a job's id, or one for all jobs that have none of their own."""

    def __init__(self) -> None:
        # By label, outcome and reason; those of `followed` had a further attempt after them.
        self.ended: Counter[tuple[str, str, str]] = Counter()
        self.followed: Counter[tuple[str, str]] = Counter()
        self.lateness: dict[str, Distribution] = {}
        self.duration: dict[str, Distribution] = {}
        # The newest of each job, in microseconds.
        self.last_success: dict[str, int] = {}
        self.last_lost: dict[str, int] = {}

    def add(self, completion: Completion, label: str) -> None:
        """Count one completion."""
        if completion.followed:
            self.followed[label, completion.outcome] += 1
        else:
            self.ended[label, completion.outcome, completion.reason] += completion.number
        if completion.outcome == "succeeded":
            _newest(self.last_success, [(label, completion.finished)])
        elif completion.outcome == "lost":
            _newest(self.last_lost, [(label, completion.finished)])
        if completion.started is None:
            return
        if completion.due is not None:
            late = (completion.started - completion.due) / ticks.SECOND
            _of(self.lateness, label, LATENESS).add(late)
        if completion.outcome in _TIMED:
            took = (completion.finished - completion.started) / ticks.SECOND
            _of(self.duration, label, DURATION).add(took)

    def merge(self, other: Aggregate, *, counting: bool = True) -> None:
        """Add another aggregate; without `counting` only what it knows of the newest."""
        _newest(self.last_success, other.last_success.items())
        _newest(self.last_lost, other.last_lost.items())
        if not counting:
            return
        self.ended.update(other.ended)
        self.followed.update(other.followed)
        for mine, its in ((self.lateness, other.lateness), (self.duration, other.duration)):
            for label, distribution in its.items():
                if label in mine:
                    mine[label].merge(distribution)
                else:
                    mine[label] = distribution

    def forget(self, shown: Mapping[str, object]) -> None:
        """Drop the sums of labels that are not shown any more."""
        for sums in (self.ended, self.followed):
            for key in [key for key in sums if key[0] not in shown]:
                del sums[key]
        by_label: tuple[dict[str, Any], ...] = (
            *(self.lateness, self.duration),
            *(self.last_success, self.last_lost),
        )
        for sums_of in by_label:
            for label in [label for label in sums_of if label not in shown]:
                del sums_of[label]


def _of(known: dict[str, Distribution], label: str, bounds: tuple[float, ...]) -> Distribution:
    found = known.get(label)
    if found is None:
        found = known[label] = Distribution(bounds)
    return found


def _newest(known: dict[str, int], found: Iterable[tuple[str, int]]) -> None:
    for label, instant in found:
        known[label] = max(instant, known.get(label, instant))

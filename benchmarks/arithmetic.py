"""Percentiles, medians and the lateness of runs. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Lateness:
    """How late the runs of a window were, in seconds, and which part of them was done at all."""

    p50: float
    p99: float
    done: float


@dataclass(frozen=True)
class Spread:
    """The median of what was seen, the least and the greatest."""

    middle: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the range of at least one value."""
    return Spread(median(values), min(values), max(values))


def percentile(ordered: Sequence[float], part: float) -> float:
    """Return the smallest value that `part` of the ordered values do not exceed; infinite of none."""
    if not ordered:
        return math.inf
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def lateness(
    records: Iterable[tuple[float, float, float]], starts: Sequence[float], warm: int, ticks: int
) -> Lateness:
    """Return how late the runs were of `ticks` ticks of one second, after `warm` others.

    records: number of a job, instant of its run, and its tick or 0. starts: the first tick of each job.
    Without a tick the n-th run of a job counts as that of its n-th tick: one that leaves ticks out is late
    with all that follow. A run that was not done is infinitely late.
    """
    instants: dict[int, list[float]] = defaultdict(list)
    told: dict[tuple[int, int], float] = {}
    for number, instant, tick in records:
        if tick:
            position = round(tick - starts[int(number)]) - warm
            if 0 <= position < ticks:
                told.setdefault((int(number), position), max(0.0, instant - tick))
        else:
            instants[int(number)].append(instant)
    late = list(told.values())
    for number, first in enumerate(starts):
        of_job = sorted(instants.get(number, ()))[warm : warm + ticks]
        late += [max(0.0, instant - first - warm - position) for position, instant in enumerate(of_job)]
    wanted = len(starts) * ticks
    done = len(late) / wanted
    late += [math.inf] * (wanted - len(late))
    late.sort()
    return Lateness(percentile(late, 0.5), percentile(late, 0.99), done)

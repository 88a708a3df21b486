"""Runs per second that are sustained: the most jobs of one second interval of which none is left behind.

Sustained: 99 of 100 runs begin at most one second after their tick, and 99 of 100 are done.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from benchmarks.measures.windows import window
from benchmarks.registry import Field, Peer
from benchmarks.running import PeerFailed

LATENESS = 1.0
DONE = 0.99
# It is looked for until it is known to this factor.
_FINE = 1.2
_TICKS = 3


def capacity(field: Field, peer: Peer, guess: int, step: float = 1.4, url: str | None = None) -> int:
    """Return the highest number of jobs found; 0 when not even one is sustained.

    Raises PeerFailed when it does not run at all.
    """

    def sustained(jobs: int) -> bool:
        try:
            found = window(field, peer, jobs, ticks=_TICKS, patience=2.0, url=url).lateness
        except PeerFailed:
            if jobs <= 1:
                raise
            # Its own output does not matter here: this many are too many.
            return False
        return found.p99 <= LATENESS and found.done >= DONE

    return highest(sustained, guess, step, _FINE)


def highest(sustained: Callable[[int], bool], guess: int, step: float, fine: float) -> int:
    """Return the highest number that holds, known to a factor of `fine`.

    It is found by steps up or down from a guess, each the square of the one before, then by halving between.
    """
    low, high = 0, 0
    number = guess
    while not (low and high):
        if sustained(number):
            low, number = number, math.ceil(number * step)
        elif number > 1:
            high, number = number, max(1, int(number / step))
        else:
            return 0
        step **= 2
    while high > max(low * fine, low + 1):
        between = round(math.sqrt(low * high))
        if sustained(between):
            low = between
        else:
            high = between
    return low

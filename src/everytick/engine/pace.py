"""How fast slots get free, by what runs took lately."""

from __future__ import annotations

import math

from everytick.system import system

# How much the newest run counts in what a run takes.
_WEIGHT = 0.1


class Pace:
    """Of the slots of one process.

    Args:
        slots: how many there are.
        moment: within how many seconds a run must have ended lately, or twice that, for others to follow it.
    """

    def __init__(self, slots: int, moment: float) -> None:
        self._slots, self._moment = slots, moment
        # Seconds that a run takes, lately; 0 before the first has ended.
        self._takes = 0.0
        self._ended_at = -math.inf

    def ended(self, seconds: float) -> None:
        """Learn how long a run took: at once that they take long, and little by little that they do not."""
        self._takes = max(seconds, self._takes + _WEIGHT * (seconds - self._takes))
        self._ended_at = system.monotonic()

    def free_within(self, seconds: float, under_way: int) -> int:
        """Return how many slots are likely to be free within a time, one after another.

        under_way: how many runs are in slots.
        """
        # Where none has ended lately but some are under way, these are long ones, and the time at which the
        # next slot becomes free is not known.
        flows = self._takes and (not under_way or system.monotonic() - self._ended_at < 2 * self._moment)
        return int(self._slots * seconds / max(self._takes, 1e-4)) if flows else 0

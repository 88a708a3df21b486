"""The runs of one job that is simulated, and what happens to them when."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from .results import OutageCost


@dataclass(eq=False, slots=True)
class Run:
    """A run; `tick` is None for one at a start. `missed_in`: the outage into which it fell."""

    tick: int | None
    due: int
    missed_in: OutageCost | None = None
    cut_by: OutageCost | None = None
    attempt: int = 1
    rerun_until: int | None = None
    waited_for_group: bool = False

    @property
    def is_first_of_tick(self) -> bool:
        return self.tick is not None and self.attempt == 1

    def waits_at(self, now: int) -> bool:
        """Return whether it could begin, if there were room; one that was cut off only within its time."""
        return self.due <= now and (self.rerun_until is None or self.rerun_until >= now)


class Slot:
    """Runs that go one after another in one instance slot; most have one.

    regular: it is the run of a tick, begun while the schedule was up.
    """

    __slots__ = ("regular", "running", "waiting")

    def __init__(self, runs: Iterable[Run], *, regular: bool = False) -> None:
        self.waiting = deque(runs)
        self.running: Run | None = None
        self.regular = regular

    def is_held(self, now: int) -> bool:
        """Return whether it is claimed and due, and between two runs."""
        return self.running is None and any(run.due <= now for run in self.waiting)


class Kind(IntEnum):
    """The kinds of events; at one instant they happen in this order."""

    END = 0
    DUE = 1
    LOOK = 2
    TICK = 3

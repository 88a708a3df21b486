"""When runs are due, and how late they were: the arithmetic of a measurement."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# When a run was due and when its function began, in seconds since 1970 UTC.
Record = tuple[float, float]
# How many jobs are due at an instant (seconds after the load begins).
Bursts = Sequence[tuple[float, int]]

# So long after the load a job is due that is there, but has nothing to do.
FAR = 3600.0


@dataclass(frozen=True)
class Load:
    """Jobs that are due once each: `bursts` counted from `begin` (seconds since 1970 UTC), `idle` far away.

    copies: how many schedules have all of them, each for itself.
    each_second: how many jobs more are due at `begin` and each second from then on; not in `jobs`.
    """

    begin: float
    bursts: tuple[tuple[float, int], ...]
    idle: int = 0
    copies: int = 1
    each_second: int = 0

    @property
    def jobs(self) -> int:
        """How many jobs there are."""
        return self.copies * (self.idle + sum(count for _at, count in self.bursts))

    def write(self, path: Path) -> None:
        """Write it as JSON: an instant and a number of jobs, and `true` where they are due each second."""
        groups: list[list[float]] = [[self.begin + at, count] for at, count in self.bursts]
        if self.idle:
            groups.append([self.begin + FAR, self.idle])
        if self.each_second:
            groups.append([self.begin, self.each_second, True])
        path.write_text(json.dumps(groups), encoding="utf-8")


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that this share of all does not exceed. Raises ValueError on none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Iterable[float]) -> float:
    """Return the value in the middle; of an even number the mean of the two. Raises ValueError on none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def read_records(folder: Path) -> list[Record]:
    """Return what the runs of all processes wrote down, in the order in which they began."""
    records = []
    for file in folder.glob("ran-*"):
        # A line that is not complete was being written.
        for line in file.read_text(encoding="ascii").split("\n")[:-1]:
            due, began = line.split()
            records.append((float(due), float(began)))
    return sorted(records, key=lambda record: record[1])


@dataclass(frozen=True)
class Lateness:
    """Of the runs that were due at one instant, or in a span: how many ran in time to be seen, how late."""

    due: int
    ran: int
    p50: float
    p99: float

    @staticmethod
    def of(records: Sequence[Record], due: int) -> Lateness:
        """Compute it from the records of runs; `due` is how many were due. Infinite if none of them ran."""
        late = [began - at for at, began in records] or [math.inf]
        return Lateness(due, len(records), percentile(late, 0.5), percentile(late, 0.99))


def lateness(records: Iterable[Record], load: Load, burst: int) -> Lateness:
    """Compute the lateness of one burst of a load."""
    at, due = load.bursts[burst]
    due *= load.copies
    return Lateness.of([record for record in records if abs(record[0] - load.begin - at) < 0.01], due)


def throughput(records: Sequence[Record], load: Load, seconds: float) -> float:
    """Return the runs per second from the last burst on: until the last of them, or for `seconds` at most.

    Also runs of an earlier burst count: a slow scheduler still has them before it.
    """
    start = load.begin + load.bursts[-1][0]
    began = [record[1] for record in records if start <= record[1] <= start + seconds]
    if not began:
        return 0.0
    # A burst that ended early is timed by its last run, any other by the whole span.
    return len(began) / (max(began) - start if len(records) >= load.jobs else seconds)

"""The runs that are not over: those that a process holds, and those that wait. Few rows, by partial indexes.

Nothing is sorted by the database, and all conditions of an index are literally its own: SQLite would rather
walk all runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from everytick.model import ticks
from everytick.store import schema
from sqlalchemy import Connection, func, select, text

from .run_columns import RUN, STATE
from .run_filter import HELD, WAITING

_runs = schema.runs.c
# How long a coroutine may take to clean up when its timeout has passed, in microseconds.
_MOMENT = 5 * ticks.SECOND

# Lists need no tracebacks. Who shows an error cuts it: cut here, a secret in it would be masked in part.
LISTED = [column for column in RUN if column.name != "traceback"]


def held_runs(connection: Connection, limit: int | None = None, job_id: str | None = None) -> list[Any]:
    """Return the runs that are claimed or running, by number. Uses the index scheduler_runs_held."""
    query = select(*LISTED).where(text(HELD)).limit(limit)
    if job_id is not None:
        query = query.where(_runs.job_id == job_id)
    return sorted(connection.execute(query), key=lambda row: int(row.run_id))


def waiting_runs(connection: Connection, limit: int | None = None) -> Sequence[Any]:
    """Return runs that wait for a start or a retry, soonest first. Uses the index scheduler_runs_waiting."""
    return connection.execute(select(*LISTED).where(text(WAITING)).order_by(_runs.due_us).limit(limit)).all()


def past_timeout(row: Any, timeout: float | None, now: int) -> int:
    """Return for how many microseconds a run has gone on behind its timeout of some seconds; 0 if it has not.

    It may take a moment to end when it is cancelled.
    """
    if timeout is None or row.state != "running":
        return 0
    overdue = now - row.started_us - round(timeout * ticks.SECOND)
    return overdue if overdue > _MOMENT else 0


@dataclass(frozen=True)
class HeldCounts:
    """How many runs are claimed or run: rows of job_id, process_id, state and number."""

    rows: Sequence[Any]

    def by_job(self) -> dict[str, dict[str, int]]:
        """Return how many runs of each job there are, by state."""
        found: dict[str, dict[str, int]] = {}
        for row in self.rows:
            states = found.setdefault(row.job_id, Counter())
            states[row.state] += row.number
        return found

    def by_process(self) -> dict[str, int]:
        """Return how many runs each process holds."""
        found: Counter[str] = Counter()
        for row in self.rows:
            found[row.process_id] += row.number
        return found

    def running_in(self, process_id: str) -> dict[str, int]:
        """Return how many runs of each job have begun in a process and are not over."""
        return {
            row.job_id: row.number
            for row in self.rows
            if row.process_id == process_id and row.state == "running"
        }


def count_held(connection: Connection) -> HeldCounts:
    """Return how many runs are claimed or run. By the index scheduler_runs_held."""
    held = select(_runs.job_id, _runs.process_id, STATE).where(text(HELD)).subquery()
    return HeldCounts(connection.execute(select(held, func.count().label("number")).group_by(*held.c)).all())

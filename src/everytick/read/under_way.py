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
from everytick.store.querying import NO_LIMIT, Reader

from .run_columns import LISTED, STATE_NOW
from .run_filter import HELD, WAITING

# How long a coroutine may take to clean up when it is cancelled, in microseconds.
_MOMENT = 5 * ticks.SECOND

_HELD_ROWS = f"SELECT {LISTED} FROM scheduler_runs WHERE {HELD} LIMIT :limit"
_HELD_ROWS_OF_JOB = f"SELECT {LISTED} FROM scheduler_runs WHERE {HELD} AND job_id = :job_id LIMIT :limit"
_WAITING_ROWS = f"SELECT {LISTED} FROM scheduler_runs WHERE {WAITING} ORDER BY due_us LIMIT :limit"
_BEFORE = f"""
SELECT count(*) FROM scheduler_runs WHERE {WAITING} AND job_id = :job_id AND kind <> 'backfill'
AND (due_us < :due OR (due_us = :due AND run_id < :run_id))
"""
_HELD_COUNTS = f"""
SELECT job_id, process_id, state, count(*) AS number
FROM (SELECT job_id, process_id, {STATE_NOW} AS state FROM scheduler_runs WHERE {HELD}) AS held
GROUP BY job_id, process_id, state
"""


def held_runs(connection: Reader, limit: int = NO_LIMIT, job_id: str | None = None) -> list[Any]:
    """Return the runs that are claimed or running, by number. Uses the index scheduler_runs_held."""
    query = _HELD_ROWS if job_id is None else _HELD_ROWS_OF_JOB
    found = connection.rows(query, {"job_id": job_id, "limit": limit})
    return sorted(found, key=lambda row: int(row.run_id))


def waiting_runs(connection: Reader, limit: int = NO_LIMIT) -> Sequence[Any]:
    """Return runs that wait for a start or a retry, soonest first. Uses the index scheduler_runs_waiting."""
    return connection.rows(_WAITING_ROWS, {"limit": limit})


def waiting_before(connection: Reader, row: Any) -> int:
    """Return how many runs of its job begin before one that waits: those that were due before it.

    Those of a backfill have places of their own. Uses the index scheduler_runs_waiting.
    """
    values = {"job_id": row.job_id, "due": row.due_us, "run_id": row.run_id}
    return int(connection.value(_BEFORE, values))


def past_timeout(row: Any, timeout: float | None, now: int) -> int:
    """Return for how many microseconds a run has gone on behind its timeout of some seconds; 0 if it has not.

    It may take a moment to end when it is cancelled.
    """
    if timeout is None or row.state != "running":
        return 0
    overdue = now - row.started_us - round(timeout * ticks.SECOND)
    return overdue if overdue > _MOMENT else 0


def past_cancel(row: Any, now: int) -> int:
    """Return for how many microseconds a run has gone on since it was asked to end; 0 if it has not.

    It may take a moment to end.
    """
    if row.cancel_us is None or row.state != "running":
        return 0
    since = now - int(row.cancel_us)
    return since if since > _MOMENT else 0


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


def count_held(connection: Reader) -> HeldCounts:
    """Return how many runs are claimed or run. By the index scheduler_runs_held."""
    return HeldCounts(connection.rows(_HELD_COUNTS))

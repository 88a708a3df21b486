"""The runs of one job, by the unique index of job and tick, however many the ledger has.

Rows without a tick (runs by hand and at starts) stand in that index in the order of their numbers. So the
runs of a job are two walks: over those with a tick, and over those without. Instants are microseconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from everytick.store.querying import NO_LIMIT, Condition, Reader

from .run_columns import RUN, STATE_NOW


@dataclass(frozen=True)
class Walk:
    """A way through the runs along an index: which of them, and in which order."""

    where: Condition
    order: str = ""

    def and_only(self, condition: Condition) -> Walk:
        """Return the same way, past the runs that do not meet a condition."""
        return replace(self, where=self.where & condition)

    def select(self, columns: str, table: str = "scheduler_runs") -> str:
        """Return the statement for these columns of them, without a limit."""
        return f"SELECT {columns} FROM {table} WHERE {self.where.text} {self.order}"

    def rows(self, connection: Reader, columns: str, limit: int = NO_LIMIT) -> list[Any]:
        """Return these columns of the first of them."""
        values = {**self.where.values, "limit": limit}
        return connection.rows(f"{self.select(columns)} LIMIT :limit", values)

    def first(self, connection: Reader, columns: str) -> Any:
        """Return these columns of the very first one, or None."""
        return next(iter(self.rows(connection, columns, 1)), None)


def with_tick(job_id: str) -> Walk:
    """Return the walk over the rows of a job that have a tick, the newest tick first."""
    of_job = Condition("job_id = :job_id AND tick_us IS NOT NULL", {"job_id": job_id})
    return Walk(of_job, "ORDER BY tick_us DESC")


def without_tick(job_id: str) -> Walk:
    """Return the walk over the runs of a job that have no tick, the newest one first."""
    of_job = Condition("job_id = :job_id AND tick_us IS NULL", {"job_id": job_id})
    return Walk(of_job, "ORDER BY run_id DESC")


def run_at(connection: Reader, job_id: str, tick: int) -> Any:
    """Return the row that accounts for a tick: its own, or the range in which it lies; None without one."""
    found = newest_until(connection, job_id, tick)
    if found is None or max(found.tick_us, found.last_tick_us or 0) < tick:
        return None
    return found


def newest_until(connection: Reader, job_id: str, instant: int) -> Any:
    """Return the row of the newest tick up to an instant, or None."""
    walk = with_tick(job_id).and_only(Condition("tick_us <= :instant", {"instant": instant}))
    return walk.first(connection, RUN)


def beside(connection: Reader, row: Any) -> tuple[Any, Any]:
    """Return the runs before and after a run of a job, or None: by ticks, or among those without a tick."""
    if row.tick_us is None:
        walk, key, here = without_tick(row.job_id), "run_id", row.run_id
    else:
        walk, key, here = with_tick(row.job_id), "tick_us", row.tick_us
    before = walk.and_only(Condition(f"{key} < :here", {"here": here}))
    after = replace(walk.and_only(Condition(f"{key} > :here", {"here": here})), order=f"ORDER BY {key}")
    columns = f"run_id, {STATE_NOW} AS state"
    return before.first(connection, columns), after.first(connection, columns)


def newest_without_tick(connection: Reader, job_id: str) -> Any:
    """Return the newest run that has no tick, or None."""
    return without_tick(job_id).first(connection, RUN)


def standing_in(connection: Reader, job_id: str, tick: int) -> list[Any]:
    """Return the runs by hand, and of backfills, that stand in for a tick, the oldest first."""
    walk = without_tick(job_id).and_only(Condition("for_tick_us = :tick", {"tick": tick}))
    return list(reversed(walk.rows(connection, RUN)))


def nearby(connection: Reader, job_id: str, tick: int, limit: int) -> list[Any]:
    """Return the rows up to a tick, and the newest runs without one: at most `limit` of each."""
    ticked = with_tick(job_id).and_only(Condition("tick_us <= :tick", {"tick": tick}))
    return [row for walk in (ticked, without_tick(job_id)) for row in walk.rows(connection, RUN, limit)]

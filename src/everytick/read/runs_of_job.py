"""The runs of one job, by the unique index of job and tick, however many the ledger has.

Rows without a tick (runs by hand and at starts) stand in that index in the order of their numbers. So the
runs of a job are two walks: over those with a tick, and over those without. Instants are microseconds UTC.
"""

from __future__ import annotations

from typing import Any

from everytick.store import schema
from sqlalchemy import BindParameter, ColumnElement, Connection, Select, select

from .run_columns import RUN, STATE

_runs = schema.runs.c


def with_tick(job_id: str | BindParameter[str], *columns: ColumnElement[Any]) -> Select[Any]:
    """Return the query for the rows of a job that have a tick, the newest tick first."""
    query = select(*(columns or RUN)).where(_runs.job_id == job_id)
    return query.where(_runs.tick_us.is_not(None)).order_by(_runs.tick_us.desc())


def without_tick(job_id: str | BindParameter[str], *columns: ColumnElement[Any]) -> Select[Any]:
    """Return the query for the runs of a job that have no tick, the newest one first."""
    query = select(*(columns or RUN)).where(_runs.job_id == job_id)
    return query.where(_runs.tick_us.is_(None)).order_by(_runs.run_id.desc())


def run_at(connection: Connection, job_id: str, tick: int) -> Any:
    """Return the row that accounts for a tick: its own, or the range in which it lies; None without one."""
    found = newest_until(connection, job_id, tick)
    if found is None or max(found.tick_us, found.last_tick_us or 0) < tick:
        return None
    return found


def newest_until(connection: Connection, job_id: str, instant: int) -> Any:
    """Return the row of the newest tick up to an instant, or None."""
    return connection.execute(with_tick(job_id).where(_runs.tick_us <= instant).limit(1)).first()


def beside(connection: Connection, row: Any) -> tuple[Any, Any]:
    """Return the runs before and after a run of a job, or None: by ticks, or among those without a tick."""
    if row.tick_us is None:
        walk, key, here = without_tick(row.job_id), _runs.run_id, row.run_id
    else:
        walk, key, here = with_tick(row.job_id), _runs.tick_us, row.tick_us
    walk = walk.with_only_columns(_runs.run_id, STATE).limit(1)
    later = walk.where(key > here).order_by(None).order_by(key)
    return connection.execute(walk.where(key < here)).first(), connection.execute(later).first()


def newest_without_tick(connection: Connection, job_id: str) -> Any:
    """Return the newest run that has no tick, or None."""
    return connection.execute(without_tick(job_id).limit(1)).first()


def standing_in(connection: Connection, job_id: str, tick: int) -> list[Any]:
    """Return the runs by hand that stand in for a tick, the oldest first."""
    found = connection.execute(without_tick(job_id).where(_runs.for_tick_us == tick)).all()
    return list(reversed(found))


def nearby(connection: Connection, job_id: str, tick: int, limit: int) -> list[Any]:
    """Return the rows up to a tick, and the newest runs without one: at most `limit` of each."""
    queries = (with_tick(job_id).where(_runs.tick_us <= tick), without_tick(job_id))
    return [row for query in queries for row in connection.execute(query.limit(limit))]

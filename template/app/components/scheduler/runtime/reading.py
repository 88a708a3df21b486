"""What the commands show of the ledger. Reads only; works while a scheduler runs, or none does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy import func, select

from . import ticks
from .declaration import Job
from .errors import ConfigurationError, LedgerError, nearest
from .ledger import schema
from .ledger.database import Ledger

STATES = (
    *("queued", "claimed", "running", "retrying"),
    *("succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost", "skipped"),
)


def job_rows(jobs: Sequence[Job], ledger: Ledger) -> list[dict[str, Any]]:
    """Return one row for each declared job; times are ISO 8601 in UTC.

    `next_run` is null while the job is paused and when it has no ticks left.
    """
    known, last = _ledger_rows(ledger)
    now = ticks.now()
    rows = []
    for job in jobs:
        row = known.get(job.id)
        paused = row.paused_us is not None if row else job.paused_at_first
        seen = row.watermark_us if row and row.definition == job.definition else now
        upcoming = None if paused else job.next_tick(max(now, seen))
        ended = last.get(job.id)
        rows.append(
            {
                "id": job.id,
                "name": job.name,
                "function": job.reference,
                "trigger": job.schedule.text,
                "timezone": str(job.schedule.zone),
                "next_run": iso(upcoming),
                "paused": paused,
                "runs_at_each_start": job.startup_delay is not None,
                "last_state": ended.state if ended else None,
                "last_finished_at": iso(ended.finished_us) if ended else None,
                "declared_at": job.where,
            }
        )
    return rows


def run_rows(
    ledger: Ledger, limit: int, job_id: str | None = None, state: str | None = None
) -> list[dict[str, Any]]:
    """Return runs and skipped ticks, newest first; times are ISO 8601 in UTC, durations seconds.

    `tick` is null for kinds `manual` and `startup`. A range row, which stands for many skipped ticks,
    has also `last_tick` and `count` (null while it is not known).

    Raises:
        ConfigurationError: there is no such state, or the ledger never heard of the job.
    """
    if state is not None and state not in STATES:
        hint = nearest(state, STATES)
        raise ConfigurationError(f"--state {state}: use one of {', '.join(STATES)}{hint}")
    if not ledger.exists():
        return []
    ledger.check_readable()
    runs = schema.runs.c
    query = select(schema.runs).order_by(runs.run_id.desc()).limit(limit)
    if job_id is not None:
        query = query.where(runs.job_id == job_id)
    if state is not None:
        query = query.where(runs.state == state)
    with _connect(ledger) as connection:
        found = [_run_row(row) for row in connection.execute(query)]
        known = [] if found else list(connection.scalars(select(schema.jobs.c.job_id)))
    if not found and job_id is not None and job_id not in known:
        raise ConfigurationError(f"--job {job_id}: the ledger knows no such job{nearest(job_id, known)}")
    return found


def iso(instant: int | None) -> str | None:
    """Return an instant as ISO 8601 in UTC."""
    if instant is None:
        return None
    return ticks.moment(instant).isoformat(timespec="microseconds" if instant % ticks.SECOND else "seconds")


def _run_row(row: Any) -> dict[str, Any]:
    shown = {
        "run_id": row.run_id,
        "job_id": row.job_id,
        "kind": row.kind,
        "tick": iso(row.tick_us),
        "state": row.state,
        "reason": row.reason,
        "attempt": row.attempt,
        "started_at": iso(row.started_us),
        "finished_at": iso(row.finished_us),
        "duration": _seconds(row.started_us, row.finished_us),
        "error": row.error,
        "traceback": row.traceback,
    }
    if row.last_tick_us is not None:
        shown |= {"last_tick": iso(row.last_tick_us), "count": row.tick_count}
    return shown


def _seconds(started: int | None, finished: int | None) -> float | None:
    return None if started is None or finished is None else (finished - started) / ticks.SECOND


def _ledger_rows(ledger: Ledger) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the ledger's row and the newest ended run of each job."""
    if not ledger.exists():
        return {}, {}
    ledger.check_readable()
    jobs, runs = schema.jobs, schema.runs
    newest = (
        select(func.max(runs.c.run_id))
        .where(runs.c.finished_us.is_not(None))
        .group_by(runs.c.job_id)
        .scalar_subquery()
    )
    ended = select(runs.c.job_id, runs.c.state, runs.c.finished_us).where(runs.c.run_id.in_(newest))
    with _connect(ledger) as connection:
        known = {row.job_id: row for row in connection.execute(select(jobs))}
        last = {row.job_id: row for row in connection.execute(ended)}
    return known, last


@contextmanager
def _connect(ledger: Ledger) -> Iterator[sqlalchemy.Connection]:
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: ledger.connect(read_only=True))
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.OperationalError as problem:
        raise LedgerError(f"the ledger does not answer: {problem.orig}") from None
    except sqlalchemy.exc.DatabaseError as problem:
        raise LedgerError(ledger.damaged(problem.orig)) from None
    finally:
        engine.dispose()

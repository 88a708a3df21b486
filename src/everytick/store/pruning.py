"""Removes old rows, the oldest first and piece by piece, so that no claim has to wait for long.

Each function is called inside of a transaction.
"""

from __future__ import annotations

from .connections import Connection


def _oldest(table: str, key: str, since: str, *, of: str | None = None) -> str:
    """Return the statement that deletes a piece of a table.

    Args:
        key: the column that names the rows to delete.
        since: the indexed column with the instant by which it is old.
        of: the table that has `since`, where that is another one.
    """
    return f"""
DELETE FROM {table} WHERE {key} IN (
    SELECT {key} FROM {of or table} WHERE {since} < :before ORDER BY {since} LIMIT :piece)
"""


PRUNE_ATTEMPTS = _oldest("scheduler_attempts", "run_id", "finished_us", of="scheduler_runs")
PRUNE_LOGS = _oldest("scheduler_logs", "run_id", "finished_us", of="scheduler_runs")
PRUNE_REPORTS = _oldest("scheduler_reports", "run_id", "finished_us", of="scheduler_runs")
_OF_RUNS = (PRUNE_ATTEMPTS, PRUNE_LOGS, PRUNE_REPORTS)
PRUNE_AUDIT = _oldest("scheduler_audit", "audit_id", "at_us")
PRUNE_RUNS = _oldest("scheduler_runs", "run_id", "finished_us")
# One that was declared dead and came back has several rows.
PRUNE_PROCESSES = f"""
{_oldest("scheduler_past_processes", "process_id", "ended_us")} AND ended_us < :before
"""

PRUNE_BACKFILLS = """
DELETE FROM scheduler_backfills WHERE backfill_id IN (
    SELECT backfill_id FROM scheduler_backfills WHERE ended_us < :before LIMIT :piece)
"""

# A job that was added while running and has ended is deleted when none of its runs is left.
PRUNE_JOBS = """
DELETE FROM scheduler_jobs WHERE job_id IN (
    SELECT job_id FROM scheduler_jobs
    WHERE call_data IS NOT NULL AND COALESCE(removed_us, exhausted_us) < :before
    AND NOT EXISTS (SELECT 1 FROM scheduler_runs WHERE scheduler_runs.job_id = scheduler_jobs.job_id)
    LIMIT :piece)
"""

# By scheduler_incidents_changed.
PRUNE_NOTICES = _oldest("scheduler_notices", "incident_id", "changed_us", of="scheduler_incidents")
PRUNE_INCIDENTS = _oldest("scheduler_incidents", "incident_id", "changed_us")


IS_ANY = """
SELECT 1 WHERE EXISTS (SELECT 1 FROM scheduler_runs WHERE finished_us < :before)
OR EXISTS (SELECT 1 FROM scheduler_audit WHERE at_us < :before)
OR EXISTS (SELECT 1 FROM scheduler_past_processes WHERE ended_us < :before)
OR EXISTS (SELECT 1 FROM scheduler_backfills WHERE ended_us < :before)
OR EXISTS (SELECT 1 FROM scheduler_jobs
           WHERE call_data IS NOT NULL AND COALESCE(removed_us, exhausted_us) < :before)
"""


def is_any(connection: Connection, before: int) -> bool:
    """Return whether there may be anything to remove that is older than an instant."""
    return connection.execute(IS_ANY, {"before": before}).fetchone() is not None


def prune_runs(connection: Connection, before: int, piece: int) -> int:
    """Remove the oldest runs that ended before an instant, at most `piece`; return how many."""
    values = {"before": before, "piece": piece}
    for statement in (*_OF_RUNS, PRUNE_AUDIT, PRUNE_PROCESSES, PRUNE_JOBS, PRUNE_BACKFILLS):
        connection.execute(statement, values)
    return connection.execute(PRUNE_RUNS, values).rowcount


def prune_incidents(connection: Connection, before: int, piece: int) -> None:
    """Remove the oldest incidents in which nothing changed since an instant, at most `piece`."""
    values = {"before": before, "piece": piece}
    for statement in (PRUNE_NOTICES, PRUNE_INCIDENTS):
        connection.execute(statement, values)

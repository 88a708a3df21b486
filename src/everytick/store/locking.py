"""Which locks a transaction takes on a server, and in which order. A file has one writer, and needs none.

The row of a job is the lock for all that is decided about the job: its watermark, its pause, its definition,
and how many of its runs are under way. All transactions take their locks in this order:

1. the ledger, shared. `Scope.WHOLE` takes it alone, for migrations, moves and a change of the owner; so does
   each transaction of version 0.1.0, beside which this one is safe therefore.
2. what there is once, `Scope.RARE`: definitions, requests, pauses, serial numbers, the numbers of starts,
   alerts, reaping.
3. the row of its own process, which each claim changes: who would reap it finds that its heartbeat moved.
4. rows of jobs, in the order of their ids.
5. groups of jobs with a limit, by an advisory lock for each, which nobody waits for. Who takes runs from the
   queue has it while it counts them, and until they are taken.
6. rows of runs, in the order of their numbers; outcomes of several kinds one kind after the other, which only
   who reaps their process can meet.
7. all else.

Only a transaction that is alone with (2) waits for the row of a job, or for a run of another process. All
others pass over the rows that are locked (SKIP LOCKED), and look at them again a moment later, since the
transaction that holds them may be undone. So none that waits is waited for. Where two transactions get into
each other's way all the same, `connections.in_transaction` tries again.

Whether there is room for another run of a job is asked by the statement after the one that took the lock: a
statement that locks and counts at once would count the runs that were there before it waited.

What these and the first statements of a transaction give to functions and operators has exactly the types
that those of PostgreSQL take. Else one that somebody made in the ledger's schema might fit better: `makers`.

In the text of a statement `/* on a server: ... */` is a comment for SQLite and a part of it for PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import job_statements as job_sql
from . import limit_statements as limit_sql
from . import process_statements as process_sql
from . import statements as sql
from .connections import Connection, Statement, is_on_server
from .records import JobState

# The first number of each belongs to this package, and to one purpose; the second to the schema that holds
# the ledger. Who upgrades it holds the last one: outside of the order, as nobody waits for it in the server.
_LEDGER = "1935892325, hashtext(current_schema()::text)"
_RARE = "1935892327, hashtext(current_schema()::text)"
_UPGRADE = "1935892326, hashtext(current_schema()::text)"
SHARED = f"pg_advisory_xact_lock_shared({_LEDGER})"
TRY_SHARED = f"SELECT pg_try_advisory_xact_lock_shared({_LEDGER})"
WHOLE = f"pg_advisory_xact_lock({_LEDGER})"
RARE = f"pg_advisory_xact_lock({_RARE})"
TRY_UPGRADE = f"SELECT pg_try_advisory_xact_lock({_UPGRADE})"
_TRY_RARE = f"SELECT pg_try_advisory_xact_lock({_RARE})"

# The session for which a transaction waits in vain: it has a lock alone, or is not of this role. Each session
# of the database may take such a lock unless `roles.sql` was run.
HOLDER = """
SELECT held.pid, activity.usename, activity.application_name
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 2
  AND held.classid IN (1935892325::oid, 1935892327::oid)
  AND held.objid::bigint = hashtext(current_schema()::text)::bigint & 4294967295
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (held.mode = 'ExclusiveLock' OR activity.usename IS DISTINCT FROM current_user)
ORDER BY activity.usename IS NOT DISTINCT FROM current_user, held.pid LIMIT 1
"""


def held_by(holder: Sequence[Any] | None) -> str:
    """Return who holds the ledger's lock, for the end of a sentence; `holder`: a row of `HOLDER`."""
    if holder is None:
        return ""
    pid, role, program = holder
    return (
        f": session {pid} of the role {role} ({program or 'of no name'}) holds the ledger's lock, which"
        f" SELECT pg_terminate_backend({pid}) ends"
    )


def is_alone(connection: Connection) -> bool:
    """Return whether this transaction has become one of `Scope.RARE`, without waiting for it."""
    return not is_on_server(connection) or bool(connection.execute(_TRY_RARE).fetchone()[0])


def locking_jobs(connection: Connection, job_ids: Iterable[str]) -> Statement | None:
    """Return the statement that locks the rows of jobs, but for those that others hold.

    It returns the ids of those that it locked. None where there is nothing to be locked, as in a file.
    """
    if not is_on_server(connection):
        return None
    return job_sql.LOCK_JOBS.given(connection, [(job_id,) for job_id in job_ids])


def locking_groups(connection: Connection, names: Iterable[str]) -> Statement | None:
    """Return the statement that locks groups of jobs, but for those that others hold; None as above.

    It returns the names of those that it locked.
    """
    if not is_on_server(connection):
        return None
    return limit_sql.LOCK_GROUPS.given(connection, [(name,) for name in names])


def held_by_others(
    connection: Connection, job_ids: Iterable[str], locked: Iterable[Sequence[str]]
) -> set[str]:
    """Return which of these jobs others hold; `locked`: the answer to `locking_jobs`. The same of groups.

    A job that is not there counts too. Nobody holds anything in a file.
    """
    return set(job_ids) - {row[0] for row in locked} if is_on_server(connection) else set()


def lock_runs(connection: Connection, run_ids: Sequence[int]) -> set[int]:
    """Lock the rows of runs, but for those that others hold; return which were locked."""
    if not is_on_server(connection):
        return set(run_ids)
    return {run_id for (run_id,) in sql.LOCK_RUNS.execute(connection, [(run_id,) for run_id in run_ids])}


def lock_runs_of(connection: Connection, process_id: str) -> None:
    """Wait for the transactions that end runs of a process, and let none other do so."""
    if is_on_server(connection):
        connection.execute(process_sql.LOCK_RUNS_OF, {"process_id": process_id})


def read_to_change(connection: Connection, job_id: str) -> JobState | None:
    """Return a job's state, which nobody else changes until this transaction, of `Scope.RARE`, has ended."""
    row = connection.execute(job_sql.READ_TO_CHANGE, {"job_id": job_id}).fetchone()
    return None if row is None else JobState.of(row)


def read_all_to_change(connection: Connection, job_ids: Iterable[str]) -> dict[str, JobState]:
    """The same of several jobs, by their ids."""
    rows = job_sql.READ_ALL_TO_CHANGE.execute(connection, [(job_id,) for job_id in job_ids])
    return {row[0]: JobState.of(row) for row in rows}

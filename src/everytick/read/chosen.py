"""What an action on several jobs or runs is about: those that are meant by patterns, states and times."""

from __future__ import annotations

from collections.abc import Sequence

from everytick.store.database import Ledger
from everytick.store.querying import connect_checked

from .job_ids import list_job_ids, matching, natural
from .known_job import KnownJob, jobs_in_force
from .runs import FAILED, UNDER_WAY, RunFilter, run_rows
from .schemas import RunRow


def is_exact(ledger: Ledger, job_id: str) -> bool:
    """Return whether a text is the id of one job, and no pattern.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if not any(sign in job_id for sign in "*?["):
        return True
    with connect_checked(ledger) as connection:
        # An id may hold the signs of a pattern itself.
        return job_id in list_job_ids(connection)


def chosen_jobs(ledger: Ledger, patterns: Sequence[str]) -> list[KnownJob]:
    """Return the jobs in force that are named, or meant by patterns such as `sync_*`, in order of their ids.

    Raises:
        NotFoundError: one of the patterns means no job.
        LedgerError: the ledger cannot be read.
    """
    with connect_checked(ledger) as connection:
        jobs = jobs_in_force(connection)
    meant = matching(patterns, [job.id for job in jobs])
    return sorted((job for job in jobs if job.id in meant), key=lambda job: natural(job.id))


def failed_runs(
    ledger: Ledger, limit: int, patterns: Sequence[str], since: int | None, until: int | None
) -> list[RunRow]:
    """Return runs that failed, timed out, were lost or interrupted, newest first.

    Args:
        ledger: the ledger.
        limit: how many failed runs are looked at.
        patterns: of which jobs; without any of all.
        since, until: when they ended, in microseconds UTC; `until` is not included.

    Raises:
        NotFoundError: one of the patterns means no job that the ledger ever heard of.
        LedgerError: the ledger cannot be read.
    """
    return _of(ledger, patterns, run_rows(ledger, limit, RunFilter(states=FAILED, since=since, until=until)))


def runs_under_way(
    ledger: Ledger, limit: int, patterns: Sequence[str], states: Sequence[str]
) -> list[RunRow]:
    """Return runs that wait or run, newest first.

    `patterns`, `states`: of which jobs, and in which of the states `UNDER_WAY`; without any in all.

    Raises:
        NotFoundError: one of the patterns means no job that the ledger ever heard of.
        LedgerError: the ledger cannot be read.
    """
    return _of(ledger, patterns, run_rows(ledger, limit, RunFilter(states=states or UNDER_WAY)))


def _of(ledger: Ledger, patterns: Sequence[str], rows: list[RunRow]) -> list[RunRow]:
    if not patterns:
        return rows
    with connect_checked(ledger) as connection:
        meant = matching(patterns, list_job_ids(connection))
    return [row for row in rows if row["job_id"] in meant]

"""What an action on several jobs or runs is about: those that are meant by patterns, states and times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from everytick.store.database import Ledger
from everytick.store.querying import connect_checked
from sqlalchemy import Select

from .job_ids import list_job_ids, matching, natural
from .known_job import KnownJob, jobs_in_force
from .runs import (
    FAILED,
    UNDER_WAY,
    RunFilter,
    conditions_beside_index,
    ended_walk,
    outlined,
    under_way_queries,
)
from .schemas import RunOutline
from .under_way import LISTED


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
) -> list[RunOutline]:
    """Return runs that failed, timed out, were lost or interrupted, those first that ended last.

    Args:
        ledger: the ledger.
        limit: how many are returned at most.
        patterns: of which jobs; without any of all.
        since, until: when they ended, in microseconds UTC; `until` is not included.

    Raises:
        NotFoundError: one of the patterns means no job that the ledger ever heard of.
        LedgerError: the ledger cannot be read.
    """
    wanted = RunFilter(states=FAILED, since=since, until=until)
    query = ended_walk(wanted, *LISTED).where(*conditions_beside_index(wanted))
    return _of(ledger, patterns, [query], limit)


def runs_under_way(
    ledger: Ledger, limit: int, patterns: Sequence[str], states: Sequence[str]
) -> list[RunOutline]:
    """Return runs that wait or run.

    Args:
        ledger: the ledger.
        limit: how many are returned at most.
        patterns: of which jobs; without any of all.
        states: those of `UNDER_WAY` in which they are; without any all of these.

    Raises:
        NotFoundError: one of the patterns means no job that the ledger ever heard of.
        LedgerError: the ledger cannot be read.
    """
    wanted = RunFilter(states=states or UNDER_WAY)
    found = _of(ledger, patterns, under_way_queries(wanted, *LISTED), limit)
    return sorted(found, key=lambda row: row["run_id"])


def _of(
    ledger: Ledger, patterns: Sequence[str], queries: Iterable[Select[Any]], limit: int
) -> list[RunOutline]:
    with connect_checked(ledger) as connection:
        known = list_job_ids(connection)
        meant = matching(patterns, known) if patterns else set(known)
        found = (row for query in queries for row in connection.execute(query) if row.job_id in meant)
        return [outlined(row) for row in islice(found, limit)]

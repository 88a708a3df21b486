"""The jobs as a list: searched, filtered by how they stand, sorted, part by part.

All jobs are looked at, without their arguments: whether one is due, paused or late is worked out from its
schedule. Only those of the part that is shown are read as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from everytick.store.querying import Reader

from .known_job import IN_FORCE, DueJob, KnownJob, jobs_due, jobs_named
from .paging import Page
from .standings import ORDERS, Place, in_order, read_standings


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are wanted, and in what order.

    text: in the id or the name, whether in small letters or large ones. standing: one of STANDINGS, or empty
    for all. sort: one of ORDERS, perhaps with a minus.
    """

    text: str = ""
    standing: str = ""
    sort: str = ORDERS[0]


def list_jobs(
    connection: Reader, wanted: JobFilter, size: int, offset: int
) -> tuple[Page[KnownJob], Sequence[DueJob]]:
    """Return a part of the wanted jobs, and all jobs in force as they are due."""
    due = jobs_due(connection)
    found: Sequence[DueJob] = due
    if wanted.text:
        named = _named(connection, wanted.text)
        found = [job for job in found if job.id in named]
    by_state = wanted.sort.removeprefix("-") == "state"
    standings = read_standings(connection, due) if by_state or wanted.standing else {}
    if wanted.standing:
        found = [job for job in found if job.id in standings[wanted.standing]]
    found = in_order(((Place(job.id, job.next_tick), job) for job in found), wanted.sort, standings)
    shown = [job.id for job in found[offset : offset + size]]
    known = jobs_named(connection, set(shown))
    # Between the two looks at the ledger a job may have gone.
    rows = [known[job_id] for job_id in shown if job_id in known]
    return Page(rows, len(found), size, offset), due


def _named(connection: Reader, text: str) -> set[str]:
    """Return the jobs with a text in id or name.

    SQLite knows small and large letters of English alone, PostgreSQL those of its locale, so Python compares.
    """
    wanted = text.casefold()
    rows = connection.rows(f"SELECT job_id, name FROM scheduler_jobs WHERE {IN_FORCE}")
    return {job_id for job_id, name in rows if wanted in job_id.casefold() or wanted in name.casefold()}

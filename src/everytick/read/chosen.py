"""What an action on several jobs or runs is about: those that are meant by patterns, states and times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from everytick.store.database import Ledger
from everytick.store.querying import ALWAYS, Condition, Reader, among, connect_checked

from .job_ids import list_job_ids, matching, natural
from .known_job import KnownJob, jobs_in_force
from .processes import died
from .run_columns import LISTED
from .run_filter import FAILED, UNDER_WAY, RunFilter
from .runs import condition_beside_index, ended_walk, outlined, under_way_walks
from .runs_of_job import Walk

if TYPE_CHECKING:
    from .schemas import RunOutline

# SQLite limits the number of parameters in a statement.
MOST_IDS = 5_000


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


def of_jobs(ledger: Ledger, patterns: Sequence[str]) -> RunFilter:
    """Return the filter for the runs of the jobs that are named, or meant by patterns; without any for all.

    Also of jobs that are gone.

    Raises:
        NotFoundError: one of the patterns means no job that the ledger ever heard of.
        LedgerError: the ledger cannot be read.
    """
    if not patterns or not ledger.exists():
        return RunFilter()
    if len(patterns) == 1 and is_exact(ledger, patterns[0]):
        return RunFilter(patterns[0])
    with connect_checked(ledger) as connection:
        return RunFilter(job_ids=sorted(matching(patterns, list_job_ids(connection))))


def failed_runs(
    ledger: Ledger, limit: int, patterns: Sequence[str], since: int | None, until: int | None
) -> list[RunOutline]:
    """Return runs that failed, timed out, were lost or interrupted, newest first.

    Args:
        ledger: the ledger.
        limit: how many are returned at most: those that ended last.
        patterns: of which jobs; without any of all.
        since, until: when they ended, in microseconds UTC; `until` is not included.

    Raises:
        NotFoundError: one of the patterns means no job that the ledger ever heard of.
        LedgerError: the ledger cannot be read.
    """
    wanted = RunFilter(states=FAILED, since=since, until=until)
    walk = ended_walk(wanted).and_only(condition_beside_index(wanted))
    found = _of(ledger, patterns, [walk], limit)
    found.sort(key=lambda row: (row.finished_us, row.run_id), reverse=True)
    return [outlined(row) for row in sorted(found[:limit], key=lambda row: row.run_id, reverse=True)]


def may_have_ended(ledger: Ledger, rows: Sequence[RunOutline]) -> set[int]:
    """Return the numbers of those runs that were lost, of jobs that say `on_crash="skip"`.

    Such a run may have done its work before its process died, and its job is not to do it twice.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    lost = [row for row in rows if row["state"] == "lost"]
    if not lost:
        return set()
    with connect_checked(ledger) as connection:
        skipping = set(connection.values("SELECT job_id FROM scheduler_jobs WHERE on_crash = 'skip'"))
    return {row["run_id"] for row in lost if row["job_id"] in skipping}


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
    found = _of(ledger, patterns, under_way_walks(wanted), limit)
    found.sort(key=lambda row: row.run_id)
    with connect_checked(ledger) as connection:
        dead = died(connection, found[:limit])
    return [outlined(row, dead=dead) for row in found[:limit]]


def _of(ledger: Ledger, patterns: Sequence[str], walks: Sequence[Walk], limit: int) -> list[Any]:
    """Return rows of the runs of some jobs, those among them that each walk finds first, in no order."""
    found = []
    with connect_checked(ledger) as connection:
        for condition in _conditions_on_job(connection, patterns):
            for walk in walks:
                found += walk.and_only(condition).rows(connection, LISTED, limit)
    return found


def _conditions_on_job(connection: Reader, patterns: Sequence[str]) -> list[Condition]:
    """Return conditions of which a run of a job that patterns mean meets one; without patterns each run."""
    if not patterns:
        return [ALWAYS]
    meant = sorted(matching(patterns, list_job_ids(connection)))
    # As an expression, see `condition_beside_index`.
    return [
        among("job_id || ''", meant[begin : begin + MOST_IDS], "job")
        for begin in range(0, len(meant), MOST_IDS)
    ]

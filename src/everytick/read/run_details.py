"""Everything that is known about one run."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from everytick.errors import NotFoundError
from everytick.model import ticks
from everytick.store.database import Ledger
from everytick.store.querying import Reader, connect_checked
from everytick.text.instants import iso

from .audit import requests_about, who_added
from .in_the_way import runs_in_the_way, ticks_behind
from .known_job import find_job
from .last_runs import succeeded_before
from .processes import died, read_processes
from .reports import report_of
from .run_columns import ATTEMPT, took_seconds
from .run_filter import FAILING, RUN_STATES, RunFilter
from .runs import newest_runs, read_run, shown

if TYPE_CHECKING:
    from . import schemas

T = TypeVar("T")

# Where a captured line begins with the time at which it was written, see `capture.TIME_OF_LINE`; the offset
# of a zone may have seconds.
_TIME_OF_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-][\d:.]+ ", re.MULTILINE)

# By the primary keys, which begin with the run.
_LOGS = "SELECT attempt, text FROM scheduler_logs WHERE run_id = :run_id"
_EARLIER = f"SELECT {ATTEMPT} FROM scheduler_attempts WHERE run_id = :run_id ORDER BY attempt"


def run_details(ledger: Ledger, run_id: int) -> schemas.RunDetails:
    """Return a run as `run_rows` does, with its job, its attempts, what they logged, and who asked for what.

    Times are ISO 8601 in UTC; `timezone` is the job's. `attempts` has those that began, oldest first. `host`
    and `pid` are known for as long as the process lives, or null.

    Raises:
        NotFoundError: there is no such run.
        LedgerError: the ledger cannot be read.
    """
    with connect_checked(ledger) as connection:
        return details_of(connection, read_run(connection, run_id))


def newest_details(ledger: Ledger, job_id: str, limit: int) -> list[schemas.RunDetails]:
    """Return the newest runs of a job, ticks that were skipped left aside, oldest first.

    Raises:
        NotFoundError: the ledger never heard of the job, or it has no run.
        LedgerError: the ledger cannot be read.
    """
    if ledger.exists():
        with connect_checked(ledger) as connection:
            rows = newest_runs(connection, limit, RunFilter(job_id, RUN_STATES))
            if rows:
                return [details_of(connection, row) for row in reversed(rows)]
    raise NotFoundError(f"the job {job_id!r} has no run yet")


def details_of(connection: Reader, row: Any) -> schemas.RunDetails:
    """Return the same of a row of the runs."""
    job = find_job(connection, row.job_id)
    good = succeeded_before(connection, row) if row.state in FAILING else None
    added = who_added(connection, row.job_id) if job and job.was_added else ()
    return {
        **shown(row, dead=died(connection, [row]), said=report_of(connection, row)),
        "job_name": job.row.name if job else None,
        "function": job.row.function if job else None,
        "timezone": job.zone_name if job else None,
        "due_at": iso(row.due_us),
        "claimed_at": iso(row.claimed_us),
        "cancel_asked_at": iso(row.cancel_us),
        "replaced_by": iso(row.replaced_by_us),
        # Where a job has no grace time it is far beyond all dates.
        "rerun_until": iso(min(row.rerun_until_us, ticks.LAST)) if row.rerun_until_us else None,
        "added": _requests(one for one in added if one is not None),
        "asked": _requests(requests_about(connection, row.run_id)),
        "ticks_behind": ticks_behind(connection, row),
        "behind": [hold.row.run_id for hold in runs_in_the_way(connection, row)],
        "last_success": None
        if good is None
        else {"run_id": good.run_id, "finished_at": iso(good.finished_us)},
        "attempts": _attempts(connection, row),
    }


def _requests(rows: Iterable[Any]) -> list[schemas.Request]:
    return [{"at": iso(row.at_us), "who": row.who, "action": row.action, "note": row.note} for row in rows]


@dataclass(frozen=True)
class Attempt:
    """One attempt of a run that began. Instants are microseconds UTC."""

    attempt: int
    state: str
    process_id: str | None
    started_us: int | None
    finished_us: int | None
    error: str | None
    traceback: str | None
    log: str | None


def equal_in_a_row(attempts: Iterable[T], said: Callable[[T], Hashable]) -> list[list[T]]:
    """Return attempts with those together that follow each other and ended in the same words.

    `said`: the words of an attempt, such as its state, error and traceback.
    """
    return [list(group) for _said, group in groupby(attempts, said)]


def without_times(log: str | None) -> str:
    """Return what an attempt logged without the times of the lines: equal logs differ by these alone."""
    return _TIME_OF_LINE.sub("", log or "")


def attempts_of(connection: Reader, row: Any) -> list[Attempt]:
    """Return the attempts of a run that began, oldest first."""
    found = earlier_attempts(connection, row.run_id)
    texts = {one.attempt: one.text for one in connection.rows(_LOGS, {"run_id": row.run_id})}
    # A run that waits, or was given up or cancelled before it began, has no attempt of this number.
    if row.started_us is not None and row.state not in ("queued", "claimed", "retrying", "skipped"):
        found.append(row)
    return [
        Attempt(
            one.attempt,
            one.state,
            one.process_id,
            one.started_us,
            one.finished_us,
            # While a further attempt runs, its row still has the error of the one before.
            one.error if one.finished_us is not None else None,
            one.traceback if one.finished_us is not None else None,
            texts.get(one.attempt),
        )
        for one in found
    ]


def earlier_attempts(connection: Reader, run_id: int) -> list[Any]:
    """Return the rows of a run's attempts before its latest, which stands in the run itself; oldest first."""
    return connection.rows(_EARLIER, {"run_id": run_id})


def _attempts(connection: Reader, row: Any) -> list[schemas.Attempt]:
    found = attempts_of(connection, row)
    processes = {process.process_id: process for process in read_processes(connection)}
    return [
        {
            "attempt": one.attempt,
            "state": one.state,
            "process_id": one.process_id,
            "host": processes[one.process_id].machine if one.process_id in processes else None,
            "pid": processes[one.process_id].pid if one.process_id in processes else None,
            "started_at": iso(one.started_us),
            "finished_at": iso(one.finished_us),
            "duration": took_seconds(one),
            "error": one.error,
            "traceback": one.traceback,
            "log": one.log,
        }
        for one in found
    ]

"""What only the ledger knows of the jobs. Reads only; works while a scheduler runs, or none does."""

from __future__ import annotations

from collections.abc import Container, Iterable
from statistics import median
from typing import Any

from everytick.engine.registry import load
from everytick.model.job import Job
from everytick.store import schema
from everytick.store.database import Ledger
from everytick.store.querying import added_row, connect
from sqlalchemy import select

# A run takes about as long as the newest ones did.
_NEWEST = 200


def usual_durations(ledger: Ledger, job_ids: Iterable[str]) -> dict[str, int]:
    """Return the median duration of each job's newest runs that succeeded, in microseconds.

    A job without such a run is left out. Raises LedgerError if the ledger cannot be read.
    """
    if not ledger.exists():
        return {}
    ledger.check_readable()
    runs = schema.runs.c
    found = {}
    with connect(ledger) as connection:
        for job_id in job_ids:
            # By the unique index of job and tick, from its newest end: as quick with a million runs.
            newest = (
                select(runs.state, runs.started_us, runs.finished_us)
                .where(runs.job_id == job_id, runs.tick_us.is_not(None))
                .order_by(runs.tick_us.desc())
                .limit(_NEWEST)
            )
            lengths = [
                finished - started
                for state, started, finished in connection.execute(newest)
                if state == "succeeded" and started is not None and finished is not None
            ]
            if lengths:
                found[job_id] = max(0, int(median(lengths)))
    return found


def added_jobs(
    ledger: Ledger, defaults: dict[str, Any], declared: Container[str], begin: int, end: int
) -> list[Job]:
    """Return the jobs that were added while running and have a tick in [begin, end), in order of their ids.

    Those that cannot run here are left out, and so is what the code declares by now. `defaults`: the options
    that a job did not name. Raises LedgerError if the ledger cannot be read.
    """
    if not ledger.exists():
        return []
    ledger.check_readable()
    jobs = schema.jobs.c
    # The whole of a table that has one row for each job: there is no index to be used.
    query = (
        select(schema.jobs)
        .where(jobs.call_data.is_not(None), jobs.removed_us.is_(None), jobs.exhausted_us.is_(None))
        .order_by(jobs.job_id)
    )
    found = []
    with connect(ledger) as connection:
        for row in connection.execute(query):
            job = None if row.job_id in declared else _loaded(row, defaults)
            tick = None if job is None else job.next_tick(begin - 1)
            if job is not None and tick is not None and tick < end:
                found.append(job)
    return found


def _loaded(row: Any, defaults: dict[str, Any]) -> Job | None:
    try:
        return load(added_row(row), defaults)
    except ValueError:
        return None

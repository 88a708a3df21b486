"""A preview of resuming a paused job: which ticks are skipped, and which is the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from everytick.model import ticks
from everytick.store.database import Ledger
from everytick.store.querying import connect_checked

from .known_job import KnownJob, find_job
from .runs import find_run

# A page shows it, and the ticks of a combination are walked: ten thousand of them took seconds.
_COUNT_LIMIT = 1_000


@dataclass(frozen=True)
class Preview:
    """A pause that could end now. Instants are microseconds UTC.

    ticks: how many fell into it, which will be recorded as skipped; None if they are too many to count.
    """

    since: int
    ticks: int | None
    next_tick: int | None


def preview(ledger: Ledger, job_id: str) -> Preview | None:
    """Return what resuming a job would do.

    None if nobody can resume it, as it is not paused, or disabled by a setting, or if its schedule is not
    known here.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with connect_checked(ledger) as connection:
        job = find_job(connection, job_id)
    return None if job is None else preview_of(job)


def preview_of(job: KnownJob) -> Preview | None:
    """Return the same of a job.

    Ticks from before the pause that are not accounted for fell into an outage: they are not counted here.
    """
    if job.schedule is None or job.held != "paused":
        return None
    since, watermark = job.row.paused_us, job.row.watermark_us
    number = ticks.count(job.schedule.ticks, max(since, watermark), job.now, _COUNT_LIMIT)
    return Preview(since, number, job.schedule.next_tick(max(job.now, watermark)))


def keeps_waiting(job: KnownJob, run: Any) -> bool:
    """Return whether the pause of a job keeps a run of it, a row, from beginning."""
    # A run that a person asked for begins in a pause too.
    return job.paused and run.state in ("queued", "retrying") and run.kind != "manual"


def paused_job(ledger: Ledger, run_id: int) -> str | None:
    """Return the job whose pause keeps a run from beginning; None if none does, or there is no such run.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with connect_checked(ledger) as connection:
        run = find_run(connection, run_id)
        job = None if run is None else find_job(connection, run.job_id)
        return job.id if job is not None and keeps_waiting(job, run) else None

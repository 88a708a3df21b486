"""What a person does to the schedule from another process: requests go through the ledger alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

from .declaration import Job
from .errors import ConfigurationError, LedgerError, nearest
from .ledger import definitions
from .ledger.database import transaction
from .scheduler import AsyncIOScheduler


def pause_job(scheduler: AsyncIOScheduler, job_id: str, note: str | None) -> bool:
    """Pause a job; False if it was paused already.

    Raises:
        ConfigurationError: there is no such job.
        LedgerError: the schedule never ran, or the ledger cannot be written.
    """
    job = _known(scheduler, job_id)
    return _write(scheduler, lambda connection: definitions.pause(connection, job.id, note))


def resume_job(scheduler: AsyncIOScheduler, job_id: str) -> bool:
    """Resume a job; False if it was not paused. Raises as `pause_job` does."""
    job = _known(scheduler, job_id)
    return _write(scheduler, lambda connection: definitions.resume(connection, job))


def _known(scheduler: AsyncIOScheduler, job_id: str) -> Job:
    job = scheduler.get_job(job_id)
    if job is None:
        known = [job.id for job in scheduler.get_jobs()]
        raise ConfigurationError(f"there is no job {job_id!r} in the schedule{nearest(job_id, known)}")
    return job


def _write(scheduler: AsyncIOScheduler, action: Callable[[sqlite3.Connection], bool]) -> bool:
    ledger = scheduler.ledger
    ledger.check_readable()
    try:
        with closing(ledger.connect()) as connection, transaction(connection):
            return action(connection)
    except sqlite3.OperationalError as problem:
        raise LedgerError(ledger.unusable(problem)) from None

"""The ids of jobs: the sentence for one that there is not."""

from __future__ import annotations

from collections.abc import Iterable

from everytick.errors import ConfigurationError, nearest
from everytick.store import schema
from sqlalchemy import Connection, select


def no_such_job(job_id: str, known: Iterable[str]) -> ConfigurationError:
    """Return the error for a job that there is not, with the id that is meant if one is near."""
    return ConfigurationError(f"there is no job {job_id!r}{nearest(job_id, known)}")


def check_job(connection: Connection, job_id: str) -> None:
    """Raise ConfigurationError if the ledger never heard of a job."""
    known = list(connection.scalars(select(schema.jobs.c.job_id)))
    if job_id not in known:
        raise no_such_job(job_id, known)

"""How instants and lengths are shown, who is up, and the sentence for a job that there is not."""

from __future__ import annotations

from collections.abc import Iterable

from everytick.engine.heartbeats import LEASE_SECONDS
from everytick.errors import ConfigurationError, nearest
from everytick.model import ticks
from everytick.store import schema
from everytick.store.database import Ledger
from everytick.store.querying import connect
from sqlalchemy import Connection, select


def iso(instant: int | None) -> str | None:
    """Return an instant as ISO 8601 in UTC."""
    if instant is None:
        return None
    return ticks.moment(instant).isoformat(timespec="microseconds" if instant % ticks.SECOND else "seconds")


def seconds(started: int | None, finished: int | None) -> float | None:
    """Return how many seconds lie between two instants; None if one is missing."""
    return None if started is None or finished is None else (finished - started) / ticks.SECOND


def someone_is_up(ledger: Ledger) -> bool:
    """Return whether a scheduler showed a sign of life within the length of a lease."""
    since = ticks.now() - int(LEASE_SECONDS * ticks.SECOND)
    with connect(ledger) as connection:
        beats = connection.scalars(select(schema.processes.c.beat_us))
        return any(beat >= since for beat in beats)


def no_such_job(job_id: str, known: Iterable[str]) -> ConfigurationError:
    """Return the error for a job that there is not, with the id that is meant if one is near."""
    return ConfigurationError(f"there is no job {job_id!r}{nearest(job_id, known)}")


def check_job(connection: Connection, job_id: str) -> None:
    """Raise ConfigurationError if the ledger never heard of a job."""
    known = list(connection.scalars(select(schema.jobs.c.job_id)))
    if job_id not in known:
        raise no_such_job(job_id, known)

"""A preview of resuming a paused job: which ticks are skipped, and which is the next one."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.store import pauses, schema
from everytick.store.database import Ledger
from everytick.store.gaps import COUNT_LIMIT
from everytick.store.querying import connect
from everytick.store.records import is_paused
from sqlalchemy import Connection, select


@dataclass(frozen=True)
class Preview:
    """A pause that could end now. Instants are microseconds UTC.

    ticks: how many fell into it, which will be recorded as skipped; None if they are too many to count.
    """

    since: int
    ticks: int | None
    next_tick: int | None


def preview(ledger: Ledger, job_id: str) -> Preview | None:
    """Return what resuming a job would do; None if it is not paused, or its schedule is not known here.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    ledger.check_readable()
    with closing(ledger.connect(read_only=True)) as connection:
        state = pauses.read(connection, job_id)
    now = ticks.now()
    if state is None or state.paused is None or not state.is_paused(now):
        return None
    schedule = state.schedule()
    return None if schedule is None else resumed(schedule, state.paused, state.watermark, now)


def resumed(schedule: Schedule, paused: int, watermark: int, now: int) -> Preview:
    """Return what resuming would do now to a job that was paused then. Instants are microseconds UTC.

    Ticks from before the pause that are not accounted for fell into an outage: they are not counted here.
    """
    number = ticks.count(schedule.ticks, max(paused, watermark), now, COUNT_LIMIT)
    return Preview(paused, number, schedule.next_tick(max(now, watermark)))


def paused_job_of(connection: Connection, run_id: int) -> str | None:
    """Return the job whose pause keeps a run from beginning; None if none does, or there is no such run."""
    runs, jobs = schema.runs.c, schema.jobs.c
    # A run that a person asked for begins in a pause too.
    waits = runs.state.in_(("queued", "retrying")) & (runs.kind != "manual")
    query = select(jobs.job_id, jobs.paused_us, jobs.paused_until_us).join(
        schema.runs, (runs.job_id == jobs.job_id) & (runs.run_id == run_id) & waits
    )
    row = connection.execute(query).first()
    if row is None or not is_paused(row.paused_us, row.paused_until_us, ticks.now()):
        return None
    return str(row.job_id)


def paused_job(ledger: Ledger, run_id: int) -> str | None:
    """Return the same from a ledger.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    ledger.check_readable()
    with connect(ledger) as connection:
        return paused_job_of(connection, run_id)

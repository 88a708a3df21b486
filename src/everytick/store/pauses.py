"""Pauses last over restarts, and what falls into one is accounted for. Called inside of a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from everytick.masking import masked
from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.text.wording import storable

from . import gaps, locking, records
from . import job_statements as job_sql
from .connections import Connection, Statement
from .records import JobState


def read(connection: Connection, job_id: str) -> JobState | None:
    """Return a job's state in the ledger."""
    row = connection.execute(job_sql.READ_JOB, {"job_id": job_id}).fetchone()
    return None if row is None else JobState.of(row)


def read_every(connection: Connection) -> list[JobState]:
    """Return the state of every job in the ledger, in the order of their ids."""
    return [JobState.of(row) for row in connection.execute(job_sql.LIST_JOBS).fetchall()]


def reading(connection: Connection, job_ids: Iterable[str]) -> Statement | None:
    """Return the statement that reads the state of these jobs, for `states`."""
    return job_sql.READ_JOBS.given(connection, [(job_id,) for job_id in job_ids])


def states(rows: Iterable[Sequence[Any]]) -> dict[str, JobState]:
    """Return the states of jobs that were read, by their ids."""
    return {row[0]: JobState.of(row) for row in rows}


def read_all(connection: Connection, job_ids: Iterable[str]) -> dict[str, JobState]:
    """Return the state of these jobs in the ledger, by their ids."""
    return states(job_sql.READ_JOBS.execute(connection, [(job_id,) for job_id in job_ids]))


def is_paused(connection: Connection, job_id: str) -> bool:
    """Return whether a job is paused now."""
    state = read(connection, job_id)
    return state is not None and state.is_paused(ticks.now())


def paused_jobs(connection: Connection, now: int) -> set[str]:
    """Return the ids of all jobs that are paused at an instant."""
    rows = connection.execute(job_sql.LIST_PAUSED_JOBS).fetchall()
    return {job_id for job_id, since, until in rows if records.is_paused(since, until, now)}


def that_are_over(connection: Connection, now: int) -> list[str]:
    """Return the ids of the jobs whose pause has ended, and whose ledger does not say so yet."""
    rows = connection.execute(job_sql.LIST_PAUSED_JOBS).fetchall()
    return [job_id for job_id, since, until in rows if not records.is_paused(since, until, now)]


def pause(connection: Connection, job_id: str, note: str | None, until: int | None = None) -> bool:
    """Pause a job, for ever or until an instant; False if nothing was changed."""
    state = locking.read_to_change(connection, job_id)
    if state is not None:
        end_if_over(connection, state)
    note = None if note is None else storable(masked(note))
    values = {"job_id": job_id, "now": ticks.now(), "note": note, "until": until}
    changed = connection.execute(job_sql.PAUSE_JOB, values).rowcount
    return bool(changed or connection.execute(job_sql.CHANGE_PAUSE, values).rowcount)


def resume(connection: Connection, job_id: str, schedule: Schedule | None = None) -> bool:
    """Resume a job; False if it was not paused. Ticks during the pause never run later (R1).

    `schedule` is for a job whose data the ledger lacks.
    """
    state = locking.read_to_change(connection, job_id)
    if state is None or state.paused is None or end_if_over(connection, state, schedule):
        return False
    _end(connection, state, ticks.now(), schedule)
    return True


def end_if_over(connection: Connection, state: JobState, schedule: Schedule | None = None) -> bool:
    """End a pause whose time has come. A tick at its very end is not part of it.

    The state is that of a job whose row this transaction has locked.
    """
    if not state.is_pause_over(ticks.now()):
        return False
    assert state.paused_until is not None
    _end(connection, state, state.paused_until - 1, schedule)
    return True


def _end(connection: Connection, state: JobState, upto: int, schedule: Schedule | None) -> None:
    gaps.close(connection, state, upto, schedule)
    connection.execute(job_sql.RESUME_JOB, {"job_id": state.job_id, "upto": upto})
    kept = state.schedule() if state.call_data is not None else None
    if kept is not None and kept.next_tick(max(upto, state.watermark)) is None:
        connection.execute(job_sql.EXHAUST_JOB, {"job_id": state.job_id, "now": ticks.now()})

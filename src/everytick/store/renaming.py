"""A job that got another id (`renamed_from`) takes its history with it. Called inside of a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from everytick.model.job import Job

from . import job_statements as job_sql
from . import locking, pauses, schedule_digest
from .connections import Connection
from .records import Registration
from .requests import note_down

# The most runs that change their job in one transaction: a claim waits for its end.
_PIECE = 5_000


def carry_over(connection: Connection, jobs: Sequence[Job], now: int, found: Registration) -> None:
    """Let jobs take over their former ids; which did, and whose history is not here yet, goes into `found`.

    A job whose former id is in force goes on where that stood, with its watermark and its pause. The row of
    the former id stays as that of a removed job: a process with older code sees what it sees at each removal.
    """
    declared = {job.id for job in jobs}
    for job in jobs:
        former = job.renamed_from
        if former is None or former in declared:
            continue
        is_renamed, found.moving[job.id] = _carry_over(connection, former, job.id, now), former
        number = move_history(connection, job.id, found.moving)
        if is_renamed or number:
            note_down(connection, "the schedule", "rename", former, note=f"it is {job.id} now")
            found.renamed[job.id] = former


def move_history(connection: Connection, job_id: str, moving: dict[str, str]) -> int:
    """Move a piece of what a job did under its former id; return how many runs that were.

    `moving`: the former id of each job whose history is not here yet; a job whose history is goes out of it.
    """
    former = moving[job_id]
    # A claim of the job's next tick would meet the ticks that come.
    locking.read_to_change(connection, job_id)
    before = pauses.read(connection, former)
    number = 0
    if before is not None and before.call_data is None:
        values = {"job_id": job_id, "former": former, "piece": _PIECE}
        number = connection.execute(job_sql.MOVE_HISTORY, values).rowcount
    if number < _PIECE:
        del moving[job_id]
    return number


def _carry_over(connection: Connection, former: str, job_id: str, now: int) -> bool:
    """Let a job be in force under its new id; return whether it was under the former one."""
    ids = {"former": former, "job_id": job_id}
    states = locking.read_all_to_change(connection, ids.values())
    before, today = states.get(former), states.get(job_id)
    if before is None or before.call_data is not None:
        # Nobody knows the former id, or by now it is that of a job which was added while running.
        return False
    if before.removed is None:
        schedule_digest.forget(connection)
    is_successor = before.removed is None and (today is None or today.removed is not None)
    if is_successor:
        connection.execute(job_sql.FORGET_JOB, {"job_id": job_id})
        connection.execute(job_sql.COPY_JOB, ids)
    if before.removed is None:
        job_sql.REMOVE_JOBS.execute(connection, [(former, 0)], now=now)
    connection.execute(job_sql.MOVE_OPEN, ids)
    connection.execute(job_sql.MOVE_INCIDENTS, ids)
    connection.execute(job_sql.MOVE_BACKFILLS, ids)
    return is_successor

"""A job that got another id (`renamed_from`) takes its history with it. Called inside of a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from everytick.model.job import Job

from . import job_statements as job_sql
from . import pauses
from .connections import Connection
from .records import Registration
from .requests import note_down


def carry_over(connection: Connection, jobs: Sequence[Job], now: int, found: Registration) -> None:
    """Move the history of former ids to the ids of today; which jobs were renamed goes into `found`.

    A job whose former id is in force goes on where that stood, with its watermark and its pause. The row of
    the former id stays as that of a removed job: a process with older code sees what it sees at each removal.
    """
    declared = {job.id for job in jobs}
    for job in jobs:
        former = job.renamed_from
        if former is not None and former not in declared and _carry_over(connection, former, job.id, now):
            note_down(connection, "the schedule", "rename", former, note=f"it is {job.id} now")
            found.renamed[job.id] = former


def _carry_over(connection: Connection, former: str, job_id: str, now: int) -> bool:
    """Return whether there was anything to bring along."""
    ids = {"former": former, "job_id": job_id}
    before, today = pauses.read(connection, former), pauses.read(connection, job_id)
    if before is None or before.call_data is not None:
        # Nobody knows the former id, or by now it is that of a job which was added while running.
        return False
    is_successor = before.removed is None and (today is None or today.removed is not None)
    if is_successor:
        connection.execute(job_sql.FORGET_JOB, {"job_id": job_id})
        connection.execute(job_sql.COPY_JOB, ids)
    if before.removed is None:
        connection.execute(job_sql.REMOVE_JOB, {"job_id": former, "now": now})
    moved = [connection.execute(statement, ids).rowcount for statement in job_sql.MOVE_HISTORY]
    return is_successor or any(moved)

"""Job definitions and pauses. Each function is called inside of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from .. import ticks
from ..catch_up import Skip
from ..declaration import Job
from . import statements as sql
from .records import Registration
from .runs import skip

# Beyond this the number of ticks in a pause is left open, since a claim may be waiting.
_COUNT_LIMIT = 100_000


def define(connection: Connection, jobs: Sequence[Job], now: int, found: Registration) -> None:
    """Bring the definitions up to date with the code (R8); what is found goes into `found`."""
    known = {row[0]: row[1:] for row in connection.execute(sql.LIST_JOBS).fetchall()}
    for job in jobs:
        if job.id in known:
            _update(connection, job, known[job.id], now, found)
        else:
            _insert(connection, job, now, found)
    declared = {job.id for job in jobs}
    for job_id, (_definition, _watermark, _paused, removed) in known.items():
        if job_id not in declared and removed is None:
            connection.execute(sql.REMOVE_JOB, {"job_id": job_id, "now": now})
            connection.execute(sql.CANCEL_WAITING, {"job_id": job_id, "now": now})
            found.removed.append(job_id)


def pause(connection: Connection, job_id: str, note: str | None) -> bool:
    """Pause a job; False if it was paused already or is unknown."""
    values = {"job_id": job_id, "now": ticks.now(), "note": note}
    return connection.execute(sql.PAUSE_JOB, values).rowcount == 1


def resume(connection: Connection, job: Job) -> bool:
    """Resume a job. What fell into the pause becomes one range row and is never caught up (R1)."""
    now = ticks.now()
    row = connection.execute(sql.READ_JOB, {"job_id": job.id}).fetchone()
    if row is None or connection.execute(sql.RESUME_JOB, {"job_id": job.id, "now": now}).rowcount != 1:
        return False
    first = job.next_tick(row[1])
    if first is not None and first <= now:
        last = ticks.newest(job.schedule.ticks, row[1], now, 1)[0]
        number = ticks.count(job.schedule.ticks, row[1], now, _COUNT_LIMIT)
        skip(connection, job.id, Skip(first, last, number, "paused"), now)
    return True


def _insert(connection: Connection, job: Job, now: int, found: Registration) -> None:
    paused = job.paused_at_first
    values = {
        **_described(job),
        "now": now,
        "definition": job.definition,
        "paused_us": now if paused else None,
        "note": "paused at first, as the code asks" if paused else None,
    }
    connection.execute(sql.INSERT_JOB, values)
    found.added.append(job.id)
    found.watermarks[job.id] = now
    if paused:
        found.paused.add(job.id)


def _update(
    connection: Connection,
    job: Job,
    known: tuple[str, int, int | None, int | None],
    now: int,
    found: Registration,
) -> None:
    definition, watermark, paused, removed = known
    if paused is not None:
        found.paused.add(job.id)
    connection.execute(sql.UPDATE_JOB, _described(job))
    # A job that was away is like a changed one: nothing was promised for the time between.
    if definition != job.definition or removed is not None:
        values = {"job_id": job.id, "definition": job.definition, "now": now}
        connection.execute(sql.REDEFINE_JOB, values)
        watermark = max(watermark, now)
        (found.changed if removed is None else found.added).append(job.id)
    found.watermarks[job.id] = watermark


def _described(job: Job) -> dict[str, object]:
    return {
        "job_id": job.id,
        "name": job.name,
        "function": job.reference,
        "trigger": job.schedule.text,
        "zone": str(job.schedule.zone),
        "on_crash": job.options.on_crash,
        "grace": job.options.grace,
    }

"""Job definitions: those in the code, and those added while running. Called inside of a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from everytick.model import ticks
from everytick.model.job import Job

from . import gaps, pauses, renaming, requests
from . import job_statements as job_sql
from . import statements as sql
from .connections import Connection
from .records import AddedRow, JobState, Registration, settled_until

# The most jobs that one statement writes down.
_PIECE = 1_000


def define(
    connection: Connection, jobs: Sequence[Job], now: int, found: Registration, *, is_whole: bool = True
) -> None:
    """Bring the definitions up to date with the code (R8); the differences go into `found`.

    `is_whole`: these are all jobs of the code. Else further ones may follow (`define_late`), and those that
    have not come by then are to be removed (`remove_undeclared`).
    """
    renaming.carry_over(connection, jobs, now, found)
    known = {state.job_id: state for state in pauses.read_every(connection)}
    as_kept = {row[0]: tuple(row) for row in connection.execute(job_sql.LIST_DESCRIBED).fetchall()}
    for job in jobs:
        if job.id in known:
            is_kept = as_kept[job.id] == (*_described(job).values(), None)
            _update(connection, job, known[job.id], now, found, is_kept=is_kept)
    added = [job for job in jobs if job.id not in known]
    _insert(connection, added, now, now)
    found.added += [job.id for job in added]
    found.watermarks |= {job.id: now for job in added}
    declared = {job.id for job in jobs}
    for state in known.values():
        if state.job_id in declared or state.removed is not None:
            continue
        if state.call_data is not None:
            pauses.end_if_over(connection, state)
        elif not is_whole:
            found.awaited.append(state.job_id)
        else:
            remove(connection, state, now)
            found.removed.append(state.job_id)


def define_late(connection: Connection, job: Job, now: int, found: Registration) -> None:
    """Bring one definition up to date with code that declares it after the start."""
    renaming.carry_over(connection, [job], now, found)
    state = pauses.read(connection, job.id)
    if state is None:
        _insert(connection, [job], now, now)
        found.added.append(job.id)
        found.watermarks[job.id] = now
    else:
        _update(connection, job, state, now, found)


def remove_undeclared(connection: Connection, job_ids: Iterable[str], now: int) -> list[str]:
    """Remove those of these jobs that stand as jobs of the code in the ledger; return them."""
    states = [pauses.read(connection, job_id) for job_id in job_ids]
    left = [it for it in states if it and it.removed is None and it.call_data is None]
    for state in left:
        remove(connection, state, now)
    return [state.job_id for state in left]


def find_added(connection: Connection, now: int, found: Registration) -> None:
    """Look for the jobs that were added while running; they go into `found`."""
    rows = connection.execute(job_sql.LIST_ADDED_AT_START, {"now": now}).fetchall()
    found.jobs_added = _sound(rows)
    found.serial = connection.execute(job_sql.LAST_SERIAL).fetchone()[0]


def find_paused(connection: Connection, now: int, found: Registration) -> None:
    """Look for all jobs that are paused, whether this process defines them or not; they go into `found`."""
    found.paused = pauses.paused_jobs(connection, now)


def keep(connection: Connection, job: Job, first_at: int | None = None) -> AddedRow:
    """Write down a job that was added while running, or one that was changed; return it as it is kept.

    `first_at`: an instant at which it also runs once, whatever its ticks are.
    """
    now = ticks.now()
    # A single run that is asked for late is judged by its grace, like one that was missed.
    start = now if job.only_tick is None else min(now, job.only_tick - 1)
    state = pauses.read(connection, job.id)
    if state is None:
        _insert(connection, [job], now, start)
    else:
        if pauses.end_if_over(connection, state):
            state = pauses.read(connection, job.id) or state
        _redefine(connection, job, state, now, start)
        if state.removed is not None:
            paused = now if job.paused_at_first else None
            connection.execute(job_sql.RENEW_PAUSE, {"job_id": job.id, "paused": paused, "note": _note(job)})
    connection.execute(job_sql.KEEP_JOB, {"job_id": job.id, "call_data": call_data(job)})
    if first_at is not None:
        connection.execute(sql.INSERT_WAITING, {"job_id": job.id, "due": first_at})
    kept = read_added(connection, job.id)
    if job.next_tick(kept.watermark) is None:
        connection.execute(job_sql.EXHAUST_JOB, {"job_id": job.id, "now": now})
    return kept


def call_data(job: Job) -> str:
    """Return how a job that was added while running is called, as the ledger keeps it.

    `options` are those that it named, `defaults` the others, as they are filled in by the process that runs
    it: a process that only reads the ledger does not know the schedule's `job_defaults`.
    """
    filled_in = {name: value for name, value in asdict(job.options).items() if name not in job.given}
    call = {"args": list(job.args), "kwargs": job.kwargs, "options": dict(job.given), "defaults": filled_in}
    return json.dumps(call)


def keep_options(connection: Connection, loaded: Sequence[tuple[AddedRow, Job]]) -> None:
    """Write down with which options a process runs jobs that were added while running."""
    for row, job in loaded:
        values = {
            "job_id": job.id,
            "loaded": row.call_data,
            "call_data": call_data(job),
            "on_crash": job.options.on_crash,
            "grace": job.options.grace,
            "queue": job.options.queue,
        }
        connection.execute(job_sql.KEEP_OPTIONS, values)


def remove(connection: Connection, state: JobState, now: int) -> None:
    """Let a job never run again; its history stays."""
    if pauses.end_if_over(connection, state):
        state = pauses.read(connection, state.job_id) or state
    gaps.close(connection, state, now)
    connection.execute(job_sql.REMOVE_JOB, {"job_id": state.job_id, "now": now})
    requests.cancel_waiting(connection, state.job_id, now)


def read_added(connection: Connection, job_id: str) -> AddedRow:
    """Return a job that was added while running, as it is kept."""
    return AddedRow(*connection.execute(job_sql.READ_ADDED, {"job_id": job_id}).fetchone())


def added_since(connection: Connection, serial: int) -> list[AddedRow]:
    """Return the jobs added while running that were added, changed or removed since a serial number."""
    return _sound(connection.execute(job_sql.LIST_ADDED, {"serial": serial}).fetchall())


def _sound(rows: Iterable[Sequence[Any]]) -> list[AddedRow]:
    """Return the rows whose id and numbers are such: a file takes any type in any column (R8).

    The others stay in the ledger, where pages and commands show them.
    """
    kinds = {"job_id": str, "serial": int, "watermark": int}
    found = [AddedRow(*row) for row in rows]
    return [row for row in found if all(isinstance(getattr(row, name), kind) for name, kind in kinds.items())]


def _insert(connection: Connection, jobs: Sequence[Job], now: int, watermark: int) -> None:
    for begin in range(0, len(jobs), _PIECE):
        rows = [
            (
                *_described(job).values(),
                job.definition,
                watermark,
                now if job.paused_at_first else None,
                _note(job),
            )
            for job in jobs[begin : begin + _PIECE]
        ]
        job_sql.INSERT_JOBS.execute(connection, rows, now=now)


def _update(
    connection: Connection,
    job: Job,
    known: JobState,
    now: int,
    found: Registration,
    *,
    is_kept: bool = False,
) -> None:
    if pauses.end_if_over(connection, known, job.schedule):
        known = replace(known, paused=None, watermark=settled_until(known.watermark, known.paused_until))
    if _redefine(connection, job, known, now, now, is_kept=is_kept):
        (found.changed if known.removed is None else found.added).append(job.id)
        known = replace(known, watermark=max(known.watermark, now))
    found.watermarks[job.id] = known.watermark


def _redefine(
    connection: Connection, job: Job, known: JobState, now: int, start: int, *, is_kept: bool = False
) -> bool:
    """Write down what a known job is now; return whether its ticks are others from here on.

    A job that was away is like a changed one: nothing was promised for the time between. `is_kept`: what
    describes it is in the ledger already.
    """
    changed = known.definition != job.definition or known.removed is not None
    if changed and known.removed is None:
        gaps.close(connection, known, now)
        # Given back before they began, under a definition that is no more.
        connection.execute(sql.SKIP_QUEUED, {"job_id": job.id, "now": now})
    if not is_kept:
        connection.execute(job_sql.UPDATE_JOB, _described(job))
    if changed:
        values = {"job_id": job.id, "definition": job.definition, "now": now, "watermark": start}
        connection.execute(job_sql.REDEFINE_JOB, values)
    return changed


def _note(job: Job) -> str | None:
    return "paused at first, as the code asks" if job.paused_at_first else None


def _described(job: Job) -> dict[str, object]:
    # In the order of LIST_DESCRIBED and INSERT_JOBS.
    return {
        "job_id": job.id,
        "name": job.name,
        "function": job.reference,
        "trigger": job.schedule.text,
        "zone": job.schedule.zone_name,
        "on_crash": job.options.on_crash,
        "grace": job.options.grace,
        "queue": job.options.queue,
        "schedule_data": job.schedule.kept,
    }

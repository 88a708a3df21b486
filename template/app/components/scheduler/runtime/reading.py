"""What the commands show of the ledger. Reads only; works while a scheduler runs, or none does."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from . import ticks
from .catalogue import load
from .declaration import Job
from .errors import ConfigurationError, nearest
from .ledger import schema
from .ledger.database import Ledger
from .ledger.querying import connect
from .ledger.records import AddedRow
from .presence import LEASE_SECONDS
from .schedules import Schedule, from_data
from .settings import settings

if TYPE_CHECKING:
    from .scheduler import AsyncIOScheduler

STATES = (
    *("queued", "claimed", "running", "retrying"),
    *("succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost", "skipped"),
)


def job_rows(scheduler: AsyncIOScheduler) -> list[dict[str, Any]]:
    """Return one row for each job, those of the code first; times are ISO 8601 in UTC.

    `next_run` is null while the job is paused and when it has no ticks left. `problem` tells why a job that
    was added while running cannot run.
    """
    known, last = _ledger_rows(scheduler.ledger)
    declared = {job.id: job for job in scheduler.get_jobs()}
    shown = [_declared_row(job, known.get(job.id)) for job in declared.values()]
    shown += [_added_row(row, scheduler.defaults) for row in _added(known, declared)]
    for row in shown:
        ended = last.get(row["id"])
        row["last_state"] = ended.state if ended else None
        row["last_finished_at"] = iso(ended.finished_us) if ended else None
    return shown


def schedules(scheduler: AsyncIOScheduler) -> dict[str, Schedule]:
    """Return the schedules of all jobs, of the code and added while running, by their ids."""
    known, _last = _ledger_rows(scheduler.ledger)
    found = {job.id: job.schedule for job in scheduler.get_jobs()}
    added = _added(known, found)
    return found | {row.job_id: from_data(json.loads(row.schedule_data)) for row in added}


def _added(known: Mapping[str, Any], declared: Container[str]) -> list[Any]:
    """Return the ledger's rows of jobs that were added while running and are not over."""
    return [
        row
        for row in known.values()
        if row.call_data is not None
        and row.removed_us is None
        and row.exhausted_us is None
        and row.job_id not in declared
    ]


def _declared_row(job: Job, row: Any) -> dict[str, Any]:
    now = ticks.now()
    paused = _is_paused(row, now) if row else job.paused_at_first
    seen = row.watermark_us if row and row.definition == job.definition else now
    return {
        "id": job.id,
        "name": job.name,
        "function": job.reference,
        "trigger": job.schedule.text,
        "timezone": str(job.schedule.zone),
        "next_run": None if paused else iso(job.next_tick(max(now, seen))),
        **_pause(row, paused),
        "runs_at_each_start": job.startup_delay is not None,
        "declared_at": job.where,
        "problem": None,
    }


def _added_row(row: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    now = ticks.now()
    schedule = from_data(json.loads(row.schedule_data))
    kept = AddedRow(
        row.job_id,
        row.name,
        row.function,
        row.schedule_data,
        row.call_data,
        row.watermark_us,
        None,
        row.serial,
    )
    try:
        load(kept, defaults)
    except ValueError as trouble:
        problem: str | None = str(trouble)
    else:
        problem = None
    paused = _is_paused(row, now)
    return {
        "id": row.job_id,
        "name": row.name,
        "function": row.function,
        "trigger": row.trigger,
        "timezone": row.zone,
        "next_run": None if paused else iso(schedule.next_tick(max(now, row.watermark_us))),
        **_pause(row, paused),
        "runs_at_each_start": False,
        "declared_at": None,
        "problem": problem,
    }


def _is_paused(row: Any, now: int) -> bool:
    return row.paused_us is not None and (row.paused_until_us is None or row.paused_until_us > now)


def _pause(row: Any, paused: bool) -> dict[str, Any]:
    known = paused and row is not None
    return {
        "paused": paused,
        "paused_until": iso(row.paused_until_us) if known else None,
        "pause_note": row.pause_note if known else None,
    }


def run_rows(
    ledger: Ledger, limit: int, job_id: str | None = None, state: str | None = None
) -> list[dict[str, Any]]:
    """Return runs and skipped ticks, newest first; times are ISO 8601 in UTC, durations seconds.

    `tick` is null for kinds `manual` and `startup`. A range row, which stands for many skipped ticks,
    has also `last_tick` and `count` (null while it is not known).

    Raises:
        ConfigurationError: there is no such state, or the ledger never heard of the job.
    """
    if state is not None and state not in STATES:
        hint = nearest(state, STATES)
        raise ConfigurationError(f"--state {state}: use one of {', '.join(STATES)}{hint}")
    if not ledger.exists():
        return []
    ledger.check_readable()
    runs = schema.runs.c
    query = select(schema.runs).order_by(runs.run_id.desc()).limit(limit)
    if job_id is not None:
        query = query.where(runs.job_id == job_id)
    if state is not None:
        query = query.where(runs.state == state)
    with connect(ledger) as connection:
        found = [_run_row(row) for row in connection.execute(query)]
        known = [] if found else list(connection.scalars(select(schema.jobs.c.job_id)))
    if not found and job_id is not None and job_id not in known:
        raise ConfigurationError(f"--job {job_id}: the ledger knows no such job{nearest(job_id, known)}")
    return found


def run_row(ledger: Ledger, run_id: int) -> dict[str, Any]:
    """Return one run; see `run_rows`.

    Raises:
        ConfigurationError: there is no such run.
    """
    ledger.check_readable()
    with connect(ledger) as connection:
        row = connection.execute(select(schema.runs).where(schema.runs.c.run_id == run_id)).first()
    if row is None:
        raise ConfigurationError(f"there is no run {run_id}: the command runs lists those that are kept")
    return _run_row(row)


def known_job_ids() -> list[str]:
    """Return the ids of all jobs that the ledger knows and that are not removed."""
    ledger = Ledger(settings().database_url)
    if not ledger.exists():
        return []
    jobs = schema.jobs.c
    query = select(jobs.job_id).where(jobs.removed_us.is_(None)).order_by(jobs.job_id)
    with connect(ledger) as connection:
        return list(connection.scalars(query))


def someone_is_up(ledger: Ledger) -> bool:
    """Return whether a scheduler showed a sign of life within the length of a lease."""
    since = ticks.now() - int(LEASE_SECONDS * ticks.SECOND)
    with connect(ledger) as connection:
        beats = connection.scalars(select(schema.processes.c.beat_us))
        return any(beat >= since for beat in beats)


def iso(instant: int | None) -> str | None:
    """Return an instant as ISO 8601 in UTC."""
    if instant is None:
        return None
    return ticks.moment(instant).isoformat(timespec="microseconds" if instant % ticks.SECOND else "seconds")


def _run_row(row: Any) -> dict[str, Any]:
    shown = {
        "run_id": row.run_id,
        "job_id": row.job_id,
        "kind": row.kind,
        "tick": iso(row.tick_us),
        "state": row.state,
        "reason": row.reason,
        "attempt": row.attempt,
        "for_tick": iso(row.for_tick_us),
        "started_at": iso(row.started_us),
        "finished_at": iso(row.finished_us),
        "duration": _seconds(row.started_us, row.finished_us),
        "error": row.error,
        "traceback": row.traceback,
    }
    if row.last_tick_us is not None:
        shown |= {"last_tick": iso(row.last_tick_us), "count": row.tick_count}
    return shown


def _seconds(started: int | None, finished: int | None) -> float | None:
    return None if started is None or finished is None else (finished - started) / ticks.SECOND


def _ledger_rows(ledger: Ledger) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the ledger's row and the newest ended run of each job."""
    if not ledger.exists():
        return {}, {}
    ledger.check_readable()
    jobs, runs = schema.jobs, schema.runs
    newest = (
        select(func.max(runs.c.run_id))
        .where(runs.c.finished_us.is_not(None))
        .group_by(runs.c.job_id)
        .scalar_subquery()
    )
    ended = select(runs.c.job_id, runs.c.state, runs.c.finished_us).where(runs.c.run_id.in_(newest))
    with connect(ledger) as connection:
        known = {row.job_id: row for row in connection.execute(select(jobs))}
        last = {row.job_id: row for row in connection.execute(ended)}
    return known, last

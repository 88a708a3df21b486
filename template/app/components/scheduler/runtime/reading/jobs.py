"""Each job: its schedule, its next tick, its pause, and how its last runs ended."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from .. import ticks
from ..catalogue import load
from ..declaration import Job
from ..in_words import in_words
from ..ledger import schema
from ..ledger.database import Ledger
from ..ledger.querying import added_row, connect
from ..schedules import Schedule, from_data
from ..settings import settings
from .common import iso
from .overview import Recent, recent

if TYPE_CHECKING:
    from ..scheduler import AsyncIOScheduler


def job_rows(scheduler: AsyncIOScheduler) -> list[dict[str, Any]]:
    """Return one row for each job, those of the code first; times are ISO 8601 in UTC.

    `next_run` is null while the job is paused and when it has no ticks left. `problem` tells why a job that
    was added while running cannot run. `last_outcomes` are states, oldest first; `p50` and `p95` are seconds,
    see `overview.Recent`.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    declared = {job.id: job for job in scheduler.get_jobs()}
    known, last = _of_ledger(scheduler.ledger, declared)
    shown = [_declared_row(job, known.get(job.id)) for job in declared.values()]
    shown += [_added_row(row, scheduler.defaults) for row in _added(known, declared)]
    return [row | _outcomes(last.get(row["id"], Recent())) for row in shown]


def schedules(scheduler: AsyncIOScheduler) -> dict[str, Schedule]:
    """Return the schedules of all jobs that can run, of the code and added while running, by their ids."""
    found = {job.id: job.schedule for job in scheduler.get_jobs()}
    for row in _added(_jobs(scheduler.ledger), found):
        schedule, _problem = _schedule(row)
        if schedule is not None:
            found[row.job_id] = schedule
    return found


def known_job_ids() -> list[str]:
    """Return the ids of all jobs that the ledger knows and that are not removed."""
    ledger = Ledger(settings().database_url)
    if not ledger.exists():
        return []
    jobs = schema.jobs.c
    query = select(jobs.job_id).where(jobs.removed_us.is_(None)).order_by(jobs.job_id)
    with connect(ledger) as connection:
        return list(connection.scalars(query))


def _jobs(ledger: Ledger) -> dict[str, Any]:
    """Return the ledger's rows of all jobs by their ids."""
    if not ledger.exists():
        return {}
    ledger.check_readable()
    with connect(ledger) as connection:
        return {row.job_id: row for row in connection.execute(select(schema.jobs))}


def _of_ledger(ledger: Ledger, declared: Container[str]) -> tuple[dict[str, Any], dict[str, Recent]]:
    """Return the ledger's rows of all jobs, and the last runs of those that are shown."""
    known = _jobs(ledger)
    if not known:
        return {}, {}
    shown = [job_id for job_id in known if job_id in declared]
    shown += [row.job_id for row in _added(known, declared)]
    with connect(ledger) as connection:
        return known, recent(connection, shown)


def _outcomes(last: Recent) -> dict[str, Any]:
    return {
        "last_state": last.outcomes[-1] if last.outcomes else None,
        "last_finished_at": iso(last.finished),
        "last_outcomes": list(last.outcomes),
        "p50": last.p50,
        "p95": last.p95,
    }


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
    words = in_words(job.schedule)
    if job.startup_delay is not None and job.schedule.startup_delay is None:
        words += "; also at each start"
    return {
        "id": job.id,
        "name": job.name,
        "function": job.reference,
        "trigger": job.schedule.text,
        "schedule_in_words": words,
        "timezone": str(job.schedule.zone),
        "next_run": None if paused else iso(job.next_tick(max(now, seen))),
        **_pause(row, paused),
        "runs_at_each_start": job.startup_delay is not None,
        "max_instances": job.options.max_instances,
        "declared_at": job.where,
        "problem": None,
    }


def _added_row(row: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    now = ticks.now()
    schedule, problem = _schedule(row)
    job, problem = (None, problem) if problem else _loaded(row, defaults)
    paused = _is_paused(row, now)
    coming = None if paused or schedule is None else schedule.next_tick(max(now, row.watermark_us))
    return {
        "id": row.job_id,
        "name": row.name,
        "function": row.function,
        "trigger": row.trigger,
        "schedule_in_words": row.trigger if schedule is None else in_words(schedule),
        "timezone": row.zone,
        "next_run": iso(coming),
        **_pause(row, paused),
        "runs_at_each_start": False,
        "max_instances": job.options.max_instances if job else None,
        "declared_at": None,
        "problem": problem,
    }


def _schedule(row: Any) -> tuple[Schedule | None, str | None]:
    """Return the schedule of a job that was added while running, or why it cannot be reckoned here."""
    try:
        return from_data(json.loads(row.schedule_data)), None
    except ValueError as trouble:
        return None, str(trouble)


def _loaded(row: Any, defaults: dict[str, Any]) -> tuple[Job | None, str | None]:
    """Return a job that was added while running, or why it cannot run here."""
    try:
        return load(added_row(row), defaults), None
    except ValueError as trouble:
        return None, str(trouble)


def _is_paused(row: Any, now: int) -> bool:
    return row.paused_us is not None and (row.paused_until_us is None or row.paused_until_us > now)


def _pause(row: Any, paused: bool) -> dict[str, Any]:
    known = paused and row is not None
    return {
        "paused": paused,
        "paused_until": iso(row.paused_until_us) if known else None,
        "pause_note": row.pause_note if known else None,
    }

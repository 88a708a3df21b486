"""Each job: its schedule, its next tick, its pause, and how its last runs ended."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

from everytick.engine.registry import load
from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.schedule import Schedule, from_text
from everytick.settings import ledger as open_ledger
from everytick.store import schema
from everytick.store.database import Ledger
from everytick.store.querying import added_row, connect
from everytick.store.records import is_paused
from everytick.text.schedules import in_words
from sqlalchemy import Connection, select

from .common import iso
from .last_runs import Recent, recent

if TYPE_CHECKING:
    from everytick.api.scheduler import AsyncIOScheduler


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
    shown += [_ledger_row(row, scheduler.defaults) for row in _added(known, declared)]
    return [row | _outcomes(last.get(row["id"], Recent())) for row in shown]


def job_row(connection: Connection, row: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return a job as `job_rows` does, from its row in the ledger alone.

    What only the code knows is null for the code's jobs: `max_instances` and `declared_at`. `defaults`: the
    options that a job which was added while running did not name. May import modules of the application.
    """
    return _ledger_row(row, defaults) | _outcomes(recent(connection, [row.job_id])[row.job_id])


def schedules(scheduler: AsyncIOScheduler) -> dict[str, Schedule]:
    """Return the schedules of all jobs that can run, of the code and added while running, by their ids."""
    found = {job.id: job.schedule for job in scheduler.get_jobs()}
    for row in _added(_jobs(scheduler.ledger), found):
        schedule = schedule_of(row)
        if schedule is not None:
            found[row.job_id] = schedule
    return found


def schedule_of(row: Any) -> Schedule | None:
    """Return the schedule in a row of the ledger's jobs.

    None if the ledger lacks it, or this machine does not know its zone.
    """
    try:
        return None if row.schedule_data is None else from_text(row.schedule_data)
    except ValueError:
        return None


def problem_of(row: Any, defaults: dict[str, Any]) -> str | None:
    """Return why a job that was added while running cannot run here; see `job_row`."""
    return _loaded(row, defaults)[1]


def next_tick(row: Any, now: int) -> int | None:
    """Return the next tick of a job in the ledger; None while it is paused, and when there is none."""
    if is_paused(row.paused_us, row.paused_until_us, now) or row.removed_us is not None:
        return None
    schedule = None if row.exhausted_us is not None else schedule_of(row)
    return None if schedule is None else schedule.next_tick(max(now, row.watermark_us))


def runs_at_each_start(schedule: Schedule | None) -> bool:
    """Return whether a schedule has no ticks, but a run at each start."""
    data = schedule.data if schedule else None
    return data is not None and data["trigger"] == "date" and data["at"] is None


def known_job_ids() -> list[str]:
    """Return the ids of all jobs that the ledger knows and that are not removed."""
    ledger = open_ledger()
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
    paused = is_paused(row.paused_us, row.paused_until_us, now) if row else job.paused_at_first
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


def _ledger_row(row: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    now = ticks.now()
    schedule = schedule_of(row)
    job, problem = _loaded(row, defaults)
    return {
        "id": row.job_id,
        "name": row.name,
        "function": row.function,
        "trigger": row.trigger,
        "schedule_in_words": row.trigger if schedule is None else in_words(schedule),
        "timezone": row.zone,
        "next_run": iso(next_tick(row, now)),
        **_pause(row, is_paused(row.paused_us, row.paused_until_us, now)),
        "runs_at_each_start": runs_at_each_start(schedule),
        "max_instances": job.options.max_instances if job else None,
        "declared_at": None,
        "problem": problem,
    }


def _loaded(row: Any, defaults: dict[str, Any]) -> tuple[Job | None, str | None]:
    """Return a job if it was added while running, or why such a one cannot run here."""
    if row.call_data is None:
        return None, None
    try:
        return load(added_row(row), defaults), None
    except ValueError as trouble:
        return None, str(trouble)


def _pause(row: Any, paused: bool) -> dict[str, Any]:
    known = paused and row is not None
    return {
        "paused": paused,
        "paused_since": iso(row.paused_us) if known else None,
        "paused_until": iso(row.paused_until_us) if known else None,
        "pause_note": row.pause_note if known else None,
    }

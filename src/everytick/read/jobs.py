"""A job as it is read: its options, its schedule, its next tick, its pause, and how its last runs ended.

One row of the ledger means the same for all who ask: commands, pages, API, `why` and `doctor`. What only the
user's code says (the options of a job that is declared there, and its line) is handed in as declared jobs by
those who have loaded it; nobody loads it here.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from everytick.engine.registry import load
from everytick.model import ticks
from everytick.model.job import OPTION_NAMES, Job, Options
from everytick.model.schedule import Schedule, from_text
from everytick.settings import SchedulerSettings
from everytick.store import schema
from everytick.store.database import Ledger
from everytick.store.querying import added_row, connect
from everytick.store.records import is_paused
from everytick.text.instants import iso
from everytick.text.schedules import in_words
from sqlalchemy import Connection, select

from .last_runs import Recent, recent
from .schemas import JobDefinition, JobOutcomes, JobPause, JobRow


class Declared(NamedTuple):
    """What the user's schedule declares: its jobs, and the options of those that name none."""

    jobs: Sequence[Job]
    defaults: Mapping[str, Any]


def plain_defaults(settings: SchedulerSettings) -> dict[str, Any]:
    """Return the options that a job need not name, as far as they are known without the schedule."""
    return {"misfire_grace_time": settings.scheduler_misfire_grace_time}


def job_rows(ledger: Ledger, declared: Declared) -> list[JobRow]:
    """Return one row for each job, those of the code first; times are ISO 8601 in UTC.

    `next_run` is null while the job is paused and when it has no ticks left. `problem` tells why a job that
    was added while running cannot run. `last_outcomes` are states, oldest first; `p50` and `p95` are seconds,
    see `last_runs.Recent`.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    jobs = {job.id: job for job in declared.jobs}
    known, last = _of_ledger(ledger, jobs)
    shown = [_declared_row(job, known.get(job.id)) for job in jobs.values()]
    shown += [_ledger_row(row, declared.defaults) for row in _added(known.values(), jobs)]
    return [{**row, **_outcomes(last.get(row["id"], Recent()))} for row in shown]


def job_row(connection: Connection, row: Any, defaults: Mapping[str, Any]) -> JobRow:
    """Return a job as `job_rows` does, from its row in the ledger alone.

    What only the code knows is null for the code's jobs: `max_instances` and `declared_at`. `defaults`: see
    `options_of`. May import modules of the application.
    """
    return {**_ledger_row(row, defaults), **_outcomes(recent(connection, [row.job_id])[row.job_id])}


def schedules(ledger: Ledger, declared: Iterable[Job]) -> dict[str, Schedule]:
    """Return the schedules of all jobs that can run, of the code and added while running, by their ids."""
    found = {job.id: job.schedule for job in declared}
    for row in _added(_jobs(ledger).values(), found):
        schedule = schedule_of(row)
        if schedule is not None:
            found[row.job_id] = schedule
    return found


def added_jobs(ledger: Ledger, declared: Declared, begin: int, end: int) -> list[Job]:
    """Return the jobs that were added while running and have a tick in [begin, end), in order of their ids.

    Those that cannot run here are left out, and so is what the code declares by now. Instants are
    microseconds UTC.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    known = _jobs(ledger)
    found = []
    for row in _added((known[job_id] for job_id in sorted(known)), {job.id for job in declared.jobs}):
        job, _problem = added_job(row, declared.defaults)
        tick = None if job is None else job.next_tick(begin - 1)
        if job is not None and tick is not None and tick < end:
            found.append(job)
    return found


def schedule_of(row: Any) -> Schedule | None:
    """Return the schedule in a row of the ledger's jobs.

    None if the ledger lacks it, or this machine does not know its zone.
    """
    try:
        return None if row.schedule_data is None else from_text(row.schedule_data)
    except ValueError:
        return None


def options_of(row: Any, defaults: Mapping[str, Any]) -> Options | None:
    """Return the options of a job that was added while running, as the process has them that runs it.

    None of a job in the code. `defaults`: what it did not name, where no process of this version has run it.
    """
    if row.call_data is None:
        return None
    return Options(**_filled_in(row, defaults), **_named(row))


def added_job(row: Any, defaults: Mapping[str, Any]) -> tuple[Job | None, str | None]:
    """Return a job if it was added while running, or why such a one cannot run here. May import its module.

    Both are None of a job in the code. `defaults`: see `options_of`.
    """
    if row.call_data is None:
        return None, None
    try:
        return load(added_row(row), _filled_in(row, defaults)), None
    except ValueError as problem:
        return None, str(problem)


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


def known_job_ids(ledger: Ledger) -> list[str]:
    """Return the ids of all jobs that the ledger knows and that are not removed."""
    if not ledger.exists():
        return []
    jobs = schema.jobs.c
    query = select(jobs.job_id).where(jobs.removed_us.is_(None)).order_by(jobs.job_id)
    with connect(ledger) as connection:
        return list(connection.scalars(query))


def _named(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row.call_data)["options"]
    return found


def _filled_in(row: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a job did not name."""
    kept = json.loads(row.call_data).get("defaults", defaults)
    named = _named(row)
    # A newer version may have options that are not known here.
    return {name: value for name, value in kept.items() if name in OPTION_NAMES and name not in named}


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
    shown += [row.job_id for row in _added(known.values(), declared)]
    with connect(ledger) as connection:
        return known, recent(connection, shown)


def _outcomes(last: Recent) -> JobOutcomes:
    return {
        "last_state": last.outcomes[-1] if last.outcomes else None,
        "last_finished_at": iso(last.finished),
        "last_outcomes": list(last.outcomes),
        "p50": last.p50,
        "p95": last.p95,
    }


def _added(rows: Iterable[Any], declared: Container[str]) -> list[Any]:
    """Return the rows of jobs that were added while running and are not over."""
    return [
        row
        for row in rows
        if row.call_data is not None
        and row.removed_us is None
        and row.exhausted_us is None
        and row.job_id not in declared
    ]


def _declared_row(job: Job, row: Any) -> JobDefinition:
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


def _ledger_row(row: Any, defaults: Mapping[str, Any]) -> JobDefinition:
    now = ticks.now()
    schedule = schedule_of(row)
    job, problem = added_job(row, defaults)
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


def _pause(row: Any, paused: bool) -> JobPause:
    known = paused and row is not None
    return {
        "paused": paused,
        "paused_since": iso(row.paused_us) if known else None,
        "paused_until": iso(row.paused_until_us) if known else None,
        "pause_note": row.pause_note if known else None,
    }

"""Jobs, as the pages and the API show them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from app.components.scheduler.runtime import ticks
from app.components.scheduler.runtime.errors import nearest
from app.components.scheduler.runtime.in_words import in_words
from app.components.scheduler.runtime.ledger import schema
from app.components.scheduler.runtime.reading import iso
from app.components.scheduler.runtime.schedules import Schedule, from_data

from . import runs
from .problems import Problem
from .vitals import HELD

# How many runs tell how long a job usually takes.
_MEASURED = 200
# Runs that took as long as they take.
_TAKING = ("succeeded", "failed", "timed_out")
_STRIP = 24
# How many ticks of a combined trigger are counted one by one.
_COUNTED = 2_000

_jobs = schema.jobs.c


@dataclass(frozen=True)
class JobView:
    """A job as the ledger knows it. Instants are microseconds UTC, durations seconds."""

    row: Any
    now: int
    schedule: Schedule | None

    @property
    def id(self) -> str:
        return str(self.row.job_id)

    @property
    def words(self) -> str:
        """The schedule as a sentence, where there is an honest one."""
        return in_words(self.schedule) if self.schedule else str(self.row.trigger)

    @property
    def paused(self) -> bool:
        """Whether it is paused now; a pause with an end is over then."""
        until = self.row.paused_until_us
        return self.row.paused_us is not None and (until is None or until > self.now)

    @property
    def gone(self) -> bool:
        """Whether it was removed, or has no tick left."""
        return self.row.removed_us is not None or self.row.exhausted_us is not None

    @property
    def at_each_start(self) -> bool:
        """Whether it has no ticks, but a run at each start."""
        data = self.schedule.data if self.schedule else None
        return data is not None and data["trigger"] == "date" and data["at"] is None

    @property
    def next_tick(self) -> int | None:
        """The next tick; None while it is paused or when there is none."""
        if self.paused or self.gone or self.schedule is None:
            return None
        return self.schedule.next_tick(max(self.now, self.row.watermark_us))

    @property
    def next_after_resume(self) -> int | None:
        """The first tick if it were resumed now."""
        if self.schedule is None:
            return None
        return self.schedule.next_tick(max(self.now, self.row.watermark_us))

    @property
    def ticks_in_pause(self) -> int | None:
        """How many ticks fell into the pause until now; None if that cannot be said quickly."""
        if self.schedule is None or not self.paused:
            return None
        return ticks.count(self.schedule.ticks, self.row.watermark_us, self.now, _COUNTED)


@dataclass(frozen=True)
class Record:
    """What became of a job lately: its newest runs first, and how long they took, in seconds."""

    newest: Sequence[Any]
    p50: float | None
    p95: float | None

    @property
    def last(self) -> Any:
        """The newest run that is over, or None."""
        return next((row for row in self.newest if row.finished_us is not None), None)


@lru_cache(maxsize=2_000)
def _schedule(data: str) -> Schedule | None:
    """Return the schedule that is kept as text; None when this machine does not know its zone."""
    try:
        return from_data(json.loads(data))
    except ValueError:
        return None


def schedule_of(row: Any) -> Schedule | None:
    """Return the schedule in a row of the jobs; None if the ledger lacks it."""
    return None if row.schedule_data is None else _schedule(row.schedule_data)


def listed(connection: Connection, search: str, limit: int, offset: int) -> tuple[list[JobView], int]:
    """Return a part of the jobs that are not gone, in the order of their ids, and how many there are."""
    there: list[ColumnElement[bool]] = [_jobs.removed_us.is_(None), _jobs.exhausted_us.is_(None)]
    if search:
        there.append(
            _jobs.job_id.icontains(search, autoescape=True) | _jobs.name.icontains(search, autoescape=True)
        )
    number = connection.scalar(select(func.count()).select_from(schema.jobs).where(*there)) or 0
    query = select(schema.jobs).where(*there).order_by(_jobs.job_id).limit(limit).offset(offset)
    now = ticks.now()
    return [JobView(row, now, schedule_of(row)) for row in connection.execute(query)], number


def all_schedules(connection: Connection) -> dict[str, Schedule]:
    """Return the schedules of all jobs that are not gone."""
    query = select(_jobs.job_id, _jobs.schedule_data).where(
        _jobs.removed_us.is_(None), _jobs.exhausted_us.is_(None), _jobs.schedule_data.is_not(None)
    )
    found = {row.job_id: schedule_of(row) for row in connection.execute(query)}
    return {job_id: schedule for job_id, schedule in found.items() if schedule is not None}


def paused_ids(connection: Connection) -> set[str]:
    """Return the jobs that are paused now."""
    query = select(_jobs.job_id).where(
        _jobs.paused_us.is_not(None),
        _jobs.paused_until_us.is_(None) | (_jobs.paused_until_us > ticks.now()),
    )
    return set(connection.scalars(query))


def one(connection: Connection, job_id: str) -> JobView:
    """Return a job, also one that is gone.

    Raises:
        Problem: the ledger never heard of it.
    """
    row = connection.execute(select(schema.jobs).where(_jobs.job_id == job_id)).first()
    if row is None:
        known = connection.scalars(select(_jobs.job_id).where(_jobs.removed_us.is_(None)).limit(2_000))
        raise Problem(404, f"there is no job {job_id!r}{nearest(job_id, known)}")
    return JobView(row, ticks.now(), schedule_of(row))


def record(connection: Connection, job_id: str) -> Record:
    """Return what became of a job lately."""
    rows, _more = runs.of_job(connection, job_id, _MEASURED)
    took = sorted(s for row in rows if row.state in _TAKING and (s := runs.seconds(row)) is not None)
    return Record(rows[:_STRIP], _quantile(took, 0.5), _quantile(took, 0.95))


def held_by_job(connection: Connection) -> dict[str, int]:
    """Return how many runs of each job are under way. By the index scheduler_runs_held."""
    query = select(schema.runs.c.job_id, func.count()).where(HELD).group_by(schema.runs.c.job_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def audit(connection: Connection, limit: int, before: int | None = None) -> list[Row[Any]]:
    """Return who did what, newest first, below the entry `before`. By the primary key."""
    kept = schema.audit.c
    query = select(schema.audit).order_by(kept.audit_id.desc()).limit(limit)
    if before is not None:
        query = query.where(kept.audit_id < before)
    return list(connection.execute(query).all())


def job_fields(job: JobView, kept: Record) -> dict[str, Any]:
    """Return a job as the API shows it: times in ISO 8601 UTC, durations in seconds."""
    row, last = job.row, kept.last
    return {
        "id": job.id,
        "name": row.name,
        "function": row.function,
        "trigger": row.trigger,
        "timezone": row.zone,
        "next_run": iso(job.next_tick),
        "runs_at_each_start": job.at_each_start,
        "added_while_running": row.call_data is not None,
        "removed": job.gone,
        "paused": job.paused,
        "paused_since": iso(row.paused_us) if job.paused else None,
        "paused_until": iso(row.paused_until_us) if job.paused else None,
        "pause_note": row.pause_note if job.paused else None,
        "last_state": last.state if last is not None else None,
        "last_finished_at": iso(last.finished_us) if last is not None else None,
        "p50": kept.p50,
        "p95": kept.p95,
        "recent": [{"run_id": run.run_id, "state": run.state} for run in kept.newest],
    }


def _quantile(ordered: list[float], share: float) -> float | None:
    """Return the value below which that share lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

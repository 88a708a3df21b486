"""Jobs, as the pages and the API show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from everytick.errors import nearest
from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.read.jobs import added_job, job_row, next_tick, plain_defaults, runs_at_each_start, schedule_of
from everytick.read.last_runs import Recent, recent
from everytick.read.overdue import Overdue, overdue
from everytick.read.resuming import Preview, resumed
from everytick.read.runs import HELD
from everytick.settings import settings
from everytick.store import schema
from everytick.store.records import is_paused
from everytick.text.instants import iso
from everytick.text.schedules import in_words
from sqlalchemy import ColumnElement, Connection, Row, func, select, text

from . import runs, schemas
from .paging import first_of
from .problems import Problem

_STRIP = 24

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
        return self.paused_at(self.now)

    @property
    def gone(self) -> bool:
        """Whether it was removed, or has no tick left."""
        return self.row.removed_us is not None or self.row.exhausted_us is not None

    @property
    def at_each_start(self) -> bool:
        """Whether it has no ticks, but a run at each start."""
        return runs_at_each_start(self.schedule)

    @property
    def next_tick(self) -> int | None:
        """The next tick; None while it is paused or when there is none."""
        return next_tick(self.row, self.now)

    @property
    def resumed(self) -> Preview | None:
        """What resuming it now would do; None if it is not paused, or its schedule is not known here."""
        if self.schedule is None or not self.paused:
            return None
        return resumed(self.schedule, self.row.paused_us, self.row.watermark_us, self.now)

    @property
    def overdue(self) -> Overdue | None:
        """What of it is due and not claimed."""
        return overdue(self.row, self.schedule, self.now)

    @property
    def problem(self) -> str | None:
        """Why it cannot run here, if it was added while running. May import its module."""
        return None if self.gone else added_job(self.row, plain_defaults(settings()))[1]

    def paused_at(self, instant: int) -> bool:
        """Return whether the pause that there is now lasts at an instant from now on."""
        return is_paused(self.row.paused_us, self.row.paused_until_us, instant)


@dataclass(frozen=True)
class Record:
    """What became of a job lately: its newest runs first, and how the last ones ended."""

    newest: Sequence[Any]
    recent: Recent

    @property
    def last(self) -> Any:
        """The newest run that is over, or None."""
        return next((row for row in self.newest if row.finished_us is not None), None)


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


def scheduled(connection: Connection) -> dict[str, JobView]:
    """Return all jobs that are not gone and whose schedule is known here, by their ids."""
    there = (_jobs.removed_us.is_(None), _jobs.exhausted_us.is_(None), _jobs.schedule_data.is_not(None))
    now = ticks.now()
    # The whole table: it has one row for each job.
    found = [
        JobView(row, now, schedule_of(row)) for row in connection.execute(select(schema.jobs).where(*there))
    ]
    return {job.id: job for job in found if job.schedule is not None}


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
    rows, _more = runs.of_job(connection, job_id, _STRIP)
    return Record(rows, recent(connection, [job_id])[job_id])


def held_by_job(connection: Connection) -> dict[str, dict[str, int]]:
    """Return how many runs of each job are under way, by state. By the index scheduler_runs_held."""
    kept = schema.runs.c
    query = select(kept.job_id, kept.state, func.count()).where(text(HELD)).group_by(kept.job_id, kept.state)
    found: dict[str, dict[str, int]] = {}
    for job_id, state, number in connection.execute(query):
        found.setdefault(job_id, {})[state] = number
    return found


def behind(connection: Connection) -> list[tuple[str, Overdue]]:
    """Return the jobs with ticks that are due and not claimed, the longest overdue first."""
    found = [(job.id, late) for job in scheduled(connection).values() if (late := job.overdue) is not None]
    return sorted(found, key=lambda one: (one[1].since, one[0]))


def odd_times(connection: Connection, rows: Sequence[Any]) -> dict[int, str]:
    """Return what is odd about the time of day of runs, by their numbers."""
    job_ids = {row.job_id for row in rows if row.tick_us is not None}
    query = select(schema.jobs).where(_jobs.job_id.in_(job_ids))
    known = {row.job_id: (row, schedule_of(row)) for row in connection.execute(query)} if job_ids else {}
    found = {}
    for row in rows:
        job, schedule = known.get(row.job_id, (None, None))
        tick = row.tick_us
        if tick is None or job is None or schedule is None or row.last_tick_us is not None:
            continue
        # Ticks before a change belong to the former schedule.
        if (
            tick > job.changed_us
            and schedule.next_tick(tick - 1) == tick
            and (note := schedule.ticks.note(tick))
        ):
            found[int(row.run_id)] = note
    return found


def overdue_fields(job: JobView) -> schemas.Unclaimed | None:
    """Return what is due and not claimed as the API shows it."""
    late = job.overdue
    return None if late is None else {"ticks": late.number, "since": iso(late.since)}


def audit(connection: Connection, limit: int, before: int | None = None) -> tuple[list[Row[Any]], int | None]:
    """Return who did what, newest first, below the entry `before`, and from which entry to go on.

    By the primary key.
    """
    kept = schema.audit.c
    query = select(schema.audit).order_by(kept.audit_id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(kept.audit_id < before)
    return first_of(connection.execute(query).all(), limit, lambda row: int(row.audit_id))


def job_fields(connection: Connection, job: JobView) -> schemas.Job:
    """Return a job as the command `jobs` does, and what only the ledger has."""
    newest, _more = runs.of_job(connection, job.id, _STRIP)
    return {
        **job_row(connection, job.row, plain_defaults(settings())),
        "added_while_running": job.row.call_data is not None,
        "removed": job.gone,
        "unclaimed": overdue_fields(job),
        "recent": [{"run_id": run.run_id, "state": run.state} for run in newest],
    }

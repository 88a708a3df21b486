"""Jobs, as the pages and the API show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from everytick.read.job_list import JobFilter
from everytick.read.jobs import job_row
from everytick.read.known_job import Declared, KnownJob, jobs_named
from everytick.read.last_runs import Recent, recent
from everytick.read.overdue import overdue
from everytick.read.run_pages import runs_of_job
from everytick.read.standings import ORDERS, STANDINGS
from everytick.store.querying import Reader
from everytick.text.instants import iso

from . import schemas
from .problems import Problem

_STRIP = 24


def job_filter(text: str, standing: str, sort: str) -> JobFilter:
    """Return which jobs are wanted.

    Raises:
        Problem: there is no such state, or nothing such to sort by.
    """
    for name, given, known in (
        ("state", standing, ("", *STANDINGS)),
        ("sort", sort.removeprefix("-"), ORDERS),
    ):
        if given not in known:
            raise Problem(422, f"{name}: {given!r} is none of {', '.join(filter(None, known))}")
    return JobFilter(text.strip(), standing, sort)


@dataclass(frozen=True)
class Record:
    """A job's recent past: its newest runs first, and how the last ones ended."""

    newest: Sequence[Any]
    recent: Recent

    @property
    def last(self) -> Any:
        """The newest run that is over, or None."""
        return next((row for row in self.newest if row.finished_us is not None), None)


def record(connection: Reader, job_id: str) -> Record:
    """Return what became of a job lately."""
    rows, _more = runs_of_job(connection, job_id, _STRIP)
    return Record(rows, recent(connection, [job_id])[job_id])


def odd_times(connection: Reader, rows: Sequence[Any]) -> dict[int, str]:
    """Return the notes on runs whose time of day a clock change made odd, by their numbers."""
    known = jobs_named(connection, {row.job_id for row in rows if row.tick_us is not None})
    found = {}
    for row in rows:
        job, tick = known.get(row.job_id), row.tick_us
        if tick is None or job is None or job.schedule is None or row.last_tick_us is not None:
            continue
        # Ticks before a change belong to the former schedule.
        if (
            tick > job.row.changed_us
            and job.schedule.next_tick(tick - 1) == tick
            and (note := job.schedule.ticks.note(tick))
        ):
            found[int(row.run_id)] = note
    return found


def job_fields(connection: Reader, job: KnownJob, declared: Declared) -> schemas.Job:
    """Return a job as the command `jobs` does, and what only the ledger has."""
    newest, _more = runs_of_job(connection, job.id, _STRIP)
    late = overdue(job)
    return {
        **job_row(connection, job, declared),
        "added_while_running": job.was_added,
        "removed": job.gone,
        "unclaimed": None if late is None else {"ticks": late.number, "since": iso(late.since)},
        "recent": [{"run_id": run.run_id, "state": run.state} for run in newest],
    }

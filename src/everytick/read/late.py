"""Runs that are due and have not begun: ticks that no process has claimed, and runs that wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from everytick.store import schema
from sqlalchemy import Connection, select, text

from .known_job import DueJob
from .overdue import PROMPT, jobs_behind
from .run_columns import STATE
from .run_filter import HELD, WAITING

# The most runs that are looked at, of those that wait and of those that are claimed.
_MOST = 10_000

_runs = schema.runs.c


@dataclass(frozen=True)
class Late:
    """A job of which something is due and has not begun since an instant, in microseconds UTC.

    ticks: how many no process has claimed; 0 if a run waits, None if they are too many to count.
    """

    job_id: str
    since: int
    ticks: int | None


def late_jobs(due: Sequence[DueJob], waiting: Sequence[tuple[str, int]], now: int) -> list[Late]:
    """Return the jobs that are late, the longest first; `waiting` are the `runs_not_begun`."""
    late = {job_id: Late(job_id, found.since, found.number) for job_id, found in jobs_behind(due)}
    for job_id, since in waiting:
        if since <= now - PROMPT and (job_id not in late or since < late[job_id].since):
            late[job_id] = Late(job_id, since, 0)
    return sorted(late.values(), key=lambda one: (one.since, one.job_id))


def runs_not_begun(connection: Connection, due: Sequence[DueJob], now: int) -> list[tuple[str, int]]:
    """Return the runs that are due by now and have not begun: their jobs, and when they were due.

    Runs of a paused job, which wait for the end of the pause, are left out.
    """
    # Nothing is grouped by the database: SQLite would rather walk all runs than the indexes for few rows.
    waiting = select(_runs.job_id, _runs.due_us).where(text(WAITING), _runs.due_us <= now)
    found = [(it.job_id, it.due_us) for it in connection.execute(waiting.order_by(_runs.due_us).limit(_MOST))]
    held = select(_runs.job_id, _runs.due_us, STATE).where(text(HELD)).limit(_MOST)
    claimed = [it for it in connection.execute(held) if it.state == "claimed" and it.due_us <= now]
    found += [(it.job_id, it.due_us) for it in claimed]
    paused = {job.id for job in due if job.paused}
    return [one for one in found if one[0] not in paused]

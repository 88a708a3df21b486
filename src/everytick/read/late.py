"""Runs that are due and have not begun: ticks that no process has claimed, and runs that wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from everytick.model.roles import DEFAULT_QUEUE
from everytick.store import not_begun
from everytick.store.not_begun import NotBegun
from everytick.store.querying import Reader, among

from .job_ids import natural
from .known_job import DueJob
from .overdue import PROMPT, jobs_behind
from .paging import Page
from .run_columns import LISTED
from .run_filter import HELD, WAITING
from .waits import waits_of_jobs

_WAITING_ROWS = f"SELECT {LISTED} FROM scheduler_runs WHERE {WAITING} AND due_us <= :now ORDER BY due_us"
_CLAIMED_ROWS = f"""
SELECT {LISTED} FROM scheduler_runs WHERE {HELD} AND state = 'claimed' AND due_us <= :now
"""


@dataclass(frozen=True)
class Late:
    """A job of which something is due and has not begun since an instant, in microseconds UTC.

    ticks: how many no process has claimed; 0 if a run waits, None if they are too many to count.
    waits_for: what a run of it waits for, see `waits_of_jobs`; None if that is not known. is_first: whether
    the schedule made what has not begun; if not, it was asked for, or is a further attempt.
    """

    job_id: str
    since: int
    ticks: int | None
    waits_for: str | None = None
    is_first: bool = True


def late_jobs(connection: Reader, due: Sequence[DueJob], waiting: Iterable[NotBegun], now: int) -> list[Late]:
    """Return the jobs that are late, the longest first; `waiting` are the `runs_not_begun`."""
    late = {job_id: Late(job_id, found.since, found.number) for job_id, found in jobs_behind(due)}
    for job_id, since, _number, is_first in waiting:
        if since <= now - PROMPT and (job_id not in late or since < late[job_id].since):
            late[job_id] = Late(job_id, since, 0, is_first=is_first or job_id in late)
    if any(one.ticks == 0 for one in late.values()):
        waits = waits_of_jobs(connection, now)
        late = {job_id: replace(one, waits_for=waits.get(job_id)) for job_id, one in late.items()}
    return sorted(late.values(), key=lambda one: (one.since, natural(one.job_id)))


def find_late(connection: Reader, due: Sequence[DueJob], now: int) -> list[Late]:
    """Return which of these jobs are late, the longest first."""
    those = {job.id for job in due}
    waiting = runs_not_begun(connection, due, now)
    return late_jobs(connection, due, [one for one in waiting if one.job_id in those], now)


def runs_not_begun(connection: Reader, due: Sequence[DueJob], now: int) -> list[NotBegun]:
    """Return by jobs the runs that are due by now and have not begun; `due`: all jobs in force.

    Runs of a job that is paused or removed are left out: they wait for the end of the pause, or are not
    waited for.
    """
    found = not_begun.by_job(connection.rows(not_begun.COUNT_BY_JOB, {"now": now}))
    silent = _silent(connection, due, found)
    return [one for job_id, one in found.items() if job_id not in silent]


def list_not_begun(connection: Reader, due: Sequence[DueJob], now: int, queue: str, most: int) -> Page[Any]:
    """Return the rows of the same runs, those first that were due first.

    `queue`: of that one alone; empty for all. `most`: how many rows are read.
    """
    queues = queues_of(due)
    wanted = {
        one.job_id: one.number
        for one in runs_not_begun(connection, due, now)
        if not queue or queues.get(one.job_id, DEFAULT_QUEUE) == queue
    }
    found = (row for row in connection.walk(_WAITING_ROWS, {"now": now}) if row.job_id in wanted)
    rows = list(islice(found, most))
    rows += [row for row in connection.rows(_CLAIMED_ROWS, {"now": now}) if row.job_id in wanted]
    rows = sorted(rows, key=lambda row: (row.due_us, row.run_id))
    return Page(rows[:most], sum(wanted.values()), most, 0)


def queues_of(due: Iterable[DueJob]) -> dict[str, str]:
    """Return the queues of jobs by their ids."""
    return {job.id: job.row.queue or DEFAULT_QUEUE for job in due}


def _silent(connection: Reader, due: Iterable[DueJob], job_ids: Iterable[str]) -> set[str]:
    in_force = {job.id: job for job in due}
    gone = [job_id for job_id in job_ids if job_id not in in_force]
    those = among("job_id", gone, "job")
    query = f"SELECT job_id FROM scheduler_jobs WHERE {those.text} AND removed_us IS NOT NULL"
    removed = set(connection.values(query, those.values)) if gone else set()
    return removed | {job.id for job in in_force.values() if job.paused}

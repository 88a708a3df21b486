"""The jobs as a list: searched, filtered by how they stand, sorted, part by part.

All jobs are looked at, without their arguments: whether one is due, paused or late is worked out from its
schedule. Only those of the part that is shown are read as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from everytick.model import ticks
from everytick.store import schema
from sqlalchemy import Connection, select

from .endings import newest_endings
from .job_ids import natural
from .known_job import IN_FORCE, DueJob, KnownJob, jobs_due, jobs_named
from .late import late_jobs, runs_not_begun
from .paging import Page
from .processes import reports
from .run_filter import FAILING
from .under_way import count_held

# How a job may stand, what needs a look first; a job may stand in several ways.
STANDINGS = ("cannot run", "failing", "late", "running", "paused")
# What a list may be sorted by; with a minus before it the other way round.
SORTS = ("id", "next", "state")

_jobs = schema.jobs.c


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are wanted, and in what order.

    text: in the id or the name, whether in small letters or large ones. standing: one of STANDINGS, or empty
    for all. sort: one of SORTS, perhaps with a minus.
    """

    text: str = ""
    standing: str = ""
    sort: str = "id"


def list_jobs(
    connection: Connection, wanted: JobFilter, size: int, offset: int
) -> tuple[Page[KnownJob], Sequence[DueJob]]:
    """Return a part of the wanted jobs, and all jobs in force as they are due."""
    due = jobs_due(connection)
    found: Sequence[DueJob] = due
    if wanted.text:
        named = _named(connection, wanted.text)
        found = [job for job in found if job.id in named]
    by_state = wanted.sort.removeprefix("-") == "state"
    standing = _standings(connection, due) if by_state or wanted.standing else {}
    if wanted.standing:
        found = [job for job in found if job.id in standing[wanted.standing]]
    found = _sorted(found, wanted.sort, standing)
    shown = [job.id for job in found[offset : offset + size]]
    known = jobs_named(connection, set(shown))
    # Between the two looks at the ledger a job may have gone.
    rows = [known[job_id] for job_id in shown if job_id in known]
    return Page(rows, len(found), size, offset), due


def _named(connection: Connection, text: str) -> set[str]:
    """Return the jobs with a text in id or name.

    SQLite knows small and large letters of English alone, PostgreSQL those of its locale, so Python compares.
    """
    wanted = text.casefold()
    rows = connection.execute(select(_jobs.job_id, _jobs.name).where(*IN_FORCE))
    return {job_id for job_id, name in rows if wanted in job_id.casefold() or wanted in name.casefold()}


def _standings(connection: Connection, due: Sequence[DueJob]) -> dict[str, set[str]]:
    endings, now = newest_endings(connection), ticks.now()
    return {
        "cannot run": set(reports(connection)),
        "failing": {job_id for job_id, newest in endings.items() if newest.state in FAILING},
        "late": {late.job_id for late in late_jobs(due, runs_not_begun(connection, due, now), now)},
        "running": {row.job_id for row in count_held(connection).rows if row.state == "running"},
        "paused": {job.id for job in due if job.paused},
    }


def _sorted(found: Sequence[DueJob], sort: str, standing: dict[str, set[str]]) -> list[DueJob]:
    def state(job: DueJob) -> int:
        ways = (number for number, name in enumerate(STANDINGS) if job.id in standing[name])
        return next(ways, len(STANDINGS))

    def next_tick(job: DueJob) -> tuple[bool, int]:
        tick = job.next_tick
        return tick is None, tick or 0

    keys: dict[str, Callable[[DueJob], Any]] = {
        "id": lambda job: natural(job.id),
        "next": next_tick,
        "state": state,
    }
    # Those that are alike are in the order of their ids.
    in_order = sorted(found, key=keys["id"])
    return sorted(in_order, key=keys[sort.removeprefix("-")], reverse=sort.startswith("-"))

"""The runs that are due and have not begun: those that wait, and those that a process has claimed.

One statement for alerts about late ticks, which ask by the storage's own connections, and for the read
models, which ask by `querying`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

# By scheduler_runs_waiting and scheduler_runs_held. To group by the column itself, SQLite would rather walk
# through all runs in the order of their jobs.
_FIRST = "max(CASE WHEN kind IN ('scheduled', 'startup') AND attempt <= 1 THEN 1 ELSE 0 END)"
COUNT_BY_JOB = f"""
SELECT min(job_id), min(due_us), count(*), {_FIRST} FROM scheduler_runs
WHERE state IN ('queued', 'retrying') AND due_us <= :now GROUP BY job_id || ''
UNION ALL
SELECT min(job_id), min(due_us), count(*), {_FIRST} FROM scheduler_runs
WHERE state IN ('claimed', 'running') AND state = 'claimed' AND due_us <= :now GROUP BY job_id || ''
"""


class NotBegun(NamedTuple):
    """A job's runs that are due and have not begun.

    since: when the first of them was due, in microseconds UTC. number: how many there are. is_first: whether
    the schedule made one of them, whose first attempt has not begun: others were asked for, or tried before.
    """

    job_id: str
    since: int
    number: int
    is_first: bool


def by_job(rows: Iterable[Any]) -> dict[str, NotBegun]:
    """Return what COUNT_BY_JOB gave, once for each job.

    A file takes any type in any column: a run without text as its job or a number as its instant is left out.
    """
    found: dict[str, NotBegun] = {}
    for job_id, since, number, first in rows:
        if type(job_id) is not str or type(since) is not int:
            continue
        before = found.get(job_id, NotBegun(job_id, since, 0, False))
        is_first = before.is_first or first == 1
        found[job_id] = NotBegun(job_id, min(since, before.since), number + before.number, is_first)
    return found

"""Groups of jobs: how many of their runs are under way, and how many may be."""

from __future__ import annotations

from typing import NamedTuple

from everytick.store.querying import Reader

from .processes import read_processes
from .run_filter import HELD

# As `limit_statements.COUNT_IN_GROUPS` counts.
_HELD = f"""
SELECT group_name, count(DISTINCT jobs.job_id || ' ' || process_id || ' ' || claimed_us) AS number
FROM (SELECT job_id, process_id, claimed_us FROM scheduler_runs WHERE {HELD}) AS held
JOIN scheduler_jobs AS jobs ON jobs.job_id = held.job_id
WHERE group_name IS NOT NULL GROUP BY group_name
"""
_ANY = "SELECT 1 FROM scheduler_jobs WHERE group_name IS NOT NULL LIMIT 1"


class Group(NamedTuple):
    """A group with a limit, and how many of its runs are under way."""

    name: str
    held: int
    limit: int

    @property
    def is_full(self) -> bool:
        """Whether no more may begin."""
        return self.held >= self.limit

    def __str__(self) -> str:
        return f"group {self.name} ({self.held} of {self.limit})"


def limited_groups(connection: Reader, now: int) -> dict[str, Group]:
    """Return the groups that have a limit, by their names.

    It is that of the processes that are up; where they have several the highest, since each goes by its own.
    """
    if not connection.rows(_ANY):
        return {}
    limits: dict[str, int] = {}
    for process in read_processes(connection, now):
        for name, limit in process.group_limits.items() if process.is_up else ():
            limits[name] = max(limit, limits.get(name, 0))
    held = {row.group_name: row.number for row in connection.rows(_HELD)} if limits else {}
    return {name: Group(name, held.get(name, 0), limit) for name, limit in limits.items()}

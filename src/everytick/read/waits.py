"""What the runs that are due wait for: the end of a run of their job, or a place in their group."""

from __future__ import annotations

from everytick.store.declared_options import read_options
from everytick.store.querying import Reader

from .groups import limited_groups
from .run_filter import HELD, WAITING

# How many runs are named; the others are counted.
_MOST_NAMED = 3
# Those of a backfill have places of their own, see `Facts.held_of_job`. By values that are worked out: in the
# order of a column SQLite would go through all runs, instead of the few that wait or are under way.
_WAITING = f"""
SELECT jobs.job_id AS job_id, group_name, options_data, ordinary
FROM (
    SELECT job_id || '' AS job_id, max(CASE WHEN kind = 'backfill' THEN 0 ELSE 1 END) AS ordinary
    FROM (SELECT job_id, kind, due_us FROM scheduler_runs WHERE {WAITING}) AS waiting
    WHERE due_us <= :now GROUP BY job_id || ''
) AS due
JOIN scheduler_jobs AS jobs ON jobs.job_id = due.job_id
"""
_HELD = f"""
SELECT job_id, run_id FROM (SELECT job_id, run_id, kind FROM scheduler_runs WHERE {HELD}) AS held
WHERE kind <> 'backfill' ORDER BY run_id + 0
"""


def waits_of_jobs(connection: Reader, now: int) -> dict[str, str]:
    """Return by job what its runs wait for that are due by now: `run 13 (max_instances=1)` or a full group.

    Jobs are left out that wait for neither, or of which the ledger does not know how many runs they may have.
    """
    waiting = connection.rows(_WAITING, {"now": now})
    if not waiting:
        return {}
    held: dict[str, list[int]] = {}
    for row in connection.rows(_HELD):
        held.setdefault(row.job_id, []).append(row.run_id)
    groups = limited_groups(connection, now)
    found: dict[str, str] = {}
    for row in waiting:
        group = groups.get(row.group_name)
        most, runs = read_options(row.options_data).get("max_instances"), held.get(row.job_id, [])
        if row.ordinary and type(most) is int and len(runs) >= most:
            found[row.job_id] = f"{_named(runs)} (max_instances={most})"
        elif group is not None and group.is_full:
            found[row.job_id] = str(group)
    return found


def _named(runs: list[int]) -> str:
    named = ", ".join(str(run_id) for run_id in runs[:_MOST_NAMED])
    more = f" and {len(runs) - _MOST_NAMED} more" if len(runs) > _MOST_NAMED else ""
    return f"run{'s' if len(runs) > 1 else ''} {named}{more}"

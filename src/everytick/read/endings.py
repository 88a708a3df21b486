"""How the newest run of each job ended: of all jobs at once, however long their history is."""

from __future__ import annotations

from typing import Any

from everytick.store.querying import Reader, among, pieces

from .known_job import IN_FORCE

# How many of a job's newest rows are looked at, of those with a tick and of those without: skipped ticks and
# runs that go on are left out.
_DEPTH = 200

# The number of the newest run of each job that is over: of those with a tick and of those without, by
# scheduler_runs_tick.
_NUMBERS = f"""
SELECT (SELECT run_id FROM (
           SELECT run_id, state, finished_us FROM scheduler_runs
           WHERE job_id = scheduler_jobs.job_id AND tick_us IS NOT NULL ORDER BY tick_us DESC LIMIT {_DEPTH}
        ) AS walk WHERE finished_us IS NOT NULL AND state <> 'skipped' LIMIT 1) AS ticked,
       (SELECT run_id FROM (
           SELECT run_id, state, finished_us FROM scheduler_runs
           WHERE job_id = scheduler_jobs.job_id AND tick_us IS NULL ORDER BY run_id DESC LIMIT {_DEPTH}
        ) AS walk WHERE finished_us IS NOT NULL AND state <> 'skipped' LIMIT 1) AS other
FROM scheduler_jobs WHERE {IN_FORCE}
"""


def newest_endings(connection: Reader, job_id: str | None = None) -> dict[str, Any]:
    """Return the newest run that is over of each job in force, by job: run_id, state and finished_us.

    Of a run with a tick and one without, that is the one that ended last. Jobs without a run are left out.
    `job_id`: of that one alone.
    """
    asked = _NUMBERS if job_id is None else f"{_NUMBERS} AND job_id = :job_id"
    rows = connection.rows(asked, {"job_id": job_id})
    run_ids = [number for row in rows for number in row if number is not None]
    found: dict[str, Any] = {}
    # By the primary key. A join would let a server that knows its tables well read all runs instead.
    for some in pieces(run_ids):
        those = among("run_id", some, "run")
        query = f"SELECT job_id, run_id, state, finished_us FROM scheduler_runs WHERE {those.text}"
        for row in connection.rows(query, those.values):
            before = found.get(row.job_id)
            if before is None or before.finished_us < row.finished_us:
                found[row.job_id] = row
    return found

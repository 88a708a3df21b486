"""Jobs that no living process is set to run. Called inside of a transaction.

Such a job stands in the ledger as paused, with the setting that disables it: all that reads the ledger, and
each claim, so knows of it. Each process goes by its own settings; the job is disabled when all that claim
agree.
"""

from __future__ import annotations

from collections.abc import Mapping

from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.job_filter import JobFilter

from . import gaps, locking, pauses
from . import job_statements as job_sql
from . import process_statements as process_sql
from .connections import Connection
from .records import Identity, JobState


def find(connection: Connection, me: Identity, jobs: Mapping[str, Job]) -> dict[str, str]:
    """Return the jobs that no living process claims, by their settings: for each the setting of this one."""
    if not me.job_filter:
        return {}
    others = _filters(connection, me.process_id)
    mine = ((job_id, me.job_filter.why_disabled(job_id)) for job_id in list(jobs))
    return {
        job_id: why
        for job_id, why in mine
        if why is not None and all(other.why_disabled(job_id) for other in others)
    }


def why(connection: Connection, state: JobState) -> str | None:
    """Return the setting by which no process runs a job that people ask something of; None if one does.

    A job that somebody has paused, or has just added, may not be marked by that.
    """
    if state.disabled_by is not None:
        return state.disabled_by
    said = [living.why_disabled(state.job_id) for living in _filters(connection)]
    return said[0] if said and all(said) else None


def _filters(connection: Connection, but: str = "") -> list[JobFilter]:
    """Return the settings of all processes that claim, but one, as long as nobody has found them to be dead.

    Not by their last heartbeats: the clock may have been set ahead since, and a process declares another one
    dead by what it has seen itself (R10).
    """
    rows = connection.execute(process_sql.LIST_FILTERS, {"process_id": but})
    return [JobFilter.of(kept) for (kept,) in rows.fetchall()]


def is_settled(connection: Connection, me: Identity, jobs: Mapping[str, Job]) -> bool:
    """Return whether `settle` has nothing to do. Needs no transaction."""
    marked = {job_id for job_id, _why in connection.execute(job_sql.LIST_DISABLED).fetchall()}
    disabled = find(connection, me, jobs).keys()
    if any(job_id in jobs for job_id in marked - disabled):
        return False
    left = disabled - marked
    return not left or left <= pauses.paused_jobs(connection, ticks.now())


def settle(connection: Connection, me: Identity, jobs: Mapping[str, Job]) -> dict[str, int]:
    """Let the ledger say which jobs are disabled, and enable those that this process runs, or another.

    Returns where the ledger stands with each job that was enabled: its ticks meanwhile are on record, and do
    not run any more. A job that somebody has paused stays so.
    """
    now = ticks.now()
    disabled = find(connection, me, jobs)
    for job_id, why in disabled.items():
        connection.execute(
            job_sql.DISABLE_JOB, {"job_id": job_id, "now": now, "why": why, "note": f"disabled by {why}"}
        )
    enabled: dict[str, int] = {}
    for job_id, _why in connection.execute(job_sql.LIST_DISABLED).fetchall():
        job = jobs.get(job_id)
        if job is None or job_id in disabled:
            continue
        state = locking.read_to_change(connection, job_id)
        if state is not None and state.disabled_by is not None:
            gaps.close(connection, state, now, job.schedule)
            connection.execute(job_sql.RESUME_JOB, {"job_id": job_id, "upto": now})
            enabled[job_id] = max(now, state.watermark)
    return enabled

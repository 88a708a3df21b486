"""Findings from the history of jobs: durations, failures, pauses, jobs that cannot run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from everytick.app import typed
from everytick.model import ticks
from everytick.model.job import Job
from everytick.read.jobs import Declared, added_job
from everytick.read.last_runs import percentile
from everytick.store import schema
from everytick.store.records import is_paused
from everytick.text.durations import duration
from everytick.text.instants import at
from sqlalchemy import Connection, select

from .finding import Finding, ok
from .pitfalls import distance

_LATEST = 200
# Fewer runs than this say nothing about how long a job takes.
_ENOUGH = 5
_FAILURES = 3
_BAD = ("failed", "timed_out", "lost")
_LONG_PAUSE = 7 * ticks.DAY

runs, jobs = schema.runs.c, schema.jobs.c


def examine_history(connection: Connection, declared: Declared, now: int, zone: Any) -> list[Finding]:
    """Look at each job that is in force."""
    found: list[Finding] = []
    in_code = {job.id: job for job in declared.jobs}
    rows = connection.execute(
        select(schema.jobs).where(jobs.removed_us.is_(None), jobs.exhausted_us.is_(None))
    )
    for row in rows.all():
        job = in_code.get(row.job_id)
        where = job.where if job is not None else f"job {row.job_id}"
        if row.call_data is not None:
            job, problem = added_job(row, declared.defaults)
            if problem is not None:
                what = f"job {row.job_id} cannot run: {problem}"
                found.append(
                    Finding("error", "function", what, where, "the function in its place, or its removal")
                )
        found += _pause(row, now, zone, where)
        found += _record(connection, row.job_id, job, now, where)
    return found or [ok("jobs", "no job fails, is slower than its schedule, or is paused without a reason")]


def _pause(row: Any, now: int, zone: Any, where: str) -> Iterator[Finding]:
    if not is_paused(row.paused_us, row.paused_until_us, now):
        return
    if row.pause_note or now - row.paused_us <= _LONG_PAUSE:
        return
    what = f"job {row.job_id} is paused since {at(row.paused_us, zone)}, without a note that says why"
    pasted = shlex.quote(row.job_id)
    right = f"{typed('resume')} {pasted}, or {typed('pause')} {pasted} --note TEXT"
    yield Finding("warning", "pause", what, where, right)


def _record(connection: Connection, job_id: str, job: Job | None, now: int, where: str) -> Iterator[Finding]:
    # By the unique index (job_id, tick_us): the newest ticks of one job.
    query = select(runs.run_id, runs.state, runs.error, runs.started_us, runs.finished_us).where(
        runs.job_id == job_id,
        runs.tick_us.is_not(None),
        runs.state != "skipped",
        runs.finished_us.is_not(None),
    )
    latest = connection.execute(query.order_by(runs.tick_us.desc()).limit(_LATEST)).all()
    newest = latest[:_FAILURES]
    if len(newest) == _FAILURES and all(row.state in _BAD for row in newest):
        number = next((index for index, row in enumerate(latest) if row.state not in _BAD), len(latest))
        error = f", at last with: {newest[0].error}" if newest[0].error else ""
        what = f"the last {number} runs of job {job_id} did not succeed{error}"
        right = f"{typed('why')} {shlex.quote(job_id)} --run {newest[0].run_id}"
        yield Finding("warning", "failures", what, where, right)
    lasted = sorted(row.finished_us - row.started_us for row in latest if row.state == "succeeded")
    apart = distance(job, now) if job is not None else None
    if job is None or apart is None or len(lasted) < _ENOUGH:
        return
    slow = percentile(lasted, 0.95)
    if slow is not None and slow > apart * job.options.max_instances:
        taking = f"one run in twenty takes {duration(slow)} or longer"
        what = f"job {job_id} is due every {duration(apart)}, and {taking}"
        right = "a longer interval, or more max_instances: until then ticks are skipped as overlap"
        yield Finding("warning", "duration", what, where, right)

"""A dry run of the next start, in memory: the ledger itself is only read.

The rows that a start looks at are copied into a ledger in memory, and the very functions that a start calls
are called there. So the answer cannot differ from what a start does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from everytick.engine.registry import EnabledJobs, load
from everytick.errors import LedgerError
from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.kept_data import read_call
from everytick.model.misfire import decide_ahead
from everytick.read.known_job import Declared
from everytick.read.processes import judged
from everytick.read.run_filter import HELD, WAITING
from everytick.settings import settings
from everytick.store import backfills, claims, joining, new_ledger, queue, workers
from everytick.store.connections import transaction
from everytick.store.database import Ledger
from everytick.store.querying import Reader, connect_checked
from everytick.store.records import Identity, Registration, Room

# More runs than ever wait. How many of them can begin at the same time does not matter here.
_ALL = 1_000_000

# The runs that a start looks at: these conditions are those of the partial indexes.
_OPEN = (HELD, WAITING, "rerun_until_us IS NOT NULL")
_RUNS = "SELECT * FROM scheduler_runs"
# By the index (job_id, start_number).
_NEWEST_START = f"""
{_RUNS} WHERE job_id = :job_id AND start_number IS NOT NULL ORDER BY start_number DESC LIMIT 1
"""
_RUNNING_BACKFILLS = "SELECT * FROM scheduler_backfills WHERE state = 'running'"
# What the next runs of a backfill depend on that is about missed ticks: as many rows as one look goes by.
_ON_RECORD = (
    f"{_RUNS} WHERE job_id = :job_id AND tick_us <= :upto ORDER BY tick_us DESC LIMIT 1",
    f"{_RUNS} WHERE job_id = :job_id AND tick_us > :upto AND tick_us <= :until ORDER BY tick_us LIMIT 5001",
    f"""
{_RUNS} WHERE job_id = :job_id AND for_tick_us > :upto AND for_tick_us <= :until
ORDER BY for_tick_us LIMIT 5001
""",
)
_NEWEST_ASKED = "SELECT * FROM scheduler_audit ORDER BY audit_id DESC LIMIT 1"


@dataclass
class DryRun:
    """The result of a dry run of a start.

    before, after: the jobs in the ledger by their ids, as rows. begun: the runs that would begin, now or when
    they are due; each row has `was`, the state it has now, or None if it is new. waiting: runs that would
    wait on. skipped: what would be settled without running, with the reason: ticks, and runs that end.
    alive: other processes that are up, so that the start joins theirs. stale: those that are silent; when
    they are given up, after a lease, their runs follow. broken: jobs added while running that cannot run,
    and why.
    """

    registration: Registration
    before: dict[str, Any]
    after: dict[str, Any]
    begun: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)


def dry_run(ledger: Ledger, declared: Declared) -> DryRun:
    """Return what a start of this schedule would do now.

    Raises:
        LedgerError: the ledger cannot be read, or is of an older version.
    """
    try:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as stage:
            new_ledger.make(stage, "sqlite")
            if ledger.exists():
                with connect_checked(ledger) as source:
                    _copy(source, stage)
            return _act(stage, declared, ledger.application)
    except sqlite3.DatabaseError as problem:
        raise LedgerError(ledger.damaged(problem)) from None


def _copy(source: Reader, stage: sqlite3.Connection) -> None:
    jobs = source.rows("SELECT * FROM scheduler_jobs")
    _insert(stage, "scheduler_jobs", jobs)
    _insert(stage, "scheduler_processes", source.rows("SELECT * FROM scheduler_processes"))
    # A ledger that was moved away is not started.
    _insert(stage, "scheduler_audit", source.rows(_NEWEST_ASKED))
    runs = [run for condition in _OPEN for run in source.rows(f"{_RUNS} WHERE {condition}")]
    # Starts are numbered on.
    runs += [run for job in jobs for run in source.rows(_NEWEST_START, {"job_id": job.job_id})]
    filling = source.rows(_RUNNING_BACKFILLS)
    _insert(stage, "scheduler_backfills", filling)
    for one in filling:
        if one.only_missed:
            span = {"job_id": one.job_id, "upto": one.upto_us, "until": one.until_us}
            runs += [run for query in _ON_RECORD for run in source.rows(query, span)]
    _insert(stage, "scheduler_runs", {run.run_id: run for run in runs}.values())


def _insert(stage: sqlite3.Connection, table: str, rows: Iterable[Any]) -> None:
    for row in rows:
        marks = ", ".join("?" for _name in row._fields)
        stage.execute(f"INSERT INTO {table} ({', '.join(row._fields)}) VALUES ({marks})", tuple(row))


def _act(stage: sqlite3.Connection, declared: Declared, application: str | None) -> DryRun:
    """Do in memory what `process`, `clock` and `heartbeats` of the engine do at a start."""
    stage.row_factory = None
    me = Identity.new(job_filter=settings().job_filter, group_limits=settings().group_limits)
    before, known_runs = _jobs(stage), {row["run_id"]: row for row in _runs(stage)}
    with transaction(stage):
        alive, stale = _reap_the_silent(stage)
        registration = joining.register(stage, me, declared.jobs, application)
        found = DryRun(registration, before, {}, alive=alive, stale=stale)
        jobs = {job.id: job for job in declared.jobs}
        watermarks = dict(registration.watermarks)
        for row in registration.jobs_added:
            try:
                jobs[row.job_id] = load(
                    row, read_call(row.call_data), declared.defaults, declared.allowed.look_up
                )
                watermarks[row.job_id] = row.watermark
            except ValueError as problem:
                found.broken[row.job_id] = str(problem)
        now = ticks.now()
        enabled = EnabledJobs(jobs, me.job_filter)
        found_due = (decide_ahead(job, watermarks[job.id], now, "outage") for job in enabled.values())
        due = [decision for decision in found_due if decision]
        claims.claim(stage, me, due, Room(0))
        for one in backfills.running(stage):
            backfills.make_runs(stage, one.number)
        queue.take(stage, me, enabled, Room(_ALL))
    found.after = _jobs(stage)
    for run in _runs(stage):
        _sort_in(found, run, known_runs.get(run["run_id"]), me, jobs.get(run["job_id"]))
    return found


def _reap_the_silent(stage: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """Give up processes that are silent for longer than a lease, as a start does after one more lease.

    Those that are gone are cleared away by `joining.register` itself.
    """
    alive, stale = [], []
    rows = {row["process_id"]: row for row in _rows(stage, "SELECT * FROM scheduler_processes")}
    for process in judged(rows.values(), ticks.now()):
        if process.is_up:
            alive.append(process.name)
        elif not process.is_gone:
            stale.append(process.name)
            workers.reap(stage, process.process_id, rows[process.process_id]["beat"], process.beat)
    return alive, stale


def _sort_in(
    found: DryRun, row: dict[str, Any], before: dict[str, Any] | None, me: Identity, job: Job | None
) -> None:
    row["was"] = None if before is None else before["state"]
    now = ticks.now()
    again = (row["rerun_until_us"] or 0) >= now
    if row["process_id"] == me.process_id and row["state"] in ("claimed", "running"):
        # A run that was given back before it began is judged by its grace time when it is about to begin.
        first = row["kind"] == "scheduled" and row["attempt"] == 1
        if first and job is not None and job.too_late(row["due_us"], now):
            row["reason"] = "missed"
            found.skipped.append(row)
        else:
            found.begun.append(row)
    elif row["state"] in ("queued", "retrying") or again:
        found.waiting.append(row)
    elif row["state"] != row["was"]:
        # A start also ends runs: those of removed jobs, and of dead processes.
        row["reason"] = row["reason"] or row["state"]
        found.skipped.append(row)


def _jobs(stage: sqlite3.Connection) -> dict[str, Any]:
    return {row["job_id"]: row for row in _rows(stage, "SELECT * FROM scheduler_jobs ORDER BY job_id")}


def _runs(stage: sqlite3.Connection) -> list[dict[str, Any]]:
    return _rows(stage, "SELECT * FROM scheduler_runs ORDER BY due_us, run_id")


def _rows(stage: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    cursor = stage.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

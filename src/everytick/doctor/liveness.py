"""Which processes are up, whether the clock can be trusted, and which runs were left behind."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from everytick.app import typed
from everytick.model import ticks
from everytick.model.roles import DEFAULT_QUEUE
from everytick.read.processes import Process, read_processes
from everytick.read.runs import HELD, WAITING
from everytick.store import schema
from everytick.system import system
from everytick.text.durations import duration
from everytick.text.instants import at
from sqlalchemy import Connection, func, select, text

from .finding import Finding, ok

# Two clocks of one machine, and clocks of two that are kept in time, differ by less.
_APART = 5 * ticks.SECOND
_OLD = ticks.DAY
_RECENT = ticks.DAY

_SQLITES_CLOCK = "SELECT (julianday('now') - 2440587.5) * 86400e6"
_SERVERS_CLOCK = "SELECT extract(epoch FROM clock_timestamp()) * 1000000"

runs, jobs = schema.runs.c, schema.jobs.c


def examine_clock(connection: Connection, now: int, zone: Any) -> list[Finding]:
    """Compare the clock (`now`, in microseconds) with the ledger's last instants and with its database's."""
    found = []
    # By the index of finished_us, and over the few rows of jobs and processes.
    last = connection.execute(select(func.max(runs.finished_us))).scalar()
    seen = connection.execute(select(func.max(schema.processes.c.beat_us))).scalar()
    newest = max(last or 0, seen or 0)
    if newest > now + _APART:
        what = (
            f"the clock shows {at(now, zone)}, but the ledger was written to at {at(newest, zone)}:"
            " it was set"
            f" back by at least {duration(newest - now)}"
        )
        found.append(Finding("error", "clock", what, None, "a clock that is kept in time (NTP)"))
    ahead = connection.execute(
        select(jobs.job_id, jobs.watermark_us).where(
            jobs.watermark_us > now + _APART, jobs.removed_us.is_(None)
        )
    ).all()
    for job_id, watermark in ahead:
        what = f"job {job_id} is silent until {at(watermark, zone)}: its ticks up to then are used up already"
        found.append(Finding("warning", "clock", what, f"job {job_id}", "patience, or a clock put right"))
    found += _apart(connection)
    return found or [ok("clock", "the clock is not behind what the ledger has seen")]


def _apart(connection: Connection) -> Iterator[Finding]:
    on_server = _is_on_server(connection)
    own = connection.execute(text(_SERVERS_CLOCK if on_server else _SQLITES_CLOCK)).scalar_one()
    apart = abs(int(own) - system.time_ns() // 1000)
    if apart <= _APART:
        return
    if on_server:
        what = f"this machine's clock and the server's differ by {duration(apart)}: jobs go by the server's"
        yield Finding("warning", "clock", what, None, "clocks that are kept in time (NTP)")
    else:
        what = f"SQLite's clock and this process's differ by {duration(apart)}"
        yield Finding("warning", "clock", what, None, "one clock for all of the process")


def _is_on_server(connection: Connection) -> bool:
    return connection.dialect.name != "sqlite"


def examine_processes(connection: Connection, now: int, zone: Any, *, is_held: bool = False) -> list[Finding]:
    """Tell which processes are up, silent or gone, and whose event loop is stuck.

    `is_held`: another program holds the ledger, so that no process can write its heartbeat.
    """
    processes = read_processes(connection, now)
    if not processes:
        return [Finding("note", "processes", "no scheduler is up", None, typed("run"))]
    found = [finding for process in processes for finding in _process(connection, process, zone, is_held)]
    found += _unserved(connection, processes)
    machines = {process.machine for process in processes}
    if len(machines) > 1 and not _is_on_server(connection):
        what = f"processes of {len(machines)} machines use one SQLite ledger: {', '.join(sorted(machines))}"
        found.append(Finding("error", "processes", what, None, "one machine for one ledger"))
    return found


def _unserved(connection: Connection, processes: Sequence[Process]) -> Iterator[Finding]:
    """Tell of queues that no process serves which is up."""
    roles = [process.role for process in processes if process.is_up]
    if not roles or any(role.runs and not role.queues for role in roles):
        return
    jobs = schema.jobs.c
    query = select(jobs.job_id, jobs.queue).where(jobs.removed_us.is_(None), jobs.exhausted_us.is_(None))
    lacking: dict[str, list[str]] = {}
    for job_id, queue in connection.execute(query):
        name = queue or DEFAULT_QUEUE
        if not any(role.serves(name) for role in roles):
            lacking.setdefault(name, []).append(job_id)
    for queue, job_ids in sorted(lacking.items()):
        what = f"no process that is up serves the queue {queue}: the runs of {len(job_ids)} job(s) wait there"
        yield Finding(
            "error",
            "processes",
            what,
            f"job {job_ids[0]}",
            f"{typed('run')} --role worker --queues {shlex.quote(queue)}",
        )


def _process(connection: Connection, process: Process, zone: Any, is_held: bool) -> Iterator[Finding]:
    name, silent = process.name, f"has sent no heartbeat for {duration(process.silence)}"
    if process.is_gone:
        what = f"{name} died: its last heartbeat was at {at(process.beat, zone)}"
        yield Finding("warning", "processes", what, name, "a start, which settles what it left behind")
    elif not process.is_up and is_held:
        yield Finding("note", "processes", f"{name} {silent}: it cannot while the ledger is held", name, None)
    elif not process.is_up:
        what = f"{name} {silent}: it is stopped, cut off, or dead"
        yield Finding("warning", "processes", what, name, "a look at it; others take over its runs")
    elif process.is_stuck:
        stuck = duration(process.loop_silence)
        blamed = connection.scalars(
            select(runs.job_id).where(_HELD, runs.process_id == process.process_id, runs.state == "running")
        ).all()
        running = f"; under way there: {', '.join(sorted(set(blamed)))}" if blamed else ""
        what = f"the event loop of {name} has not answered for {stuck}: a coroutine blocks it{running}"
        right = "a plain function, or asyncio.to_thread, for what takes long; its log names the job"
        yield Finding("error", "processes", what, name, right)
    else:
        yield ok("processes", f"{name} is up since {at(process.started, zone)}")


# In no order, so that SQLite uses the partial indexes of the same conditions.
_HELD, _WAITING = text(HELD), text(WAITING)


def examine_runs(connection: Connection, now: int, zone: Any) -> list[Finding]:
    """Report runs that do not end, belong to no process, or were lost recently."""
    found = []
    held = connection.execute(select(schema.runs).where(_HELD)).all()
    waiting = connection.execute(select(schema.runs).where(_WAITING)).all()
    present = set(connection.scalars(select(schema.processes.c.process_id)))
    for row in held:
        if row.process_id not in present:
            what = f"run {row.run_id} of {row.job_id} is held by a process that is not there: it never ends"
            found.append(Finding("error", "runs", what, f"run {row.run_id}", "a report of this as a defect"))
    unfinished = [row for row in [*held, *waiting] if row.due_us < now - _OLD]
    if unfinished:
        oldest = min(unfinished, key=lambda row: row.due_us)
        what = (
            f"{len(unfinished)} run(s) are unfinished for more than {duration(_OLD)}; the oldest is run"
            f" {oldest.run_id} of {oldest.job_id}, {oldest.state}, due since {at(oldest.due_us, zone)}"
        )
        right = f"{typed('why')} {shlex.quote(oldest.job_id)} --run {oldest.run_id}"
        found.append(Finding("warning", "runs", what, f"job {oldest.job_id}", right))
    # By the index of finished_us: one day of the history.
    lost = connection.execute(
        select(runs.job_id, func.count())
        .where(runs.finished_us >= now - _RECENT, runs.state == "lost")
        .group_by(runs.job_id)
    ).all()
    if lost:
        number = sum(count for _job, count in lost)
        what = f"{number} run(s) were lost within a day, of {', '.join(job_id for job_id, _count in lost)}"
        found.append(Finding("warning", "runs", what, None, typed("runs --state lost")))
    return found or [
        ok("runs", f"{len(held)} run(s) under way, {len(waiting)} waiting, none lost within a day")
    ]

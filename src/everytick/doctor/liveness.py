"""Which processes are up, whether the clock can be trusted, and which runs were left behind."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from everytick import liveness
from everytick.app import typed, typed_for
from everytick.model import ticks
from everytick.model.group_limits import SETTING
from everytick.model.job_filter import DISABLED, ENABLED
from everytick.model.roles import unserved
from everytick.read.known_job import jobs_due, jobs_in_force, read_jobs
from everytick.read.not_in_force import settings_not_in_force, who_claims
from everytick.read.outages import outages
from everytick.read.processes import Process, find_processes, last_end, read_processes
from everytick.read.runs import count_lost
from everytick.read.under_way import count_held, held_runs, waiting_runs
from everytick.settings import SchedulerSettings
from everytick.store.connections import SERVERS_NOW
from everytick.store.querying import Reader
from everytick.system import system
from everytick.text.durations import duration
from everytick.text.instants import at
from everytick.text.wording import counted, listed

from .finding import Finding, ok

# Two clocks of one machine, and clocks of two that are kept in time, differ by less.
_APART = 5 * ticks.SECOND
_OLD = ticks.DAY
_RECENT = ticks.DAY

_SQLITES_CLOCK = "SELECT (julianday('now') - 2440587.5) * 86400e6 AS us"
_SERVERS_CLOCK = f"SELECT {SERVERS_NOW} AS us"


def examine_clock(connection: Reader, now: int, zone: Any) -> list[Finding]:
    """Compare the clock (`now`, in microseconds) with the ledger's last instants and with its database's."""
    found = []
    beats = [process.beat for process in read_processes(connection, now)]
    newest = max([*beats, last_end(connection) or 0])
    if newest > now + _APART:
        what = (
            f"the clock shows {at(now, zone)}, but the ledger was written to at {at(newest, zone)}:"
            " it was set"
            f" back by at least {duration(newest - now)}"
        )
        found.append(Finding("error", "clock", what, None, "a clock that is kept in time (NTP)"))
    for job in read_jobs(connection):
        until = job.row.watermark_us
        if job.row.removed_us is None and until > now + _APART:
            what = f"job {job.id} is silent until {at(until, zone)}: its ticks up to then are used up already"
            found.append(Finding("warning", "clock", what, f"job {job.id}", "patience, or a clock put right"))
    found += _apart(connection)
    return found or [ok("clock", "the clock is not behind what the ledger has seen")]


def _apart(connection: Reader) -> Iterator[Finding]:
    on_server = connection.is_on_server
    own = connection.value(_SERVERS_CLOCK if on_server else _SQLITES_CLOCK)
    apart = abs(int(own) - system.time_ns() // 1000)
    if apart <= _APART:
        return
    if on_server:
        what = f"this machine's clock and the server's differ by {duration(apart)}: jobs go by the server's"
        yield Finding("warning", "clock", what, None, "clocks that are kept in time (NTP)")
    else:
        what = f"SQLite's clock and this process's differ by {duration(apart)}"
        yield Finding("warning", "clock", what, None, "one clock for all of the process")


def examine_processes(connection: Reader, now: int, zone: Any, *, is_held: bool = False) -> list[Finding]:
    """Tell which processes are up, silent or gone, and whose event loop is stuck.

    `is_held`: another program holds the ledger, so that no process can write its heartbeat.
    """
    processes = read_processes(connection, now)
    refused = [
        Finding("warning", "processes", refusal, None, liveness.WHAT_TO_DO)
        for refusal in [liveness.why_refused()]
        if refusal is not None
    ]
    found: list[Finding] = []
    if not is_held and not any(process.is_up for process in processes):
        level = "warning" if any(job.next_tick for job in jobs_due(connection)) else "note"
        nobody = find_processes(connection).nobody_up(zone)
        found.append(Finding(level, "processes", nobody, None, typed("run")))
    found += [finding for process in processes for finding in _process(connection, process, zone, is_held)]
    found += refused
    found += _unserved(connection, processes)
    found += _set_otherwise(processes)
    machines = {process.machine for process in processes}
    if len(machines) > 1 and not connection.is_on_server:
        what = f"processes of {len(machines)} machines use one SQLite ledger: {', '.join(sorted(machines))}"
        found.append(Finding("error", "processes", what, None, "one machine for one ledger"))
    return found


def _set_otherwise(processes: Sequence[Process]) -> Iterator[Finding]:
    """Tell of processes that are set to run other jobs than others, or more of a group."""
    claiming = [process for process in processes if process.is_up and process.role.claims]
    filters = dict.fromkeys(process.job_filter for process in claiming)
    if len(filters) > 1:
        names = [next(it.name for it in claiming if it.job_filter == one) for one in filters]
        what = f"{listed(names)} are set to run different jobs: each job runs where it is enabled"
        settings = f"{ENABLED}, {DISABLED}"
        yield Finding("note", "environment", what, settings, "the same settings, unless this is meant")
    limits = dict.fromkeys(
        process.group_limits for process in processes if process.is_up and process.role.runs
    )
    if len(limits) > 1:
        names = [next(it.name for it in processes if it.group_limits == one) for one in limits]
        what = f"{listed(names)} have different limits of groups: each goes by its own"
        yield Finding("warning", "groups", what, SETTING, "the same limits for all")


def examine_settings_in_force(
    connection: Reader, chosen: SchedulerSettings, job_ids: Sequence[str]
) -> list[Finding]:
    """Tell where the processes that are up were started with other settings than those here."""
    up = [process for process in read_processes(connection) if process.is_up]
    anew = "start the processes anew"
    found = [
        Finding("warning", "environment", sentence, f"{ENABLED}, {DISABLED}", anew)
        for sentence in settings_not_in_force(who_claims(up), job_ids, chosen.job_filter)
    ]
    running = [process for process in up if process.role.runs]
    if running and all(process.group_limits != chosen.group_limits for process in running):
        limits = ", ".join(f"{name}={limit}" for name, limit in running[0].group_limits.items()) or "none"
        what = (
            "not in force yet: the processes that are up were started with other limits of groups than those"
            f" here, and go by theirs ({limits}) until they are started anew"
        )
        found.append(Finding("warning", "groups", what, SETTING, anew))
    return found


def _unserved(connection: Reader, processes: Sequence[Process]) -> Iterator[Finding]:
    """Tell of queues that no process serves which is up."""
    roles = [process.role for process in processes if process.is_up]
    if not roles or any(role.runs and not role.queues for role in roles):
        return
    queues = {job.id: job.row.queue for job in jobs_in_force(connection)}
    for queue, job_ids in unserved(queues, roles).items():
        number = counted(len(job_ids), "job")
        what = f"no process that is up serves the queue {queue}: the runs of {number} wait there"
        yield Finding(
            "error",
            "processes",
            what,
            f"job {job_ids[0]}",
            f"{typed('run')} --role worker --queues {shlex.quote(queue)}",
        )


def _process(connection: Reader, process: Process, zone: Any, is_held: bool) -> Iterator[Finding]:
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
        blamed = count_held(connection).running_in(process.process_id)
        running = f"; under way there: {', '.join(sorted(blamed))}" if blamed else ""
        what = f"the event loop of {name} has not answered for {stuck}: a coroutine blocks it{running}"
        right = "a plain function, or asyncio.to_thread, for what takes long; its log names the job"
        yield Finding("error", "processes", what, name, right)
    else:
        yield ok("processes", f"{name} is up since {at(process.started, zone)}")


def examine_outages(connection: Reader, now: int, zone: Any) -> list[Finding]:
    """Tell when no scheduler was running within a day, and how many ticks that cost."""
    return [
        Finding(
            "warning",
            "outage",
            outage.sentence(zone, now),
            None,
            typed(outage.listing(zone)),
        )
        for outage in outages(connection, now - _RECENT, now)
    ]


def examine_runs(connection: Reader, now: int, zone: Any) -> list[Finding]:
    """Report runs that do not end, belong to no process, or were lost recently."""
    found = []
    held, waiting = held_runs(connection), waiting_runs(connection)
    present = {process.process_id for process in read_processes(connection, now)}
    for row in held:
        if row.process_id not in present:
            what = f"run {row.run_id} of {row.job_id} is held by a process that is not there: it never ends"
            found.append(Finding("error", "runs", what, f"run {row.run_id}", "a report of this as a defect"))
    unfinished = [row for row in [*held, *waiting] if row.due_us < now - _OLD]
    if unfinished:
        oldest = min(unfinished, key=lambda row: row.due_us)
        what = (
            f"unfinished for more than {duration(_OLD)}: {counted(len(unfinished), 'run')}; the oldest is run"
            f" {oldest.run_id} of {oldest.job_id}, {oldest.state}, due since {at(oldest.due_us, zone)}"
        )
        right = typed_for(oldest.job_id, "why", f"--run {oldest.run_id}")
        found.append(Finding("warning", "runs", what, f"job {oldest.job_id}", right))
    lost, again = count_lost(connection, now - _RECENT)
    tried = f"lost within a day and begun again: {counted(sum(again.values()), 'run')}, of {', '.join(again)}"
    if lost:
        what = f"lost within a day: {counted(sum(lost.values()), 'run')}, of {', '.join(lost)}"
        what += f"; {tried}" if again else ""
        found.append(Finding("warning", "runs", what, None, typed("runs --state lost")))
    return found or [
        ok(
            "runs",
            f"{counted(len(held), 'run')} under way, {len(waiting)} waiting,"
            f" {tried if again else 'none lost within a day'}",
        )
    ]

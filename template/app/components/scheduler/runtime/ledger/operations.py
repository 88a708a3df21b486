"""What is done to the ledger in one transaction. Each function takes a connection inside of one.

`Identity` names the process; (process_id, attempt) is the token that every write after the claim carries.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection

from .. import ticks
from ..catch_up import Decision
from ..declaration import Job
from . import statements as sql


@dataclass(frozen=True)
class Identity:
    """One start of one process."""

    process_id: str
    host: str
    pid: int

    @staticmethod
    def new() -> Identity:
        return Identity(uuid.uuid4().hex, _host(), os.getpid())


@dataclass(frozen=True)
class Claim:
    """A run that this process holds."""

    run_id: int
    job_id: str
    kind: str
    tick: int | None
    due: int
    attempt: int = 1


@dataclass(frozen=True)
class Outcome:
    """How a claimed run ended."""

    claim: Claim
    state: str
    reason: str | None = None
    started: int | None = None
    finished: int | None = None
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the ledger said to a decision.

    `verdict` is `claimed`, `moved` (another process was first), `paused`, `changed` (another definition is
    in force) or `removed`; `watermark` is where the ledger stands now.
    """

    decision: Decision
    verdict: str
    watermark: int
    claims: list[Claim] = field(default_factory=list)
    overlapped: tuple[int, ...] = ()


@dataclass
class Registration:
    """What a process learns when it joins."""

    watermarks: dict[str, int]
    start_number: int
    peers: set[str]
    claims: list[Claim]
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    lost: int = 0


def register(connection: Connection, me: Identity, jobs: Sequence[Job]) -> Registration:
    """Join: clear away provably dead processes, bring the definitions up to date, start startup runs.

    Startup runs belong to a start of the *schedule*: a process that finds another one alive joins that start.
    """
    now = ticks.now()
    lost, peers, start_number = _clear_dead(connection, me, now)
    if not peers:
        row = connection.execute(sql.LAST_START_NUMBER).fetchone()
        start_number = (row[0] or 0) + 1
    connection.execute(
        sql.REGISTER_PROCESS,
        {
            "process_id": me.process_id,
            "host": me.host,
            "pid": me.pid,
            "now": now,
            "start_number": start_number,
        },
    )
    found = Registration({}, start_number, peers, [], lost=lost)
    _define(connection, jobs, now, found)
    if not peers:
        found.claims = startup_runs(connection, me, jobs, start_number)
    return found


def startup_runs(connection: Connection, me: Identity, jobs: Iterable[Job], start_number: int) -> list[Claim]:
    """Claim the startup runs of a start; none that another process has claimed for the same start."""
    now = ticks.now()
    claims = []
    for job in jobs:
        if job.startup_delay is None:
            continue
        due = now + job.startup_delay
        run_id = _insert_run(connection, me, job.id, "startup", None, start_number, due, now)
        if run_id is not None:
            claims.append(Claim(run_id, job.id, "startup", None, due))
    return claims


def claim(connection: Connection, me: Identity, decisions: Sequence[Decision]) -> list[Answer]:
    """Claim what is due and record what is skipped, for many jobs at once."""
    return [_claim(connection, me, decision) for decision in decisions]


def take_queued(connection: Connection, me: Identity, known: Iterable[str]) -> list[Claim]:
    """Take over runs that were given back, of jobs that this process knows."""
    now = ticks.now()
    known = set(known)
    taken = []
    for run_id, job_id, kind, tick, attempt, due in connection.execute(
        sql.LIST_QUEUED, {"now": now}
    ).fetchall():
        if job_id not in known:
            continue
        values = {"run_id": run_id, "process_id": me.process_id, "now": now}
        if connection.execute(sql.TAKE_QUEUED, values).rowcount == 1:
            taken.append(Claim(run_id, job_id, kind, tick, due, attempt))
    return taken


def release(connection: Connection, me: Identity, claims: Iterable[Claim]) -> None:
    """Give back runs that were not started: the tick stays accounted for and costs no attempt."""
    for held in claims:
        connection.execute(sql.RELEASE_RUN, _token(me, held))


def start(connection: Connection, me: Identity, held: Claim, started: int) -> None:
    """Record that a run is under way."""
    connection.execute(sql.START_RUN, {**_token(me, held), "started": started})


def finish(connection: Connection, me: Identity, outcome: Outcome) -> bool:
    """Record an outcome; False if the lease was lost in the meantime (then nothing is changed)."""
    values = {
        **_token(me, outcome.claim),
        "state": outcome.state,
        "reason": outcome.reason,
        "started": outcome.started,
        "finished": outcome.finished,
        "error": outcome.error,
        "traceback": outcome.traceback,
    }
    return connection.execute(sql.FINISH_RUN, values).rowcount == 1


def pause(connection: Connection, job_id: str, note: str | None) -> bool:
    """Pause a job; False if it was paused already or is unknown."""
    values = {"job_id": job_id, "now": ticks.now(), "note": note}
    return connection.execute(sql.PAUSE_JOB, values).rowcount == 1


def resume(connection: Connection, job: Job) -> bool:
    """Resume a job. What fell into the pause becomes one range row and is never caught up (R1)."""
    now = ticks.now()
    row = connection.execute(sql.READ_JOB, {"job_id": job.id}).fetchone()
    if row is None or connection.execute(sql.RESUME_JOB, {"job_id": job.id, "now": now}).rowcount != 1:
        return False
    first = job.next_tick(row[1])
    if first is not None and first <= now:
        last = ticks.newest(job.schedule.ticks, row[1], now, 1)[0]
        number = ticks.count(job.schedule.ticks, row[1], now, 100_000)
        _insert_skipped(connection, job.id, first, last, number, "paused", now)
    return True


def forget_process(connection: Connection, process_id: str, beat: int) -> int | None:
    """Declare a process dead unless it moved on; return how many runs were lost with it."""
    gone = connection.execute(sql.FORGET_PROCESS, {"process_id": process_id, "beat": beat})
    return _lose_runs(connection, process_id, ticks.now()) if gone.rowcount == 1 else None


def process_is_dead(host: str, pid: int, process_id: str, me: Identity, here: Iterable[str]) -> bool:
    """Return whether a process is *provably* gone: of this very host, and without its pid."""
    if host != me.host or os.name != "posix":
        return False
    if pid == me.pid:
        return process_id not in here
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


# The processes that live in this interpreter (an application may hold more than one scheduler).
ALIVE_HERE: set[str] = set()


def _clear_dead(connection: Connection, me: Identity, now: int) -> tuple[int, set[str], int]:
    lost, peers, start_number = 0, set(), 0
    for process_id, host, pid, _beat, number in connection.execute(sql.LIST_PROCESSES).fetchall():
        if process_is_dead(host, pid, process_id, me, ALIVE_HERE):
            connection.execute(sql.LEAVE, {"process_id": process_id})
            lost += _lose_runs(connection, process_id, now)
        else:
            peers.add(process_id)
            start_number = max(start_number, number)
    return lost, peers, start_number


def _lose_runs(connection: Connection, process_id: str, now: int) -> int:
    values = {"process_id": process_id, "now": now, "error": "the process that ran it died"}
    return connection.execute(sql.LOSE_RUNS, values).rowcount


def _define(connection: Connection, jobs: Sequence[Job], now: int, found: Registration) -> None:
    known = {row[0]: row[1:] for row in connection.execute(sql.LIST_JOBS).fetchall()}
    for job in jobs:
        values: dict[str, object] = {
            "job_id": job.id,
            "name": job.name,
            "function": job.reference,
            "now": now,
            "trigger": job.schedule.text,
            "zone": str(job.schedule.zone),
        }
        if job.id not in known:
            values["definition"] = job.definition
            values["paused_us"] = now if job.paused_at_first else None
            values["note"] = "paused at first, as the code asks" if job.paused_at_first else None
            connection.execute(sql.INSERT_JOB, values)
            found.added.append(job.id)
            found.watermarks[job.id] = now
            continue
        definition, watermark, _paused, removed = known[job.id]
        connection.execute(sql.UPDATE_JOB, values)
        # A job that was away is like a changed one: nothing was promised for the time between.
        if definition != job.definition or removed is not None:
            connection.execute(sql.REDEFINE_JOB, {"job_id": job.id, "definition": job.definition, "now": now})
            watermark = now
            (found.changed if removed is None else found.added).append(job.id)
        found.watermarks[job.id] = watermark
    declared = {job.id for job in jobs}
    for job_id, (_definition, _watermark, _paused, removed) in known.items():
        if job_id not in declared and removed is None:
            connection.execute(sql.REMOVE_JOB, {"job_id": job_id, "now": now})
            found.removed.append(job_id)


def _claim(connection: Connection, me: Identity, decision: Decision) -> Answer:
    job, now = decision.job, ticks.now()
    values = {
        "job_id": job.id,
        "definition": job.definition,
        "seen": decision.seen,
        "upto": decision.upto,
    }
    if connection.execute(sql.ADVANCE_WATERMARK, values).rowcount != 1:
        return _refused(connection, decision)
    for skip in decision.skip:
        _insert_skipped(connection, job.id, skip.first, skip.last, skip.count, skip.reason, now)
    held = connection.execute(sql.COUNT_HELD, {"job_id": job.id}).fetchone()[0] if decision.run else 0
    answer = Answer(decision, "claimed", decision.upto)
    if held >= job.options.max_instances:
        for tick in decision.run:
            _insert_skipped(connection, job.id, tick, tick, 1, "overlap", now)
        return Answer(decision, "claimed", decision.upto, overlapped=decision.run)
    for tick in decision.run:
        due = job.due(tick)
        run_id = _insert_run(connection, me, job.id, "scheduled", tick, None, due, now)
        if run_id is not None:
            answer.claims.append(Claim(run_id, job.id, "scheduled", tick, due))
    return answer


def _refused(connection: Connection, decision: Decision) -> Answer:
    row = connection.execute(sql.READ_JOB, {"job_id": decision.job.id}).fetchone()
    if row is None or row[3] is not None:
        return Answer(decision, "removed", decision.seen)
    definition, watermark, paused, _removed = row
    if definition != decision.job.definition:
        return Answer(decision, "changed", watermark)
    return Answer(decision, "paused" if paused is not None else "moved", watermark)


def _insert_run(
    connection: Connection,
    me: Identity,
    job_id: str,
    kind: str,
    tick: int | None,
    start_number: int | None,
    due: int,
    now: int,
) -> int | None:
    values = {
        "job_id": job_id,
        "kind": kind,
        "tick": tick,
        "start_number": start_number,
        "due": due,
        "process_id": me.process_id,
        "now": now,
    }
    row = connection.execute(sql.INSERT_RUN, values).fetchone()
    return None if row is None else int(row[0])


def _insert_skipped(
    connection: Connection,
    job_id: str,
    first: int,
    last: int,
    number: int | None,
    reason: str,
    now: int,
) -> None:
    alone = first == last
    connection.execute(
        sql.INSERT_SKIPPED,
        {
            "job_id": job_id,
            "tick": first,
            "last_tick": None if alone else last,
            "count": None if alone else number,
            "reason": reason,
            "now": now,
        },
    )


def _token(me: Identity, held: Claim) -> dict[str, object]:
    return {"run_id": held.run_id, "process_id": me.process_id, "attempt": held.attempt}


def _host() -> str:
    """Return what tells apart two hosts, two boots of one, and two containers on one."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{socket.gethostname()}/{boot.read_text().strip()}/{os.readlink(space)}"
    except OSError:
        return socket.gethostname()

"""The processes that use the ledger. Each function is called inside of a transaction."""

from __future__ import annotations

from everytick.model import ticks
from everytick.system import system

from . import migration_fence
from . import statements as sql
from .connections import Connection, Unavailable
from .records import CANCELLED, CANCELLED_WITH_ITS_PROCESS, Identity

# How long a heartbeat may not move before others declare its process dead, in seconds.
LEASE_SECONDS = 15.0

# How often a run may be started again because its process died or was stopped (R6).
MOST_CRASHES = 3

# The processes that live in this interpreter (an application may hold more than one scheduler).
ALIVE_HERE: set[str] = set()


def ensure(connection: Connection, me: Identity) -> None:
    """See to it that this process is written down as alive: what it claims must be found if it dies.

    A process that was frozen and comes back must beat with its first claim, or others would declare it dead
    while it holds that claim.
    """
    values = {"process_id": me.process_id, "now": ticks.now(), "passed": None}
    if connection.execute(sql.BEAT, values).rowcount != 1:
        enter(connection, me, start_number=0)


def enter(connection: Connection, me: Identity, start_number: int) -> int:
    """Write down that this process is there, and return since when, in microseconds UTC.

    Raises:
        Unavailable: the ledger was moved away meanwhile.
    """
    if closed := migration_fence.why_closed(connection):
        raise Unavailable(closed)
    now = ticks.now()
    values = {
        "process_id": me.process_id,
        "host": me.host,
        "pid": me.pid,
        "now": now,
        "start_number": start_number,
        "role": None if me.role.name == "all" else me.role.name,
        "queues": ",".join(me.role.queues) or None,
    }
    connection.execute(sql.REGISTER_PROCESS, values)
    return now


def leave(connection: Connection, me: Identity) -> None:
    """Record that this process is gone, and the runs that it may still hold as lost."""
    lose_runs(connection, me.process_id, ticks.now())
    connection.execute(sql.LEAVE, {"process_id": me.process_id})


def beat(connection: Connection, me: Identity, start_number: int, *, answers: bool = True) -> bool:
    """Show a heartbeat; False if others had declared this process dead (it is entered anew).

    `answers`: whether its event loop does.
    """
    now = ticks.now()
    values = {"process_id": me.process_id, "now": now, "passed": now if answers else None}
    if connection.execute(sql.BEAT, values).rowcount == 1:
        return True
    enter(connection, me, start_number)
    return False


def report(connection: Connection, me: Identity, cannot_run: str | None, before: str | None) -> None:
    """Write down which jobs this process cannot run, as `Registry.cannot_run` tells them.

    `before`: what it wrote last. The same is only written again if it is not there: its row may be a new one.
    """
    if cannot_run == before:
        is_there = connection.execute(sql.HAS_REPORT, {"process_id": me.process_id}).fetchone() is not None
        if is_there == (cannot_run is not None):
            return
    connection.execute(sql.REPORT, {"process_id": me.process_id, "cannot_run": cannot_run})


def reap(connection: Connection, process_id: str, beat: int, beat_us: int) -> int | None:
    """Declare a process dead unless it moved on (then None); return how many runs it had started."""
    gone = connection.execute(sql.FORGET_PROCESS, {"process_id": process_id, "beat": beat})
    return lose_runs(connection, process_id, beat_us) if gone.rowcount == 1 else None


def is_provably_dead(me: Identity, process_id: str, host: str, pid: int) -> bool:
    """Return whether a process is gone for certain: of this very host, and without its pid."""
    if host != me.host:
        return False
    return process_id not in ALIVE_HERE if pid == me.pid else system.is_gone(pid)


def lose_runs(connection: Connection, process_id: str, beat_us: int) -> int:
    """Give back what a dead process had reserved and end what it had started; return how many those are.

    A run whose cancellation was requested is cancelled, others are lost.
    `beat_us` is its last heartbeat: a run may begin its next attempt within its grace from then.
    """
    values = {
        "process_id": process_id,
        "now": ticks.now(),
        "beat_us": beat_us,
        "error": "the process that ran it died",
        "asked": CANCELLED_WITH_ITS_PROCESS,
        "cancelled": CANCELLED,
        "most": MOST_CRASHES,
        "forever": ticks.FOREVER,
    }
    connection.execute(sql.RELEASE_RUNS_OF, values)
    return connection.execute(sql.LOSE_RUNS_OF, values).rowcount

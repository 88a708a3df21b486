"""The processes that use the ledger. Each function is called inside of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from everytick.model import ticks
from everytick.model.job_filter import ALL_JOBS, JobFilter
from everytick.system import system

from . import locking, migration_fence
from . import process_statements as process_sql
from . import statements as sql
from .connections import SERVERS_NOW, Connection, Statement, Unavailable
from .records import CANCELLED, CANCELLED_WITH_ITS_PROCESS, Identity

# How long a heartbeat may not move before others declare its process dead, in seconds.
LEASE_SECONDS = 15.0

# An idle process hears the server's clock by it.
_BEAT_ALONE = f"""
{process_sql.BEAT} AND ({locking.TRY_SHARED})
RETURNING cannot_run IS NOT NULL, {SERVERS_NOW}
"""

# The last number that any system gives to a process: C has it in an `int`.
_LAST_PID = 2**31 - 1

# How often a run may be started again because its process died or was stopped (R6).
MOST_CRASHES = 3

# The processes that live in this interpreter (an application may hold more than one scheduler).
ALIVE_HERE: set[str] = set()


def showing_life(me: Identity) -> Statement:
    """Return the statement that shows a heartbeat; it returns no row if this process is not written down.

    For each transaction that claims something, which `ensure` completes: what it claims must be found if it
    dies. And a process that was frozen and comes back must beat with its first claim, or others would declare
    it dead while it holds that claim.
    """
    return process_sql.BEAT_AND_TELL, {"process_id": me.process_id, "now": ticks.now(), "passed": None}


def ensure(connection: Connection, me: Identity, shown: Sequence[Any]) -> None:
    """See to it that this process is written down as alive. `shown`: the answer to `showing_life`."""
    if not shown:
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
        "schedule_digest": me.schedule_digest,
        "job_filter": me.job_filter.kept,
        "group_limits": me.group_limits.kept,
    }
    connection.execute(process_sql.REGISTER_PROCESS, values)
    return now


def leave(connection: Connection, me: Identity) -> None:
    """Record that this process is gone, and the runs that it may still hold as lost."""
    now = ticks.now()
    lose_runs(connection, me.process_id, now)
    gone = connection.execute(process_sql.LEAVE, {"process_id": me.process_id}).fetchone()
    if gone is not None:
        _keep_end(connection, me.process_id, gone, now, has_died=False)


def forget_dead(connection: Connection, process_id: str, beat_us: int) -> int:
    """Record that a process is dead for certain; return how many runs it had started. See `lose_runs`."""
    gone = connection.execute(process_sql.LEAVE, {"process_id": process_id}).fetchone()
    if gone is not None:
        _keep_end(connection, process_id, gone, _instant(beat_us), has_died=True)
    return lose_runs(connection, process_id, beat_us)


def _keep_end(
    connection: Connection, process_id: str, gone: Sequence[Any], ended: int, *, has_died: bool
) -> None:
    role, started = gone
    values = {"process_id": process_id, "role": role, "started": started, "ended": ended}
    connection.execute(process_sql.KEEP_END, {**values, "has_died": int(has_died)})


def _instant(kept: object) -> int:
    """Return an instant as the ledger keeps it; the present for none, since a file takes anything."""
    return kept if type(kept) is int and ticks.FIRST <= kept <= ticks.LAST else ticks.now()


def beat(connection: Connection, me: Identity, start_number: int, *, answers: bool = True) -> bool:
    """Show a heartbeat; False if others had declared this process dead (it is entered anew).

    `answers`: whether its event loop does.
    """
    now = ticks.now()
    values = {"process_id": me.process_id, "now": now, "passed": now if answers else None}
    if connection.execute(process_sql.BEAT, values).rowcount == 1:
        return True
    enter(connection, me, start_number)
    return False


def beat_alone(connection: Connection, me: Identity, *, answers: bool = True) -> bool:
    """Show a heartbeat on a server, outside of a transaction; False where `beat` is to decide, in one.

    That is if this process was declared dead, if it had written down which jobs it cannot run, and if
    another process has the whole ledger for itself.
    """
    now = ticks.now()
    values = {"process_id": me.process_id, "now": now, "passed": now if answers else None}
    row = connection.execute(_BEAT_ALONE, values).fetchone()
    if row is None:
        return False
    has_report, clock = row
    ticks.hear(clock)
    return not has_report


class Claimer(NamedTuple):
    """A living process that claims ticks.

    answered: when its event loop was last seen to answer. job_filter: the jobs that it is set to run.
    """

    process_id: str
    answered: int | None
    job_filter: JobFilter = ALL_JOBS


def claimers(
    connection: Connection, me: Identity, mark: str | None
) -> tuple[str | None, list[Claimer] | None]:
    """Return which living processes claim the ticks of the same jobs.

    And a mark; None and the same mark if they are those of the given one. Needs no transaction; on a server.
    """
    values = {"process_id": me.process_id, "since": ticks.now() - int(LEASE_SECONDS * ticks.SECOND)}
    found = connection.execute(process_sql.MARK_CLAIMERS, values).fetchone()[0]
    if found == mark and mark is not None:
        return mark, None
    rows = connection.execute(process_sql.LIST_CLAIMERS, values).fetchall()
    return found, [Claimer(other, answered, JobFilter.of(kept)) for other, answered, kept in rows]


def silent(connection: Connection, me: Identity, since: int) -> list[tuple[str, str, int, int, int]]:
    """Return the other processes of this host, and those that showed no heartbeat since an instant.

    With each its host, its pid, its heartbeat, and when that was. On a server all that is by its clock.
    """
    values = {"process_id": me.process_id, "host": me.host, "since": since, "forever": ticks.FOREVER}
    return [tuple(row) for row in connection.execute(process_sql.LIST_SILENT, values).fetchall()]


def report(connection: Connection, me: Identity, cannot_run: str | None, before: str | None) -> None:
    """Write down which jobs this process cannot run, as `Registry.cannot_run` tells them.

    `before`: what it wrote last. The same is only written again if it is not there: its row may be a new one.
    """
    if cannot_run == before:
        found = connection.execute(process_sql.HAS_REPORT, {"process_id": me.process_id}).fetchone()
        if (found is None) == (cannot_run is None):
            return
    connection.execute(process_sql.REPORT, {"process_id": me.process_id, "cannot_run": cannot_run})


def reap(connection: Connection, process_id: str, beat: int, beat_us: int) -> int | None:
    """Declare a process dead unless it moved on (then None); return how many runs it had started.

    A process that writes to the ledger at this very moment is not dead either.
    """
    locking.lock_runs_of(connection, process_id)
    values = {"process_id": process_id, "beat": beat}
    gone = connection.execute(process_sql.FORGET_PROCESS, values).fetchone()
    if gone is None:
        return None
    _keep_end(connection, process_id, gone, _instant(beat_us), has_died=True)
    return lose_runs(connection, process_id, beat_us)


def had_died(connection: Connection, process_id: str, beat_us: int) -> bool:
    """Return whether a process is on record as one that died, with no heartbeat after the given one.

    It must be that very one: where the clock was set back since, a later heartbeat has an earlier instant.
    """
    row = connection.execute(process_sql.READ_END, {"process_id": process_id}).fetchone()
    return row is not None and row[0] == 1 and type(row[1]) is int and row[1] == beat_us


def is_provably_dead(me: Identity, process_id: str, host: str, pid: int) -> bool:
    """Return whether a process is gone for certain: of this very host, and without its pid."""
    # A file takes any type in any column. A number that no system gives out is no pid: the heartbeat decides.
    if host != me.host or type(pid) is not int or not 0 < pid <= _LAST_PID:
        return False
    return process_id not in ALIVE_HERE if pid == me.pid else system.is_gone(pid)


def lose_runs(connection: Connection, process_id: str, beat_us: int) -> int:
    """Give back what a dead process had reserved and end what it had started; return how many those are.

    A run whose cancellation was requested is cancelled, others are lost.
    `beat_us` is its last heartbeat: a run may begin its next attempt within its grace from then. It counts
    from now where a file has no instant in that place.
    """
    values = {
        "process_id": process_id,
        "now": ticks.now(),
        "beat_us": _instant(beat_us),
        "error": "the process that ran it died",
        "asked": CANCELLED_WITH_ITS_PROCESS,
        "cancelled": CANCELLED,
        "most": MOST_CRASHES,
        "forever": ticks.FOREVER,
        "most_grace": ticks.FOREVER - ticks.LAST,
    }
    connection.execute(sql.RELEASE_RUNS_OF, values)
    return connection.execute(sql.LOSE_RUNS_OF, values).rowcount

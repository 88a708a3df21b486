"""The processes that use the ledger. Each function is called inside of a transaction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from sqlite3 import Connection

from .. import ticks
from ..declaration import Job
from . import statements as sql
from .definitions import define
from .records import Identity, Registration
from .runs import claim_startup

# How often a run may be started again because its process died or was stopped (R6).
MOST_CRASHES = 3

# The processes that live in this interpreter (an application may hold more than one scheduler).
ALIVE_HERE: set[str] = set()


def register(connection: Connection, me: Identity, jobs: Sequence[Job]) -> Registration:
    """Join: clear away provably dead processes, bring the definitions up to date, claim startup runs.

    Startup runs belong to a start of the *schedule*: a process that finds another one alive joins its start.
    """
    now = ticks.now()
    found = _clear_dead(connection, me, now)
    if not found.peers:
        row = connection.execute(sql.LAST_START_NUMBER).fetchone()
        found.start_number = (row[0] or 0) + 1
    enter(connection, me, found.start_number)
    define(connection, jobs, now, found)
    if not found.peers:
        found.claims = claim_startup(connection, me, jobs, found.start_number)
    return found


def enter(connection: Connection, me: Identity, start_number: int) -> None:
    """Write down that this process is there."""
    values = {"process_id": me.process_id, "host": me.host, "pid": me.pid, "now": ticks.now()}
    connection.execute(sql.REGISTER_PROCESS, {**values, "start_number": start_number})


def leave(connection: Connection, me: Identity) -> None:
    """Write down that this process is gone; it holds nothing any more."""
    connection.execute(sql.LEAVE, {"process_id": me.process_id})


def beat(connection: Connection, me: Identity, start_number: int) -> bool:
    """Show a sign of life; False if others had declared this process dead (it is entered anew)."""
    values = {"process_id": me.process_id, "now": ticks.now()}
    if connection.execute(sql.BEAT, values).rowcount == 1:
        return True
    enter(connection, me, start_number)
    return False


def bury(connection: Connection, process_id: str, beat: int, beat_us: int) -> int | None:
    """Declare a process dead unless it moved on (then None); return how many runs it had started."""
    gone = connection.execute(sql.FORGET_PROCESS, {"process_id": process_id, "beat": beat})
    return _lose_runs(connection, process_id, beat_us) if gone.rowcount == 1 else None


def is_provably_dead(me: Identity, process_id: str, host: str, pid: int) -> bool:
    """Return whether a process is gone for certain: of this very host, and without its pid."""
    if host != me.host or os.name != "posix":
        return False
    if pid == me.pid:
        return process_id not in ALIVE_HERE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def _clear_dead(connection: Connection, me: Identity, now: int) -> Registration:
    found = Registration(start_number=0, peers=set(), lost=0)
    for process_id, host, pid, _beat, beat_us, number in connection.execute(sql.LIST_PROCESSES).fetchall():
        if is_provably_dead(me, process_id, host, pid):
            connection.execute(sql.LEAVE, {"process_id": process_id})
            found.lost += _lose_runs(connection, process_id, beat_us)
        else:
            found.peers.add(process_id)
            found.start_number = max(found.start_number, number)
    return found


def _lose_runs(connection: Connection, process_id: str, beat_us: int) -> int:
    values = {
        "process_id": process_id,
        "now": ticks.now(),
        "beat_us": beat_us,
        "error": "the process that ran it died",
        "most": MOST_CRASHES,
        "forever": ticks.FOREVER,
    }
    connection.execute(sql.RELEASE_RUNS_OF, values)
    return connection.execute(sql.LOSE_RUNS_OF, values).rowcount

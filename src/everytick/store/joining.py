"""How a process joins those that use the ledger. Called inside of a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from everytick.model import ticks
from everytick.model.job import Job

from . import claims, definitions, disabled, migration_fence, owner, workers
from . import process_statements as process_sql
from . import statements as sql
from .connections import Connection
from .records import Identity, Registration

# So far a server counts.
_MOST_STARTS = 2**31 - 1


def register(
    connection: Connection,
    me: Identity,
    jobs: Sequence[Job],
    application: str | None,
    *,
    is_whole: bool = True,
) -> Registration:
    """Join: clear away provably dead processes, bring the definitions up to date, claim startup runs.

    Startup runs belong to a start of the *schedule*: a process that finds another one alive joins its start.
    A worker takes the schedule as it is in force, and its starts as they are counted. `is_whole`: these are
    all jobs of the code, see `definitions.define`.

    Raises:
        LedgerError: the ledger was moved away, is not complete, or is another application's.
    """
    migration_fence.refuse_if_closed(connection)
    owner.claim(connection, application)
    now = ticks.now()
    found = _clear_dead(connection, me)
    if me.role.claims:
        # That of a start which a process counted after it had joined stands in its startup runs alone.
        last = _start_number(connection.execute(sql.LAST_START_NUMBER).fetchone()[0])
        found.start_number = last if found.peers else last + 1
    found.joined = workers.enter(connection, me, found.start_number)
    if me.role.claims:
        definitions.define(connection, jobs, now, found, is_whole=is_whole, digest=me.schedule_digest)
    if me.role.claims:
        found.watermarks |= disabled.settle(connection, me, {job.id: job for job in jobs})
    definitions.find_added(connection, now, found)
    definitions.find_paused(connection, now, found)
    if me.role.claims and not found.peers:
        found.claims = claims.claim_startup(connection, me, _enabled(me, jobs), found.start_number)
    return found


def _enabled(me: Identity, jobs: Sequence[Job]) -> Sequence[Job]:
    """Return those of these jobs that a process is set to run."""
    return [job for job in jobs if me.job_filter.why_disabled(job.id) is None] if me.job_filter else jobs


def declare(connection: Connection, me: Identity, job: Job, start: Registration) -> Registration:
    """Take in a job that the code declares after this process has joined, as if it had been there then."""
    found = Registration(start.start_number, start.peers, lost=0)
    definitions.define_late(connection, job, ticks.now(), found)
    if not start.peers:
        found.claims = claims.claim_startup(connection, me, _enabled(me, [job]), start.start_number)
    return found


def settle(connection: Connection, me: Identity, start: Registration, awaited: Sequence[str]) -> list[str]:
    """Remove jobs that the code was awaited to declare, but did not; return them.

    None where another process came later: the newest decides what the code is. None either if others have
    declared this process dead, since it does not know then who came meanwhile.
    """
    values = {"process_id": me.process_id, "joined": start.joined}
    if connection.execute(process_sql.IS_NEWEST, values).fetchone() is None:
        return []
    return definitions.remove_undeclared(connection, awaited, ticks.now())


def _clear_dead(connection: Connection, me: Identity) -> Registration:
    found = Registration(start_number=0, peers={}, lost=0)
    rows = connection.execute(process_sql.LIST_PROCESSES).fetchall()
    for process_id, host, pid, _beat, beat_us, number, role in rows:
        if workers.is_provably_dead(me, process_id, host, pid):
            found.lost += workers.forget_dead(connection, process_id, beat_us)
        elif role != "worker":
            # Workers alone are no schedule that could be joined.
            found.peers[process_id] = beat_us
            found.start_number = max(found.start_number, _start_number(number))
    return found


def _start_number(kept: object) -> int:
    """Return a number as the ledger keeps it; 0 for none, since a file takes anything in any column."""
    return int(kept) if isinstance(kept, int | float) and 0 <= kept < _MOST_STARTS else 0

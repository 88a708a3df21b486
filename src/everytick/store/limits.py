"""How many runs of a job may be under way, and what becomes of the ticks that wait. Inside of a transaction.

Whether a run may begin is asked in three places, under the lock of its job: where a tick is claimed
(`claims`), where a run that waits is taken (`queue`), and where a reserved one begins (`runs`). What may not
begin waits in the queue, and all that is decided about it there is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Any, NamedTuple

from everytick.model import ticks
from everytick.model.misfire import AHEAD

from . import limit_statements as sql
from . import locking, notifications
from .connections import Connection, Statement, together
from .records import Claim, Identity

# Each process looks for runs that wait about once a second: after so long no one had room for them.
_LOOKED_SECONDS = 1.5


class Counted(NamedTuple):
    """How many runs of a job there are.

    held: that are under way. started: of these, those that do more than wait for a moment. queued: ticks that
    wait for a process with room. cut: that were cut off, and wait for their next attempt.
    """

    held: int = 0
    started: int = 0
    queued: int = 0
    cut: int = 0


def count_under_way(connection: Connection, by: Mapping[str, int]) -> Statement | None:
    """Return the statement that counts the runs of jobs that are under way, or wait, each by an instant.

    `added_up` makes of its rows what it counted.
    """
    instants = by.values()
    return sql.COUNT_UNDER_WAY.given(
        connection,
        list(by.items()),
        surely=min(instants, default=0),
        latest=max(instants, default=0),
        now=ticks.now(),
    )


def count_held(connection: Connection, by: Mapping[str, int]) -> Statement | None:
    """Return the statement that counts the runs of jobs that are under way alone, each by an instant.

    For one who knows what waits: that may be very much. `added_up` makes of its rows what it counted.
    """
    return sql.COUNT_HELD.given(connection, list(by.items()))


def added_up(rows: Iterable[Sequence[Any]], by: Mapping[str, int]) -> dict[str, Counted]:
    """Return by job what one of these statements counted, without jobs of which there is nothing."""
    found: dict[str, Counted] = {}
    for job_id, *numbers, later in rows:
        if later is None or later <= by[job_id]:
            before = found.get(job_id)
            found[job_id] = Counted(*numbers) if before is None else Counted(*map(add, before, numbers))
    return found


def first_waiting(connection: Connection, given: Sequence[Claim]) -> Statement | None:
    """Return the statement that lists what waits of the jobs of claims and was due before the last of them.

    Asked of claims that were only reserved until now: `is_reserved`. Its rows are jobs, each with the instant
    at which a run of it was due, in microseconds UTC; that of the oldest is among them.
    """
    jobs = [(job_id,) for job_id in sorted({held.job_id for held in given})]
    latest = max((held.due for held in given), default=0)
    return sql.FIRST_WAITING.given(connection, jobs, latest=latest, now=ticks.now())


def is_reserved(held: Claim) -> bool:
    """Return whether a run was claimed so long before it was due that nobody looked then at what waits.

    One that was taken from the queue never is: it does not go back there for what cannot be taken.
    """
    return held.due > held.claimed + AHEAD


def look_at_groups(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Lock groups of jobs, and return how many slots their runs hold; without those that others hold."""
    given = sorted(names)
    locked, counted = together(
        connection,
        locking.locking_groups(connection, given),
        sql.COUNT_IN_GROUPS.given(connection, [(name,) for name in given]),
    )
    free = set(given) - locking.held_by_others(connection, given, locked)
    return dict.fromkeys(free, 0) | {name: number for name, number in counted if name in free}


def skip_older_queued(
    connection: Connection, stay: Mapping[str, int], now: int, *, at_once: bool = False
) -> None:
    """Skip ticks that wait, since newer ones took their place; `stay`: how many of the newest remain, by job.

    at_once: also those of which not each process has seen yet that they wait.
    """
    before = ticks.FOREVER if at_once else now - int(_LOOKED_SECONDS * ticks.SECOND)
    jobs: dict[int, list[tuple[str]]] = {}
    for job_id, number in stay.items():
        jobs.setdefault(number, []).append((job_id,))
    for number, given in jobs.items():
        sql.SKIP_OLDER_QUEUED.execute(connection, given, now=now, stay=number, before=before)


def skip_late(
    connection: Connection, waiting: Sequence[tuple[int, int, str]], now: int
) -> list[tuple[str, int]]:
    """Record ticks that waited beyond their grace time as missed: runs, each with when it was due, and why.

    Returns the jobs and ticks.
    """
    return [tuple(row) for row in sql.SKIP_LATE.execute(connection, sorted(waiting), now=now)]


def make_way(connection: Connection, me: Identity, newest: Mapping[str, tuple[int, int]], now: int) -> None:
    """Ask the oldest run of each job to end, for a tick that waits and is to replace it: with its run.

    A run that was asked before is waited for. So is one of a later tick: it has begun before, where the clock
    was set back in between.
    """
    found = [
        (run_id, newest[job_id][0], process_id)
        for run_id, job_id, process_id, tick in sql.LIST_IN_THE_WAY.execute(
            connection, [(job_id, run_id) for job_id, (_tick, run_id) in newest.items()]
        )
        # A file takes anything in any column; and a startup run has no tick.
        if type(tick) is not int or tick < newest[job_id][0]
    ]
    free = locking.lock_runs(connection, [run_id for run_id, _tick, _process in found])
    asked = [(run_id, tick) for run_id, tick, _process in found if run_id in free]
    sql.ASK_TO_MAKE_WAY.execute(connection, asked, now=now)
    if any(process_id != me.process_id for _run, _tick, process_id in found):
        notifications.tell(connection)

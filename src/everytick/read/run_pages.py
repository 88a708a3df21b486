"""Runs and skipped ticks part by part, newest first, as a list that goes on; quick with a million runs."""

from __future__ import annotations

from typing import Any

from everytick.store import schema
from sqlalchemy import Connection, Select, func, select

from .known_job import read_job
from .paging import first_of
from .run_columns import STATE
from .runs_of_job import with_tick, without_tick
from .under_way import LISTED

# No state has an index of its own: a search for one looks at this many runs, and says how far it came.
SEARCHED = 50_000

_runs = schema.runs.c


def list_runs(
    connection: Connection,
    job_id: str | None,
    limit: int,
    before: int | None = None,
    state: str | None = None,
) -> tuple[list[Any], int | None]:
    """Return the runs of a job, or of all; see `runs_of_job` and `newest_runs`.

    Raises:
        NotFoundError: the ledger never heard of the job.
    """
    if job_id is None:
        return newest_runs(connection, limit, before, state)
    read_job(connection, job_id)
    return runs_of_job(connection, job_id, limit, before, state)


def newest_runs(
    connection: Connection, limit: int, before: int | None = None, state: str | None = None
) -> tuple[list[Any], int | None]:
    """Return runs older than the run `before`, newest first, and from which run to go on (None: no more).

    By the primary key. With a state it looks at SEARCHED runs at most.
    """
    newest_id = connection.scalar(select(func.max(_runs.run_id))) or 0
    top = newest_id if before is None else min(before - 1, newest_id)
    query = select(*LISTED).where(_runs.run_id <= top).order_by(_runs.run_id.desc())
    if state is None:
        return first_of(connection.execute(query.limit(limit + 1)).all(), limit, _number)
    floor = max(top - SEARCHED, 0)
    query = query.where(_runs.run_id > floor, STATE.in_([state]))
    found, more = first_of(connection.execute(query.limit(limit + 1)).all(), limit, _number)
    return found, floor + 1 if more is None and floor else more


def runs_of_job(
    connection: Connection, job_id: str, limit: int, before: int | None = None, state: str | None = None
) -> tuple[list[Any], int | None]:
    """Return the runs of a job that come after the run `before`, and from which run to go on.

    Newest first: those with a tick by that, those without by their numbers, and of the two that are next
    the later one, a run without a tick by when it is due. With a state it looks at SEARCHED runs of each.
    """
    tick, number = (None, None) if before is None else _place(connection, job_id, before, state)
    ticked, others = with_tick(job_id, *LISTED), without_tick(job_id, *LISTED)
    if tick is not None:
        ticked = ticked.where(_runs.tick_us < tick)
    if number is not None:
        others = others.where(_runs.run_id < number)
    found = _merged(*(_rows(connection, query, limit + 1, state) for query in (ticked, others)))
    return first_of(found, limit, _number)


def _rows(connection: Connection, query: Select[Any], limit: int, state: str | None) -> list[Any]:
    if state is not None:
        inner = query.limit(SEARCHED).subquery()
        query = select(inner).where(inner.c.state == state)
    return list(connection.execute(query.limit(limit)))


def _merged(ticked: list[Any], others: list[Any]) -> list[Any]:
    """Return both lists as one: each time the later of the two rows that are next.

    The runs without a tick need not be in the order of when they are due: an attempt by hand makes one later.
    """
    found, at, beside = [], 0, 0
    while at < len(ticked) or beside < len(others):
        if at < len(ticked) and (beside == len(others) or ticked[at].tick_us > others[beside].due_us):
            found.append(ticked[at])
            at += 1
        else:
            found.append(others[beside])
            beside += 1
    return found


def _place(connection: Connection, job_id: str, run_id: int, state: str | None) -> tuple[int, int]:
    """Return where `_merged` goes on after a run: below which tick, and below which run without a tick."""
    columns = (_runs.run_id, _runs.tick_us, _runs.due_us)
    row = connection.execute(select(*columns).where(_runs.run_id == run_id)).first()
    if row is None:
        return 0, 0
    others = without_tick(job_id, _runs.run_id, _runs.due_us)
    if state is not None:
        others = others.where(STATE.in_([state]))
    if row.tick_us is not None:
        following = connection.execute(others.where(_runs.due_us < row.tick_us).limit(1)).first()
        return row.tick_us, 0 if following is None else following.run_id + 1
    told = others.where(_runs.run_id >= run_id).order_by(None).subquery()
    earliest = connection.scalar(select(func.min(told.c.due_us)))
    return min(row.due_us, row.due_us if earliest is None else earliest) + 1, run_id


def _number(row: Any) -> int:
    return int(row.run_id)

"""Runs and skipped ticks, as the pages and the API show them. Quick also with a million runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everytick.read.paging import first_of
from everytick.read.runs import HELD, STATES, WAITING, outlined
from everytick.store import schema
from everytick.store.requests import ENDED
from everytick.text.instants import iso
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, text

from . import schemas
from .problems import Problem

__all__ = ["ENDED", "STATES"]

# No state has an index of its own: a search for one looks at this many runs, and says how far it came.
SEARCHED = 50_000

_runs = schema.runs.c

# Without tracebacks, and only the beginning of an error: lists need no more.
_LISTED = [
    column if column.name != "error" else func.substr(column, 1, 400).label("error")
    for column in schema.runs.columns
    if column.name != "traceback"
]


def newest(
    connection: Connection, limit: int, before: int | None = None, state: str | None = None
) -> tuple[list[Row[Any]], int | None]:
    """Return runs older than the run `before`, newest first, and from which run to go on (None: no more).

    By the primary key. With a state it looks at SEARCHED runs at most.
    """
    newest_id = connection.scalar(select(func.max(_runs.run_id))) or 0
    top = newest_id if before is None else min(before - 1, newest_id)
    query = select(*_LISTED).where(_runs.run_id <= top).order_by(_runs.run_id.desc())
    if state is None:
        return first_of(connection.execute(query.limit(limit + 1)).all(), limit, _number)
    floor = max(top - SEARCHED, 0)
    query = query.where(_runs.run_id > floor, _runs.state == state)
    found, more = first_of(connection.execute(query.limit(limit + 1)).all(), limit, _number)
    return found, floor + 1 if more is None and floor else more


def of_job(
    connection: Connection, job_id: str, limit: int, before: int | None = None, state: str | None = None
) -> tuple[list[Row[Any]], int | None]:
    """Return the runs of a job older than the run `before`, newest first, and from which run to go on.

    By the unique index (job_id, tick_us): once for those with a tick, once for those without, which have the
    order of their numbers there.
    """
    edge = None if before is None else _place(connection, before)
    with_tick = _slice(job_id, _runs.tick_us.is_not(None), edge, _runs.tick_us).order_by(_runs.tick_us.desc())
    without = _slice(job_id, _runs.tick_us.is_(None), edge, _runs.due_us).order_by(_runs.run_id.desc())
    found: list[Row[Any]] = []
    for part in (with_tick, without):
        query: Select[Any] = part.limit(limit + 1)
        if state is not None:
            inner = part.limit(SEARCHED).subquery()
            query = select(inner).where(inner.c.state == state).limit(limit + 1)
        found += connection.execute(query).all()
    found.sort(key=_order, reverse=True)
    return first_of(found, limit, _number)


def _slice(
    job_id: str, kind: ColumnElement[bool], edge: tuple[int, int] | None, key: ColumnElement[int]
) -> Select[Any]:
    query = select(*_LISTED).where(_runs.job_id == job_id, kind)
    if edge is None:
        return query
    at, run_id = edge
    return query.where((key < at) | ((key == at) & (_runs.run_id < run_id)), key <= at)


def _number(row: Any) -> int:
    return int(row.run_id)


def _order(row: Any) -> tuple[int, int]:
    return (row.due_us if row.tick_us is None else row.tick_us, row.run_id)


def _place(connection: Connection, run_id: int) -> tuple[int, int]:
    columns = (_runs.run_id, _runs.tick_us, _runs.due_us)
    row = connection.execute(select(*columns).where(_runs.run_id == run_id)).first()
    return (0, 0) if row is None else _order(row)


def held(connection: Connection) -> Sequence[Row[Any]]:
    """Return what is claimed or runs, oldest first. By the index scheduler_runs_held.

    Sorted here: SQLite would rather walk all runs in the order that is asked for.
    """
    found = connection.execute(select(*_LISTED).where(text(HELD)).limit(1_000)).all()
    return sorted(found, key=_number)


def waiting(connection: Connection) -> Sequence[Row[Any]]:
    """Return what waits to be started or tried again, soonest first. By the index scheduler_runs_waiting."""
    return connection.execute(select(*_LISTED).where(text(WAITING)).order_by(_runs.due_us).limit(100)).all()


def took(row: Any) -> int | None:
    """Return how long the latest attempt took, in microseconds; None if it did not begin, or goes on."""
    if row.started_us is None or row.finished_us is None:
        return None
    return int(row.finished_us - row.started_us)


def check_state(state: str | None) -> str | None:
    """Return a state to look for; refuse one that there is not."""
    if state and state not in STATES:
        raise Problem(422, f"state: {state!r} is none of {', '.join(STATES)}")
    return state or None


def listed_fields(row: Any) -> schemas.Run:
    """Return a run as the command `runs` does, without its traceback, and what else a list has."""
    return {
        "last_tick": None,
        "count": None,
        **outlined(row),
        "due_at": iso(row.due_us),
        "process_id": row.process_id,
        "cancel_asked_at": iso(row.cancel_us),
    }

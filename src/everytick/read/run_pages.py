"""Runs and skipped ticks part by part, newest first, as a list that goes on; quick with ten million runs.

What no index finds is looked for among SEARCHED rows at a time: a part may be short, or empty, and yet say
from which run to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from everytick.model import ticks
from everytick.store import schema
from everytick.store.unreadable import unchecked
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from .outage_rows import rows_of_outage
from .paging import first_of
from .retried import retried_rows
from .run_filter import UNDER_WAY, RunFilter
from .runs import conditions_beside_index, ended_walk, under_way_queries
from .runs_of_job import with_tick, without_tick
from .under_way import LISTED

SEARCHED = 50_000
ANY = RunFilter()

_runs = schema.runs.c

Found = tuple[list[Any], int | None]


def list_runs(connection: Connection, wanted: RunFilter, limit: int, before: int | None = None) -> Found:
    """Return wanted runs that come after the run `before`, and from which run to go on (None: no more).

    Runs of one job are in the order of their ticks. In a span of time those under way, those that are wanted
    for how they ended before a retry, and ticks of an outage that went on after it come first, then the
    others by their ends. All other runs are in the order of their numbers.
    """
    wanted = narrowed(connection, wanted)
    if wanted.is_by_time():
        return _by_end(connection, wanted, limit, before)
    if wanted.job_id is not None:
        return runs_of_job(connection, wanted.job_id, limit, before, wanted)
    if wanted.states and set(wanted.states) <= set(UNDER_WAY):
        return first_of(_under_way(connection, wanted, limit + 1, before), limit, _number)
    return _by_number(connection, wanted, limit, before)


def narrowed(connection: Connection, wanted: RunFilter) -> RunFilter:
    """Return the same filter, with the job where a part of its id means one alone: that has an index."""
    if not wanted.id_part or wanted.job_id is not None:
        return wanted
    job_id = schema.jobs.c.job_id
    query = select(job_id).where(job_id.icontains(wanted.id_part, autoescape=True)).limit(2)
    meant = list(connection.scalars(query))
    return replace(wanted, job_id=meant[0], id_part="") if len(meant) == 1 else wanted


def runs_of_job(
    connection: Connection, job_id: str, limit: int, before: int | None = None, wanted: RunFilter = ANY
) -> Found:
    """Return the wanted runs of a job that come after the run `before`, and from which run to go on.

    Newest first: those with a tick by that, those without by their numbers, and of the two that are next
    the later one, a run without a tick by when it is due.
    """
    conditions = wanted.conditions()
    if wanted.until is not None:
        conditions.append(wanted.ended_before(wanted.until))
    tick, number = (None, None) if before is None else _place(connection, job_id, before, conditions)
    ticked, others = with_tick(job_id, *LISTED), without_tick(job_id, *LISTED)
    if tick is not None:
        ticked = ticked.where(_runs.tick_us < tick)
    if number is not None:
        others = others.where(_runs.run_id < number)
    lowest: int | None = None
    instant = 0
    if conditions and (cut := _cut_of_job(connection, ticked, others)) is not None:
        lowest, instant = cut
        ticked, others = ticked.where(_runs.tick_us >= instant), others.where(_runs.due_us >= instant)
    by_tick, by_number = [
        list(connection.execute(query.where(*conditions).limit(limit + 1))) for query in (ticked, others)
    ]
    for row in [*retried_rows(connection, wanted), *rows_of_outage(connection, wanted, LISTED)]:
        if row.tick_us is None and row.run_id < (number or ticks.FOREVER) and row.due_us >= instant:
            by_number.append(row)
        elif row.tick_us is not None and instant <= row.tick_us < (tick or ticks.FOREVER):
            by_tick.append(row)
    by_tick.sort(key=lambda row: row.tick_us, reverse=True)
    by_number.sort(key=_number, reverse=True)
    found, more = first_of(_merged(by_tick, by_number), limit, _number)
    return _checked(wanted, found), lowest if more is None else more


def _by_number(connection: Connection, wanted: RunFilter, limit: int, before: int | None) -> Found:
    """By the primary key."""
    newest_id = connection.scalar(select(func.max(_runs.run_id))) or 0
    top = newest_id if before is None else min(before - 1, newest_id)
    conditions = wanted.conditions()
    query = select(*LISTED).where(_runs.run_id <= top).order_by(_runs.run_id.desc())
    floor = max(top - SEARCHED, 0) if conditions else 0
    query = query.where(_runs.run_id > floor, *conditions)
    rows = list(connection.execute(query.limit(limit + 1)))
    rows += [row for row in retried_rows(connection, wanted) if floor < row.run_id <= top]
    found, more = first_of(sorted(rows, key=_number, reverse=True), limit, _number)
    return _checked(wanted, found), floor + 1 if more is None and floor else more


def _by_end(connection: Connection, wanted: RunFilter, limit: int, before: int | None) -> Found:
    """By the index scheduler_runs_ended; before that what has not ended, by its own indexes."""
    last = None
    if before is not None:
        columns = (_runs.run_id, _runs.finished_us)
        last = _place_of(connection, before, *columns)
        if last is None or not _is_whole(last):
            return [], None
    retried = [*retried_rows(connection, wanted), *rows_of_outage(connection, wanted, LISTED)]
    rows: list[Any] = []
    if last is None or last.finished_us is None or before in {row.run_id for row in retried}:
        rows, last = _under_way(connection, wanted, limit + 1, before), None
        rows += [row for row in retried if before is None or row.run_id < before]
        rows.sort(key=_number, reverse=True)
    lowest = None
    if len(rows) <= limit:
        conditions, cut = conditions_beside_index(wanted), None
        if conditions:
            # SQLite's index has the numbers too, so no row is read.
            walk = _ended_between(wanted, last, None, _runs.run_id, _runs.finished_us)
            cut = _row_at(connection, walk)
            lowest = None if cut is None else cut.run_id
        walk = _ended_between(wanted, last, cut, *LISTED).where(*conditions)
        rows += connection.execute(walk.limit(limit + 1 - len(rows))).all()
    found, more = first_of(rows, limit, _number)
    return _checked(wanted, found), lowest if more is None else more


def _ended_between(wanted: RunFilter, last: Any, cut: Any, *columns: ColumnElement[Any]) -> Select[Any]:
    """Return the walk over runs that ended, from behind the run `last` to the run `cut`; None: to the end.

    Their ends take the place of the span's own: of two bounds SQLite may go by the one that is further away.
    """
    span = wanted
    if last is not None:
        span = replace(span, until=min(last.finished_us + 1, wanted.until or ticks.FOREVER))
    if cut is not None:
        span = replace(span, since=cut.finished_us)
    walk = ended_walk(span, *columns)
    if last is not None:
        walk = walk.where(or_(_runs.finished_us != last.finished_us, _runs.run_id < last.run_id))
    if cut is not None:
        walk = walk.where(or_(_runs.finished_us != cut.finished_us, _runs.run_id >= cut.run_id))
    return walk


def _under_way(connection: Connection, wanted: RunFilter, limit: int, before: int | None) -> list[Any]:
    """Return wanted runs that have not ended, the highest number first."""
    numbers = sorted(
        (
            number
            for query in under_way_queries(wanted, _runs.run_id)
            for number in connection.scalars(query.limit(SEARCHED))
            if before is None or number < before
        ),
        reverse=True,
    )
    query = select(*LISTED).where(_runs.run_id.in_(numbers[:limit]))
    return list(connection.execute(query.order_by(_runs.run_id.desc()))) if numbers else []


def _checked(wanted: RunFilter, found: Sequence[Any]) -> list[Any]:
    return [row for row in found if wanted.has_error(row.error)]


def _cut_of_job(connection: Connection, ticked: Select[Any], others: Select[Any]) -> tuple[int, int] | None:
    """Return at which run the list of a job is cut, and the instant from which on both walks are searched."""
    by_tick = _row_at(connection, ticked.with_only_columns(_runs.run_id, _runs.tick_us))
    by_number = _row_at(connection, others.with_only_columns(_runs.run_id, _runs.due_us))
    cuts = [(int(row[0]), int(row[1])) for row in (by_tick, by_number) if row is not None]
    return max(cuts, key=lambda cut: cut[1], default=None)


def _row_at(connection: Connection, walk: Select[Any]) -> Any:
    """Return the row at which a walk along an index is cut, or None if it is not."""
    cut = walk.offset(SEARCHED - 1).limit(1)
    found = connection.execute(cut, execution_options=unchecked(connection)).first()
    if found is None or _is_whole(found):
        return found
    # Very many rows have no number there: the walk has to leave them out, and takes longer.
    return connection.execute(cut).first()


def _place_of(connection: Connection, run_id: int, *columns: ColumnElement[Any]) -> Any:
    """Return columns of a run from which a list goes on, or None; that row may be one that no list has."""
    query = select(*columns).where(_runs.run_id == run_id)
    return connection.execute(query, execution_options=unchecked(connection)).first()


def _is_whole(values: Sequence[Any]) -> bool:
    """Return whether all of these values are whole numbers or none, as in a row that can be read."""
    return all(value is None or isinstance(value, int) for value in values)


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


def _place(
    connection: Connection, job_id: str, run_id: int, conditions: Sequence[ColumnElement[bool]]
) -> tuple[int, int]:
    """Return where `_merged` goes on after a run: below which tick, and below which run without a tick."""
    columns = (_runs.run_id, _runs.tick_us, _runs.due_us)
    row = _place_of(connection, run_id, *columns)
    if row is None or not _is_whole([row.due_us if row.tick_us is None else row.tick_us]):
        return 0, 0
    others = without_tick(job_id, _runs.run_id, _runs.due_us).where(*conditions)
    if row.tick_us is not None:
        following = connection.execute(others.where(_runs.due_us < row.tick_us).limit(1)).first()
        return row.tick_us, 0 if following is None else following.run_id + 1
    told = others.where(_runs.run_id >= run_id).order_by(None).subquery()
    earliest = connection.scalar(select(func.min(told.c.due_us)))
    return min(row.due_us, row.due_us if earliest is None else earliest) + 1, run_id


def _number(row: Any) -> int:
    return int(row.run_id)

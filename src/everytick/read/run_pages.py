"""Runs and skipped ticks part by part, newest first, as a list that goes on; quick with ten million runs.

What no index finds is looked for among SEARCHED rows at a time: a part may be short, or empty, and yet say
from which run to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from everytick.model import ticks
from everytick.store.querying import ALWAYS, Condition, Reader, among

from .outage_rows import rows_of_outage
from .paging import first_of
from .retried import retried_rows
from .run_columns import LISTED
from .run_filter import UNDER_WAY, RunFilter, has_text
from .runs import condition_beside_index, ended_walk, under_way_walks
from .runs_of_job import Walk, with_tick, without_tick

SEARCHED = 50_000
ANY = RunFilter()

Found = tuple[list[Any], int | None]


def list_runs(connection: Reader, wanted: RunFilter, limit: int, before: int | None = None) -> Found:
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


def narrowed(connection: Reader, wanted: RunFilter) -> RunFilter:
    """Return the same filter, with the job where a part of its id means one alone: that has an index."""
    if not wanted.id_part or wanted.job_id is not None:
        return wanted
    named = has_text("job_id", wanted.id_part, "id_part")
    query = f"SELECT job_id FROM scheduler_jobs WHERE {named.text} LIMIT 2"
    meant = connection.values(query, named.values)
    return replace(wanted, job_id=meant[0], id_part="") if len(meant) == 1 else wanted


def runs_of_job(
    connection: Reader, job_id: str, limit: int, before: int | None = None, wanted: RunFilter = ANY
) -> Found:
    """Return the wanted runs of a job that come after the run `before`, and from which run to go on.

    Newest first: those with a tick by that, those without by their numbers, and of the two that are next
    the later one, a run without a tick by when it is due.
    """
    condition = wanted.condition() & wanted.ended_by_then()
    tick, number = (None, None) if before is None else _place(connection, job_id, before, condition)
    ticked, others = with_tick(job_id), without_tick(job_id)
    if tick is not None:
        ticked = ticked.and_only(Condition("tick_us < :below", {"below": tick}))
    if number is not None:
        others = others.and_only(Condition("run_id < :below", {"below": number}))
    lowest: int | None = None
    instant = 0
    if condition != ALWAYS and (cut := _cut_of_job(connection, ticked, others)) is not None:
        lowest, instant = cut
        ticked = ticked.and_only(Condition("tick_us >= :instant", {"instant": instant}))
        others = others.and_only(Condition("due_us >= :instant", {"instant": instant}))
    by_tick, by_number = (
        walk.and_only(condition).rows(connection, LISTED, limit + 1) for walk in (ticked, others)
    )
    for row in [*retried_rows(connection, wanted), *rows_of_outage(connection, wanted)]:
        if row.tick_us is None and row.run_id < (number or ticks.FOREVER) and row.due_us >= instant:
            by_number.append(row)
        elif row.tick_us is not None and instant <= row.tick_us < (tick or ticks.FOREVER):
            by_tick.append(row)
    by_tick.sort(key=lambda row: row.tick_us, reverse=True)
    by_number.sort(key=_number, reverse=True)
    found, more = first_of(_merged(by_tick, by_number), limit, _number)
    return _checked(wanted, found), lowest if more is None else more


def _by_number(connection: Reader, wanted: RunFilter, limit: int, before: int | None) -> Found:
    """By the primary key."""
    newest_id = connection.value("SELECT max(run_id) FROM scheduler_runs") or 0
    top = newest_id if before is None else min(before - 1, newest_id)
    condition = wanted.condition()
    floor = max(top - SEARCHED, 0) if condition != ALWAYS else 0
    span = Condition("run_id <= :top AND run_id > :floor", {"top": top, "floor": floor})
    rows = Walk(span & condition, "ORDER BY run_id DESC").rows(connection, LISTED, limit + 1)
    rows += [row for row in retried_rows(connection, wanted) if floor < row.run_id <= top]
    found, more = first_of(sorted(rows, key=_number, reverse=True), limit, _number)
    return _checked(wanted, found), floor + 1 if more is None and floor else more


def _by_end(connection: Reader, wanted: RunFilter, limit: int, before: int | None) -> Found:
    """By the index scheduler_runs_ended; before that what has not ended, by its own indexes."""
    last = None
    if before is not None:
        last = _place_of(connection, before, "run_id, finished_us")
        if last is None or not _is_whole(last):
            return [], None
    retried = [*retried_rows(connection, wanted), *rows_of_outage(connection, wanted)]
    rows: list[Any] = []
    if last is None or last.finished_us is None or before in {row.run_id for row in retried}:
        rows, last = _under_way(connection, wanted, limit + 1, before), None
        rows += [row for row in retried if before is None or row.run_id < before]
        rows.sort(key=_number, reverse=True)
    lowest = None
    if len(rows) <= limit:
        condition, cut = condition_beside_index(wanted), None
        if condition != ALWAYS:
            # SQLite's index has the numbers too, so no row is read.
            cut = _row_at(connection, _ended_between(wanted, last, None), "run_id, finished_us")
            lowest = None if cut is None else cut.run_id
        walk = _ended_between(wanted, last, cut).and_only(condition)
        rows += walk.rows(connection, LISTED, limit + 1 - len(rows))
    found, more = first_of(rows, limit, _number)
    return _checked(wanted, found), lowest if more is None else more


def _ended_between(wanted: RunFilter, last: Any, cut: Any) -> Walk:
    """Return the walk over runs that ended, from behind the run `last` to the run `cut`; None: to the end.

    Their ends take the place of the span's own: of two bounds SQLite may go by the one that is further away.
    """
    span = wanted
    if last is not None:
        span = replace(span, until=min(last.finished_us + 1, wanted.until or ticks.FOREVER))
    if cut is not None:
        span = replace(span, since=cut.finished_us)
    walk = ended_walk(span)
    if last is not None:
        behind = "(finished_us <> :last_end OR run_id < :last_run)"
        walk = walk.and_only(Condition(behind, {"last_end": last.finished_us, "last_run": last.run_id}))
    if cut is not None:
        until = "(finished_us <> :cut_end OR run_id >= :cut_run)"
        walk = walk.and_only(Condition(until, {"cut_end": cut.finished_us, "cut_run": cut.run_id}))
    return walk


def _under_way(connection: Reader, wanted: RunFilter, limit: int, before: int | None) -> list[Any]:
    """Return wanted runs that have not ended, the highest number first."""
    numbers = sorted(
        (
            row.run_id
            for walk in under_way_walks(wanted)
            for row in walk.rows(connection, "run_id", SEARCHED)
            if before is None or row.run_id < before
        ),
        reverse=True,
    )
    first = Walk(among("run_id", numbers[:limit], "run"), "ORDER BY run_id DESC")
    return first.rows(connection, LISTED)


def _checked(wanted: RunFilter, found: Sequence[Any]) -> list[Any]:
    return [row for row in found if wanted.has_error(row.error)]


def _cut_of_job(connection: Reader, ticked: Walk, others: Walk) -> tuple[int, int] | None:
    """Return at which run the list of a job is cut, and the instant from which on both walks are searched."""
    by_tick = _row_at(connection, ticked, "run_id, tick_us")
    by_number = _row_at(connection, others, "run_id, due_us")
    cuts = [(int(row[0]), int(row[1])) for row in (by_tick, by_number) if row is not None]
    return max(cuts, key=lambda cut: cut[1], default=None)


def _row_at(connection: Reader, walk: Walk, columns: str) -> Any:
    """Return columns of the row at which a walk along an index is cut, or None if it is not."""
    values = {**walk.where.values, "before": SEARCHED - 1}
    found = connection.first(f"{walk.select(columns, 'main.scheduler_runs')} LIMIT 1 OFFSET :before", values)
    if found is None or _is_whole(found):
        return found
    # Very many rows have no number there: the walk has to leave them out, and takes longer.
    return connection.first(f"{walk.select(columns)} LIMIT 1 OFFSET :before", values)


def _place_of(connection: Reader, run_id: int, columns: str) -> Any:
    """Return columns of a run from which a list goes on, or None; that row may be one that no list has."""
    query = f"SELECT {columns} FROM main.scheduler_runs WHERE run_id = :run_id"
    return connection.first(query, {"run_id": run_id})


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


def _place(connection: Reader, job_id: str, run_id: int, condition: Condition) -> tuple[int, int]:
    """Return where `_merged` goes on after a run: below which tick, and below which run without a tick."""
    row = _place_of(connection, run_id, "run_id, tick_us, due_us")
    if row is None or not _is_whole([row.due_us if row.tick_us is None else row.tick_us]):
        return 0, 0
    others = without_tick(job_id).and_only(condition)
    if row.tick_us is not None:
        walk = others.and_only(Condition("due_us < :tick", {"tick": row.tick_us}))
        following = walk.first(connection, "run_id")
        return row.tick_us, 0 if following is None else following.run_id + 1
    told = others.where & Condition("run_id >= :run_id", {"run_id": run_id})
    earliest = connection.value(f"SELECT min(due_us) FROM scheduler_runs WHERE {told.text}", told.values)
    return min(row.due_us, row.due_us if earliest is None else earliest) + 1, run_id


def _number(row: Any) -> int:
    return int(row.run_id)

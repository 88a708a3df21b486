"""How many runs are in each state, among those that a filter wants; quick with ten million runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from everytick.store import schema
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    null,
    select,
    true,
    type_coerce,
)

from .outage_rows import rows_of_outage
from .retried import TriedAgain
from .run_columns import STATE, Masked
from .run_filter import ENDED_RUNS, FAILED, STATES, RunFilter
from .run_pages import narrowed
from .runs import conditions_beside_index, ended_walk, under_way_queries
from .runs_of_job import with_tick, without_tick
from .under_way import LISTED

# The most rows that are looked at for runs that have ended, and for those under way.
COUNTED = 10_000

_runs = schema.runs.c


@dataclass(frozen=True)
class StateCounts:
    """How many wanted runs there are, by state. `complete`: whether that is all of them.

    A run that was tried again may be in two states: that of now, and that in which it ended before. It counts
    once in these. total: in all states. ended: that are over, skipped ticks left out. failed: gone wrong.
    """

    by_state: Mapping[str, int]
    complete: bool
    total: int = 0
    ended: int = 0
    failed: int = 0


def count_states(connection: Connection, wanted: RunFilter) -> StateCounts:
    """Return how many of the wanted runs are in each state, whatever states are wanted.

    Of what has ended it looks at the newest COUNTED runs: of one job by their ticks, of all by their ends.
    """
    wanted = replace(narrowed(connection, wanted), states=())
    present: Counter[str] = Counter()
    complete = True
    for walk, conditions in [*_walks(wanted), *_under_way(wanted)]:
        found, looked_at = _count(connection, walk, conditions, wanted)
        present, complete = present + found, complete and looked_at < COUNTED
    if missed := rows_of_outage(connection, wanted, LISTED):
        present["skipped"] += len(missed)
    again = TriedAgain(connection, wanted)

    def number(*states: str) -> int:
        return sum(present[state] for state in states or present) + again.count(
            replace(wanted, states=states)
        )

    by_state = {state: some for state in STATES if (some := number(state))}
    return StateCounts(by_state, complete, number(), number(*ENDED_RUNS), number(*FAILED))


_Walk = tuple[Select[Any], list[ColumnElement[bool]]]


def _walks(wanted: RunFilter) -> list[_Walk]:
    """Return the walks along an index over what has ended, and which of it is wanted."""
    if wanted.job_id is None or wanted.is_by_time():
        return [(ended_walk(wanted, STATE), conditions_beside_index(wanted))]
    conditions = [*wanted.conditions(), _runs.finished_us.is_not(None)]
    if wanted.until is not None:
        conditions.append(_runs.finished_us < wanted.until)
    return [(with_tick(wanted.job_id), conditions), (without_tick(wanted.job_id), conditions)]


def _under_way(wanted: RunFilter) -> list[_Walk]:
    return [(query, []) for query in under_way_queries(wanted, STATE)]


def _count(
    connection: Connection, walk: Select[Any], conditions: list[ColumnElement[bool]], wanted: RunFilter
) -> tuple[Counter[str], int]:
    """Return how many of the first COUNTED rows of a walk are wanted, by state, and how many were there."""
    is_wanted = and_(true(), *conditions)
    error = type_coerce(case((is_wanted, _runs.error)), Masked) if wanted.error else null()
    columns = (STATE, is_wanted.label("is_wanted"), error.label("error"))
    rows = walk.with_only_columns(*columns).limit(COUNTED).subquery()
    counted = select(rows.c.state, rows.c.is_wanted, rows.c.error, func.count().label("number"))
    found: Counter[str] = Counter()
    looked_at = 0
    for row in connection.execute(counted.group_by(rows.c.state, rows.c.is_wanted, rows.c.error)):
        looked_at += row.number
        if row.is_wanted and wanted.has_error(row.error):
            found[row.state] += row.number
    return found, looked_at

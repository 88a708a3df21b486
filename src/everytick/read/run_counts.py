"""How many runs are in each state, among those that a filter wants; quick with ten million runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from everytick.store.querying import ALWAYS, Condition, Reader

from .outage_rows import rows_of_outage
from .retried import TriedAgain
from .run_columns import STATE_NOW
from .run_filter import ENDED_RUNS, FAILED, STATES, RunFilter
from .run_pages import narrowed
from .runs import condition_beside_index, ended_walk, under_way_walks
from .runs_of_job import Walk, with_tick, without_tick
from .trouble_counts import TICKS_IN_ROW

# The most rows that are looked at for runs that have ended, and for those under way.
COUNTED = 10_000


@dataclass(frozen=True)
class StateCounts:
    """How many wanted runs there are, by state. `complete`: whether that is all of them.

    A run that was tried again may be in two states: that of now, and that in which it ended before. It counts
    once in these. total: in all states. ended: that are over, skipped ticks left out. failed: gone wrong.
    skipped_ticks: how many ticks the skipped ones are, of which a row may stand for many.
    """

    by_state: Mapping[str, int]
    complete: bool
    total: int = 0
    ended: int = 0
    failed: int = 0
    skipped_ticks: int = 0


def count_states(connection: Reader, wanted: RunFilter) -> StateCounts:
    """Return how many of the wanted runs are in each state, whatever states are wanted.

    Of what has ended it looks at the newest COUNTED runs: of one job by their ticks, of all by their ends.
    """
    wanted = replace(narrowed(connection, wanted), states=())
    present: Counter[str] = Counter()
    complete, skipped = True, 0
    for walk, condition in [*_walks(wanted), *((walk, ALWAYS) for walk in under_way_walks(wanted))]:
        found, looked_at, in_them = _count(connection, walk, condition, wanted)
        present, complete = present + found, complete and looked_at < COUNTED
        skipped += in_them
    if missed := rows_of_outage(connection, wanted):
        present["skipped"] += len(missed)
        skipped += sum(1 if row.last_tick_us is None else row.tick_count or 2 for row in missed)
    again = TriedAgain(connection, wanted)

    def number(*states: str) -> int:
        return sum(present[state] for state in states or present) + again.count(
            replace(wanted, states=states)
        )

    by_state = {state: some for state in STATES if (some := number(state))}
    return StateCounts(by_state, complete, number(), number(*ENDED_RUNS), number(*FAILED), skipped)


def _walks(wanted: RunFilter) -> list[tuple[Walk, Condition]]:
    """Return the walks along an index over what has ended, and which of it is wanted."""
    if wanted.job_id is None or wanted.is_by_time():
        return [(ended_walk(wanted), condition_beside_index(wanted))]
    condition = wanted.condition() & Condition("finished_us IS NOT NULL")
    if wanted.until is not None:
        condition &= Condition("finished_us < :until", {"until": wanted.until})
    return [(walk(wanted.job_id), condition) for walk in (with_tick, without_tick)]


def _count(
    connection: Reader, walk: Walk, condition: Condition, wanted: RunFilter
) -> tuple[Counter[str], int, int]:
    """Return how many of the first COUNTED rows of a walk are wanted, by state; and how many were there.

    The last number is that of the ticks for which the skipped ones of them stand.
    """
    error = f"CASE WHEN {condition.text} THEN error END" if wanted.error else "NULL"
    number = f"CASE WHEN state = 'skipped' THEN {TICKS_IN_ROW} ELSE 0 END"
    columns = f"{STATE_NOW} AS state, {condition.text} AS is_wanted, {error} AS error, {number} AS ticks"
    query = f"""
        SELECT state, is_wanted, error, count(*) AS number, sum(ticks) AS ticks
        FROM ({walk.select(columns)} LIMIT :counted) AS looked_at
        GROUP BY state, is_wanted, error
    """
    found: Counter[str] = Counter()
    looked_at = skipped = 0
    for row in connection.rows(query, {**walk.where.values, **condition.values, "counted": COUNTED}):
        looked_at += row.number
        if row.is_wanted and wanted.has_error(row.error):
            found[row.state] += row.number
            skipped += int(row.ticks)
    return found, looked_at, skipped

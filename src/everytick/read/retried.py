"""Runs that failed, or ended otherwise, and were tried again since: their outcome of then is not lost.

A run has one row, with its latest attempt: when a person has it tried again, its end moves to now, and its
state is that of the retry. The attempts before are kept beside it, and there a filter finds them here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from everytick.model import ticks
from everytick.store.querying import Condition, Reader, among, pieces

from .run_columns import LISTED, STATE_NOW
from .run_filter import HELD, UNDER_WAY, WAITING, RunFilter

# The most requests of people, and the most runs under way, that are looked at.
_MOST = 50_000

_ENDS = "run_id, attempt, state, process_id, started_us, finished_us, error"
# All that a filter looks at which wants no text of an error: there may be thousands.
_COUNTED_RUNS = f"run_id, job_id, {STATE_NOW} AS state, reason, attempt, finished_us, NULL AS error"
_COUNTED_ENDS = "run_id, state, finished_us, NULL AS error"

_AttemptsOf = Mapping[int, Sequence[Any]]


def retried_rows(connection: Reader, wanted: RunFilter, columns: str = LISTED) -> list[Any]:
    """Return the runs that are wanted for an attempt before their latest alone, in no order.

    They are found among those which a person had tried again since `wanted.since`, and those under way. A
    run that was tried again by itself, as `retries` has it, and is over has the outcome of its last attempt.
    """
    if not (wanted.is_past() or any(state not in UNDER_WAY for state in wanted.states)):
        # Whatever ended in the wanted time is there as it is now.
        return []
    rows = _tried_again(connection, wanted, columns)
    found = outcomes_before(connection, wanted, rows)
    return [row for row in rows if row.run_id in found]


def outcomes_before(connection: Reader, wanted: RunFilter, rows: Iterable[Any]) -> dict[int, Any]:
    """Return, by the numbers of their runs, the attempts for which runs are wanted as `retried_rows` has it.

    A run that is wanted as it is now is left out. An attempt has its number, state, finished_us and error.
    """
    others = [row for row in rows if row.attempt > 1 and not wanted.has(row)]
    return _wanted_attempts(wanted, others, attempts_before(connection, others))


class TriedAgain:
    """The runs that were tried again, to be counted by several filters that want a part of the first one.

    `wanted`: that first one, with a time or without.
    """

    def __init__(self, connection: Reader, wanted: RunFilter) -> None:
        columns, ends = (LISTED, _ENDS) if wanted.error else (_COUNTED_RUNS, _COUNTED_ENDS)
        self._rows = {row.run_id: row for row in _tried_again(connection, wanted, columns)}
        self._attempts = attempts_before(connection, self._rows.values(), ends)
        self._under_way = {number for number, row in self._rows.items() if row.finished_us is None}
        self._asked = _asked_again(connection, wanted) if self._rows else {}
        self._ends = sorted(
            (one.finished_us, number)
            for number, some in self._attempts.items()
            for one in some
            if one.finished_us is not None
        )

    def count(self, wanted: RunFilter) -> int:
        """Return how many runs are wanted for an attempt before their latest alone, see `retried_rows`."""
        since, until = wanted.since or 0, wanted.until or ticks.FOREVER
        begin, end = (bisect_left(self._ends, (instant, 0)) for instant in (since, until))
        numbers = {number for _instant, number in self._ends[begin:end]}
        rows = [
            self._rows[number]
            for number in numbers
            if number in self._under_way or self._asked.get(number, 0) >= since
        ]
        return len(_wanted_attempts(wanted, rows, self._attempts))


def attempts_before(connection: Reader, rows: Iterable[Any], columns: str = _ENDS) -> dict[int, list[Any]]:
    """Return the attempts of runs before their latest, oldest first, by the numbers of the runs."""
    found: dict[int, list[Any]] = {}
    for some in pieces([row.run_id for row in rows]):
        those = among("run_id", some, "run")
        query = f"SELECT {columns} FROM scheduler_attempts WHERE {those.text} ORDER BY attempt"
        for attempt in connection.rows(query, those.values):
            found.setdefault(attempt.run_id, []).append(attempt)
    return found


def _tried_again(connection: Reader, wanted: RunFilter, columns: str) -> list[Any]:
    """Return the runs among which some may be wanted for an attempt before their latest."""
    if wanted.reasons:
        # Those are of skipped ticks.
        return []
    numbers = sorted({*_asked_again(connection, wanted), *_under_way(connection)})
    found = []
    for some in pieces(numbers):
        those = among("run_id", some, "run")
        query = f"SELECT {columns} FROM scheduler_runs WHERE {those.text} AND attempt > 1"
        found += [row for row in connection.rows(query, those.values) if wanted.is_about(row)]
    return found


def _asked_again(connection: Reader, wanted: RunFilter) -> dict[int, int]:
    """Return when people last had runs tried again since, by the numbers of the runs.

    By the index scheduler_audit_at: few rows.
    """
    if wanted.since is None and wanted.until is None:
        # Without a time the present state alone counts.
        return {}
    asked = Condition("action = 'retry' AND run_id IS NOT NULL")
    if wanted.since is not None:
        asked &= Condition("at_us >= :since", {"since": wanted.since})
    query = f"""
        SELECT run_id, at_us FROM main.scheduler_audit WHERE {asked.text} ORDER BY at_us DESC LIMIT :most
    """
    found: dict[int, int] = {}
    for number, at in connection.rows(query, {**asked.values, "most": _MOST}):
        if isinstance(number, int):
            found.setdefault(number, at)
    return found


def _under_way(connection: Reader) -> Iterator[int]:
    """Yield runs that go on, or wait, for another attempt than their first. By the indexes for few rows."""
    for few in (HELD, WAITING):
        query = f"SELECT run_id FROM scheduler_runs WHERE {few} AND attempt > 1 LIMIT :most"
        yield from connection.values(query, {"most": _MOST})


def _wanted_attempts(wanted: RunFilter, rows: Iterable[Any], attempts: _AttemptsOf) -> dict[int, Any]:
    """Return the newest attempt for which each of these runs is wanted, if it is not wanted as it is now."""
    found = {}
    for row in rows:
        ends = [one for one in attempts.get(row.run_id, ()) if wanted.has_end(one)]
        if ends and not wanted.has(row):
            found[row.run_id] = ends[-1]
    return found

"""Runs that failed, or ended otherwise, and were tried again since: their outcome of then is not lost.

A run has one row, with its latest attempt: when a person has it tried again, its end moves to now, and its
state is that of the retry. The attempts before are kept beside it, and there a filter finds them here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from everytick.model import ticks
from everytick.store import schema
from everytick.store.querying import pieces
from everytick.store.unreadable import unchecked
from sqlalchemy import ColumnElement, Connection, null, select, text

from .run_columns import RUN, STATE, without_secrets
from .run_filter import HELD, UNDER_WAY, WAITING, RunFilter

# The most requests of people, and the most runs under way, that are looked at.
_MOST = 50_000

_runs, _audit, _attempts = schema.runs.c, schema.audit.c, schema.attempts
_SHORT = [column for column in RUN if column.name != "traceback"]
_ENDS = [column for column in without_secrets(_attempts) if column.name != "traceback"]
# All that a filter looks at which wants no text of an error: there may be thousands.
_NO_TEXT: list[ColumnElement[Any]] = [null().label("error")]
_COUNTED_RUNS = [_runs.run_id, _runs.job_id, STATE, _runs.reason, _runs.attempt, _runs.finished_us, *_NO_TEXT]
_COUNTED_ENDS = [_attempts.c.run_id, _attempts.c.state, _attempts.c.finished_us, *_NO_TEXT]

_AttemptsOf = Mapping[int, Sequence[Any]]


def retried_rows(
    connection: Connection, wanted: RunFilter, columns: Sequence[ColumnElement[Any]] = _SHORT
) -> list[Any]:
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


def outcomes_before(connection: Connection, wanted: RunFilter, rows: Iterable[Any]) -> dict[int, Any]:
    """Return, by the numbers of their runs, the attempts for which runs are wanted as `retried_rows` has it.

    A run that is wanted as it is now is left out. An attempt has its number, state, finished_us and error.
    """
    others = [row for row in rows if row.attempt > 1 and not wanted.has(row)]
    return _wanted_attempts(wanted, others, attempts_before(connection, others))


class TriedAgain:
    """The runs that were tried again, to be counted by several filters that want a part of the first one.

    `wanted`: that first one, with a time or without.
    """

    def __init__(self, connection: Connection, wanted: RunFilter) -> None:
        columns, ends = (_SHORT, _ENDS) if wanted.error else (_COUNTED_RUNS, _COUNTED_ENDS)
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


def attempts_before(
    connection: Connection, rows: Iterable[Any], columns: Sequence[ColumnElement[Any]] = _ENDS
) -> dict[int, list[Any]]:
    """Return the attempts of runs before their latest, oldest first, by the numbers of the runs."""
    found: dict[int, list[Any]] = {}
    for some in pieces([row.run_id for row in rows]):
        query = select(*columns).where(_attempts.c.run_id.in_(some))
        for attempt in connection.execute(query.order_by(_attempts.c.attempt)):
            found.setdefault(attempt.run_id, []).append(attempt)
    return found


def _tried_again(
    connection: Connection, wanted: RunFilter, columns: Sequence[ColumnElement[Any]]
) -> list[Any]:
    """Return the runs among which some may be wanted for an attempt before their latest."""
    if wanted.reasons:
        # Those are of skipped ticks.
        return []
    numbers = sorted({*_asked_again(connection, wanted), *_under_way(connection)})
    return [
        row
        for some in pieces(numbers)
        for row in connection.execute(select(*columns).where(_runs.run_id.in_(some), _runs.attempt > 1))
        if wanted.is_about(row)
    ]


def _asked_again(connection: Connection, wanted: RunFilter) -> dict[int, int]:
    """Return when people last had runs tried again since, by the numbers of the runs.

    By the index scheduler_audit_at: few rows.
    """
    if wanted.since is None and wanted.until is None:
        # Without a time the present state alone counts.
        return {}
    query = select(_audit.run_id, _audit.at_us).where(_audit.action == "retry", _audit.run_id.is_not(None))
    if wanted.since is not None:
        query = query.where(_audit.at_us >= wanted.since)
    query = query.order_by(_audit.at_us.desc()).limit(_MOST)
    found: dict[int, int] = {}
    for number, at in connection.execute(query, execution_options=unchecked(connection)):
        if isinstance(number, int):
            found.setdefault(number, at)
    return found


def _under_way(connection: Connection) -> Iterator[int]:
    """Yield runs that go on, or wait, for another attempt than their first. By the indexes for few rows."""
    for few in (HELD, WAITING):
        query = select(_runs.run_id).where(text(few), _runs.attempt > 1).limit(_MOST)
        yield from _numbers(connection.scalars(query))


def _wanted_attempts(wanted: RunFilter, rows: Iterable[Any], attempts: _AttemptsOf) -> dict[int, Any]:
    """Return the newest attempt for which each of these runs is wanted, if it is not wanted as it is now."""
    found = {}
    for row in rows:
        ends = [one for one in attempts.get(row.run_id, ()) if wanted.has_end(one)]
        if ends and not wanted.has(row):
            found[row.run_id] = ends[-1]
    return found


def _numbers(values: Iterable[Any]) -> Iterator[int]:
    return (value for value in values if isinstance(value, int))

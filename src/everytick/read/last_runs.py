"""How the last runs of jobs ended and how long they took, at a cost that does not grow with the history."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from everytick.model import ticks
from everytick.store.database import Ledger
from everytick.store.querying import Condition, Reader, connect_checked

from .retried import attempts_before
from .run_columns import STARTED_NOW, STATE_NOW
from .run_filter import FAILING
from .runs_of_job import with_tick, without_tick

OUTCOMES = 10
MEASURED = 100
# How many of a job's newest runs are looked at for how long one usually takes.
_USUAL = 200
# The most runs that are counted as failed one after another.
MOST_IN_A_ROW = 200
# Rows are looked through no further back than this, where most were skipped.
_DEPTH = 5_000

_COLUMNS = f"run_id, {STATE_NOW} AS state, {STARTED_NOW} AS started_us, finished_us"
# Rows of a walk: the limit inside bounds how far it goes, the one outside ends it as soon as it can.
_ENDED = "SELECT * FROM ({walk} LIMIT :depth) AS walk WHERE finished_us IS NOT NULL LIMIT :number"
# A run that was cut off or skipped has no duration.
_MEASURED = """
SELECT * FROM ({walk} LIMIT :depth) AS walk
WHERE finished_us IS NOT NULL AND started_us IS NOT NULL AND state IN ('succeeded', 'failed', 'timed_out')
LIMIT :number
"""
_OF_TICKS = """
SELECT * FROM ({walk} LIMIT :depth) AS walk
WHERE state <> 'skipped' AND (finished_us IS NOT NULL OR attempt > 1)
LIMIT :number
"""

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class Recent:
    """The last runs of a job.

    outcomes: the states of the last ones that ended, at most ten, oldest first.
    finished: when the last of them ended, in microseconds; None if there is none.
    p50, p95: seconds that half, and 95 of 100, of the last hundred runs took at most; None without a run.
    """

    outcomes: tuple[str, ...] = ()
    finished: int | None = None
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class Failure:
    """How a run ended; `attempt`: the number of its present attempt. Instants are microseconds UTC."""

    run_id: int
    attempt: int
    state: str
    error: str | None
    ended: int


def recent(connection: Reader, job_ids: Iterable[str]) -> dict[str, Recent]:
    """Return how the last runs of these jobs ended.

    Each job costs a few hundred rows at most (unless most were skipped), however many the ledger has.
    """
    return {job_id: _recent(connection, job_id) for job_id in job_ids}


def usual_durations(ledger: Ledger, job_ids: Iterable[str]) -> dict[str, int]:
    """Return the median duration of each job's newest runs that succeeded, in microseconds.

    A job without such a run is left out.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    # It loads fractions and decimals, and only a simulation asks.
    from statistics import median

    if not ledger.exists():
        return {}
    found = {}
    with connect_checked(ledger) as connection:
        for job_id in job_ids:
            rows = with_tick(job_id).rows(connection, "state, started_us, finished_us", _USUAL)
            lengths = [
                finished - started
                for state, started, finished in rows
                if state == "succeeded" and started is not None and finished is not None
            ]
            if lengths:
                found[job_id] = max(0, int(median(lengths)))
    return found


def durations(connection: Reader, job_id: str) -> list[float]:
    """Return how long the last hundred runs of a job took, in seconds, the shortest first."""
    found = _newest(connection, _MEASURED, job_id, MEASURED)
    return sorted((row.finished_us - row.started_us) / ticks.SECOND for row in found)


def failed_in_a_row(connection: Reader, job_id: str) -> list[Failure]:
    """Return the newest runs of a job's ticks that did not succeed, back to the last one that did.

    Newest first, at most two hundred. One that is tried again counts as it ended before that; not the very
    newest, which may yet succeed.
    """
    walk = with_tick(job_id)
    columns = f"run_id, attempt, {STATE_NOW} AS state, error, finished_us"
    every = connection.walk(
        _OF_TICKS.format(walk=walk.select(columns)),
        {**walk.where.values, "depth": _DEPTH, "number": MOST_IN_A_ROW},
    )
    rows = list(itertools.dropwhile(lambda row: row.finished_us is None, every))
    before = attempts_before(connection, [row for row in rows if row.finished_us is None])
    failures = (_failure(row, before.get(row.run_id, ())) for row in rows)
    found = (failure for failure in failures if failure is not None)
    return list(itertools.takewhile(lambda failure: failure.state in FAILING, found))


def first_failure(connection: Reader, failure: Failure) -> int:
    """Return when the first attempt of a run that failed did so, in microseconds UTC."""
    attempts = attempts_before(connection, [failure]).get(failure.run_id, ())
    ends: list[int] = [
        one.finished_us for one in attempts if one.state in FAILING and one.finished_us is not None
    ]
    return min([failure.ended, *ends])


def _failure(row: Any, before: Sequence[Any]) -> Failure | None:
    """Return how a run ended; before its present attempt, if that is not over; None if it never did."""
    if row.finished_us is not None:
        return Failure(row.run_id, row.attempt, row.state, row.error, row.finished_us)
    if not before or before[-1].finished_us is None:
        return None
    last = before[-1]
    return Failure(row.run_id, row.attempt, last.state, last.error, last.finished_us)


def succeeded_before(connection: Reader, row: Any) -> Any:
    """Return run_id and finished_us of the last run of a job that succeeded before one of its runs, or None.

    Looked for among its newest rows before that, of ticks and of others.
    """
    found = []
    for walk, key, here in (
        (with_tick(row.job_id), "tick_us", row.due_us if row.tick_us is None else row.tick_us),
        (without_tick(row.job_id), "due_us", row.due_us),
    ):
        before = walk.and_only(Condition(f"{key} < :here", {"here": here}))
        query = f"SELECT * FROM ({before.select('run_id, state, finished_us')} LIMIT :depth) AS newest"
        good = f"{query} WHERE state = 'succeeded' LIMIT 1"
        one = connection.first(good, {**before.where.values, "depth": _DEPTH})
        found += [] if one is None else [one]
    ended = (one for one in found if one.finished_us is not None)
    return max(ended, key=lambda one: int(one.finished_us), default=None)


def last_success(connection: Reader, job_id: str, depth: int) -> int | None:
    """Return when a job last succeeded, in microseconds UTC, as far as its newest rows say.

    `depth`: how many of them are looked at, of those with a tick and of those without.
    """
    ends = []
    for walk in (with_tick, without_tick):
        rows = walk(job_id)
        newest = f"({rows.select('state, finished_us')} LIMIT :depth) AS newest"
        last = connection.value(
            f"SELECT max(finished_us) FROM {newest} WHERE state = 'succeeded'",
            {**rows.where.values, "depth": depth},
        )
        ends += [] if last is None else [last]
    return max(ends, default=None)


def percentile(sorted_values: Sequence[_Number], share: float) -> _Number | None:
    """Return the smallest value that a share (0 to 1) of all does not exceed; None if there is none."""
    return sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)] if sorted_values else None


def _recent(connection: Reader, job_id: str) -> Recent:
    ended = _newest(connection, _ENDED, job_id, OUTCOMES)
    took = durations(connection, job_id)
    return Recent(
        tuple(row.state for row in reversed(ended)),
        ended[0].finished_us if ended else None,
        percentile(took, 0.5),
        percentile(took, 0.95),
    )


def _newest(connection: Reader, query: str, job_id: str, number: int) -> list[Any]:
    """Return the newest rows of a job that `query` finds, of ticks and others; the last end first."""
    found = []
    for walk in (with_tick(job_id), without_tick(job_id)):
        values = {**walk.where.values, "depth": _DEPTH, "number": number}
        found += connection.rows(query.format(walk=walk.select(_COLUMNS)), values)
    return sorted(found, key=lambda row: (row.finished_us, row.run_id), reverse=True)[:number]

"""The jobs that fail: since when, how often in a row, and with which error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from everytick.store.querying import Reader, among
from everytick.text.instants import iso

from .endings import newest_endings
from .last_runs import MOST_IN_A_ROW, failed_in_a_row, first_failure
from .paging import Page, beginning_of
from .run_columns import error_in_list
from .run_filter import FAILING

if TYPE_CHECKING:
    from . import trouble_schemas


@dataclass(frozen=True)
class Failing:
    """A job whose newest run failed. Instants are microseconds UTC.

    in_a_row: how many of its newest runs did; `at_least` where there may be more. since: when the first of
    them failed first, whatever retries it had. run_id, state, error, ended: the newest one.
    """

    job_id: str
    since: int
    in_a_row: int
    at_least: bool
    run_id: int
    state: str
    error: str | None
    ended: int

    def as_json(self) -> trouble_schemas.FailingJob:
        """Return it for programs."""
        return {
            "job_id": self.job_id,
            "since": iso(self.since),
            "in_a_row": self.in_a_row,
            "at_least": self.at_least,
            "run_id": self.run_id,
            "state": self.state,
            "error": self.error,
            "ended_at": iso(self.ended),
        }


def failing_jobs(connection: Reader, endings: Mapping[str, Any], most: int) -> Page[Failing]:
    """Return the jobs that fail, those first that failed last.

    `endings`: `newest_endings`. `most`: how many are told of.
    """
    failed = [row for row in endings.values() if row.state in FAILING]
    failed.sort(key=lambda row: -row.finished_us)
    errors = _errors(connection, [row.run_id for row in failed[:most]])
    return beginning_of(failed, most).of(lambda row: _failing(connection, row, errors.get(row.run_id)))


def failing_job(connection: Reader, job_id: str) -> Failing | None:
    """Return how a job fails; None if it does not."""
    newest = newest_endings(connection, job_id).get(job_id)
    if newest is None or newest.state not in FAILING:
        return None
    return _failing(connection, newest, _errors(connection, [newest.run_id]).get(newest.run_id))


def _failing(connection: Reader, newest: Any, error: str | None) -> Failing:
    row = failed_in_a_row(connection, newest.job_id)
    # A run by hand that failed stands before the ticks, or is all that there is.
    number = len(row) + (newest.run_id not in {one.run_id for one in row})
    since = min([newest.finished_us, *(first_failure(connection, it) for it in row[-1:])])
    return Failing(
        newest.job_id,
        since,
        number,
        len(row) >= MOST_IN_A_ROW,
        newest.run_id,
        newest.state,
        error,
        newest.finished_us,
    )


def _errors(connection: Reader, run_ids: list[int]) -> dict[int, str | None]:
    """Return the beginnings of the errors of a few runs, by their numbers."""
    those = among("run_id", run_ids, "run")
    query = f"SELECT run_id, error FROM scheduler_runs WHERE {those.text} AND error IS NOT NULL"
    return {row.run_id: error_in_list(row.error) for row in connection.rows(query, those.values)}

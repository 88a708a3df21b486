"""The runs and skipped ticks, filtered by job, state, reason and time."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from everytick.errors import NotFoundError
from everytick.model import ticks
from everytick.store import unreadable
from everytick.store.database import Ledger
from everytick.store.querying import NO_LIMIT, Condition, Reader, connect_checked
from everytick.text.instants import iso
from everytick.text.wording import no_run

from .in_the_way import runs_in_the_way_of
from .job_ids import check_job
from .outage_rows import rows_of_outage
from .processes import died
from .reports import Report, report_of, reports_of
from .retried import outcomes_before, retried_rows
from .run_columns import RUN, took_seconds
from .run_filter import HELD, UNDER_WAY, WAITING, RunFilter
from .runs_of_job import Walk, with_tick, without_tick

if TYPE_CHECKING:
    from .schemas import RunOutline, RunRow

# Up to this number of jobs each has its own walk; for more the newest runs of all are looked through.
_MOST_WALKS = 100

# The tables themselves: a view reads every column of each row to check it.
_LOST = """
SELECT job_id, count(*) AS number FROM main.scheduler_runs
WHERE finished_us >= :since AND state = 'lost' GROUP BY job_id ORDER BY job_id
"""
_LOST_AND_BEGUN_AGAIN = """
SELECT runs.job_id, count(DISTINCT attempts.run_id) AS number
FROM main.scheduler_attempts AS attempts JOIN main.scheduler_runs AS runs ON attempts.run_id = runs.run_id
WHERE attempts.state = 'lost' AND attempts.finished_us >= :since AND runs.state <> 'lost'
GROUP BY runs.job_id ORDER BY runs.job_id
"""


def run_rows(ledger: Ledger, limit: int, wanted: RunFilter) -> list[RunRow]:
    """Return wanted runs and skipped ticks, newest first; times are ISO 8601 in UTC, durations seconds.

    `tick` is null for kinds `manual`, `backfill` and `startup`. A range row, which stands for many skipped
    ticks, has also `last_tick` and `count` (null while it is not known). A run that is wanted for how it
    ended before a retry has that outcome as `before_retry`.

    Raises:
        ConfigurationError: there is no such state or reason.
        NotFoundError: the ledger never heard of the job.
        LedgerError: the ledger cannot be read.
    """
    wanted.check()
    if not ledger.exists():
        return []
    with connect_checked(ledger) as connection:
        rows = newest_runs(connection, limit, wanted)
        before, dead = outcomes_before(connection, wanted, rows), died(connection, rows)
        said, behind = reports_of(connection, rows), runs_in_the_way_of(connection, rows)
        return [
            shown(row, before.get(row.run_id), dead, said.get(row.run_id), behind.get(row.run_id, ()))
            for row in rows
        ]


def newest_runs(connection: Reader, limit: int, wanted: RunFilter) -> list[Any]:
    """Return the rows of the same, newest first; raise NotFoundError if there never was the job."""
    rows = []
    for walk in walks(wanted):
        # Those without an order have few rows, of which any may be the newest.
        rows += walk.rows(connection, RUN, limit if walk.order else NO_LIMIT)
    found = [row for row in rows if wanted.has_error(row.error)]
    found += retried_rows(connection, wanted, RUN)
    found += rows_of_outage(connection, wanted, RUN)
    if not found and wanted.job_id is not None:
        check_job(connection, wanted.job_id)
    # By time, the runs that have not ended come first, then those that ended last; otherwise the highest
    # numbers.
    found.sort(key=_newest_end if wanted.is_by_time() else _number, reverse=True)
    return sorted(found[:limit], key=_number, reverse=True)


def run_row(ledger: Ledger, run_id: int) -> RunRow:
    """Return one run; see `run_rows`.

    Raises:
        NotFoundError: there is no such run.
        LedgerError: the ledger cannot be read.
    """
    with connect_checked(ledger) as connection:
        row = read_run(connection, run_id)
        return shown(row, dead=died(connection, [row]), said=report_of(connection, row))


def read_run(connection: Reader, run_id: int) -> Any:
    """Return the row of a run; raise NotFoundError if there is none, or it cannot be read."""
    row = find_run(connection, run_id)
    if row is None:
        unreadable.refuse(connection.plain, "scheduler_runs", run_id=run_id)
        raise NotFoundError(no_run(run_id))
    return row


def find_run(connection: Reader, run_id: int) -> Any:
    """Return the row of a run, or None."""
    return connection.first(f"SELECT {RUN} FROM scheduler_runs WHERE run_id = :run_id", {"run_id": run_id})


def count_lost(connection: Reader, since: int) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many runs of each job were lost since an instant (microseconds UTC), if any were.

    Those first that are lost, then those that began again since. By indexes: scheduler_runs_ended, and
    scheduler_attempts_lost, of few rows.
    """
    found = [connection.rows(query, {"since": since}) for query in (_LOST, _LOST_AND_BEGUN_AGAIN)]
    # An id may be bytes, in a row that cannot be read.
    first, second = ({job: number for job, number in rows if isinstance(job, str)} for rows in found)
    return first, second


def walks(wanted: RunFilter) -> list[Walk]:
    """Return the walks over the wanted runs; each goes along one index, and nothing is sorted."""
    if wanted.is_by_time():
        return [*under_way_walks(wanted), ended_walk(wanted).and_only(condition_beside_index(wanted))]
    job_ids = wanted.job_ids if wanted.job_id is None else (wanted.job_id,)
    if 0 < len(job_ids) <= _MOST_WALKS:
        condition = replace(wanted, job_id=None, job_ids=()).condition() & wanted.ended_by_then()
        return [walk(job_id).and_only(condition) for job_id in job_ids for walk in (with_tick, without_tick)]
    if wanted.states and all(state in UNDER_WAY for state in wanted.states):
        return under_way_walks(wanted)
    # The primary key. A rare outcome is looked for through the whole history: a second for a million rows.
    return [Walk(condition_beside_index(wanted), "ORDER BY run_id DESC")]


def under_way_walks(wanted: RunFilter) -> list[Walk]:
    """Return the walks over wanted runs that have not ended.

    By the partial indexes scheduler_runs_held and scheduler_runs_waiting: few rows, in no order. Asked for an
    order, the planner would walk the primary key instead.
    """
    if not wanted.wants_under_way():
        return []
    condition = condition_beside_index(wanted)
    return [Walk(condition & Condition(few)) for few in (HELD, WAITING)]


def ended_walk(wanted: RunFilter) -> Walk:
    """Return the walk over all runs that ended in the wanted time, the last end first.

    By the index scheduler_runs_ended; which of them are wanted says `condition_beside_index`.
    """
    ended = Condition("finished_us IS NOT NULL")
    if wanted.since is not None:
        ended &= Condition("finished_us >= :since", {"since": wanted.since})
    if wanted.until is not None:
        ended &= Condition("finished_us < :until", {"until": wanted.until})
    return Walk(ended, "ORDER BY finished_us DESC, run_id DESC")


def condition_beside_index(wanted: RunFilter) -> Condition:
    """Return the condition on runs that are found by an index which does not begin with the job."""
    # As an expression: the planner would take the one that does, and sort, or read all runs of the job.
    return wanted.condition(job="job_id || ''")


def _newest_end(row: Any) -> tuple[int, int]:
    return (ticks.FOREVER if row.finished_us is None else row.finished_us, row.run_id)


def _number(row: Any) -> int:
    return int(row.run_id)


def shown(
    row: Any,
    before: Any = None,
    dead: Container[str] = (),
    said: Report | None = None,
    behind: Sequence[int] = (),
) -> RunRow:
    """Return a run as it is shown; see `run_rows`."""
    return {**outlined(row, before, dead, said, behind), "traceback": row.traceback}


def outlined(
    row: Any,
    before: Any = None,
    dead: Container[str] = (),
    said: Report | None = None,
    behind: Sequence[int] = (),
) -> RunOutline:
    """Return the same without the traceback, of a row that may lack it.

    `before`: the attempt for which the run is wanted, if that is not its latest. `dead`: see `died`. `said`:
    what the run said of itself. `behind`: the runs in its way, if it was skipped as overlap.
    """
    outline: RunOutline = {
        "run_id": row.run_id,
        "job_id": row.job_id,
        "kind": row.kind,
        "tick": iso(row.tick_us),
        "state": row.state,
        "reason": row.reason,
        "attempt": row.attempt,
        "for_tick": iso(row.for_tick_us),
        "started_at": iso(row.started_us),
        "finished_at": iso(row.finished_us),
        "duration": took_seconds(row),
        "error": row.error,
    }
    if row.last_tick_us is not None:
        outline["last_tick"], outline["count"] = iso(row.last_tick_us), row.tick_count
    if row.backfill_id is not None:
        outline["backfill_id"] = row.backfill_id
    if row.finished_us is None and row.process_id in dead:
        outline["holder_died"] = True
    if behind:
        outline["behind"] = list(behind)
    if said is not None:
        said.put_into(outline)
    if before is not None:
        outline["before_retry"] = {
            "attempt": before.attempt,
            "state": before.state,
            "finished_at": iso(before.finished_us),
            "error": before.error,
            "retried_at": iso(row.due_us),
        }
    return outline

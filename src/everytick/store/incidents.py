"""Incidents: what people are alerted to, from the first time until it is over.

Each function is called inside of a transaction, or with a connection that only reads. SQL for SQLite (3.35)
and PostgreSQL (13); a comment says which index a statement goes by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Any

from everytick.model import ticks

from .connections import Connection
from .problems import Problem, of_late, of_run
from .pruning import prune_incidents

# The most rows that are noted in one transaction.
PIECE = 200
# After this long without alerts, what went wrong meanwhile is no news any more.
_FORGOTTEN = ticks.DAY

_COLUMNS = (
    *("run_id", "job_id", "kind", "tick_us", "last_tick_us", "tick_count", "state", "reason"),
    *("attempt", "crashes", "error", "finished_us", "rerun_until_us", "again"),
)

# By scheduler_runs_untold, in its own words on SQLite. A run that was cut off by a stop is news when it can
# no longer begin again.
_LIST_UNTOLD = """
SELECT run_id, job_id, kind, tick_us, last_tick_us, tick_count, state, reason, attempt, crashes, error,
       finished_us, rerun_until_us, 0 AS again
FROM scheduler_runs
WHERE (state IN ('failed', 'timed_out') OR state IN ('lost', 'interrupted')
       OR reason IN ('missed', 'outage') OR reason = 'overlap')
  AND attempt > COALESCE(told_attempt, -1)
  AND finished_us >= :since AND (state <> 'interrupted' OR COALESCE(rerun_until_us, 0) < :now)
ORDER BY finished_us LIMIT :piece
"""

# By scheduler_attempts_lost, then by primary key. A lost run may have begun again before this looks.
_LIST_UNTOLD_LOST = """
SELECT run_id, job_id, kind, tick_us, NULL AS last_tick_us, NULL AS tick_count, lost.state, NULL AS reason,
       lost.attempt, crashes, lost.error, lost.finished_us, NULL AS rerun_until_us, 1 AS again
FROM scheduler_attempts AS lost JOIN scheduler_runs USING (run_id)
WHERE lost.state = 'lost' AND lost.finished_us >= :recent
  AND lost.attempt > COALESCE(told_attempt, -1)
ORDER BY lost.finished_us LIMIT :piece
"""

_MARK_TOLD = "UPDATE scheduler_runs SET told_attempt = :attempt WHERE run_id = :run_id"

# By scheduler_incidents_job. One that was over a moment ago goes on.
_FIND = """
SELECT incident_id, over_us, mark_us FROM scheduler_incidents
WHERE job_id = :job_id AND kind = :kind AND (over_us IS NULL OR over_us > :before)
ORDER BY incident_id DESC LIMIT 1
"""

_OPEN = """
INSERT INTO scheduler_incidents (job_id, kind, first_us, last_us, count, run_id, mark_us, detail, changed_us)
VALUES (:job_id, :kind, :at, :at, :count, :run_id, :mark, :detail, :now)
"""

_GO_ON = """
UPDATE scheduler_incidents
SET last_us = :at, run_id = :run_id, mark_us = :mark, detail = :detail,
    count = CASE WHEN count BETWEEN 4611686018427387904 AND 9223372036854775807 THEN count
                 ELSE count + :count END,
    over_us = NULL, changed_us = :now
WHERE incident_id = :incident_id
"""

# By scheduler_incidents_open; then by primary key, and twice by (job_id, tick_us) of scheduler_runs, which
# holds the ticks of one job in their order, and its runs without a tick in the order of their numbers.
_LIST_OVER = """
SELECT incident_id FROM scheduler_incidents AS incidents
WHERE over_us IS NULL AND kind IN ('failed', 'lost') AND (
    EXISTS (SELECT 1 FROM scheduler_runs AS run WHERE run.run_id = incidents.run_id
            AND run.state = 'succeeded')
    OR EXISTS (SELECT 1 FROM scheduler_runs AS run WHERE run.job_id = incidents.job_id
               AND run.tick_us > incidents.mark_us AND run.state = 'succeeded'
               AND run.finished_us >= incidents.last_us)
    OR EXISTS (SELECT 1 FROM scheduler_runs AS run WHERE run.job_id = incidents.job_id
               AND run.tick_us IS NULL AND run.run_id > incidents.run_id AND run.state = 'succeeded'))
UNION ALL
SELECT incident_id FROM scheduler_incidents AS incidents
WHERE over_us IS NULL AND kind IN ('missed', 'overlap') AND EXISTS (
    SELECT 1 FROM scheduler_runs AS run WHERE run.job_id = incidents.job_id
    AND run.tick_us > incidents.mark_us AND run.started_us IS NOT NULL)
"""

# By scheduler_incidents_open.
_LIST_LATE = """
SELECT incident_id, job_id, mark_us FROM scheduler_incidents WHERE over_us IS NULL AND kind = 'late'
"""

_CLOSE = """
UPDATE scheduler_incidents SET over_us = :now, changed_us = :now
WHERE incident_id = :incident_id AND over_us IS NULL AND mark_us = :mark
"""

_READ_MARK = "SELECT mark_us FROM scheduler_incidents WHERE incident_id = :incident_id"

_READ_ALERTING = "SELECT since_us, seen_us FROM scheduler_alerting WHERE number = 1"
_WRITE_ALERTING = """
INSERT INTO scheduler_alerting (number, since_us, seen_us) VALUES (1, :since, :now)
ON CONFLICT (number) DO UPDATE SET since_us = excluded.since_us, seen_us = excluded.seen_us
"""
_SEEN = "UPDATE scheduler_alerting SET seen_us = :now WHERE number = 1"

Wanted = Callable[[str, str], bool]


def begin(connection: Connection, opened: int) -> int:
    """Return the instant from which on problems are alerted to.

    That is where the alerts of an earlier start began, or `opened` if they were off for a day.
    """
    row = connection.execute(_READ_ALERTING).fetchone()
    now = ticks.now()
    # A file takes anything in any column: a value that is no instant counts as none.
    is_kept = row is not None and all(type(one) is int for one in row) and row[1] >= now - _FORGOTTEN
    since: int = row[0] if is_kept else opened
    connection.execute(_WRITE_ALERTING, {"since": since, "now": now})
    return since


def seen(connection: Connection, oldest: int) -> None:
    """Write down that the alerts work, and forget incidents in which nothing changed since `oldest`."""
    connection.execute(_SEEN, {"now": ticks.now()})
    prune_incidents(connection, oldest, PIECE)


def untold(connection: Connection, since: int) -> list[dict[str, Any]]:
    """Return rows of runs, and of attempts that were lost, of which no note was taken yet."""
    now = ticks.now()
    values = {"since": since, "now": now, "piece": PIECE, "recent": max(since, now - _FORGOTTEN)}
    found = connection.execute(_LIST_UNTOLD_LOST, values).fetchall()
    found += connection.execute(_LIST_UNTOLD, values).fetchall()
    return [dict(zip(_COLUMNS, row, strict=True)) for row in found]


def note(connection: Connection, since: int, window: int, wanted: Wanted, zone: tzinfo) -> int:
    """Record new problems as incidents; return how many rows there were.

    `wanted(job_id, kind)` tells what people are alerted to. An incident that ended less than `window`
    microseconds ago goes on. Times in its words are in the zone.
    """
    now, rows = ticks.now(), untold(connection, since)
    for row in rows:
        problem = of_run(row, now, zone)
        connection.execute(_MARK_TOLD, {"run_id": problem.run_id, "attempt": problem.attempt})
        if wanted(problem.job_id, problem.kind):
            _add(connection, problem, window, now)
    return len(rows)


def note_late(connection: Connection, late: Iterable[tuple[str, int]], window: int, zone: tzinfo) -> None:
    """Take note of ticks, by job and the instant since when they are due, that did not begin."""
    for job_id, due in late:
        _add(connection, of_late(job_id, due, zone), window, ticks.now())


def _add(connection: Connection, problem: Problem, window: int, now: int) -> None:
    values = {**vars(problem), "now": now}
    found = connection.execute(_FIND, {**values, "before": now - window}).fetchone()
    if found is None:
        connection.execute(_OPEN, values)
        return
    incident_id, over, mark = found
    if problem.kind == "late" and over is None and problem.mark == mark:
        # Another process has noticed it too.
        return
    connection.execute(_GO_ON, {**values, "incident_id": incident_id})


def over(connection: Connection) -> list[tuple[int, int]]:
    """Return the incidents, each with its mark, that are open and need no longer be; but see `late`."""
    found = connection.execute(_LIST_OVER).fetchall()
    marks = [connection.execute(_READ_MARK, {"incident_id": row[0]}).fetchone()[0] for row in found]
    return [(row[0], mark) for row, mark in zip(found, marks, strict=True)]


def late(connection: Connection) -> list[tuple[int, str, int]]:
    """Return the incidents about late ticks that are open: id, job, and since when the tick is due.

    Without those that have no instant in that place, where a file takes anything.
    """
    return [tuple(row) for row in connection.execute(_LIST_LATE).fetchall() if type(row[2]) is int]


def close(connection: Connection, ended: Iterable[tuple[int, int]]) -> None:
    """Write down that incidents are over, unless they went on meanwhile."""
    now = ticks.now()
    for incident_id, mark in ended:
        connection.execute(_CLOSE, {"incident_id": incident_id, "mark": mark, "now": now})

"""Ticks that will not run: their rows, alone or as a range. Called inside of a transaction."""

from __future__ import annotations

from sqlite3 import Connection

from .. import ticks
from ..catch_up import Skip
from ..schedules import Schedule
from . import statements as sql
from .records import JobState

# Counting further than this would hold up the claims that wait for the transaction.
_COUNT_LIMIT = 100


def skip(connection: Connection, job_id: str, skipped: Skip, now: int) -> None:
    """Record ticks that will not run."""
    alone = skipped.first == skipped.last
    values = {
        "job_id": job_id,
        "tick": skipped.first,
        "last_tick": None if alone else skipped.last,
        "count": None if alone else skipped.count,
        "reason": skipped.reason,
        "now": now,
    }
    connection.execute(sql.INSERT_SKIPPED, values)


def close(connection: Connection, state: JobState, upto: int, schedule: Schedule | None = None) -> None:
    """Record all ticks up to `upto` that are not accounted for as one range (R1).

    They were paused or, where a schedule was changed or removed while nothing was up, fell into an outage.
    `schedule` is for those whose data the ledger lacks.
    """
    schedule = state.schedule() or schedule
    first = schedule.next_tick(state.watermark) if schedule else None
    if schedule is None or first is None or first > upto:
        return
    last = ticks.newest(schedule.ticks, state.watermark, upto, 1)[0]
    number = ticks.count(schedule.ticks, state.watermark, upto, _COUNT_LIMIT)
    reason = "outage" if state.paused is None else "paused"
    skip(connection, state.job_id, Skip(first, last, number, reason), ticks.now())

"""Ticks that will not run: their rows, alone or as a range. Called inside of a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from everytick.model import ticks
from everytick.model.misfire import Skip
from everytick.model.schedule import Schedule

from . import statements as sql
from .connections import Connection
from .records import JobState

# Counting further than this would hold up the claims that wait for the transaction for too long.
COUNT_LIMIT = 10_000


def skip_all(connection: Connection, skipped: Sequence[tuple[str, Skip]], now: int) -> None:
    """Record ticks that will not run, each with its job."""
    rows = []
    for job_id, it in skipped:
        last, count = (None, None) if it.first == it.last else (it.last, it.count)
        rows.append((job_id, it.first, last, count, it.reason))
    sql.INSERT_SKIPPED.execute(connection, rows, now=now)


def close(connection: Connection, state: JobState, upto: int, schedule: Schedule | None = None) -> None:
    """Record all ticks up to `upto` that are not accounted for (R1).

    From when the job was paused, or disabled by a setting, they were that. The others fell into an outage:
    nothing was up to claim them before the job was paused, changed or removed. `schedule` is for jobs whose
    data the ledger lacks.
    """
    schedule = state.schedule() or schedule
    if schedule is None:
        return
    paused_from = upto if state.paused is None else min(upto, max(state.watermark, state.paused))
    _close(connection, state.job_id, schedule, state.watermark, paused_from, "outage")
    held = "paused" if state.disabled_by is None else "disabled"
    _close(connection, state.job_id, schedule, paused_from, upto, held)


def _close(
    connection: Connection, job_id: str, schedule: Schedule, after: int, until: int, reason: str
) -> None:
    first = schedule.next_tick(after)
    if first is None or first > until:
        return
    last = ticks.newest(schedule.ticks, after, until, 1)[0]
    number = ticks.count(schedule.ticks, after, until, COUNT_LIMIT)
    skip_all(connection, [(job_id, Skip(first, last, number, reason))], ticks.now())

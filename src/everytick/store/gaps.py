"""Ticks that will not run: their rows, alone or as a range. Called inside of a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    """Record all ticks of a job up to `upto` that are not accounted for (R1).

    `schedule` is for a job whose data the ledger lacks.
    """
    skip_all(connection, _left(state, upto, schedule), ticks.now())


def close_all(connection: Connection, states: Iterable[JobState], upto: int) -> dict[str, int]:
    """The same of several jobs, by what the ledger knows of their schedules.

    Returns the last tick that was recorded, for each job of which one was.
    """
    skipped = [it for state in states for it in _left(state, upto, None)]
    skip_all(connection, skipped, ticks.now())
    return {job_id: it.last for job_id, it in skipped}


def _left(state: JobState, upto: int, schedule: Schedule | None) -> list[tuple[str, Skip]]:
    """Return the ticks up to `upto` that are not accounted for, each range with its job.

    From when the job was paused, or disabled by a setting, they were that. The others fell into an outage:
    nothing was up to claim them before the job was paused, changed or removed.
    """
    schedule = state.schedule() or schedule
    if schedule is None:
        return []
    paused_from = upto if state.paused is None else min(upto, max(state.watermark, state.paused))
    held = "paused" if state.disabled_by is None else "disabled"
    parts = (
        _between(schedule, state.watermark, paused_from, "outage"),
        _between(schedule, paused_from, upto, held),
    )
    return [(state.job_id, it) for it in parts if it is not None]


def _between(schedule: Schedule, after: int, until: int, reason: str) -> Skip | None:
    first = schedule.next_tick(after)
    if first is None or first > until:
        return None
    last = ticks.newest(schedule.ticks, after, until, 1)[0]
    return Skip(first, last, ticks.count(schedule.ticks, after, until, COUNT_LIMIT), reason)

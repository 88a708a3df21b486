"""The columns of a run as people and programs are told them.

A run may be recorded as started a moment before it is due, so that its beginning needs no other write. Until
then it waits, and is shown as waiting: its state is `claimed`, and it has no start.
"""

from __future__ import annotations

from typing import Any

from everytick.model import ticks
from everytick.store.records import CANCELLED_WITH_ITS_PROCESS

_IS_AHEAD = "state = 'running' AND started_us > :at_present"
STATE_NOW = f"CASE WHEN {_IS_AHEAD} THEN 'claimed' ELSE state END"
# A run that goes on has begun: where somebody took its start away by hand, it stands since it was claimed.
STARTED_NOW = f"""CASE WHEN {_IS_AHEAD} THEN NULL
     WHEN state = 'running' AND started_us IS NULL THEN COALESCE(claimed_us, due_us) ELSE started_us END"""
_CLAIMED = "CASE WHEN state IN ('claimed', 'running') THEN COALESCE(claimed_us, due_us) ELSE claimed_us END"

# Lists need no tracebacks. Who shows an error cuts it: cut here, a secret in it would be masked in part.
LISTED = f"""
run_id, job_id, kind, tick_us, last_tick_us, tick_count, start_number, {STATE_NOW} AS state, reason, attempt,
crashes, rerun_until_us, due_us, process_id, {_CLAIMED} AS claimed_us, {STARTED_NOW} AS started_us,
finished_us, error, for_tick_us, cancel_us, replaced_by_us, told_attempt, backfill_id
"""
# All columns of a run.
RUN = f"{LISTED}, traceback"
# Those of an attempt before the latest of its run.
ATTEMPT = "run_id, attempt, state, process_id, started_us, finished_us, error, traceback"


# The most characters of an error in a list.
_ERROR_LENGTH = 400


def error_in_list(error: str | None) -> str | None:
    """Return as much of an error as a list has, with secrets masked already as the reader masks them."""
    return None if error is None else error[:_ERROR_LENGTH]


def took(row: Any) -> int | None:
    """Return how long an attempt took, in microseconds; None if it did not begin, goes on, or is not known.

    Of one that ended with its process only the time at which that was found out is known.
    """
    if row.started_us is None or row.finished_us is None:
        return None
    if row.state == "lost" or row.error == CANCELLED_WITH_ITS_PROCESS:
        return None
    return int(row.finished_us - row.started_us)


def took_seconds(row: Any) -> float | None:
    """Return the same in seconds."""
    length = took(row)
    return None if length is None else length / ticks.SECOND

"""Findings about backfills: those that wait, stand still, were stopped, or whose runs fail."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from everytick.app import typed, typed_for
from everytick.model import ticks
from everytick.read.backfills import list_backfills, obstacle, standing_still
from everytick.read.schemas import Backfill
from everytick.store.querying import Reader
from everytick.text.durations import duration
from everytick.text.instants import is_to_come, local_with_zone
from everytick.text.wording import counted

from .finding import Finding

_NEWEST = 1_000
# A backfill that was stopped so long ago is given up.
_GIVEN_UP = 7 * ticks.DAY
_RECENT = ticks.DAY
_FAILED = ("failed", "timed_out", "lost", "interrupted")


def examine_backfills(connection: Reader, now: int, zone: Any) -> list[Finding]:
    """Look at each backfill that goes on, or has ended lately."""
    still = standing_still(connection, now)
    found: list[Finding] = []
    for row in list_backfills(connection, _NEWEST):
        if row["state"] == "running":
            found += _waits(row) if obstacle(row) else _stands(row, still)
        elif row["state"] == "stopped" and _goes_on_or_ended_after(row, now - _GIVEN_UP):
            found += _stopped(row, zone)
        if _goes_on_or_ended_after(row, now - _RECENT):
            found += _fails(row)
    return found


def _goes_on_or_ended_after(row: Backfill, instant: int) -> bool:
    return row["ended_at"] is None or is_to_come(row["ended_at"], instant)


def _finding(level: str, row: Backfill, what: str, right: str | None) -> Finding:
    named = f"backfill {row['backfill_id']} of {row['job_id']} {what}"
    return Finding(level, "backfill", named, f"job {row['job_id']}", right)


def _left(row: Backfill) -> str:
    return f"with {row['ticks'] - row['made']:,} of {row['ticks']:,} runs to come"


def _waits(row: Backfill) -> Iterator[Finding]:
    why = obstacle(row)
    because = f": {row['cannot_run']}" if why == "cannot run" else ""
    what = f"waits, {_left(row)}: its job {why}{because}"
    right = typed_for(row["job_id"], "resume") if why == "is paused" else None
    yield _finding("warning" if because else "note", row, what, right)


def _stands(row: Backfill, still: dict[int, int]) -> Iterator[Finding]:
    if row["backfill_id"] in still:
        since = duration(still[row["backfill_id"]])
        what = f"stands still for {since}, {_left(row)}, although a scheduler is up"
        yield _finding("error", row, what, "a look at the log of the process: it says why no run is made")


def _stopped(row: Backfill, zone: Any) -> Iterator[Finding]:
    if row["made"] >= row["ticks"] or row["ended_at"] is None:
        return
    when = local_with_zone(row["ended_at"], zone)
    why = f": {row['why']}" if row["why"] else ""
    right = None if row["why"] else f"{typed('backfill')} --continue {row['backfill_id']}, or nothing"
    yield _finding("note", row, f"is stopped since {when}, {_left(row)}{why}", right)


def _fails(row: Backfill) -> Iterator[Finding]:
    failed = {state: row["runs"][state] for state in _FAILED if state in row["runs"]}
    if failed:
        states = ", ".join(f"{number:,} {state}" for state, number in failed.items())
        what = f"had {counted(sum(failed.values()), 'run')} that did not succeed: {states}"
        yield _finding("warning", row, what, typed(f"runs --job {shlex.quote(row['job_id'])} --failed"))

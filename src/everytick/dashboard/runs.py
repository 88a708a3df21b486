"""Runs and skipped ticks, as the pages and the API show them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from everytick.model import ticks
from everytick.read.reports import Report
from everytick.read.run_columns import error_in_list
from everytick.read.run_filter import ENDED_RUNS, FAILED, REASONS, STATES, RunFilter
from everytick.read.runs import outlined
from everytick.store.requests import ENDED
from everytick.text.instants import iso

from . import schemas
from .control import instant
from .problems import Problem


def lateness(row: Any) -> int | None:
    """Return how long after it was due a run began or, if it waits, has not begun; in microseconds.

    None for ticks that were skipped, and for runs that are not due yet. A further attempt is due when its
    pause is over.
    """
    if row.state == "skipped" or (row.started_us is None and row.finished_us is not None):
        return None
    begun = ticks.now() if row.started_us is None else row.started_us
    return int(begun - row.due_us) if begun >= row.due_us else None


def possible(row: Any) -> str:
    """Return the action that a run is in a state for: retry, cancel or run-now; empty if none is."""
    if row.state in ENDED:
        return "retry"
    if row.finished_us is None:
        return "" if row.cancel_us else "cancel"
    # A row for many ticks says of none of them when it was.
    is_one_tick = row.state == "skipped" and row.tick_us is not None and row.last_tick_us is None
    return "run-now" if is_one_tick else ""


def asked_for(
    job: str | None,
    id_part: str,
    states: Sequence[str],
    since: str | None,
    until: str | None,
    error: str,
    reasons: Sequence[str] = (),
    *,
    failed: bool,
    ended: bool,
) -> RunFilter:
    """Return the filter that a query asks for.

    `failed` stands for all states that are failures, `ended` for all of runs that are over.

    Raises:
        Problem: there is no such state or reason, or a time is none.
    """
    begin = instant("since", since) if since else None
    end = instant("until", until) if until else None
    if begin is not None and end is not None and end <= begin:
        raise Problem(422, "until: must be later than since", "until")
    wanted = tuple(
        dict.fromkeys([*filter(None, states), *(FAILED if failed else ()), *(ENDED_RUNS if ended else ())])
    )
    for state in wanted:
        if state not in STATES:
            raise Problem(422, f"state: {state!r} is none of {', '.join(STATES)}")
    why = tuple(dict.fromkeys(filter(None, reasons)))
    for reason in why:
        if reason not in REASONS:
            raise Problem(422, f"reason: {reason!r} is none of {', '.join(REASONS)}")
    return RunFilter(job or None, wanted, why, begin, end, id_part.strip(), error.strip())


def listed_fields(
    row: Any,
    before: Any = None,
    dead: Container[str] = (),
    said: Report | None = None,
    behind: Sequence[int] = (),
) -> schemas.Run:
    """Return a run as the command `runs` does, without its traceback, and what else a list has.

    `before`: the attempt for which it is listed, if that is not its latest. `dead`: see `processes.died`.
    `said`: what it said of itself. `behind`: the runs in its way, if it was skipped as overlap.
    """
    return {
        "last_tick": None,
        "count": None,
        **outlined(row, before, dead, said, behind),
        "error": error_in_list(row.error),
        "due_at": iso(row.due_us),
        "late": late / ticks.SECOND if (late := lateness(row)) is not None else None,
        "process_id": row.process_id,
        "cancel_asked_at": iso(row.cancel_us),
    }

"""Runs and skipped ticks, as the pages and the API show them."""

from __future__ import annotations

from typing import Any

from everytick.read.runs import STATES, outlined
from everytick.text.instants import iso

from . import schemas
from .problems import Problem


def took(row: Any) -> int | None:
    """Return how long the latest attempt took, in microseconds; None if it did not begin, or goes on."""
    if row.started_us is None or row.finished_us is None:
        return None
    return int(row.finished_us - row.started_us)


def late(row: Any) -> int | None:
    """Return how long after it was due a run began, in microseconds; None if it did not begin."""
    return None if row.started_us is None else max(0, int(row.started_us - row.due_us))


def check_state(state: str | None) -> str | None:
    """Return a state to look for; refuse one that there is not."""
    if state and state not in STATES:
        raise Problem(422, f"state: {state!r} is none of {', '.join(STATES)}")
    return state or None


def listed_fields(row: Any) -> schemas.Run:
    """Return a run as the command `runs` does, without its traceback, and what else a list has."""
    return {
        "last_tick": None,
        "count": None,
        **outlined(row),
        "due_at": iso(row.due_us),
        "process_id": row.process_id,
        "cancel_asked_at": iso(row.cancel_us),
    }

"""Ticks that were missed in the wanted time, and written down only after it, when a scheduler was back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everytick.store import schema
from sqlalchemy import ColumnElement, Connection, func, select

from .outages import outages
from .run_filter import RunFilter

_runs = schema.runs.c


def rows_of_outage(
    connection: Connection, wanted: RunFilter, columns: Sequence[ColumnElement[Any]]
) -> list[Any]:
    """Return wanted rows of ticks that were missed as no scheduler was up at the end of the wanted time.

    A row may stand for many ticks: some of them lie in that time. In no order.
    """
    states = wanted.states
    if wanted.until is None or not wanted.is_past() or (states and "skipped" not in states):
        return []
    found: list[Any] = []
    for outage in outages(connection, wanted.until - 1, wanted.until):
        query = select(*columns).where(
            # By the index scheduler_runs_ended.
            _runs.finished_us.between(wanted.until, outage.recorded_until),
            _runs.attempt < 1,
            _runs.reason.concat("").in_(("outage", "coalesced")),
            _runs.tick_us < wanted.until,
            func.coalesce(_runs.last_tick_us, _runs.tick_us) >= (wanted.since or 0),
        )
        found += [row for row in connection.execute(query) if wanted.matches(row)]
    return found

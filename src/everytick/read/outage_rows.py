"""Ticks that were missed in the wanted time, and written down only after it, when a scheduler was back."""

from __future__ import annotations

from typing import Any

from everytick.store.querying import Reader

from .outages import all_outages
from .run_columns import LISTED
from .run_filter import RunFilter

# By the index scheduler_runs_ended. The reason is compared as an expression, so that no other is taken.
_ROWS = """
SELECT {columns} FROM scheduler_runs
WHERE finished_us >= :until AND finished_us <= :recorded AND attempt < 1
AND reason || '' IN ('outage', 'coalesced')
AND tick_us < :until AND COALESCE(last_tick_us, tick_us) >= :since
"""


def rows_of_outage(connection: Reader, wanted: RunFilter, columns: str = LISTED) -> list[Any]:
    """Return wanted rows of ticks that were missed as no scheduler was up at the end of the wanted time.

    A row may stand for many ticks: some of them lie in that time. In no order.
    """
    states = wanted.states
    if wanted.until is None or not wanted.is_past() or (states and "skipped" not in states):
        return []
    values = {"since": wanted.since or 0, "until": wanted.until}
    return [
        row
        for outage in all_outages(connection, wanted.until - 1, wanted.until)
        for row in connection.rows(
            _ROWS.format(columns=columns), {**values, "recorded": outage.recorded_until}
        )
        if wanted.matches(row)
    ]

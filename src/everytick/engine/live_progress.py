"""Writes down how far runs say that they are while they go on, so that pages and commands can show it.

The end of a run writes the last of it, in any case. What was written before stays if its process dies.
"""

from __future__ import annotations

from collections.abc import Iterable

from everytick.store import reports
from everytick.store.connections import Connection, in_transaction
from everytick.store.records import Claim, Report
from everytick.system import system

from .context import Progress
from .reports import report_of

# How long the progress of one run is not written again.
_GAP_SECONDS = 1.0


class LiveProgress:
    """Of the runs of one process. Used on the ledger's thread only."""

    def __init__(self) -> None:
        # By run: what was written, and when, in seconds of the monotonic clock.
        self._written: dict[int, tuple[Progress, float]] = {}

    def write(self, connection: Connection, under_way: Iterable[tuple[Claim, Progress]]) -> None:
        """Write the news; called about once a second with the runs under way that have said something."""
        now = system.monotonic()
        before, self._written = self._written, {}
        found: list[tuple[Claim, Report]] = []
        for claim, progress in under_way:
            seen = before.get(claim.run_id)
            if seen is not None and (seen[0] is progress or now < seen[1] + _GAP_SECONDS):
                self._written[claim.run_id] = seen
                continue
            self._written[claim.run_id] = progress, now
            found.append((claim, report_of(progress)))
        if found:
            # After a power cut no run goes on, so this need not reach the disk.
            in_transaction(connection, lambda inside: _keep(inside, found), durable=False)


def _keep(connection: Connection, found: Iterable[tuple[Claim, Report]]) -> None:
    for claim, report in found:
        reports.keep(connection, claim, report)

"""Makes the runs of backfills, in whichever process looks first. Each run is then taken from the queue."""

from __future__ import annotations

from everytick.store import backfills
from everytick.store.backfills import Running
from everytick.store.connections import Connection, in_transaction

from .parts import Parts


class Backfilling:
    """Of one process. Used on the ledger's thread only.

    jobs: those of which a backfill goes on, as of the last look. When a run of one ends, the next may begin.
    """

    def __init__(self) -> None:
        self.jobs: frozenset[str] = frozenset()
        self._parts = Parts("the making of runs for backfills")

    def go_on(self, connection: Connection) -> bool:
        """Make the runs that may begin now; return whether to look again at once."""
        running = backfills.running(connection)
        self.jobs = frozenset(one.job_id for one in running)
        # One with a row that cannot be read does not stop the others.
        done = [self._parts.do(f"backfill {one.number}", _make, connection, one) for one in running]
        return any(done)


def _make(connection: Connection, one: Running) -> bool:
    if not one.is_ready(connection):
        return False
    return in_transaction(connection, lambda inside: backfills.make_runs(inside, one.number))

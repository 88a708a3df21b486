"""How many ticks of a combined trigger a long gap had: counted afterwards, a little at a time (rule R1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from everytick.model.job import Job
from everytick.store import pauses
from everytick.store import statements as sql
from everytick.store.connections import Connection, in_transaction
from everytick.system import system

_SLICE_SECONDS = 0.03
_LOOK_SECONDS = 60.0
_PIECE = 50


@dataclass
class _Gap:
    run_id: int
    job: Job
    # Up to here `number` ticks were counted.
    reached: int
    last: int
    number: int = 0


class GapCounting:
    """Fills in the numbers that were left open when a gap was recorded. Lives on the ledger's thread."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = jobs
        self._gap: _Gap | None = None
        self._look_at = 0.0

    def go_on(self, connection: Connection) -> None:
        """Count for a moment; write down a number that is complete."""
        if self._gap is None and system.monotonic() >= self._look_at:
            self._gap = self._find(connection)
            self._look_at = system.monotonic() + _LOOK_SECONDS
        if self._gap is None or not self._count(self._gap):
            return
        values = {"run_id": self._gap.run_id, "count": self._gap.number}
        in_transaction(connection, lambda inside: inside.execute(sql.FILL_COUNT, values))
        self._gap, self._look_at = None, 0.0

    def _find(self, connection: Connection) -> _Gap | None:
        """Return a gap of a job whose definition is still that of then."""
        for run_id, job_id, first, last in connection.execute(sql.LIST_UNCOUNTED).fetchall():
            job = self._jobs.get(job_id)
            state = pauses.read(connection, job_id)
            if job is not None and state is not None and state.definition == job.definition:
                return _Gap(run_id, job, first - 1, last)
        return None

    @staticmethod
    def _count(gap: _Gap) -> bool:
        """Return whether all ticks of a gap are counted."""
        stop = system.monotonic() + _SLICE_SECONDS
        while system.monotonic() < stop:
            for _ in range(_PIECE):
                tick = gap.job.next_tick(gap.reached)
                if tick is None or tick > gap.last:
                    return True
                gap.reached, gap.number = tick, gap.number + 1
        return False

"""The jobs whose newest tick did not run, since no scheduler was up or could begin it in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from everytick.store.querying import Reader, among, pieces
from everytick.text.instants import iso, short

from .endings import newest_endings
from .job_ids import natural
from .known_job import IN_FORCE, DueJob

if TYPE_CHECKING:
    from . import trouble_schemas

_WHY = {"outage": "no scheduler was up", "missed": "it could not begin within its grace time"}

# By scheduler_runs_tick: one step for each job.
_NEWEST = f"""
SELECT (SELECT run_id FROM scheduler_runs WHERE job_id = scheduler_jobs.job_id AND tick_us IS NOT NULL
        ORDER BY tick_us DESC LIMIT 1) AS newest
FROM scheduler_jobs WHERE {IN_FORCE}
"""


@dataclass(frozen=True)
class Missed:
    """A job whose newest tick did not run; `tick` in microseconds UTC. `reason`: `outage` or `missed`."""

    job_id: str
    tick: int
    reason: str
    run_id: int

    @property
    def why(self) -> str:
        """Why it did not run, in words."""
        return _WHY[self.reason]

    def sentence(self, zone: tzinfo, now: int) -> str:
        """Return that as a clause; the time is in a zone that the reader knows."""
        return f"its last tick ({short(self.tick, zone, now)}) did not run: {self.why}"

    def as_json(self) -> trouble_schemas.MissedJob:
        """Return it for programs."""
        return {"job_id": self.job_id, "tick": iso(self.tick), "reason": self.reason, "run_id": self.run_id}


def find_missed(
    connection: Reader, due: Sequence[DueJob], endings: Mapping[str, Any] | None = None
) -> list[Missed]:
    """Return which of these jobs missed their newest tick, the last one first.

    Left out are jobs that are paused, and those that ran since, as by hand. `endings`: `newest_endings`,
    where they are read already.
    """
    paused = {job.id for job in due if job.paused}
    skipped = [one for one in _skipped(connection) if one[0].job_id not in paused]
    if endings is None:
        endings = newest_endings(connection) if skipped else {}
    found = [
        one
        for one, recorded in skipped
        if one.job_id not in endings or endings[one.job_id].finished_us <= recorded
    ]
    return sorted(found, key=lambda one: (-one.tick, natural(one.job_id)))


def _skipped(connection: Reader) -> Iterator[tuple[Missed, int]]:
    """Yield the newest ticks that did not run, each with when that was written down."""
    numbers = [number for number in connection.values(_NEWEST) if number is not None]
    for some in pieces(numbers):
        those = among("run_id", some, "run")
        query = f"""
            SELECT job_id, tick_us, last_tick_us, reason, run_id, finished_us FROM scheduler_runs
            WHERE {those.text} AND state = 'skipped'
        """
        for row in connection.rows(query, those.values):
            if row.reason in _WHY:
                tick = row.tick_us if row.last_tick_us is None else row.last_tick_us
                yield Missed(row.job_id, tick, row.reason, row.run_id), row.finished_us

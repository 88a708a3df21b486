"""The jobs whose newest tick did not run, since no scheduler was up or could begin it in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from everytick.store import schema
from everytick.store.querying import pieces
from everytick.text.instants import iso, short
from sqlalchemy import Connection, select

from . import schemas
from .endings import newest_endings
from .known_job import IN_FORCE, DueJob

_WHY = {"outage": "no scheduler was up", "missed": "it could not begin within its grace time"}

_jobs, _runs = schema.jobs.c, schema.runs.c
# By scheduler_runs_tick: one step for each job.
_NEWEST = select(
    select(_runs.run_id)
    .where(_runs.job_id == _jobs.job_id, _runs.tick_us.is_not(None))
    .order_by(_runs.tick_us.desc())
    .limit(1)
    .correlate(schema.jobs)
    .scalar_subquery()
).where(*IN_FORCE)


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

    def as_json(self) -> schemas.MissedJob:
        """Return it for programs."""
        return {"job_id": self.job_id, "tick": iso(self.tick), "reason": self.reason, "run_id": self.run_id}


def find_missed(connection: Connection, due: Sequence[DueJob]) -> list[Missed]:
    """Return which of these jobs missed their newest tick, the last one first.

    Left out are jobs that are paused, and those that ran since, as by hand.
    """
    paused = {job.id for job in due if job.paused}
    skipped = [one for one in _skipped(connection) if one[0].job_id not in paused]
    endings = newest_endings(connection) if skipped else {}
    found = [
        one
        for one, recorded in skipped
        if one.job_id not in endings or endings[one.job_id].finished_us <= recorded
    ]
    return sorted(found, key=lambda one: (-one.tick, one.job_id))


def _skipped(connection: Connection) -> Iterator[tuple[Missed, int]]:
    """Yield the newest ticks that did not run, each with when that was written down."""
    numbers = [number for number in connection.scalars(_NEWEST) if number is not None]
    columns = (_runs.job_id, _runs.tick_us, _runs.last_tick_us, _runs.reason, _runs.run_id, _runs.finished_us)
    for some in pieces(numbers):
        is_one = _runs.run_id.in_(some)
        for row in connection.execute(select(*columns).where(is_one, _runs.state == "skipped")):
            if row.reason in _WHY:
                tick = row.tick_us if row.last_tick_us is None else row.last_tick_us
                yield Missed(row.job_id, tick, row.reason, row.run_id), row.finished_us

"""How the newest run of each job ended: of all jobs at once, however long their history is."""

from __future__ import annotations

from typing import Any

from everytick.store import schema
from everytick.store.querying import pieces
from sqlalchemy import ColumnElement, Connection, ScalarSelect, select

from .known_job import IN_FORCE

# How many of a job's newest rows are looked at, of those with a tick and of those without: skipped ticks and
# runs that go on are left out.
_DEPTH = 200


_jobs, _runs = schema.jobs.c, schema.runs.c


def _newest(of_ticks: bool) -> ScalarSelect[Any]:
    """Return the query for the number of the newest run of a job that is over, by scheduler_runs_tick."""
    order = _runs.tick_us.desc() if of_ticks else _runs.run_id.desc()
    has_tick: ColumnElement[bool] = _runs.tick_us.is_not(None) if of_ticks else _runs.tick_us.is_(None)
    walk = (
        select(_runs.run_id, _runs.state, _runs.finished_us)
        .where(_runs.job_id == _jobs.job_id, has_tick)
        .order_by(order)
        .limit(_DEPTH)
        .correlate(schema.jobs)
        .subquery()
    )
    over = select(walk.c.run_id).where(walk.c.finished_us.is_not(None), walk.c.state != "skipped")
    return over.limit(1).scalar_subquery()


_NUMBERS = select(_newest(True).label("ticked"), _newest(False).label("other")).where(*IN_FORCE)
_COLUMNS = (_runs.job_id, _runs.run_id, _runs.state, _runs.finished_us)


def newest_endings(connection: Connection, job_id: str | None = None) -> dict[str, Any]:
    """Return the newest run that is over of each job in force, by job: run_id, state and finished_us.

    Of a run with a tick and one without, that is the one that ended last. Jobs without a run are left out.
    `job_id`: of that one alone.
    """
    asked = _NUMBERS if job_id is None else _NUMBERS.where(_jobs.job_id == job_id)
    run_ids = [number for row in connection.execute(asked) for number in row if number is not None]
    found: dict[str, Any] = {}
    # By the primary key. A join would let a server that knows its tables well read all runs instead.
    for some in pieces(run_ids):
        for row in connection.execute(select(*_COLUMNS).where(_runs.run_id.in_(some))):
            before = found.get(row.job_id)
            if before is None or before.finished_us < row.finished_us:
                found[row.job_id] = row
    return found

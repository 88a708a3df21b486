"""What is late is found among the few runs that have not begun, however many the ledger has."""

from __future__ import annotations

from contextlib import closing

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.notify.lateness import Lateness
from everytick.store import incidents
from everytick.store.not_begun import COUNT_BY_JOB

from inside import rows, until
from ledgers import change

ODD = ("x", b"x", 1.5, 2**63 - 1, -(2**63), 9e999)


async def test_what_has_not_begun_is_listed_by_the_indexes_for_few_rows(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        with closing(scheduler.ledger.connect(read_only=True)) as connection:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {COUNT_BY_JOB}", {"now": 1}).fetchall()
    steps = [str(tuple(row)[3]) for row in plan]
    walks = [step for step in steps if "scheduler_runs" in step]
    assert len(walks) == 2
    assert [it for it in walks if not it.endswith("_waiting (due_us<?)") and not it.endswith("_held")] == []


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    "column", ["watermark_us", "paused_us", "paused_until_us", "removed_us", "exhausted_us", "schedule_data"]
)
async def test_a_job_whose_row_cannot_be_read_hides_no_other_that_is_late(
    column: str, value: object, scheduler: AsyncIOScheduler
) -> None:
    for job_id in ("odd", "other"):
        scheduler.add_job(task, "interval", seconds=60, id=job_id)
    async with scheduler:
        pass
    before = ticks.now() - 600 * ticks.SECOND
    change(scheduler.ledger, "UPDATE scheduler_jobs SET watermark_us = ?", before)
    change(scheduler.ledger, f"UPDATE scheduler_jobs SET {column} = ? WHERE job_id = 'odd'", value)
    assert "other" in waiting(scheduler)


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("column", ["due_us", "job_id"])
async def test_a_run_whose_row_cannot_be_read_hides_no_other_that_is_late(
    column: str, value: object, scheduler: AsyncIOScheduler
) -> None:
    for job_id in ("odd", "other"):
        scheduler.add_job(task, "date", id=job_id)
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded")) == 2)
    change(scheduler.ledger, "UPDATE scheduler_runs SET state = 'queued', due_us = 1, finished_us = NULL")
    change(scheduler.ledger, f"UPDATE scheduler_runs SET {column} = ? WHERE job_id = 'odd'", value)
    assert "other" in waiting(scheduler)


@pytest.mark.parametrize("value", ODD)
def test_an_incident_that_cannot_be_read_is_in_nobodys_way(
    value: object, scheduler: AsyncIOScheduler
) -> None:
    scheduler.ledger.prepare()
    entered = "(job_id, kind, first_us, last_us, count, mark_us, detail, changed_us) VALUES"
    for job_id, mark in (("odd", value), ("other", 5)):
        change(
            scheduler.ledger,
            f"INSERT INTO scheduler_incidents {entered} (?, 'late', 1, 1, 1, ?, '', 1)",
            *(job_id, mark),
        )
    with closing(scheduler.ledger.connect(read_only=True)) as connection:
        found = incidents.late(connection)
    assert "other" in [job_id for _id, job_id, _due in found]
    assert all(isinstance(due, int) for _id, _job, due in found)


def waiting(scheduler: AsyncIOScheduler) -> dict[str, int]:
    """Return which jobs wait, and since when."""
    with closing(scheduler.ledger.connect(read_only=True)) as connection:
        return Lateness({}, 0).look(connection)[0]


def task() -> None:
    """Do nothing."""

"""What is late is found among the few runs that have not begun, however many the ledger has."""

from __future__ import annotations

from contextlib import closing

from everytick import AsyncIOScheduler
from everytick.store.not_begun import COUNT_BY_JOB


async def test_what_has_not_begun_is_listed_by_the_indexes_for_few_rows(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        with closing(scheduler.ledger.connect(read_only=True)) as connection:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {COUNT_BY_JOB}", {"now": 1}).fetchall()
    steps = [str(tuple(row)[3]) for row in plan]
    walks = [step for step in steps if "scheduler_runs" in step]
    assert len(walks) == 2
    assert [it for it in walks if not it.endswith("_waiting (due_us<?)") and not it.endswith("_held")] == []

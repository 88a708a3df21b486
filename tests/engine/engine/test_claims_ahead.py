"""What a claim records of runs that are due in a moment."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC

import pytest
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.model.misfire import Decision
from everytick.store import claims
from everytick.store.connections import in_transaction
from everytick.store.records import Identity, Room

from inside import rows_of, was_down, with_jitter

TICK = ticks.now() // ticks.SECOND * ticks.SECOND


@pytest.mark.parametrize(("jitter", "state"), [(None, "running"), (1, "claimed")])
async def test_a_run_with_jitter_is_only_reserved_until_it_is_due(
    scheduler: AsyncIOScheduler, jitter: int | None, state: str
) -> None:
    """A later tick of its job may be due before it, and would find the place taken by a run that waits."""
    job_id, due = with_jitter(TICK, 1, 0.1, 0.9)
    trigger = IntervalTrigger(hours=1, start_date=ticks.moment(TICK, UTC), jitter=jitter)
    scheduler.add_job(print, trigger, id=job_id)
    [job], me = scheduler.get_jobs(), Identity.new()
    await was_down(scheduler, job_id, 3_600)
    with closing(scheduler.ledger.connect()) as connection:
        [(seen,)] = connection.execute("SELECT watermark_us FROM scheduler_jobs").fetchall()
        now = (due if jitter else TICK) - ticks.SECOND // 20
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ticks, "now", lambda: now)
            decision = Decision(job, seen, TICK, (TICK,), (), ahead=True)
            [answer] = in_transaction(
                connection, lambda inside: claims.claim(inside, me, [decision], Room(4))
            )
    assert answer.verdict == "claimed"
    [row] = rows_of(scheduler, job_id)
    assert row["state"] == state

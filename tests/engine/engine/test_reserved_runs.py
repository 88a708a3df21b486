"""A run that is only reserved, ahead of its tick or until its jitter is over, is not under way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from everytick import AsyncIOScheduler
from everytick.engine import clock
from everytick.model import misfire, ticks

from inside import rows, until, with_jitter
from ledgers import changing

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.mark.full
async def test_waiting_for_the_jitter_is_no_overlap(scheduler: AsyncIOScheduler) -> None:
    # Some fifteen wait at any time, and hardly ever do two come to the same moment.
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="job", jitter=3, max_instances=5)
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded", "skipped")) >= 12)
    reasons = [row["reason"] for row in rows(scheduler, "skipped")]
    assert reasons.count("overlap") <= 1, reasons


@pytest.mark.full
async def test_a_run_reserved_before_a_sleep_does_not_take_the_place_of_the_latest(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "LONGEST_SLEEP", 0.1)
    monkeypatch.setattr(misfire, "AHEAD", 5 * ticks.SECOND)
    scheduler.add_job(lambda: None, "cron", minute=0, id="job", misfire_grace_time=5_400)
    with time_machine.travel(datetime(2027, 3, 10, 0, 59, 56, tzinfo=UTC)) as now:
        async with scheduler:
            await until(lambda: rows(scheduler, "claimed"))
            now.shift(timedelta(hours=9, minutes=10))
            await until(lambda: len(rows(scheduler)) > 5)
            await until(lambda: not rows(scheduler, "claimed", "running"))
        ended = {ticks.moment(row["tick_us"]).hour: row["reason"] or row["state"] for row in rows(scheduler)}
    assert ended[10] == "succeeded", ended


@pytest.mark.full
async def test_a_run_that_its_process_lost_and_took_again_begins_once(scheduler: AsyncIOScheduler) -> None:
    release, entered = asyncio.Event(), []

    async def job() -> None:
        entered.append(1)
        await release.wait()

    tick, job_id, due = soon_with_jitter()
    scheduler.add_job(
        job,
        "cron",
        hour=tick.hour,
        minute=tick.minute,
        second=tick.second,
        timezone="UTC",
        id=job_id,
        jitter=4,
    )
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="awake")
    async with scheduler:
        await until(lambda: [row for row in rows(scheduler, "claimed") if row["job_id"] == job_id])
        # What whoever declares this process dead does while it is frozen: the run is given back.
        with changing(scheduler.ledger) as connection:
            connection.execute(
                "UPDATE scheduler_runs SET state = 'queued', process_id = NULL, due_us = ? WHERE job_id = ?",
                (ticks.now(), job_id),
            )
        await until(lambda: entered)
        await until(lambda: ticks.now() > due + ticks.SECOND // 2)
        release.set()
        await until(lambda: [row for row in rows(scheduler, "succeeded") if row["job_id"] == job_id])
    assert entered == [1]


def soon_with_jitter() -> tuple[datetime, str, int]:
    """Return a tick a few seconds ahead, and a job that waits for its jitter for some seconds more."""
    tick = (ticks.now() // ticks.SECOND + 3) * ticks.SECOND
    job_id, due = with_jitter(tick, 4, 2, 3)
    return ticks.moment(tick), job_id, due

"""Runs that have to wait between claim and start: what is looked at anew, and what becomes of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks

from inside import rows, until
from ledgers import changing, held

pytestmark = [pytest.mark.usefixtures("nothing_left_behind"), pytest.mark.full]


async def test_a_run_whose_start_could_not_be_recorded_within_its_grace_is_missed(
    scheduler: AsyncIOScheduler,
) -> None:
    release = asyncio.Event()
    for number in range(4):
        scheduler.add_job(release.wait, id=f"busy{number}")
    scheduler.add_job(lambda: None, "interval", seconds=2, misfire_grace_time=1, id="job")

    def of_the_job(*states: str) -> list[dict[str, Any]]:
        return [row for row in rows(scheduler, *states) if row["job_id"] == "job"]

    async with scheduler:
        # No slot is free, so that it is claimed and waits.
        waiting = (await until(lambda: of_the_job("claimed")))[0]
        with held(scheduler.ledger):
            release.set()
            await until(lambda: ticks.now() > waiting["due_us"] + ticks.SECOND)
        row = await until(lambda: of_the_job("skipped", "succeeded"))
    assert (row[0]["tick_us"], row[0]["state"], row[0]["reason"]) == (waiting["tick_us"], "skipped", "missed")
    assert row[0]["started_us"] is None


async def test_runs_that_are_only_reserved_keep_no_instance(scheduler: AsyncIOScheduler) -> None:
    # Each waits for its jitter, for longer than until the next tick.
    scheduler.add_job(lambda: None, "interval", seconds=0.5, jitter=3, id="job")
    async with scheduler:
        # Were the first an instance of the job, the next tick would be skipped, and never wait beside it.
        await until(lambda: len(rows(scheduler, "claimed")) >= 3)


async def test_a_run_that_is_cut_before_its_start_is_recorded_takes_nothing_with_it(
    scheduler: AsyncIOScheduler,
) -> None:
    release, hurry = asyncio.Event(), asyncio.Event()
    for number in range(5):
        scheduler.add_job(release.wait, id=f"job{number}")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "running")) == 4)
        with held(scheduler.ledger):
            # Four outcomes wait for the ledger now, and the fifth run waits to be recorded as started.
            release.set()
            await asyncio.sleep(0.2)
            hurry.set()
            stopping = asyncio.ensure_future(scheduler.drain(hurry))
            await asyncio.sleep(0.2)
        await stopping
    assert sorted(row["state"] for row in rows(scheduler)) == ["queued", *["succeeded"] * 4]


async def test_each_missed_tick_waits_for_its_own_jitter(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="job", coalesce=False, jitter=3)
    async with scheduler:
        pass
    with changing(scheduler.ledger) as connection:
        connection.execute("UPDATE scheduler_jobs SET watermark_us = watermark_us - 1000000")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded")) >= 5)
    assert [row for row in rows(scheduler, "succeeded") if row["started_us"] < row["due_us"]] == []


async def test_a_startup_run_that_did_begin_is_not_recorded_as_skipped(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(asyncio.Event().wait, id="job")
    hurry = asyncio.Event()
    hurry.set()
    async with scheduler:
        await until(lambda: rows(scheduler, "running"))
        await scheduler.drain(hurry)
    with changing(scheduler.ledger) as connection:
        # Another process took it over, and was stopped before it could begin the second attempt.
        connection.execute(
            "UPDATE scheduler_runs SET state = 'queued', attempt = 2, crashes = 1, rerun_until_us = NULL"
        )
    async with scheduler:
        await until(lambda: rows(scheduler, "running"))
        await scheduler.drain(hurry)
    assert [row["state"] for row in rows(scheduler)] == ["lost", "interrupted"]

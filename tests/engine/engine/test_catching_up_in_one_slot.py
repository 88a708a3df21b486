"""Missed ticks that run one by one take one slot of a job, also where two of it may run at once."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler, current_run

from inside import Gauge, rows, scheduler_settings, until, was_down

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


class Stretched:
    """A job of which two may run at once, and six ticks were missed; each run takes a moment."""

    def __init__(self) -> None:
        self.gauge = Gauge()
        self.ticks: list[int] = []

    def declare(self, scheduler: AsyncIOScheduler) -> None:
        scheduler.add_job(
            self.work, "interval", hours=1, id="job", coalesce=False, misfire_grace_time=None,
            max_catch_up=6, max_instances=2,
        )  # fmt: skip

    def has_run(self, times: int) -> bool:
        return self.gauge.entered >= times

    async def work(self) -> None:
        run = current_run()
        assert run is not None
        assert run.tick is not None
        self.ticks.append(int(run.tick.timestamp()))
        self.gauge.enter()
        await asyncio.sleep(0.05)
        self.gauge.leave()


async def test_a_catch_up_that_waited_for_a_slot_takes_one_slot(scheduler: AsyncIOScheduler) -> None:
    job = Stretched()
    job.declare(scheduler)
    await was_down(scheduler, "job", 9 * 3_600)
    fresh, hold = AsyncIOScheduler(), asyncio.Event()
    job.declare(fresh)
    for number in range(4):
        fresh.add_job(hold.wait, "date", id=f"long{number}")
    async with fresh:
        await until(lambda: [row["state"] for row in rows(fresh)].count("queued") == 6)
        hold.set()
        await until(lambda: job.gauge.entered == 6)
    assert job.gauge.most == 1
    assert job.ticks == sorted(job.ticks)


@pytest.mark.full
async def test_a_catch_up_that_was_given_back_at_a_stop_takes_one_slot(scheduler: AsyncIOScheduler) -> None:
    job = Stretched()
    job.declare(scheduler)
    await was_down(scheduler, "job", 9 * 3_600)
    for number in range(2):
        fresh, enough = AsyncIOScheduler(), number + 1
        job.declare(fresh)
        async with fresh:
            await until(functools.partial(job.has_run, enough))
    fresh = AsyncIOScheduler()
    job.declare(fresh)
    async with fresh:
        await until(lambda: job.gauge.entered == 6)
    assert job.gauge.most == 1
    assert job.ticks == sorted(job.ticks)


@pytest.mark.full
async def test_a_catch_up_for_workers_takes_one_slot_of_one_of_them(tmp_path: Path) -> None:
    job = Stretched()
    with scheduler_settings(tmp_path, SCHEDULER_ROLE="scheduler"):
        clock = AsyncIOScheduler()
        job.declare(clock)
        await was_down(clock, "job", 9 * 3_600)
        clock = AsyncIOScheduler()
        job.declare(clock)
        async with clock:
            await until(lambda: len(rows(clock, "queued")) == 6)
            with scheduler_settings(tmp_path, SCHEDULER_ROLE="worker"):
                worker = AsyncIOScheduler()
                job.declare(worker)
                async with worker:
                    await until(lambda: job.gauge.entered == 6)
    assert job.gauge.most == 1
    assert job.ticks == sorted(job.ticks)


@pytest.mark.full
async def test_a_run_of_a_catch_up_whose_turn_has_not_come_can_be_cancelled(
    scheduler: AsyncIOScheduler,
) -> None:
    job = Stretched()
    job.declare(scheduler)
    await was_down(scheduler, "job", 9 * 3_600)
    fresh, hold = AsyncIOScheduler(), asyncio.Event()
    fresh.add_job(
        hold.wait, "interval", hours=1, id="job", coalesce=False, misfire_grace_time=None, max_catch_up=6
    )
    async with fresh:
        await until(lambda: rows(fresh, "running"))
        third = rows(fresh, "claimed")[1]
        fresh.cancel_run(third["run_id"])
        await until(lambda: rows(fresh, "cancelled"))
        assert len(rows(fresh, "claimed")) == 4
        hold.set()
        await until(lambda: len(rows(fresh, "succeeded")) == 5)
    [cancelled] = rows(fresh, "cancelled")
    assert (cancelled["run_id"], cancelled["started_us"]) == (third["run_id"], None)

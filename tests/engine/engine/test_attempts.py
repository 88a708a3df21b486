"""More than one attempt: retries, time limits, crashes, stopped processes, and what a task knows of it."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from everytick import AsyncIOScheduler, Run, current_run
from everytick.store.database import Ledger
from loguru import logger

from inside import overlaps, rows, scheduler_settings, until
from ledgers import changing, found_in
from waiting import wait_for


def attempts(ledger: Ledger) -> list[dict[str, Any]]:
    return found_in(ledger, "SELECT * FROM scheduler_attempts ORDER BY run_id, attempt")


async def test_a_failed_run_is_tried_again_and_every_attempt_is_recorded(
    scheduler: AsyncIOScheduler,
) -> None:
    seen: list[int] = []

    def flaky() -> None:
        run = current_run()
        assert run is not None
        seen.append(run.attempt)
        if run.attempt < 3:
            raise RuntimeError(f"no {run.attempt}")

    scheduler.add_job(flaky, "date", id="flaky", retries=2, retry_delay=0.1)
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    assert seen == [1, 2, 3]
    [run] = rows(scheduler)
    assert (run["attempt"], run["error"]) == (3, None)
    before = attempts(scheduler.ledger)
    assert [(row["attempt"], row["state"], row["error"]) for row in before] == [
        (1, "failed", "RuntimeError: no 1"),
        (2, "failed", "RuntimeError: no 2"),
    ]


@pytest.mark.full
async def test_after_the_last_retry_it_stays_failed(scheduler: AsyncIOScheduler) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    scheduler.add_job(broken, "date", id="broken", retries=1, retry_delay=0)
    async with scheduler:
        await until(lambda: rows(scheduler, "failed"))
    [run] = rows(scheduler)
    assert (run["state"], run["attempt"]) == ("failed", 2)


@pytest.mark.full
async def test_a_retry_that_is_due_later_survives_a_restart(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []

    def flaky() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no")

    scheduler.add_job(flaky, "interval", hours=9, id="flaky", retries=1, retry_delay=1.5,
                      next_run_time=datetime.now(UTC))  # fmt: skip
    async with scheduler:
        await until(lambda: rows(scheduler, "retrying"))
    scheduler.get_jobs()[0].startup_delay = None
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    [run] = rows(scheduler)
    assert run["attempt"] == 2
    assert run["started_us"] >= run["due_us"]


def test_the_wait_between_retries_doubles_and_is_bounded(scheduler: AsyncIOScheduler) -> None:
    job = scheduler.add_job(lambda: None, "date", id="job", retries=20, retry_delay=10)
    waits = [(job.retry_at(1, number, 0) or 0) / 1_000_000 for number in range(1, 21)]
    for number, wait in enumerate(waits):
        base = min(10 * 2**number, 3_600)
        assert base <= wait <= base * 1.1
    assert job.retry_at(1, 21, 0) is None
    patient = scheduler.add_job(lambda: None, "date", id="patient", retries=2, retry_delay=7_200)
    assert (patient.retry_at(1, 1, 0) or 0) >= 7_200_000_000
    assert waits == [(job.retry_at(1, number, 0) or 0) / 1_000_000 for number in range(1, 21)]


async def test_a_coroutine_beyond_its_timeout_is_cancelled(scheduler: AsyncIOScheduler) -> None:
    async def endless() -> None:
        await asyncio.sleep(600)

    scheduler.add_job(endless, "date", id="endless", timeout=0.2)
    async with scheduler:
        await until(lambda: rows(scheduler, "timed_out"))
    assert rows(scheduler)[0]["error"] == "it took longer than its timeout of 0.2 seconds"


async def test_listeners_can_tell_a_timeout_from_success(scheduler: AsyncIOScheduler) -> None:
    heard: list[Any] = []

    async def endless() -> None:
        await asyncio.sleep(600)

    scheduler.add_listener(heard.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(endless, "date", id="endless", timeout=0.1)
    async with scheduler:
        await until(lambda: rows(scheduler, "timed_out"))
    assert [type(event.exception) for event in heard] == [TimeoutError]


async def test_a_startup_run_in_its_retries_is_replaced_by_that_of_the_next_start(
    scheduler: AsyncIOScheduler,
) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    scheduler.add_job(broken, "date", id="broken", retries=1, retry_delay=60)
    async with scheduler:
        await until(lambda: rows(scheduler, "retrying"))
    async with scheduler:
        await until(lambda: len(rows(scheduler)) == 2 and rows(scheduler, "retrying"))
    # The attempt that it waited for never began: it is as the one before has ended.
    [first, second] = rows(scheduler)
    assert [first[name] for name in ("state", "attempt", "error")] == ["failed", 1, "RuntimeError: no"]
    assert second["state"] == "retrying"
    assert [each["run_id"] for each in attempts(scheduler.ledger)] == [second["run_id"]]


async def test_waiting_runs_of_a_removed_job_are_ended(scheduler: AsyncIOScheduler) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    scheduler.add_job(broken, "date", id="broken", retries=1, retry_delay=60)
    async with scheduler:
        await until(lambda: rows(scheduler, "retrying"))
    scheduler.remove_job("broken")
    async with scheduler:
        assert scheduler.registration.removed == ["broken"]
    assert [row["state"] for row in rows(scheduler)] == ["cancelled"]


async def test_a_function_beyond_its_timeout_holds_its_slot_until_it_ends(
    scheduler: AsyncIOScheduler,
) -> None:
    release = threading.Event()
    began: list[float] = []

    def stuck() -> None:
        began.append(time.monotonic())
        release.wait(20)

    scheduler.add_job(stuck, "interval", seconds=0.2, id="stuck", timeout=0.1)
    async with scheduler:
        await until(lambda: len(overlaps(scheduler)) >= 2)
        assert len(began) == 1
        assert len(rows(scheduler, "running")) == 1
        release.set()
        await until(lambda: rows(scheduler, "timed_out"))


async def test_a_task_can_ask_which_run_it_is(scheduler: AsyncIOScheduler) -> None:
    seen: dict[str, Run | None] = {}

    async def coroutine() -> None:
        seen["coroutine"] = current_run()
        seen["thread below"] = await asyncio.to_thread(current_run)

    def function() -> None:
        seen["function"] = current_run()

    zone = "Asia/Tokyo"
    scheduler.add_job(coroutine, "interval", seconds=0.5, id="c", timeout=60, timezone=zone)
    scheduler.add_job(function, "date", id="f")
    async with scheduler:
        await until(lambda: len(seen) == 3)
    run = seen["coroutine"]
    assert run is not None
    assert run == seen["thread below"]
    assert run.tick is not None
    assert run.deadline is not None
    assert str(run.tick.tzinfo) == zone
    assert 0 < (run.deadline - run.tick).total_seconds() < 120
    assert (run.job_id, run.kind, run.attempt) == ("c", "scheduled", 1)
    startup = seen["function"]
    assert startup is not None
    assert (startup.kind, startup.tick, startup.deadline) == ("startup", None, None)
    assert current_run() is None


@pytest.mark.full
async def test_a_coroutine_that_blocks_the_loop_is_named(scheduler: AsyncIOScheduler) -> None:
    said: list[str] = []
    kept = logger.add(said.append, format="{message}")

    async def greedy() -> None:
        # It blocks the loop until that is told.
        wait_for(lambda: [line for line in said if "job greedy blocks the event loop" in line], "its name")

    scheduler.add_job(greedy, "date", id="greedy")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded", "failed"))
    logger.remove(kept)
    assert rows(scheduler, "succeeded")


@pytest.mark.full
async def test_old_history_is_pruned_and_the_rest_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from everytick.engine import heartbeats

    monkeypatch.setattr(heartbeats, "_PRUNE_SECONDS", 0.0)
    monkeypatch.setattr(heartbeats, "_PRUNE_PIECE", 3)
    with scheduler_settings(tmp_path, SCHEDULER_HISTORY_DAYS=2):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(lambda: None, "interval", seconds=0.1, id="job")
        async with scheduler:
            await until(lambda: len(rows(scheduler, "succeeded")) >= 8)
        with changing(scheduler.ledger) as connection:
            connection.execute("UPDATE scheduler_runs SET finished_us = finished_us - 3 * 86400000000")
        old = {row["run_id"] for row in rows(scheduler)}
        async with scheduler:
            # A piece a second, and on a busy machine there are many.
            await until(lambda: not old & {row["run_id"] for row in rows(scheduler)}, 60)
        ticks = [row["tick_us"] for row in rows(scheduler)]
        assert ticks
        assert len(ticks) == len(set(ticks))

"""A CancelledError that nobody asked for is an error of the job: it is told of, and tried again."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any

import pytest
from everytick import AsyncIOScheduler, current_run

from inside import log as log
from inside import rows, rows_of, until


async def awaits_a_cancelled_task() -> None:
    inner = asyncio.create_task(asyncio.sleep(30))
    asyncio.get_running_loop().call_later(0.05, inner.cancel, "the pool was closed")
    await inner


async def raises_it() -> None:
    raise asyncio.CancelledError


def raises_that_of_threads() -> None:
    pool = concurrent.futures.ThreadPoolExecutor(1)
    future: concurrent.futures.Future[None] = concurrent.futures.Future()
    future.cancel()
    pool.shutdown()
    future.result()


def raises_it_on_a_thread() -> None:
    raise asyncio.CancelledError


INSIDE: list[Callable[[], Any]] = [
    *(awaits_a_cancelled_task, raises_it, raises_that_of_threads, raises_it_on_a_thread),
    lambda: awaits_a_cancelled_task(),
]


@pytest.mark.full
@pytest.mark.parametrize("function", INSIDE)
@pytest.mark.parametrize("seconds", [None, 60])
async def test_it_is_a_failure_that_is_told_of_and_tried_again(
    scheduler: AsyncIOScheduler, log: list[str], function: Callable[[], Any], seconds: float | None
) -> None:
    scheduler.add_job(function, "date", id="job", retries=1, retry_delay=0.05, timeout=seconds)
    async with scheduler:
        await until(lambda: rows(scheduler, "failed"))
    [row] = rows(scheduler)
    assert row["attempt"] == 2
    assert "RuntimeError: something in it was cancelled" in row["error"]
    assert "though nobody asked to cancel the run" in row["error"]
    assert ("the pool was closed" in row["error"]) == (function in (INSIDE[0], INSIDE[4]))
    assert "CancelledError" in row["traceback"]
    assert any("failed" in line for line in log)


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task
    task.cancel()
    await asyncio.sleep(5)


async def test_a_run_that_cancels_its_own_task_is_cancelled(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(cancels_itself, "date", id="job", retries=1, retry_delay=0.05)
    async with scheduler:
        await until(lambda: rows(scheduler, "cancelled"))
    assert [row["attempt"] for row in rows(scheduler)] == [1]


async def passes_it_on() -> None:
    inner = asyncio.create_task(asyncio.sleep(30))
    try:
        await inner
    except asyncio.CancelledError:
        other = asyncio.create_task(asyncio.sleep(30))
        other.cancel()
        await other


def sees_that_it_is_to_end() -> None:
    import time

    while not current_run().cancel_requested:  # type: ignore[union-attr]
        time.sleep(0.01)
    raise concurrent.futures.CancelledError


@pytest.mark.parametrize("function", [passes_it_on, sees_that_it_is_to_end])
async def test_a_cancellation_that_was_asked_for_is_one_whatever_else_was_cancelled(
    scheduler: AsyncIOScheduler, function: Callable[[], Any]
) -> None:
    scheduler.add_job(function, "date", id="job", retries=1, retry_delay=0.05)
    async with scheduler:
        await until(lambda: rows(scheduler, "running"))
        await asyncio.to_thread(scheduler.cancel_run, rows(scheduler)[0]["run_id"])
        await until(lambda: rows(scheduler, "cancelled"))
    [row] = rows(scheduler)
    assert (row["attempt"], row["error"]) == (1, "its cancellation was requested")


async def test_a_timeout_is_one_whatever_else_was_cancelled(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(passes_it_on, "date", id="job", timeout=0.1)
    async with scheduler:
        await until(lambda: rows_of(scheduler, "job") and rows(scheduler, "timed_out"))

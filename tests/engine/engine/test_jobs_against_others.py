"""Jobs that cancel what runs beside them, or raise what a task or future cannot carry: the others go on."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from loguru import logger

from inside import rows, rows_of, until, was_down

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The log lines of the test."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line.record["message"])))
    yield lines
    logger.remove(sink)


def cancel_all() -> None:
    for task in asyncio.all_tasks():
        if task.get_name().startswith("job ") and task is not asyncio.current_task():
            task.cancel()


async def test_a_job_cannot_cancel_runs_of_others(scheduler: AsyncIOScheduler, said: list[str]) -> None:
    free = asyncio.Event()

    async def cancels() -> None:
        cancel_all()

    scheduler.add_job(free.wait, "date", id="beside")
    scheduler.add_job(cancels, "interval", seconds=0.3, id="culprit")
    async with scheduler:
        await until(lambda: len(rows_of(scheduler, "culprit")) > 2)
        assert [row["state"] for row in rows_of(scheduler, "beside")] == ["running"]
        free.set()
        await until(lambda: [row["state"] for row in rows_of(scheduler, "beside")] == ["succeeded"])
    assert "job culprit wanted to cancel a run of job beside, which goes on" in said
    assert not rows(scheduler, "cancelled")


@pytest.mark.full
async def test_runs_that_are_about_to_begin_go_on_too(scheduler: AsyncIOScheduler) -> None:
    async def cancels() -> None:
        cancel_all()

    scheduler.add_job(cancels, "interval", seconds=0.5, id="culprit")
    for number in range(2):
        # Due at the same instant, so that they get their slots together.
        scheduler.add_job(asyncio.sleep, "interval", args=[0], seconds=0.5, id=f"beside{number}")
    async with scheduler:
        await until(lambda: len(rows_of(scheduler, "beside1")) > 4)
    assert {row["state"] for row in rows(scheduler)} <= {"succeeded", "queued"}


@pytest.mark.full
async def test_a_slot_that_is_cancelled_from_elsewhere_gives_its_run_back(
    scheduler: AsyncIOScheduler,
) -> None:
    cancelled: list[int] = []
    entered: list[int] = []

    async def cancels() -> None:
        if not cancelled:
            cancelled.append(1)
            # As an application around it may do that: not in the name of a run.
            contextvars.Context().run(cancel_all)

    scheduler.add_job(cancels, "interval", seconds=0.5, id="culprit")
    scheduler.add_job(lambda: entered.append(1), "interval", seconds=0.5, id="beside")
    async with scheduler:
        await until(lambda: cancelled and len(entered) > 3)
        states = {row["state"] for row in rows_of(scheduler, "beside")[:3]}
        assert states == {"succeeded"}


async def test_a_run_may_cancel_itself_and_its_own_tasks(scheduler: AsyncIOScheduler) -> None:
    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.sleep(60)

    async def times_out() -> None:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(60)

    scheduler.add_job(cancels_itself, "date", id="cancels")
    scheduler.add_job(times_out, "date", id="timeout")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "cancelled", "failed")) == 2)
    assert [row["state"] for row in rows_of(scheduler, "cancels")] == ["cancelled"]
    assert rows_of(scheduler, "timeout")[0]["error"] == "TimeoutError"


async def test_a_job_that_ends_the_scheduler_may_cut_the_others(scheduler: AsyncIOScheduler) -> None:
    async def ends() -> None:
        await until(lambda: [row["state"] for row in rows_of(scheduler, "beside")] == ["running"])
        scheduler.shutdown(wait=False)

    scheduler.add_job(asyncio.sleep, "date", args=[60], id="beside")
    scheduler.add_job(ends, "date", id="ends")
    async with scheduler:
        await until(lambda: not scheduler.running)
    assert [row["state"] for row in rows_of(scheduler, "beside")] == ["interrupted"]


def raise_in_a_thread(kind: type[BaseException]) -> None:
    raise kind


async def await_in_a_thread(kind: type[BaseException]) -> None:
    await asyncio.to_thread(raise_in_a_thread, kind)


@pytest.mark.parametrize("function", [raise_in_a_thread, await_in_a_thread])
@pytest.mark.full
async def test_what_closes_a_coroutine_ends_only_the_run_that_raises_it(
    scheduler: AsyncIOScheduler, said: list[str], function: Callable[..., Any]
) -> None:
    for fresh in (scheduler, later := AsyncIOScheduler()):
        fresh.add_job(
            function, "interval", hours=1, args=[GeneratorExit], id="job", coalesce=False,
            misfire_grace_time=None, max_catch_up=4,
        )  # fmt: skip
    await was_down(scheduler, "job", 8 * 3_600)
    async with later:
        await until(lambda: len(rows(later, "failed")) == 4)
    # Of an exception that nobody took from its task asyncio tells when that is forgotten.
    gc.collect()
    assert not [line for line in said if "never retrieved" in line]
    for row in rows(later, "failed"):
        assert "GeneratorExit" in row["error"]
        assert function is await_in_a_thread or "raise kind" in row["traceback"]

"""Context variables of runs: each run begins with those of the start, whatever another run has set."""

from __future__ import annotations

import asyncio
import decimal
from collections.abc import Iterator
from contextvars import ContextVar

import pytest
from everytick import AsyncIOScheduler

from inside import rows_of, until, was_down

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


@pytest.fixture
def digits() -> Iterator[decimal.Context]:
    """Decimal's context in the place where the scheduler is started."""
    before = decimal.getcontext().copy()
    yield decimal.getcontext()
    decimal.setcontext(before)


def catch_up(scheduler: AsyncIOScheduler, function: object, job_id: str = "job") -> None:
    scheduler.add_job(
        function, "interval", minutes=1, id=job_id, coalesce=False, misfire_grace_time=None, max_catch_up=4
    )


@pytest.mark.parametrize("kind", ["coroutine", "plain"])
async def test_what_one_run_of_a_catch_up_sets_the_next_one_does_not_see(
    scheduler: AsyncIOScheduler, digits: decimal.Context, kind: str
) -> None:
    found: list[tuple[str, int, int]] = []

    def change() -> None:
        context = decimal.getcontext()
        found.append((tenant.get(), context.prec, len(context.traps)))
        tenant.set(f"run {len(found)}")
        # In place, so that everybody who has this context sees it.
        context.prec = 3 + len(found)

    async def change_on_the_loop() -> None:
        change()
        await asyncio.sleep(0)

    catch_up(scheduler, change if kind == "plain" else change_on_the_loop)
    await was_down(scheduler, "job", 8 * 60)
    async with scheduler:
        await until(lambda: len(found) >= 4)
    assert {(name, precision) for name, precision, _ in found} == {("nobody", digits.prec)}
    assert decimal.getcontext().prec == digits.prec == 28


async def test_runs_see_what_was_set_before_the_start(scheduler: AsyncIOScheduler) -> None:
    found: list[str] = []
    tenant.set("the application")
    scheduler.add_job(lambda: found.append(tenant.get()), "interval", seconds=0.2, id="job")
    async with scheduler:
        await until(lambda: len(found) >= 2)
    assert set(found) == {"the application"}


async def test_a_job_that_a_run_adds_does_not_inherit_its_context(scheduler: AsyncIOScheduler) -> None:
    found: list[str] = []

    async def parent() -> None:
        tenant.set("parent")
        scheduler.add_job("added_tasks:note", "interval", seconds=0.2, id="child")

    async def other() -> None:
        found.append(tenant.get())

    scheduler.add_job(parent, "date", id="parent")
    scheduler.add_job(other, "interval", seconds=0.2, id="other")
    async with scheduler:
        await until(lambda: rows_of(scheduler, "child"))
        seen = len(found)
        await until(lambda: len(found) > seen + 3)
    assert set(found) == {"nobody"}

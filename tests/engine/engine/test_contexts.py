"""Context variables of runs: each run begins with those of the start, whatever another run has set."""

from __future__ import annotations

import asyncio
import decimal
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from everytick import AsyncIOScheduler, Run, current_run
from everytick.engine import context
from everytick.engine.admission import Admission
from everytick.model.job import Job

from inside import rows, rows_of, until, was_down

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


async def test_what_the_scheduler_does_at_the_end_of_a_run_has_nothing_of_the_run(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[str, object]] = []
    usual = Admission._go_on

    def go_on(admission: Admission) -> None:
        found.append((tenant.get(), current_run()))
        usual(admission)

    async def sets() -> None:
        tenant.set("a run")

    monkeypatch.setattr(Admission, "_go_on", go_on)
    scheduler.add_job(sets, "interval", seconds=0.2, id="job")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded")) >= 2)
    assert set(found) == {("nobody", None)}


async def test_a_run_is_described_once_and_only_if_its_function_asks(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: list[str] = []

    def describe(job: Job, *about: Any) -> Run:
        described.append(job.id)
        return context.describe(job, *about)

    async def asks() -> None:
        assert current_run() is current_run()

    async def does_not() -> None:
        pass

    monkeypatch.setattr("everytick.engine.attempts.describe", describe)
    for function in (asks, does_not):
        scheduler.add_job(function, "date", id=function.__name__)
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded")) == 2)
    assert described == ["asks"]

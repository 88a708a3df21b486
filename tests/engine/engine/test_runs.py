"""One run and many at once: limits, isolation, overlap, drain."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks

from inside import Clock, Gauge, new_threads, overlaps, rows, scheduler_settings, until

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def test_max_workers_bounds_coroutines_and_functions_together(scheduler: AsyncIOScheduler) -> None:
    gauge = Gauge()

    async def coroutine() -> None:
        gauge.enter()
        await asyncio.sleep(0.05)
        gauge.leave()

    def function() -> None:
        gauge.enter()
        time.sleep(0.05)
        gauge.leave()

    for number in range(12):
        scheduler.add_job(coroutine if number % 2 else function, "date", id=f"job{number}")
    async with scheduler:
        await until(lambda: gauge.entered == 12)
    assert gauge.most == 4
    assert len(rows(scheduler, "succeeded")) == 12


async def test_functions_do_not_take_the_threads_of_the_application(scheduler: AsyncIOScheduler) -> None:
    release = threading.Event()
    names: list[str] = []

    def blocking() -> None:
        names.append(threading.current_thread().name)
        release.wait(10)

    for number in range(4):
        scheduler.add_job(blocking, "date", id=f"job{number}")
    async with scheduler:
        await until(lambda: len(names) == 4)
        # The application's own threads, and its event loop, are free.
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 5)
        release.set()
    assert all(name.startswith("scheduler-task") for name in names)


@pytest.mark.parametrize(
    "trouble",
    [RuntimeError("no"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration()],
)
async def test_whatever_a_job_raises_the_others_go_on(
    scheduler: AsyncIOScheduler, trouble: BaseException
) -> None:
    calls: list[str] = []

    async def bad_coroutine() -> None:
        raise trouble

    def bad_function() -> None:
        raise trouble

    def good() -> object:
        calls.append("good")
        return object()

    scheduler.add_job(bad_coroutine, "interval", seconds=0.2, id="coroutine")
    scheduler.add_job(bad_function, "interval", seconds=0.2, id="function")
    scheduler.add_job(good, "interval", seconds=0.2, id="good")
    async with scheduler:
        await until(lambda: len(calls) >= 4)
    ended = {
        (row["job_id"], row["state"]) for row in rows(scheduler) if row["state"] not in ("skipped", "queued")
    }
    assert {("coroutine", "failed"), ("function", "failed"), ("good", "succeeded")} == ended


async def test_a_tick_that_comes_while_the_job_still_runs_is_skipped_and_recorded(
    scheduler: AsyncIOScheduler,
) -> None:
    release = asyncio.Event()

    async def slow() -> None:
        await release.wait()

    scheduler.add_job(slow, "interval", seconds=0.2, id="slow")
    async with scheduler:
        await until(lambda: scheduler.ledger.exists() and len(overlaps(scheduler)) >= 2)
        release.set()
    first = rows(scheduler, "succeeded")[0]
    assert first["tick_us"] < min(row["tick_us"] for row in overlaps(scheduler))
    # What else is skipped fell into a moment in which the machine stood still.
    assert {row["reason"] for row in rows(scheduler, "skipped")} <= {"overlap", "coalesced"}


async def test_max_instances_lets_as_many_run(scheduler: AsyncIOScheduler) -> None:
    gauge = Gauge()
    release = asyncio.Event()

    async def slow() -> None:
        gauge.enter()
        await release.wait()
        gauge.leave()

    scheduler.add_job(slow, "interval", seconds=0.2, id="slow", max_instances=2)
    async with scheduler:
        await until(lambda: scheduler.ledger.exists() and overlaps(scheduler))
        release.set()
    assert gauge.most == 2


@pytest.mark.full
async def test_jitter_delays_the_start_and_never_the_tick(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=0.5, id="job", jitter=0.3, max_instances=9)
    async with scheduler:
        await until(lambda: scheduler.ledger.exists() and len(rows(scheduler, "succeeded")) >= 4)
    delays = set()
    for row in rows(scheduler, "succeeded"):
        assert row["tick_us"] % 500_000 == 0
        assert row["started_us"] >= row["due_us"] >= row["tick_us"]
        delays.add(row["due_us"] - row["tick_us"])
    assert len(delays) > 1
    assert max(delays) <= 300_000


@pytest.mark.full
async def test_a_clock_that_is_set_back_does_not_let_a_run_start_before_it_is_due(
    scheduler: AsyncIOScheduler, clock: Clock
) -> None:
    calls: list[int] = []
    soon = datetime.now(UTC) + timedelta(seconds=0.7)
    scheduler.add_job(lambda: calls.append(ticks.now()), "date", id="job", run_date=soon)
    async with scheduler:
        began = time.monotonic()
        clock.step(-1.5)
        await until(lambda: calls)
        assert time.monotonic() > began + 0.5
    [row] = rows(scheduler)
    assert row["started_us"] >= row["due_us"]


async def test_a_coroutine_that_outlives_the_grace_time_is_interrupted(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_SHUTDOWN_GRACE_TIME="0.1"):
        scheduler = AsyncIOScheduler()
        began = asyncio.Event()

        async def endless() -> None:
            began.set()
            await asyncio.sleep(600)

        scheduler.add_job(endless, "date", id="endless")
        async with scheduler:
            await began.wait()
        assert [row["state"] for row in rows(scheduler)] == ["interrupted"]


async def test_a_thread_that_cannot_be_cancelled_keeps_its_lease_until_it_ends(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_SHUTDOWN_GRACE_TIME="0.1"):
        scheduler = AsyncIOScheduler()
        began, release = threading.Event(), threading.Event()
        before = set(threading.enumerate())

        def stuck() -> None:
            began.set()
            release.wait(20)

        scheduler.add_job(stuck, "date", id="stuck")
        async with scheduler:
            await until(began.is_set)
        held = rows(scheduler)[0]["state"]
        release.set()
        await until(lambda: rows(scheduler, "succeeded"))
        assert held in {"claimed", "running"}
        await until(lambda: not [t for t in new_threads(before) if t.name == "scheduler-ledger"])


@pytest.mark.full
async def test_a_job_whose_ticks_cannot_be_computed_does_not_stop_the_others(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    bad = scheduler.add_job(lambda: calls.append(-1), "interval", seconds=0.2, id="bad")
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=0.2, id="good")
    asked: list[int] = []
    real = bad.schedule.ticks.next

    def broken(after: int) -> int | None:
        asked.append(after)
        if len(asked) > 3:
            raise OverflowError("beyond all numbers")
        return real(after)

    monkeypatch.setattr(bad.schedule.ticks, "next", broken)
    async with scheduler:
        await until(lambda: calls.count(1) >= 5)
    # Asked again after a minute, not at once and for ever.
    assert len(asked) < 20


async def test_an_error_that_is_no_proper_text_is_recorded_all_the_same(scheduler: AsyncIOScheduler) -> None:
    def broken() -> None:
        raise ValueError("bad \udce9 name \0" + "x" * 100_000)

    scheduler.add_job(broken, "date", id="broken")
    async with scheduler:
        await until(lambda: rows(scheduler, "failed"))
    [row] = rows(scheduler)
    assert row["error"].startswith("ValueError: bad \\udce9 name \\x00xxx")
    assert len(row["error"]) < 3_000
    assert len(row["traceback"]) < 30_000


async def test_a_run_is_claimed_before_it_is_due_and_starts_when_it_is(scheduler: AsyncIOScheduler) -> None:
    started: list[int] = []
    scheduler.add_job(lambda: started.append(ticks.now()), "interval", seconds=1, id="job")
    async with scheduler:
        # On a machine that stalls it may be the second, or the third.
        await until(
            lambda: [row for row in rows(scheduler, "succeeded") if row["claimed_us"] < row["tick_us"]]
        )
    runs = rows(scheduler, "succeeded")
    assert [run["started_us"] >= run["tick_us"] for run in runs] == [True] * len(runs)
    assert [at >= run["tick_us"] for at, run in zip(started, runs, strict=False)] == [True] * len(runs)


@pytest.mark.full
async def test_a_run_that_ends_just_before_the_next_tick_does_not_overlap_it(
    scheduler: AsyncIOScheduler,
) -> None:
    async def almost_a_second() -> None:
        # Ends between the moment in which the next tick could be claimed and that in which it is due.
        left = 0.9 - (ticks.now() % ticks.SECOND) / ticks.SECOND
        await asyncio.sleep(left)

    scheduler.add_job(almost_a_second, "interval", seconds=1, id="job")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded", "skipped")) >= 2)
    assert [row["state"] for row in rows(scheduler)[:2]] == ["succeeded", "succeeded"]

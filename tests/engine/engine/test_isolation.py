"""A fault in one place does not spread to the rest of the schedule."""

from __future__ import annotations

import asyncio
import functools
import logging
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from apscheduler import events
from everytick import AsyncIOScheduler, current_run
from everytick.engine import runner
from everytick.engine.executor import Calls
from everytick.notify.notifier import Notifier
from everytick.store import claims
from everytick.system import use

from inside import covered, new_threads, rows, scheduler_settings, until, without_a_hole
from ledgers import found_in, held

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.mark.parametrize("after", range(3))
async def test_wherever_the_ticks_of_a_job_fail_the_others_go_on(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    ran: dict[str, int] = {"before": 0, "after": 0}

    def count(name: str) -> None:
        ran[name] += 1

    scheduler.add_job(count, "interval", seconds=0.1, id="before", args=["before"])
    bad = scheduler.add_job(lambda: None, "interval", seconds=0.1, id="bad")
    scheduler.add_job(count, "interval", seconds=0.1, id="after", args=["after"])
    asked: list[int] = []
    real = bad.schedule.ticks.next

    def broken(at: int) -> int | None:
        asked.append(at)
        if len(asked) > after:
            raise OverflowError("beyond all numbers")
        return real(at)

    async with scheduler:
        monkeypatch.setattr(bad.schedule.ticks, "next", broken)
        await until(lambda: len(asked) > after)
        begin = dict(ran)
        await until(lambda: all(ran[name] >= begin[name] + 4 for name in ran))
    # It is looked at again after a while, not at once and for ever.
    assert len(asked) <= after + 3


@pytest.mark.full
@pytest.mark.parametrize(
    "trouble",
    [RuntimeError("a mistake"), sqlite3.DatabaseError("odd"), sqlite3.OperationalError("disk I/O error")],
)
async def test_a_pass_that_fails_is_made_up_for_within_a_second_or_two(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    ran: list[float] = []
    scheduler.add_job(lambda: ran.append(time.monotonic()), "interval", seconds=0.2, id="job", coalesce=False)
    real = claims.claim
    failed: list[float] = []

    def claim(*arguments: Any) -> Any:
        if len(ran) >= 2 and len(failed) < 2:
            failed.append(time.monotonic())
            raise trouble
        return real(*arguments)

    monkeypatch.setattr(claims, "claim", claim)
    async with scheduler:
        await until(lambda: len(failed) == 2)
        await until(lambda: ran[-1] > failed[-1], patience=3)
        await until(lambda: len(ran) >= 15)
    accounted = covered(rows(scheduler), "job", 0.2)
    assert without_a_hole(accounted, 0.2)
    assert len(rows(scheduler, "succeeded")) == len(ran)


@pytest.mark.full
async def test_a_claim_that_was_under_way_starts_nothing_after_the_stop_was_asked_for(
    scheduler: AsyncIOScheduler,
) -> None:
    entered: list[int] = []
    scheduler.add_job(lambda: entered.append(1), "interval", seconds=0.5, id="job")
    async with scheduler:
        await until(lambda: entered)
        with held(scheduler.ledger):
            begin = time.monotonic()
            await until(lambda: time.monotonic() > begin + 0.8)
            before = len(entered)
            stopping = asyncio.ensure_future(scheduler.drain())
            await asyncio.sleep(0.2)
        await stopping
    assert len(entered) == before
    assert rows(scheduler)[-1]["state"] == "queued"


@pytest.mark.full
async def test_stopping_without_a_ledger_waits_without_being_busy(scheduler: AsyncIOScheduler) -> None:
    go = asyncio.Event()

    async def waits() -> None:
        await go.wait()

    scheduler.add_job(waits, "date", id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "running"))
        for file in scheduler.ledger.path.parent.glob("ledger.db*"):
            file.unlink()
        go.set()
        begin, busy = time.monotonic(), time.process_time()
        assert await scheduler.drain() == 1
        lasted, busy = time.monotonic() - begin, time.process_time() - busy
    assert lasted > 5
    assert busy < lasted / 3
    assert not scheduler.ledger.path.exists()


@pytest.mark.parametrize("when", ["began", "ended"])
async def test_a_notifier_that_fails_leaves_no_run_without_an_end(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """As when no thread can be started for a ping (R12)."""

    def fail(*_arguments: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Notifier, when, fail)
    heard: list[object] = []
    scheduler.add_listener(heard.append, events.EVENT_JOB_EXECUTED)
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="job", ping="https://example.org/ping")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded")) >= 3)
        await until(lambda: len(heard) >= 3)
    assert not rows(scheduler, "running", "failed")


@pytest.mark.parametrize("what", ["attempts.describe", "runner.iso"])
async def test_a_run_that_cannot_be_described_has_failed(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """To its function, which asks for it, or in the lines of its log."""

    def fail(*_arguments: Any) -> None:
        raise OverflowError("date value out of range")

    monkeypatch.setattr(f"everytick.engine.{what}", fail)
    scheduler.add_job(lambda: str(current_run()), "interval", seconds=0.2, id="job")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "failed")) >= 2)


async def test_a_function_that_still_waited_for_a_thread_is_interrupted(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More functions than threads, which a stop finds waiting."""
    monkeypatch.setattr(runner, "_CANCEL_SECONDS", 0.2)
    gate = threading.Event()
    real = Calls.__init__
    monkeypatch.setattr(Calls, "__init__", lambda self, _most, allowed: real(self, 1, allowed))
    for name in ("first", "second"):
        scheduler.add_job(gate.wait, "date", id=name, on_crash="skip")
    troubles: list[str] = []
    logging.getLogger("concurrent.futures").addHandler(_Into(troubles))
    async with scheduler:
        await until(lambda: len(rows(scheduler, "running")) == 2)
        scheduler.settings.scheduler_shutdown_grace_time = 0.1
        threading.Timer(1.5, gate.set).start()
    gate.set()
    await until(lambda: [row["job_id"] for row in rows(scheduler, "interrupted")] == ["second"])
    gate.set()
    assert not troubles


class _Into(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


async def test_a_start_that_is_cancelled_leaves_nothing_behind(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        pass
    before = set(threading.enumerate())
    again = AsyncIOScheduler()
    with held(scheduler.ledger), pytest.raises(TimeoutError):
        await asyncio.wait_for(again.__aenter__(), 0.3)
    await until(lambda: not [t for t in new_threads(before) if t.name.startswith("scheduler-")])
    assert not found_in(scheduler.ledger, "SELECT * FROM scheduler_processes")


async def test_a_shutdown_grace_time_without_an_end_is_one(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_SHUTDOWN_GRACE_TIME="inf"):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(functools.partial(asyncio.sleep, 0.5), "date", id="job")
        async with scheduler:
            await until(lambda: rows(scheduler, "running"))
        assert [row["state"] for row in rows(scheduler)] == ["succeeded"]


async def test_a_stop_that_leaves_a_function_behind_needs_no_further_thread(
    scheduler: AsyncIOScheduler,
) -> None:
    """As where a job has limited them: the function's own outcome is written down when it ends."""
    entered, go = threading.Event(), threading.Event()
    before = set(threading.enumerate())

    def waits() -> None:
        entered.set()
        go.wait(30)

    def fail(*_arguments: Any, **_more: Any) -> Any:
        raise RuntimeError("can't start new thread")

    scheduler.add_job(waits, "date", id="job")
    hurry = asyncio.Event()
    hurry.set()
    async with scheduler:
        await until(entered.is_set)
        with use(start_thread=fail, in_thread=fail):
            assert await scheduler.drain(hurry) == 1
            assert [row["state"] for row in rows(scheduler)] == ["running"]
            go.set()
            await until(lambda: rows(scheduler, "succeeded"))
            await until(lambda: "scheduler-ledger" not in {it.name for it in new_threads(before)})

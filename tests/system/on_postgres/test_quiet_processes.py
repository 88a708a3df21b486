"""A process with nothing to do asks little of its server, and is told at once when there is something."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from everytick import AsyncIOScheduler, SchedulerClient, current_run
from everytick.engine import listening
from everytick.settings import settings
from everytick.store import notifications
from everytick.store.opening import ledger_at
from everytick.store.postgres import PostgresLedger
from everytick.store.postgres_connection import WiredConnection
from everytick.store.writer import Writer

from inside import rows_of, until

# So seldom a process looks by itself in these stories that whatever it finds it was told of.
SELDOM = 600.0
began: list[float] = []


def task() -> None:
    """Note when it began."""
    began.append(time.monotonic())


def fail_once() -> None:
    task()
    run = current_run()
    assert run is not None
    if run.attempt == 1:
        raise RuntimeError("the first time")


async def wait() -> None:
    task()
    await asyncio.sleep(60)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Give the statements that all connections send meanwhile, each of a text with several."""
    found: list[str] = []
    execute = WiredConnection.execute

    def note(self: WiredConnection, query: Any, *arguments: Any, **options: Any) -> Any:
        found.extend(part.strip() for part in str(query).split(";") if part.strip())
        return execute(self, query, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(WiredConnection, "execute", note)
        yield found


@pytest.fixture(autouse=True)
def forget() -> None:
    began.clear()


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_LOOK_SECONDS", SELDOM)


async def heard(scheduler: AsyncIOScheduler) -> None:
    """Wait until a process knows that it hears, and has looked once more."""
    process = scheduler._process
    assert process is not None
    await until(lambda: process._listening.hears)
    await until(lambda: process._listening._look_at > time.monotonic())


async def elsewhere(action: Callable[[SchedulerClient], Any]) -> Any:
    """Do something as another process does."""
    return await asyncio.to_thread(lambda: action(SchedulerClient("somebody")))


@pytest.mark.parametrize("role", ["all", "scheduler", "worker"])
async def test_an_idle_process_sends_at_most_one_statement_a_second(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setenv("SCHEDULER_ROLE", role)
    settings.cache_clear()
    scheduler = AsyncIOScheduler()
    for number in range(100):
        scheduler.add_job(task, "interval", days=100, id=f"job-{number}")
    async with scheduler:
        await heard(scheduler)
        with counted(monkeypatch) as statements:
            await asyncio.sleep(30)
    assert any("UPDATE scheduler_processes" in text for text in statements), "the count sees heartbeats"
    # Measured are 0.8 a second; each statement of a transaction counts.
    assert len(statements) <= 30, statements


async def test_what_people_ask_for_is_told_at_once(scheduler: AsyncIOScheduler, seldom: None) -> None:
    scheduler.add_job(task, "interval", days=100, id="job")
    scheduler.add_job(wait, "interval", days=100, id="long")
    async with scheduler:
        await heard(scheduler)
        await elsewhere(lambda client: client.run_job_now("job"))
        await until(lambda: began)
        number = await elsewhere(lambda client: client.run_job_now("long"))
        await until(lambda: len(began) == 2)
        await elsewhere(lambda client: client.cancel_run(number))
        await until(lambda: rows_of(scheduler, "long")[0]["state"] == "cancelled")
        await heard(scheduler)
        await elsewhere(lambda client: client.add_job(task, "interval", days=100, id="added"))
        await until(lambda: scheduler.get_job("added"))
        await elsewhere(lambda client: client.remove_job("added"))
        await until(lambda: scheduler.get_job("added") is None)


async def test_a_retry_begins_when_it_is_due_although_nobody_tells_then(
    scheduler: AsyncIOScheduler, seldom: None
) -> None:
    scheduler.add_job(fail_once, "interval", days=100, id="job", retries=1, retry_delay=3)
    async with scheduler:
        await heard(scheduler)
        await elsewhere(lambda client: client.run_job_now("job"))
        await until(lambda: len(began) == 2)
    assert 2.9 < began[1] - began[0] < 6


async def test_a_process_that_hears_nothing_looks_as_before(
    scheduler: AsyncIOScheduler, seldom: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf(_self: Any, _id: str, _heard: Any, stop: threading.Event) -> None:
        stop.wait()

    monkeypatch.setattr(PostgresLedger, "listen", deaf)
    scheduler.add_job(task, "interval", days=100, id="job")
    async with scheduler:
        process = scheduler._process
        assert process is not None
        await elsewhere(lambda client: client.run_job_now("job"))
        await until(lambda: began)
        assert not process._listening.hears


async def test_a_connection_that_is_cut_is_no_longer_relied_on_until_it_is_there_again(
    scheduler: AsyncIOScheduler, seldom: None, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everytick.store.postgres._LISTEN_AGAIN_SECONDS", 2.0)
    scheduler.add_job(task, "interval", days=100, id="job")
    async with scheduler:
        await heard(scheduler)
        process = scheduler._process
        assert process is not None
        with psycopg.connect(postgres_url, autocommit=True) as other:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            assert other.execute(cut).fetchall()
        await until(lambda: not process._listening.hears)
        await elsewhere(lambda client: client.run_job_now("job"))
        await until(lambda: began)
        await heard(scheduler)


def test_others_are_told_after_the_commit_and_at_most_ten_times_a_second(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    tell = notifications.tell

    def note(connection: Any) -> None:
        assert not connection._inside
        told.append(time.monotonic())
        tell(connection)

    monkeypatch.setattr(notifications, "tell", note)
    ledger = ledger_at(postgres_url)
    ledger.prepare()
    writer = Writer(ledger)
    writer.start()
    begin = time.monotonic()
    while time.monotonic() < begin + 1:
        writer.submit(lambda _connection: writer.wake_others()).result()
    last = time.monotonic()
    while not told or told[-1] < last - 0.1:
        assert time.monotonic() < last + 5, "the last commit is told of, too"
    writer.close()
    assert len(told) <= (told[-1] - told[0]) / 0.1 + 1

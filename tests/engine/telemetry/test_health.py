"""Is the schedule alive? Each way in which it can stand still is found, in words, from the ledger alone."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick.dashboard import probes
from everytick.engine import heartbeats
from everytick.engine.clock import Clock as SchedulersClock
from everytick.model import ticks
from everytick.read import processes
from everytick.store import sqlite
from everytick.store.database import Ledger
from everytick.telemetry import health
from everytick.telemetry.health import Finding, Health
from fastapi import FastAPI

import added_tasks
from inside import Clock, rows, until
from scraping import said, write


@contextmanager
def locked(path: Path, how: str) -> Iterator[None]:
    """Hold a ledger as another program might."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
        if how == "for all":
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        if how == "for all":
            other.execute("CREATE TABLE x (y)")
        yield
        other.execute("ROLLBACK")


async def test_a_schedule_that_runs_is_ready(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="often")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded")) > 1)
        found = health.check(scheduler.ledger)
        assert found.ready
        assert (found.problems, found.remarks, found.schedulers, found.overdue) == ((), (), 1, ())
        assert found.heartbeat_age is not None
        assert 0 <= found.heartbeat_age < 15
        assert found.loop_silence is not None
        assert found.loop_silence < 15
    found = health.check(scheduler.ledger)
    assert re.fullmatch(r"no scheduler is up since .* UTC, when it was stopped", said(found))
    # Who may know less is not told when that was.
    assert found.as_data(outline=True)["problems"] == ["no scheduler is up"]


def test_without_a_ledger_it_is_not_ready_and_none_is_made(scheduler: AsyncIOScheduler) -> None:
    found = health.check(scheduler.ledger)
    assert not found.ready
    assert "there is no ledger at" in said(found)
    assert found.as_data(outline=True)["problems"] == ["the ledger cannot be read"]
    assert not scheduler.ledger.exists()


async def test_a_damaged_ledger_is_not_ready(scheduler: AsyncIOScheduler) -> None:
    scheduler.ledger.path.write_bytes(b"no database" * 1000)
    assert "is damaged" in said(health.check(scheduler.ledger))


@pytest.mark.full
async def test_a_ledger_that_nobody_else_may_read_is_not_ready(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.2)
    async with scheduler:
        pass
    with locked(scheduler.ledger.path, "for all"):
        assert "locked" in said(health.check(scheduler.ledger))
    assert said(health.check(scheduler.ledger)).startswith("no scheduler is up since ")


@pytest.mark.full
async def test_a_ledger_that_nobody_may_write_shows_by_the_missing_heartbeat(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.3)
    monkeypatch.setattr(processes, "LEASE", 2 * ticks.SECOND)
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.2)
    async with scheduler:
        assert health.check(scheduler.ledger).ready
        with locked(scheduler.ledger.path, "for writers"):
            found = await until(lambda: said(health.check(scheduler.ledger)))
            # No restart mends that: the process itself is alive.
            here = health.check_here(scheduler.ledger)
            assert here.ready
            assert "lives, but the ledger has had no heartbeat of it for" in here.remarks[0].sentence
        assert found.startswith("no scheduler has sent a heartbeat for ")
        await until(lambda: health.check(scheduler.ledger).ready)


@pytest.mark.full
async def test_a_coroutine_that_blocks_the_event_loop_makes_it_unready(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.3)
    monkeypatch.setattr(processes, "LEASE", 2 * ticks.SECOND)
    free = threading.Event()
    found: list[Health] = []

    async def blocks() -> None:
        # Held until somebody outside of the loop has seen that it does not answer.
        free.wait(60)

    def watch() -> None:
        deadline = time.monotonic() + 30
        while not found and time.monotonic() < deadline:
            looked = health.check(scheduler.ledger)
            if not looked.ready:
                found.append(looked)
            time.sleep(0.05)
        free.set()

    scheduler.add_job(blocks, "date", id="blocks")
    watching = threading.Thread(target=watch)
    async with scheduler:
        watching.start()
        await until(lambda: rows(scheduler, "succeeded"))
        await until(lambda: health.check(scheduler.ledger).ready)
    watching.join()
    assert "has not answered for" in said(found[0])
    assert "something blocks it" in said(found[0])
    assert found[0].schedulers == 1


async def test_one_stuck_process_is_a_remark_as_long_as_another_goes_on(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        now = ticks.now()
        columns = "process_id, host, pid, started_us, beat, beat_us, start_number, pass_us"
        stuck = f"INSERT INTO scheduler_processes ({columns}) VALUES ('x', 'moon', 7, 0, 1, ?, 1, ?)"
        write(scheduler, stuck, now, now - 60 * ticks.SECOND)
        found = health.check(scheduler.ledger)
        assert (found.ready, found.schedulers) == (True, 2)
        assert found.loop_silence == pytest.approx(60)
        [remark] = found.remarks
        assert "process 7 on moon has not answered for 1 min" in remark.sentence
        assert "moon" not in remark.outline
        write(scheduler, "UPDATE scheduler_processes SET pass_us = beat_us - 60000000")
        assert len(health.check(scheduler.ledger).problems) == 2


async def test_a_clock_that_stands_still_shows_by_a_tick_that_nobody_claims(
    scheduler: AsyncIOScheduler, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job_id in ("often", "resting", "resting for a time"):
        scheduler.add_job(lambda: None, "interval", seconds=20, id=job_id)
    # Not at midnight, which may be in a moment.
    other_half_of_the_day = (ticks.moment(ticks.now(), scheduler.timezone).hour + 12) % 24
    scheduler.add_job(lambda: None, "cron", hour=other_half_of_the_day, id="rare")
    async with scheduler:
        scheduler.pause_job("resting")
        end = ticks.now() + 50 * ticks.SECOND
        scheduler.pause_job("resting for a time", until=ticks.moment(end))
        stand_still(monkeypatch)
        clock.step(55)
        alive(scheduler)
        assert health.check(scheduler.ledger).ready
        clock.step(30)
        alive(scheduler)
        found = health.check(scheduler.ledger)
        assert found.overdue == ("often",)
        assert "job often is behind: no process has claimed its tick of " in said(found)
        assert "often" not in str(found.as_data(outline=True))
        clock.step(60)
        alive(scheduler)
        assert health.check(scheduler.ledger).overdue == ("often", "resting for a time")


def stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scheduler's clock claim nothing any more; the rest of its process lives."""
    monkeypatch.setattr(SchedulersClock, "_claim", lambda _clock, _decisions: None)


def up_for(scheduler: AsyncIOScheduler, seconds: int) -> None:
    """Let all processes have been up for some time, and show a heartbeat now."""
    write(scheduler, "UPDATE scheduler_processes SET started_us = ?", ticks.now() - seconds * ticks.SECOND)
    alive(scheduler)


def alive(scheduler: AsyncIOScheduler) -> None:
    """Let all processes show a heartbeat now."""
    write(scheduler, "UPDATE scheduler_processes SET beat_us = ?, pass_us = ?", ticks.now(), ticks.now())


async def test_ticks_due_while_no_process_was_up_are_given_time(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=20, id="often")
    async with scheduler:
        stand_still(monkeypatch)
        write(scheduler, "UPDATE scheduler_jobs SET watermark_us = watermark_us - 900000000")
        assert health.check(scheduler.ledger).ready
        up_for(scheduler, 900)
        assert health.check(scheduler.ledger).overdue == ("often",)


async def test_an_added_job_whose_function_is_gone_is_a_remark(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="often")
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", seconds=20, id="added")
        stand_still(monkeypatch)
        long_ago = ticks.now() - 900 * ticks.SECOND
        write(scheduler, "UPDATE scheduler_jobs SET watermark_us = ? WHERE job_id = 'added'", long_ago)
        up_for(scheduler, 900)
        found = health.check(scheduler.ledger)
        assert (found.ready, found.overdue) == (True, ("added",))
        assert "job added is behind" in found.remarks[0].sentence
        write(scheduler, "UPDATE scheduler_jobs SET watermark_us = ?", long_ago)
        assert len(health.check(scheduler.ledger).problems) == 2


# --- over HTTP and on the command line


def browser() -> httpx.AsyncClient:
    """Return a browser of an application that has the router and nothing else."""
    application = FastAPI()
    application.include_router(probes.health)
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://test")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every question be answered anew."""
    monkeypatch.setattr(probes, "_FRESH_SECONDS", -1)
    probes._look.cache_clear()
    yield
    probes._look.cache_clear()


@pytest.mark.usefixtures("asked")
async def test_anybody_may_ask_and_learns_no_names(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=20, id="secret plan")
    async with browser() as ask:
        answer = await ask.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["problems"] == ["the ledger cannot be read"]
        assert str(scheduler.ledger.path) not in answer.text
        assert (await ask.get("/health/live")).json() == {"live": True}
        async with scheduler:
            answer = await ask.get("/health/ready")
            assert (answer.status_code, answer.json()["ready"]) == (200, True)
            assert answer.headers["cache-control"] == "no-store"
            stand_still(monkeypatch)
            write(scheduler, "UPDATE scheduler_jobs SET watermark_us = watermark_us - 900000000")
            up_for(scheduler, 900)
            answer = await ask.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the tick of a job is overdue"]
    assert "secret" not in answer.text


async def test_many_who_ask_at_once_cost_one_look(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes._look.cache_clear()
    looks: list[Ledger] = []

    def check(ledger: Ledger) -> Health:
        looks.append(ledger)
        return health.check(ledger)

    monkeypatch.setattr(probes, "check", check)
    monkeypatch.setattr(probes, "_FRESH_SECONDS", 60)
    async with scheduler, browser() as ask:
        answers = await asyncio.gather(*(ask.get("/health/ready") for _ in range(20)))
    probes._look.cache_clear()
    assert {answer.status_code for answer in answers} == {200}
    assert len(looks) == 1


def test_an_outline_says_each_kind_of_remark_once() -> None:
    late = tuple(Finding(f"job {number} is behind", "the tick of a job is overdue") for number in range(31))
    stuck = Finding("the loop of 7 is stuck", "the event loop of a scheduler does not answer")
    found = Health(0, late, (*late, stuck))
    assert found.as_data(outline=True)["problems"] == [late[0].outline]
    assert found.as_data(outline=True)["remarks"] == [late[0].outline, stuck.outline]
    assert len(found.as_data()["remarks"]) == 32

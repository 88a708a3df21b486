"""What a run logs is in the ledger while it goes on, so that pages and commands can show it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.engine import live_logs
from everytick.store import runs as kept_runs
from loguru import logger

from inside import rows, until
from ledgers import found_in


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let logs be written with each look at the ledger."""
    monkeypatch.setattr(live_logs, "_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(live_logs, "_GAP_SECONDS", 0.0)


def logs(scheduler: AsyncIOScheduler) -> list[dict[str, Any]]:
    """Return what the ledger has of what runs logged."""
    return found_in(scheduler.ledger, "SELECT * FROM scheduler_logs ORDER BY run_id, attempt")


@pytest.mark.full
async def test_what_a_run_logs_is_there_while_it_goes_on_and_complete_when_it_ends(
    scheduler: AsyncIOScheduler,
) -> None:
    go_on = [asyncio.Event(), asyncio.Event()]

    async def long() -> None:
        logger.info("the first line")
        await go_on[0].wait()
        logger.info("the second line")
        await go_on[1].wait()
        logger.info("the last line")

    scheduler.add_job(long, "interval", seconds=1, id="long")
    async with scheduler:
        [log] = await until(lambda: logs(scheduler))
        assert log["text"].endswith("the first line\n")
        assert rows(scheduler, "running")
        go_on[0].set()
        await until(lambda: logs(scheduler)[0]["text"].endswith("the second line\n"))
        go_on[1].set()
        await until(lambda: rows(scheduler, "succeeded"))
        assert [line.rpartition(" ")[2] for line in logs(scheduler)[0]["text"].splitlines()] == ["line"] * 3


async def test_a_function_on_a_thread_shows_its_log_too(scheduler: AsyncIOScheduler) -> None:
    go_on = threading.Event()

    def long() -> None:
        logger.info("from a thread")
        go_on.wait(20)

    scheduler.add_job(long, "interval", seconds=1, id="long")
    async with scheduler:
        [log] = await until(lambda: logs(scheduler))
        assert "from a thread" in log["text"]
        go_on.set()


@pytest.mark.full
async def test_nothing_is_written_for_a_run_that_logs_nothing_more(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()
    written: list[Any] = []
    keep = kept_runs.keep_logs

    def noted(connection: Any, found: Any) -> None:
        written.append(found)
        keep(connection, found)

    monkeypatch.setattr(kept_runs, "keep_logs", noted)
    looks: list[int] = []
    look = live_logs.LiveLogs.write

    def counted(self: live_logs.LiveLogs, connection: Any, under_way: Any) -> None:
        looks.append(1)
        look(self, connection, under_way)

    monkeypatch.setattr(live_logs.LiveLogs, "write", counted)

    async def long() -> None:
        logger.info("one line")
        await go_on.wait()

    scheduler.add_job(long, "interval", seconds=1, id="long")
    async with scheduler:
        await until(lambda: logs(scheduler))
        seen = len(looks)
        await until(lambda: len(looks) > seen + 1)
        assert len(written) == 1
        go_on.set()


@pytest.mark.full
async def test_very_long_logs_take_turns(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much all runs log, one look at the ledger writes a bounded amount."""
    monkeypatch.setattr(live_logs, "_MOST_CHARACTERS", 1_000)
    go_on = asyncio.Event()
    written: list[int] = []
    keep = kept_runs.keep_logs

    def noted(connection: Any, found: Any) -> None:
        written.append(len(found))
        keep(connection, found)

    monkeypatch.setattr(kept_runs, "keep_logs", noted)

    async def long() -> None:
        logger.info("x" * 900)
        await go_on.wait()

    for name in "abc":
        scheduler.add_job(long, "interval", seconds=1, id=name)
    async with scheduler:
        await until(lambda: len({log["run_id"] for log in logs(scheduler)}) == 3)
        assert set(written) == {1}
        go_on.set()

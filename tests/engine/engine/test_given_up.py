"""A process that is frozen, or waits, in the moment in which others cannot tell it from a dead one."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.engine import heartbeats, runner
from everytick.engine.admission import Admission
from everytick.store import joining, workers
from everytick.store.records import Identity

from histories import prepared
from inside import rows, rows_of, until
from ledgers import change, changing


async def test_a_run_that_was_taken_away_between_its_record_and_its_begin_is_not_entered(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_FRESH_SECONDS", 0.2)
    were_started: Callable[..., None] = Admission._were_started
    frozen: list[float] = []
    entered: list[str] = []

    def freeze(self: Admission, *arguments: Any) -> None:
        if not frozen:
            # The process stands still, and others take it for dead.
            frozen.append(time.monotonic())
            change(scheduler.ledger, "UPDATE scheduler_runs SET state = 'lost' WHERE job_id = 'job'")
            time.sleep(0.5)
        were_started(self, *arguments)

    monkeypatch.setattr(Admission, "_were_started", freeze)
    scheduler.add_job(lambda: entered.append("job"), "date", id="job", on_crash="skip")
    scheduler.add_job(asyncio.sleep, "interval", args=[0], seconds=0.3, id="other")
    async with scheduler:
        await until(lambda: frozen)
        await until(lambda: len(rows_of(scheduler, "other")) >= 3)
    assert not entered
    assert [row["state"] for row in rows_of(scheduler, "job")] == ["lost"]


@pytest.mark.full
async def test_a_start_that_has_to_wait_for_the_ledger_is_entered_once(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)
    register = joining.register
    tried: list[int] = []

    def held_at_first(*arguments: Any, **named: Any) -> Any:
        if not tried:
            tried.append(1)
            # For so long that a heartbeat is due when it gives up.
            time.sleep(1.2)
            raise sqlite3.OperationalError("database is locked")
        return register(*arguments, **named)

    monkeypatch.setattr(joining, "register", held_at_first)
    scheduler.add_job(asyncio.sleep, "interval", args=[0], seconds=0.3, id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    assert tried


def test_a_process_that_came_back_is_never_taken_for_the_silent_one_that_it_was(
    scheduler: AsyncIOScheduler,
) -> None:
    prepared(scheduler)
    me = Identity("frozen", "here", 1)
    with changing(scheduler.ledger) as hand:
        ledger = hand._connection
        workers.enter(ledger, me, 1)
        for _heartbeat in range(3):
            workers.beat(ledger, me, 1)
        [(beat, beat_us)] = ledger.execute(
            "SELECT beat, beat_us FROM scheduler_processes WHERE process_id = 'frozen'"
        ).fetchall()
        # Others have watched it for a lease, and it stood still. The first of them declares it dead.
        assert workers.reap(ledger, "frozen", beat, beat_us) == 0
        # It goes on before the next one does. With whichever heartbeat that one comes, it is alive.
        for _heartbeat in range(10):
            workers.beat(ledger, me, 1)
            assert workers.reap(ledger, "frozen", beat, beat_us) is None

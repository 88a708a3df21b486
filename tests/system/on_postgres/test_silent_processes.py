"""Processes that show no heartbeat are suspects by the server's clock, and dead by the observer's own."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler
from everytick.engine import heartbeats
from everytick.model import ticks
from everytick.store import workers
from everytick.store.opening import ledger_at
from everytick.store.records import Identity

from inside import scheduler_settings, until
from ledgers import change, found_in

pytestmark = pytest.mark.full

ENTER = (
    "INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number)"
    " VALUES (?, ?, 1, 0, 0, ?, 1)"
)


def test_of_other_hosts_only_those_are_read_that_are_silent_by_the_servers_clock(postgres_url: str) -> None:
    ledger, me, now = ledger_at(postgres_url), Identity.new(), ticks.now()
    ledger.prepare()
    for name, host, beat_us in (
        (me.process_id, me.host, now),
        ("neighbour", me.host, now),
        ("alive", "elsewhere", now),
        ("silent", "elsewhere", now - 6 * ticks.SECOND),
    ):
        change(ledger, ENTER, name, host, beat_us)
    with closing(ledger.connect()) as connection:
        found = workers.silent(connection, me, now - 5 * ticks.SECOND)
    assert {row[0] for row in found} == {"neighbour", "silent"}


async def test_a_silent_process_is_reaped_when_its_heartbeat_stands_still_and_not_for_an_old_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.3)
    monkeypatch.setattr(heartbeats, "LEASE_SECONDS", 3.0)
    with scheduler_settings(tmp_path):
        scheduler = AsyncIOScheduler()
        async with scheduler:
            ledger = scheduler.ledger
            # As after a step of the server's clock: its heartbeats go on, and are old at once.
            change(ledger, ENTER, "other", "elsewhere", 1)
            is_there = "SELECT beat FROM scheduler_processes WHERE process_id = 'other'"

            def moved() -> bool:
                change(ledger, "UPDATE scheduler_processes SET beat = beat + 1 WHERE process_id = 'other'")
                return time.monotonic() > begin + 8

            begin = time.monotonic()
            await until(moved)
            assert found_in(ledger, is_there)
            begin = time.monotonic()
            await until(lambda: not found_in(ledger, is_there))
            assert time.monotonic() - begin > 2.5

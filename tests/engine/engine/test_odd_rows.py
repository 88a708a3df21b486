"""Rows of jobs and runs that somebody wrote by hand, with odd values: the others run, and starts go by (R8)."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.engine import heartbeats
from everytick.model import ticks
from everytick.store import schema
from everytick.store.database import Ledger
from everytick.store.sqlite import SqliteLedger
from sqlalchemy import BigInteger, Integer, Table

import added_tasks
from inside import log as log
from inside import rows_of, until
from ledgers import changing, found_in

# A file takes all of it, whatever the column; a server what fits the column's type.
ODD: tuple[Any, ...] = ("x", 1.5, b"x", b"\xff", "", -5, 0, 5, 2**31 - 1, 2**53, 2**63 - 1, -(2**63), 9e999)
ODD += (-9e999, "9" * 5_000, ticks.FIRST, ticks.LAST)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(heartbeats, "_PRUNE_SECONDS", 0.1)


def odd_for(ledger: Ledger, table: Table, column: str) -> list[Any]:
    """Return the odd values that a column takes."""
    if isinstance(ledger, SqliteLedger):
        return list(ODD)
    kind = table.columns[column].type
    if not isinstance(kind, Integer):
        return [value for value in ODD if isinstance(value, str)]
    most = 2**63 if isinstance(kind, BigInteger) else 2**31
    return [value for value in ODD if isinstance(value, int) and -most <= value < most]


def spoilt(ledger: Ledger, table: Table, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row once for each of its columns and each odd value, and once for each that may be empty."""
    for column in table.columns:
        for value in odd_for(ledger, table, column.name):
            yield {**row, column.name: value}
        if column.nullable and row.get(column.name) is not None:
            yield {**row, column.name: None}


def insert(ledger: Ledger, table: Table, found: Iterator[dict[str, Any]]) -> int:
    """Write down rows, but for those that the table refuses; return how many."""
    done = 0
    with changing(ledger) as hand:
        for row in found:
            statement = f"INSERT INTO {table.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
            # The number of a run is one, or SQLite takes no such row.
            with suppress(sqlite3.IntegrityError):
                done += hand.execute(f"{statement} ON CONFLICT DO NOTHING", tuple(row.values())).rowcount
    return done


def odd_runs(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Yield runs that wait, are held by a process that is gone, or were cut off, with odd values."""
    now = ticks.now()
    number = itertools.count(1)
    base = {"kind": "scheduled", "attempt": 1, "crashes": 0, "due_us": now - 5 * ticks.SECOND}
    held = {"process_id": "gone", "claimed_us": now - ticks.SECOND, "started_us": now - ticks.SECOND}
    cut = {**held, "finished_us": now - ticks.SECOND, "rerun_until_us": now + 3600 * ticks.SECOND}
    old = {"finished_us": now - 3600 * ticks.DAY}
    states = {"queued": {}, "retrying": {"attempt": 2}, "claimed": held, "running": held, "lost": cut}
    for job_id in ("job", "other"):
        for state, more in [*states.items(), ("failed", old)]:
            row = {"job_id": job_id, "state": state, **base, **more}
            for spoiled in spoilt(ledger, schema.runs, row):
                spoiled.setdefault("tick_us", now - 86_400 * ticks.SECOND - next(number))
                yield spoiled


def odd_jobs(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Yield jobs of the code, of which none is declared, and jobs that were added, with odd values."""
    kept = found_in(ledger, "SELECT * FROM scheduler_jobs WHERE job_id IN ('job', 'added')")
    now = ticks.now()
    for row in kept:
        paused = {"paused_us": now - 60 * ticks.SECOND, "pause_note": "it was paused"}
        over = {**paused, "paused_until_us": now - ticks.SECOND}
        for name, more in (("plain", {}), ("paused", paused), ("over", over)):
            base = {**row, **more, "job_id": "?"}
            if row["serial"] is not None:
                base["serial"] = row["serial"] + 1
            for number, spoiled in enumerate(spoilt(ledger, schema.jobs, base)):
                if spoiled["job_id"] == "?":
                    spoiled["job_id"] = f"{row['job_id']}-{name}-{number}"
                yield spoiled


async def task() -> None:
    """Do nothing."""


def soon(scheduler: AsyncIOScheduler) -> bool:
    """Let the next pulse come now, and not within a second."""
    assert scheduler._process is not None
    scheduler._process.writer.hurry()
    return True


def quiet(lines: list[str]) -> None:
    """Fail if anything that was logged tells of a failure as a whole."""
    signs = ("a part of", "does not answer", "pulse failed", "a claim failed", "Traceback")
    assert not [line[:2000] for line in lines if any(sign in line for sign in signs)][:1]


async def goes_on(scheduler: AsyncIOScheduler) -> None:
    """See ticks, runs that are asked for, and the pulse go on."""
    assert scheduler._process is not None

    def succeeded(job_id: str) -> int:
        found = found_in(
            scheduler.ledger,
            "SELECT count(*) AS number FROM scheduler_runs WHERE job_id = ? AND state = 'succeeded'",
            job_id,
        )
        return int(found[0]["number"])

    before = succeeded("each second"), succeeded("asked for")
    scheduler.run_job_now("asked for")
    await until(lambda: soon(scheduler) and succeeded("each second") > before[0] + 1, 20)
    await until(lambda: soon(scheduler) and succeeded("asked for") > before[1], 20)


def scheduled(scheduler: AsyncIOScheduler, *more: str) -> None:
    """Declare the jobs that have nothing odd, and some more."""
    scheduler.add_job(task, "interval", seconds=1, id="each second")
    scheduler.add_job(task, "date", run_date="2099-01-01", id="asked for")
    for job_id in more:
        scheduler.add_job(task, "cron", hour=1, id=job_id, on_crash="rerun", max_instances=10_000)


async def prepared(scheduler: AsyncIOScheduler, tmp_jobs: tuple[str, ...] = ("job", "other")) -> None:
    """Let there be a ledger with jobs of the code, and one that was added."""
    scheduled(scheduler, *tmp_jobs)
    async with scheduler:
        scheduler.add_job(added_tasks.note, "cron", hour=1, id="added", args=["added"])


async def test_odd_runs_stop_no_other_run(scheduler: AsyncIOScheduler, log: list[str]) -> None:
    await prepared(scheduler)
    async with scheduler:
        assert insert(scheduler.ledger, schema.runs, odd_runs(scheduler.ledger)) > 500
        insert(scheduler.ledger, schema.processes, iter([GONE]))
        await goes_on(scheduler)
    quiet(log)
    async with scheduler:
        await goes_on(scheduler)
    quiet(log)


GONE = {"process_id": "gone", "host": "elsewhere/1", "pid": 1, "started_us": 1, "beat": 1, "beat_us": 1}
GONE |= {"start_number": 1}


async def test_odd_rows_of_jobs_stop_no_other_job_and_no_start(
    scheduler: AsyncIOScheduler, log: list[str]
) -> None:
    await prepared(scheduler)
    async with scheduler:
        assert insert(scheduler.ledger, schema.jobs, odd_jobs(scheduler.ledger)) > 500
        await goes_on(scheduler)
        scheduler.add_job(added_tasks.note, "cron", hour=2, id="later", args=["later"])
        await goes_on(scheduler)
    quiet(log)
    async with scheduler:
        await goes_on(scheduler)
    quiet(log)

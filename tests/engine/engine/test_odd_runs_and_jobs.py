"""Rows that somebody wrote by hand, with odd values: the others run, and starts go by them (R8)."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler
from everytick.engine import heartbeats
from everytick.model import ticks
from everytick.notify import watch
from everytick.store import schema, unreadable
from everytick.store.database import Ledger
from everytick.store.querying import connect
from everytick.store.sqlite import SqliteLedger
from sqlalchemy import BigInteger, Integer, Table

import added_tasks
from dashboards import look
from histories import ask
from inside import log as log
from inside import rows_of, scheduler_settings, until
from ledgers import change, changing, found_in
from sinks import HttpSink

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
    states: dict[str, dict[str, Any]] = {
        "queued": {},
        "retrying": {"attempt": 2},
        "claimed": held,
        "running": held,
        "lost": cut,
    }
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


_LOOKS = itertools.count()


def soon(scheduler: AsyncIOScheduler) -> bool:
    """Let the next pulse come within ten looks, and not within a second: each reads all the odd rows."""
    assert scheduler._process is not None
    if next(_LOOKS) % 10 == 0:
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


@pytest.mark.full
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


@pytest.mark.full
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


WATCHED = (schema.incidents, schema.notices, schema.channels, schema.alerting)
OTHERS = (
    *(schema.attempts, schema.logs, schema.reports, schema.past_processes, schema.audit, schema.sign_outs),
    *(schema.backfills, schema.schedule, *WATCHED),
)


def odd_others(ledger: Ledger, table: Table) -> Iterator[dict[str, Any]]:
    """Yield rows of another table with odd values, each under a key of its own."""
    now, numbers = ticks.now(), itertools.count(1_000)
    known = {"job_id": "job", "state": "running", "kind": "failed", "number": 1}
    known |= {"schedule_data": "{}", "over_us": None, "ended_us": None, "only_missed": 0, "rate": None}
    base: dict[str, Any] = {}
    for column in table.columns:
        base[column.name] = now if column.name.endswith("_us") else 1
        if not isinstance(column.type, Integer):
            base[column.name] = column.name
    base |= {
        name: value
        for name, value in known.items()
        if name in base and (value is not None or table.columns[name].nullable)
    }
    keys = [key.name for key in table.primary_key]
    for spoiled in spoilt(ledger, table, base):
        key = keys[0]
        if spoiled[key] == base[key]:
            spoiled[key] = next(numbers) if isinstance(base[key], int) else f"{key}{next(numbers)}"
        yield spoiled


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:.imghdr:DeprecationWarning")
@pytest.mark.parametrize("table", OTHERS, ids=str)
async def test_odd_rows_of_other_tables_stop_no_run_and_no_start(
    table: Table, tmp_path: Path, sink: HttpSink, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(watch, "_LATE_SECONDS", 0.2)
    with scheduler_settings(tmp_path, SCHEDULER_ALERT_URLS=sink.alerts):
        scheduler = AsyncIOScheduler()
        await prepared(scheduler)
        async with scheduler:
            insert(scheduler.ledger, table, odd_others(scheduler.ledger, table))
            await goes_on(scheduler)
        quiet(log)
        async with scheduler:
            await goes_on(scheduler)
        quiet(log)


@pytest.mark.full
@pytest.mark.parametrize("watermark", [-(2**63), ticks.FIRST])
async def test_ticks_of_thousands_of_years_are_counted_at_once(
    watermark: int, scheduler: AsyncIOScheduler, log: list[str]
) -> None:
    triggers = [
        CronTrigger(hour=1, timezone="Europe/Berlin"),
        CronTrigger(month=2, day=30),
        IntervalTrigger(seconds=1),
        CalendarIntervalTrigger(days=1, start_date="0001-01-02"),
        OrTrigger([CronTrigger(hour=1), CronTrigger(minute=3)]),
    ]
    scheduled(scheduler)
    for number, trigger in enumerate(triggers):
        scheduler.add_job(task, trigger, id=f"old{number}")
        scheduler.add_job(task, trigger, id=f"paused{number}", next_run_time=None)
    async with scheduler:
        pass
    where = "job_id LIKE 'old%' OR job_id LIKE 'paused%'"
    change(scheduler.ledger, f"UPDATE scheduler_jobs SET watermark_us = ? WHERE {where}", watermark)
    change(scheduler.ledger, "UPDATE scheduler_jobs SET paused_us = ? WHERE job_id LIKE 'paused%'", watermark)
    begun = time.monotonic()
    async with scheduler:
        for number in range(len(triggers)):
            scheduler.resume_job(f"paused{number}")
        await goes_on(scheduler)
    # Where nobody declares them any more, all that was not accounted for is.
    change(scheduler.ledger, f"UPDATE scheduler_jobs SET watermark_us = ? WHERE {where}", watermark)
    other = AsyncIOScheduler()
    scheduled(other)
    async with other:
        await goes_on(other)
    assert time.monotonic() - begun < 30
    quiet(log)


@pytest.mark.full
async def test_a_run_that_nobody_can_take_is_told_once_in_the_log_and_by_doctor(
    scheduler: AsyncIOScheduler, log: list[str]
) -> None:
    await prepared(scheduler)
    row = {"job_id": "job", "kind": "manual", "state": "queued", "attempt": 2**31 - 1, "crashes": 0}
    async with scheduler:
        insert(scheduler.ledger, schema.runs, iter([{**row, "due_us": ticks.now()}]))
        await goes_on(scheduler)
        await goes_on(scheduler)
    said = [line for line in log if "cannot be taken: its attempt is 2147483647" in line]
    assert len(said) == 1
    with connect(scheduler.ledger) as connection:
        found = unreadable.search(connection.plain, 5, 60.0).rows
    assert [(row.table, row.column, row.value) for row in found] == [
        ("scheduler_runs", "attempt", "2147483647")
    ]


@pytest.mark.full
async def test_rows_with_a_part_missing_are_shown(scheduler: AsyncIOScheduler) -> None:
    await prepared(scheduler)
    now = ticks.now()
    base = {
        "job_id": "job",
        "kind": "scheduled",
        "attempt": 1,
        "crashes": 0,
        "due_us": now,
        "process_id": "d",
    }
    states = ("running", "claimed", "queued", "retrying", "failed", "skipped", "succeeded", "lost", "odd")
    parts: tuple[dict[str, Any], ...] = ({}, {"claimed_us": 1}, {"last_tick_us": now})
    parts += ({"started_us": now}, {"finished_us": now}, {"process_id": "d"})
    found = [
        {**base, "state": state, "tick_us": now - number * ticks.SECOND, **part}
        for number, (state, part) in enumerate(itertools.product(states, parts))
    ]
    job = found_in(scheduler.ledger, "SELECT * FROM scheduler_jobs WHERE job_id = 'added'")[0]
    assert insert(scheduler.ledger, schema.runs, iter(found)) == len(found)
    insert(scheduler.ledger, schema.jobs, iter([{**job, "job_id": "9" * 5_000}]))
    run_ids = [row["run_id"] for row in rows_of(scheduler, "job")]
    paths: tuple[str, ...] = (
        "/",
        "/running",
        "/runs",
        "/jobs",
        "/api/v1/overview",
        "/api/v1/jobs",
        "/api/v1/runs",
    )
    paths += ("/job?id=job", "/job?id=job&ask=true", "/api/v1/jobs/job/why")
    paths += tuple(f"/run/{run_id}" for run_id in run_ids)
    broken = [path for path in paths if look(scheduler.ledger, path).status_code != 200]
    assert not broken
    for run_id in run_ids:
        assert ask(scheduler, "why", "job", "--run", str(run_id))
    assert "9999" in ask(scheduler, "jobs")

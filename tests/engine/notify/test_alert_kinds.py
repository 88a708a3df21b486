"""Ticks that did not run or are late, jobs that are left out, and what a look into the ledger costs."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.model import ticks
from everytick.store import incidents
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

from alerting import Moody, alerting, never_due, run_now, settled, until
from alerting import quick_looks as quick_looks
from inside import Clock, rows
from sinks import HttpSink

# What Apprise loads for all the services that it knows.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# --- ticks that did not run, and that are late


async def test_ticks_that_fell_into_an_outage_are_told_and_that_they_come_again(
    tmp_path: Path, sink: HttpSink, clock: Clock
) -> None:
    def declared() -> AsyncIOScheduler:
        made = AsyncIOScheduler()
        made.add_job(lambda: None, "interval", seconds=60, id="job", misfire_grace_time=30)
        # Lets the scheduler look at the clock now and then.
        made.add_job(lambda: None, "interval", seconds=0.5, id="other", alert=False)
        return made

    with alerting(tmp_path, sink):
        clock.set(1_800_000_001_000_000)
        async with declared():
            pass
        clock.set(1_800_000_631_000_000)
        async with declared():
            await until(lambda: sink.requests)
            clock.set(1_800_000_659_500_000)
            await until(lambda: len(sink.requests) == 2)
    assert sink.titles == ["[app] job did not run 10 times", "[app] job runs again"]
    assert "nothing was up to run it" in sink.bodies[0]


@pytest.mark.full
@pytest.mark.parametrize("chosen", [True, False])
async def test_an_overlap_is_told_by_choice(tmp_path: Path, sink: HttpSink, chosen: bool) -> None:
    go_on = asyncio.Event()
    on = {"SCHEDULER_ALERT_ON": "failed, Overlap"} if chosen else {}
    with alerting(tmp_path, sink, **on) as scheduler:
        scheduler.add_job(go_on.wait, "interval", seconds=0.2, id="long")
        never_due(scheduler, "broken", Moody())
        async with scheduler:
            await until(lambda: len(rows(scheduler, "skipped")) > 2)
            await run_now("broken")
            await until(lambda: any("broken failed" in body for body in sink.bodies))
            go_on.set()
            if chosen:
                await until(lambda: any("long runs again" in body for body in sink.bodies))
    assert any("long was skipped" in body for body in sink.bodies) == chosen
    assert any("an earlier run was not over yet" in body for body in sink.bodies) == chosen


async def test_all_times_of_an_alert_are_in_the_scheduler_s_zone(tmp_path: Path, sink: HttpSink) -> None:
    def fails() -> None:
        raise RuntimeError("no")

    with alerting(tmp_path, sink, SCHEDULER_TIMEZONE="Asia/Tokyo") as scheduler:
        scheduler.add_job(fails, "interval", seconds=1, id="fails", timezone="Europe/Berlin")
        async with scheduler:
            await until(lambda: sink.bodies)
    assert " JST" in sink.bodies[0]
    assert not any(zone in sink.bodies[0] for zone in (" UTC", " CET", " CEST"))


@pytest.mark.full
async def test_a_tick_that_waits_for_too_long_is_late_until_it_begins(tmp_path: Path, sink: HttpSink) -> None:
    go_on = asyncio.Event()
    late = {"SCHEDULER_ALERT_LATE_AFTER": 3, "SCHEDULER_MAX_WORKERS": 1}
    with alerting(tmp_path, sink, **late) as scheduler:
        never_due(scheduler, "long", go_on.wait, alert=False)
        scheduler.add_job(lambda: None, "interval", seconds=1, id="waits")
        async with scheduler:
            await until(lambda: rows(scheduler, "succeeded"))
            await run_now("long")
            await until(lambda: [row for row in rows(scheduler, "running") if row["job_id"] == "long"])
            # A machine that stands still for some seconds makes a tick late too, and that is told as well.
            before = len(sink.requests)
            await until(lambda: len(sink.requests) > before and sink.titles[-1] == "[app] waits is late")
            begun = max(row["tick_us"] for row in rows(scheduler, "succeeded"))
            assert ticks.now() - (begun + ticks.SECOND) >= 3 * ticks.SECOND
            go_on.set()
            await until(lambda: sink.titles[-1] == "[app] waits is no longer late")
    assert set(sink.titles) == {"[app] waits is late", "[app] waits is no longer late"}
    assert all("and not begun" in sink.bodies[place] for place in range(0, len(sink.bodies), 2))


@pytest.mark.full
async def test_ticks_that_nobody_takes_are_late_but_not_in_a_pause(tmp_path: Path, sink: HttpSink) -> None:
    with alerting(tmp_path, sink, SCHEDULER_ALERT_LATE_AFTER=1) as scheduler:
        async with scheduler:
            ledger = scheduler.ledger
            kept(ledger, "unknown here", paused=False)
            kept(ledger, "paused", paused=True)
            await until(lambda: sink.requests)
            assert sink.titles == ["[app] unknown here is late"]
            await asyncio.to_thread(SchedulerClient().pause_job, "unknown here")
            await until(lambda: len(sink.requests) == 2)
    assert sink.titles[1] == "[app] unknown here is no longer late"


def kept(ledger: Ledger, job_id: str, *, paused: bool) -> None:
    """Let the ledger know a job whose function this application does not have."""
    client = SchedulerClient()
    client.add_job("added_tasks:note", "interval", seconds=1, id=job_id)
    with closing(ledger.connect()) as connection:
        connection.execute(
            "UPDATE scheduler_jobs SET function = 'gone:gone', paused_us = :paused, serial = serial + 1"
            " WHERE job_id = :job_id",
            {"paused": 1 if paused else None, "job_id": job_id},
        )


@pytest.mark.full
async def test_a_start_after_a_long_time_finds_nothing_late(
    tmp_path: Path, sink: HttpSink, clock: Clock
) -> None:
    def declared() -> AsyncIOScheduler:
        made = AsyncIOScheduler()
        made.add_job(lambda: None, "interval", hours=1, id="job", misfire_grace_time=None)
        never_due(made, "broken", Moody())
        return made

    with alerting(tmp_path, sink, SCHEDULER_ALERT_LATE_AFTER=1):
        async with declared():
            pass
        clock.step(36_000)
        async with declared() as scheduler:
            await until(lambda: rows(scheduler, "succeeded"))
            clock.step(36_000)
            await run_now("broken")
            await until(lambda: sink.requests)
            await until(settled(scheduler))
    assert sink.titles == ["[app] broken failed"]


# --- the cost


@pytest.mark.full
def test_a_look_is_quick_with_a_million_runs(tmp_path: Path) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    with closing(ledger.connect()) as connection:
        connection.execute("BEGIN")
        connection.execute(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000)
            INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us, finished_us,
                                        started_us, told_attempt)
            SELECT 'job-' || (n % 100), CASE WHEN n % 7 = 0 THEN 'manual' ELSE 'scheduled' END,
                   CASE WHEN n % 7 = 0 THEN NULL ELSE n END,
                   CASE WHEN n % 5 = 0 THEN 'failed' ELSE 'succeeded' END,
                   1, 0, n, n, n, CASE WHEN n % 5 = 0 AND n > 1000 THEN 1 END
            FROM numbers
            """
        )
        connection.execute(
            """
            INSERT INTO scheduler_incidents
                (job_id, kind, first_us, last_us, count, run_id, mark_us, detail, changed_us)
            SELECT 'job-' || (run_id % 100), 'failed', 1, 2000000, 1, 1000000, 990000, 'x', 1
            FROM scheduler_runs WHERE run_id < 1000
            """
        )
        connection.execute("COMMIT")
    with closing(ledger.connect(read_only=True)) as connection:
        for statement in (incidents._LIST_UNTOLD, incidents._LIST_UNTOLD_LOST, incidents._LIST_OVER):
            values = {"since": 0, "now": 1, "piece": 10, "recent": 0}
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            steps = [row[3] for row in plan if row[3].startswith(("SCAN", "SEARCH"))]
            assert not [step for step in steps if step.startswith("SCAN")], steps
        # In thousands of steps of SQLite's machine; going through all runs takes some ten thousand.
        steps_taken: list[int] = []
        assert isinstance(connection, sqlite3.Connection)
        connection.set_progress_handler(lambda: steps_taken.append(1), 1_000)
        assert incidents.untold(connection, 1_001) == []
        assert len(steps_taken) <= 1
        # A thousand jobs that fail and have not succeeded since.
        assert incidents.over(connection) == []
        assert len(steps_taken) < 2_000

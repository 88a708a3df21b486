"""What Prometheus reads: each number agrees with what ran, whatever became of the rows in between."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from everytick import AsyncIOScheduler, LedgerError, SchedulerClient
from everytick.dashboard import probes
from everytick.model import ticks
from everytick.store import pruning
from everytick.store.connections import transaction
from everytick.store.opening import ledger_at
from everytick.store.sqlite import SqliteLedger
from everytick.telemetry import health, metrics
from everytick.telemetry.metrics import OTHERS, Metrics
from fastapi import FastAPI

import added_tasks
from inside import rows, rows_of, until
from ledgers import found_in
from scraping import Scraper, add_row, samples, write


@pytest.fixture
async def quiet(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """A ledger with one job that is not due for long, and nobody who runs it."""
    scheduler.add_job(lambda: None, "cron", year=9000, id="job")
    async with scheduler:
        pass
    return scheduler


async def test_ids_that_would_steer_a_terminal_are_written_out(quiet: AsyncIOScheduler) -> None:
    with closing(sqlite3.connect(quiet.ledger.path)) as connection, connection:
        job_id = "a\x1b[2J\x07\r\x00\u202e\x85b\\"
        connection.execute("UPDATE scheduler_jobs SET job_id = ?", [job_id])
    text = Metrics(quiet.ledger).exposition().decode()
    assert all(line.isprintable() for line in text.split("\n"))
    # Prometheus reads two backslashes as one.
    named = {label[0] for name, label in samples(text) if name == "scheduler_job_paused"}
    assert named == {"a\\x1b[2J\\x07\\r\\x00\\u202e\\x85b\\"}


@pytest.mark.full
async def test_what_runs_fails_and_waits_is_counted_as_it_is(scheduler: AsyncIOScheduler) -> None:
    gate = asyncio.Event()

    def fail() -> None:
        raise RuntimeError("no")

    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="good")
    scheduler.add_job(fail, "cron", hour=3, id="bad")
    scheduler.add_job(gate.wait, "cron", hour=3, id="long")
    scheduler.add_job(fail, "cron", hour=3, id="again", retries=3, retry_delay=600)
    async with scheduler:
        client = SchedulerClient()
        prometheus = Scraper(Metrics(scheduler.ledger))
        first = prometheus.scrape()
        assert first["scheduler_runs_total", ("bad", "failed", "")] == 0
        for job_id in ("bad", "long", "again"):
            await asyncio.to_thread(client.run_job_now, job_id)
        client.pause_job("bad")
        await until(lambda: prometheus.ended("good", "succeeded") >= 3)
        await until(lambda: rows(scheduler, "failed") and rows(scheduler, "retrying"))
        await until(lambda: prometheus.scrape()["scheduler_running_runs", ("long",)] == 1)
        found = prometheus.scrape()
        gate.set()
        await until(lambda: prometheus.ended("long", "succeeded") == 1)
    assert found["scheduler_runs_total", ("bad", "failed", "")] == 1
    assert found["scheduler_repeated_attempts_total", ("again", "failed")] == 1
    assert found["scheduler_runs_total", ("again", "failed", "")] == 0
    assert found["scheduler_queue_runs", ("retrying",)] == 1
    assert [found["scheduler_job_paused", (job,)] for job in ("good", "bad")] == [0, 1]
    assert ("scheduler_job_next_tick_timestamp_seconds", ("bad",)) not in found
    due = found["scheduler_job_next_tick_timestamp_seconds", ("long",)]
    assert time.time() < due < time.time() + 25 * 3600
    last = found["scheduler_job_last_success_timestamp_seconds", ("good",)]
    assert time.time() - 30 < last <= time.time()
    assert ("scheduler_job_last_success_timestamp_seconds", ("bad",)) not in found
    for name in ("scheduler_ready", "scheduler_ledger_up", "scheduler_processes"):
        assert found[name, ()] == 1
    assert 0 <= found["scheduler_heartbeat_age_seconds", ()] < 15
    assert found["scheduler_overdue_jobs", ()] == 0
    assert found["scheduler_ledger_bytes", ("ledger",)] > 0
    assert 0 < found["scheduler_ledger_read_seconds", ()] < 5
    [build] = [labels for name, labels in found if name == "scheduler_build_info"]
    # In the order of their names: the application, Python, the template, the application's version.
    assert build[1:3] == (platform.python_version(), "unknown")


async def test_the_histograms_hold_how_late_and_how_long_each_run_was(quiet: AsyncIOScheduler) -> None:
    prometheus = Scraper(Metrics(quiet.ledger))
    prometheus.scrape()
    for late, took in ((0.02, 0.3), (0.02, 20.0), (40.0, 0.3)):
        due, second = ticks.now() - 100 * ticks.SECOND, ticks.SECOND
        start = due + int(late * second)
        add_row(quiet, "succeeded", due_us=due, started_us=start, finished_us=start + int(took * second))
    found = prometheus.scrape()
    lateness = {
        labels[1]: value
        for (name, labels), value in found.items()
        if name == "scheduler_run_lateness_seconds_bucket"
    }
    assert [lateness[le] for le in ("0.01", "0.05", "30.0", "60.0", "+Inf")] == [0, 2, 2, 3, 3]
    assert found["scheduler_run_duration_seconds_bucket", ("job", "0.5")] == 2
    assert found["scheduler_run_duration_seconds_count", ("job",)] == 3
    assert found["scheduler_run_duration_seconds_sum", ("job",)] == pytest.approx(20.6)


@pytest.mark.full
async def test_every_run_of_a_busy_time_is_counted_once(scheduler: AsyncIOScheduler) -> None:
    failing = iter(range(10**9))

    def now_and_then() -> None:
        if next(failing) % 3 == 0:
            raise RuntimeError("no")

    scheduler.add_job(now_and_then, "interval", seconds=0.1, id="often", retries=1, retry_delay=0.1)
    scheduler.add_job(lambda: time.sleep(0.3), "interval", seconds=0.1, id="slow")
    prometheus = Scraper(Metrics(scheduler.ledger, history=True))
    async with scheduler:
        await until(lambda: len(prometheus.scrape()) and len(rows(scheduler, "succeeded")) >= 20)
    found = prometheus.scrape()
    for job_id in ("often", "slow"):
        for outcome in ("succeeded", "failed", "skipped"):
            ended = [row for row in rows_of(scheduler, job_id) if row["state"] == outcome]
            in_ledger = sum(1 if row["tick_count"] is None else row["tick_count"] for row in ended)
            counted = sum(
                value
                for (name, labels), value in found.items()
                if name == "scheduler_runs_total" and labels[:2] == (job_id, outcome)
            )
            assert counted == in_ledger, (job_id, outcome)
    repeated = len(found_in(scheduler.ledger, "SELECT * FROM scheduler_attempts"))
    assert repeated > 0
    assert found["scheduler_repeated_attempts_total", ("often", "failed")] == repeated


async def test_an_outcome_that_is_written_long_after_it_happened_counts(quiet: AsyncIOScheduler) -> None:
    prometheus = Scraper(Metrics(quiet.ledger))
    add_row(quiet, "running", run_id=5)
    add_row(quiet, "succeeded", run_id=6, finished_us=ticks.now())
    assert prometheus.ended("job", "succeeded") == 0
    long_ago = ticks.now() - 7200 * ticks.SECOND
    write(quiet, "UPDATE scheduler_runs SET state = 'failed', finished_us = ? WHERE run_id = 5", long_ago)
    assert prometheus.ended("job", "failed") == 1
    assert prometheus.ended("job", "failed") == 1


async def test_a_run_that_is_tried_again_between_two_scrapes_counts_again(quiet: AsyncIOScheduler) -> None:
    add_row(quiet, "failed", run_id=5, finished_us=ticks.now() - 5_000_000)
    prometheus = Scraper(Metrics(quiet.ledger))
    assert prometheus.ended("job", "failed") == 0
    SchedulerClient().retry_run(5)
    write(quiet, "UPDATE scheduler_runs SET state = 'succeeded', finished_us = ?", ticks.now())
    found = prometheus.scrape()
    assert found["scheduler_runs_total", ("job", "succeeded", "")] == 1
    assert found["scheduler_repeated_attempts_total", ("job", "failed")] == 1


async def test_a_lost_run_is_told_even_if_it_began_again_before_anybody_looked(
    quiet: AsyncIOScheduler,
) -> None:
    long_ago = ticks.now() - 50 * ticks.DAY
    add_row(quiet, "running", run_id=5, attempt=2, crashes=1)
    statement = (
        "INSERT INTO scheduler_attempts (run_id, attempt, state, finished_us) VALUES (?, 1, 'lost', ?)"
    )
    write(quiet, statement, 5, ticks.now())
    add_row(quiet, "lost", run_id=6, finished_us=long_ago, rerun_until_us=1)
    prometheus = Scraper(Metrics(quiet.ledger))
    found = prometheus.scrape()
    # It was lost before this process was there to count: the time tells of it, the counter does not.
    assert time.time() - found["scheduler_job_last_lost_timestamp_seconds", ("job",)] < 60
    assert ("scheduler_repeated_attempts_total", ("job", "lost")) not in found
    assert prometheus.ended("job", "lost") == 0
    # One that is cut off now counts once, also when the time is over in which it might have gone on.
    now = ticks.now()
    add_row(quiet, "lost", run_id=7, finished_us=now, rerun_until_us=now + 300_000)
    assert prometheus.ended("job", "lost") == 1
    await until(lambda: ticks.now() > now + 300_000)
    assert prometheus.ended("job", "lost") == 1
    assert prometheus.ended("job", "lost") == 1


async def test_counters_do_not_fall_when_history_is_pruned_or_the_ledger_is_away(
    quiet: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    prometheus = Scraper(Metrics(quiet.ledger))
    prometheus.scrape()
    for number in range(1, 8):
        add_row(quiet, "succeeded", run_id=number, finished_us=ticks.now() - number)
    assert prometheus.ended("job", "succeeded") == 7
    with closing(quiet.ledger.connect()) as connection, transaction(connection):
        assert pruning.prune_runs(connection, ticks.now() + 1, 500) == 7
    assert prometheus.ended("job", "succeeded") == 7
    # With no row left the numbers begin anew.
    add_row(quiet, "succeeded", run_id=1, finished_us=ticks.now())
    assert prometheus.ended("job", "succeeded") == 8
    aside = quiet.ledger.path.with_name("aside.db")
    quiet.ledger.path.rename(aside)
    found = prometheus.scrape()
    assert (found["scheduler_ledger_up", ()], found["scheduler_ready", ()]) == (0, 0)
    assert found["scheduler_runs_total", ("job", "succeeded", "")] == 8
    aside.rename(quiet.ledger.path)
    assert prometheus.ended("job", "succeeded") == 8
    # What is read in part is read again.
    add_row(quiet, "succeeded", finished_us=ticks.now())
    monkeypatch.setattr(health, "judge", _breaks)
    assert prometheus.scrape()["scheduler_ledger_up", ()] == 0
    monkeypatch.undo()
    assert prometheus.ended("job", "succeeded") == 9


def _breaks(*_anything: object) -> None:
    raise LedgerError("the disk is gone")


async def test_another_file_in_its_place_is_history_and_not_news(
    quiet: AsyncIOScheduler, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(copy)) as other, closing(sqlite3.connect(quiet.ledger.path)) as source:
        source.backup(other)
        other.execute("PRAGMA journal_mode=WAL")
    prometheus = Scraper(Metrics(quiet.ledger))
    add_row(quiet, "succeeded", finished_us=1)
    prometheus.scrape()
    quiet.ledger.path.unlink()
    copy.rename(quiet.ledger.path)
    now = ticks.now()
    add_row(quiet, "succeeded", run_id=900, finished_us=now)
    add_row(quiet, "lost", run_id=901, finished_us=now, rerun_until_us=now + ticks.DAY)
    assert prometheus.ended("job", "succeeded") == 0
    assert prometheus.ended("job", "lost") == 0
    add_row(quiet, "succeeded", finished_us=ticks.now())
    assert prometheus.ended("job", "succeeded") == 1


async def test_skipped_ticks_count_by_their_number_and_reason(quiet: AsyncIOScheduler) -> None:
    prometheus = Scraper(Metrics(quiet.ledger))
    prometheus.scrape()
    skipped = {"attempt": 0, "kind": "scheduled", "finished_us": ticks.now()}
    add_row(quiet, "skipped", reason="outage", tick_us=1, last_tick_us=50, tick_count=50, **skipped)
    add_row(quiet, "skipped", reason="outage", tick_us=60, last_tick_us=90, tick_count=None, **skipped)
    add_row(quiet, "skipped", reason="overlap", tick_us=100, **skipped)
    assert prometheus.ended("job", "skipped", "outage") == 51
    assert prometheus.ended("job", "skipped", "overlap") == 1


async def test_the_last_success_is_found_among_the_rows_of_before(quiet: AsyncIOScheduler) -> None:
    days = [ticks.now() - days * ticks.DAY for days in (9, 8, 7)]
    for number, (state, end) in enumerate(zip(("succeeded", "succeeded", "failed"), days, strict=True)):
        add_row(quiet, state, tick_us=number, kind="scheduled", finished_us=end)
    found = Scraper(Metrics(quiet.ledger)).scrape()
    key = ("scheduler_job_last_success_timestamp_seconds", ("job",))
    assert found[key] == days[1] / 1e6
    add_row(quiet, "succeeded", finished_us=days[2])
    assert Scraper(Metrics(quiet.ledger)).scrape()[key] == days[2] / 1e6


async def test_jobs_that_are_added_by_the_thousand_share_a_label(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MOST_JOBS", 3)
    scheduler.add_job(lambda: None, "cron", hour=3, id="of the code")
    async with scheduler:
        prometheus = Scraper(Metrics(scheduler.ledger))
        prometheus.scrape()
        for number in range(6):
            scheduler.add_job(added_tasks.note, "date", id=f"once {number}")
        for number in range(4):
            scheduler.add_job(added_tasks.note, "interval", hours=3, id=f"often {number}")
        await until(lambda: len(rows(scheduler, "succeeded")) == 6)
        found = prometheus.scrape()
        assert found["scheduler_runs_total", (OTHERS, "succeeded", "")] == 6
        scheduler.remove_job("often 0")
        later = prometheus.scrape()
    labels = [labels for name, labels in found if name == "scheduler_job_paused"]
    assert labels == [("of the code",), ("often 0",), ("often 1",)]
    # A job that is gone has no series any more.
    assert not [key for key in later if "often 0" in key[1]]


async def test_a_scrape_reads_only_what_is_new_and_by_the_indexes(
    quiet: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    connect = SqliteLedger.connect

    def traced(ledger: SqliteLedger, *, read_only: bool = False) -> sqlite3.Connection:
        connection = connect(ledger, read_only=read_only)
        connection.set_trace_callback(statements.append)
        return connection

    add_row(quiet, "running", run_id=5)
    add_row(quiet, "retrying", run_id=6, attempt=2)
    made = Metrics(quiet.ledger)
    monkeypatch.setattr(SqliteLedger, "connect", traced)
    made.exposition()
    write(quiet, "UPDATE scheduler_runs SET state = 'failed', finished_us = 5 WHERE run_id = 5")
    made.exposition()
    monkeypatch.undo()
    asked = [statement for statement in statements if "FROM scheduler_runs" in statement]
    assert len(asked) >= 12
    with closing(quiet.ledger.connect()) as connection:
        for statement in {*asked, *(it for it in statements if "FROM scheduler_attempts" in it)}:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            steps = [row[-1] for row in plan if "scheduler_" in row[-1]]
            searches = [
                step
                for step in steps
                if step.startswith("SEARCH")
                or "scheduler_runs_waiting" in step
                or "scheduler_runs_held" in step
            ]
            assert steps == searches, (statement, steps)


async def test_many_threads_may_scrape_at_once(quiet: AsyncIOScheduler) -> None:
    made = Metrics(quiet.ledger)
    made.exposition()
    for _ in range(20):
        add_row(quiet, "succeeded", finished_us=ticks.now())
    texts = await asyncio.gather(*(asyncio.to_thread(made.exposition) for _ in range(8)))
    assert {samples(text)["scheduler_runs_total", ("job", "succeeded", "")] for text in texts} == {20}


# --- over HTTP and on the command line


@pytest.mark.usefixtures("quiet")
async def test_the_router_serves_what_prometheus_understands() -> None:
    probes._metrics.cache_clear()
    application = FastAPI()
    application.include_router(probes.metrics)
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as browser:
        answer = await browser.get("/metrics")
    probes._metrics.cache_clear()
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert samples(answer.text)["scheduler_ledger_up", ()] == 1


def test_a_server_that_is_down_is_a_metric_too() -> None:
    ledger = ledger_at("postgresql://nobody@127.0.0.1:1/gone")
    found = samples(Metrics(ledger).exposition().decode())
    assert (found["scheduler_ledger_up", ()], found["scheduler_ready", ()]) == (0, 0)
    assert not [name for name, _labels in found if name == "scheduler_ledger_bytes"]

"""More than one attempt: retries, time limits, crashes, stopped processes, and what a task knows of it."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from everytick import AsyncIOScheduler, Run, current_run
from everytick import log_to_stderr as configure_logging
from everytick.store.database import Ledger

from application import Application
from inside import overlaps, rows, scheduler_settings, until
from ledgers import changing, found_in
from waiting import wait_for


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


def attempts(ledger: Ledger) -> list[dict[str, Any]]:
    return found_in(ledger, "SELECT * FROM scheduler_attempts ORDER BY run_id, attempt")


async def test_a_failed_run_is_tried_again_and_every_attempt_is_recorded(
    scheduler: AsyncIOScheduler,
) -> None:
    seen: list[int] = []

    def flaky() -> None:
        run = current_run()
        assert run is not None
        seen.append(run.attempt)
        if run.attempt < 3:
            raise RuntimeError(f"no {run.attempt}")

    scheduler.add_job(flaky, "date", id="flaky", retries=2, retry_delay=0.1)
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    assert seen == [1, 2, 3]
    [run] = rows(scheduler)
    assert (run["attempt"], run["error"]) == (3, None)
    before = attempts(scheduler.ledger)
    assert [(row["attempt"], row["state"], row["error"]) for row in before] == [
        (1, "failed", "RuntimeError: no 1"),
        (2, "failed", "RuntimeError: no 2"),
    ]


@pytest.mark.full
async def test_after_the_last_retry_it_stays_failed(scheduler: AsyncIOScheduler) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    scheduler.add_job(broken, "date", id="broken", retries=1, retry_delay=0)
    async with scheduler:
        await until(lambda: rows(scheduler, "failed"))
    [run] = rows(scheduler)
    assert (run["state"], run["attempt"]) == ("failed", 2)


@pytest.mark.full
async def test_a_retry_that_is_due_later_survives_a_restart(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []

    def flaky() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no")

    scheduler.add_job(flaky, "interval", hours=9, id="flaky", retries=1, retry_delay=1.5,
                      next_run_time=datetime.now(UTC))  # fmt: skip
    async with scheduler:
        await until(lambda: rows(scheduler, "retrying"))
    scheduler.get_jobs()[0].startup_delay = None
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    [run] = rows(scheduler)
    assert run["attempt"] == 2
    assert run["started_us"] >= run["due_us"]


def test_the_wait_between_retries_doubles_and_is_bounded(scheduler: AsyncIOScheduler) -> None:
    job = scheduler.add_job(lambda: None, "date", id="job", retries=20, retry_delay=10)
    waits = [(job.retry_at(1, number, 0) or 0) / 1_000_000 for number in range(1, 21)]
    for number, wait in enumerate(waits):
        base = min(10 * 2**number, 3_600)
        assert base <= wait <= base * 1.1
    assert job.retry_at(1, 21, 0) is None
    patient = scheduler.add_job(lambda: None, "date", id="patient", retries=2, retry_delay=7_200)
    assert (patient.retry_at(1, 1, 0) or 0) >= 7_200_000_000
    assert waits == [(job.retry_at(1, number, 0) or 0) / 1_000_000 for number in range(1, 21)]


async def test_a_coroutine_beyond_its_timeout_is_cancelled(scheduler: AsyncIOScheduler) -> None:
    async def endless() -> None:
        await asyncio.sleep(600)

    scheduler.add_job(endless, "date", id="endless", timeout=0.2)
    async with scheduler:
        await until(lambda: rows(scheduler, "timed_out"))
    assert rows(scheduler)[0]["error"] == "it took longer than its timeout of 0.2 s"


async def test_listeners_can_tell_a_timeout_from_success(scheduler: AsyncIOScheduler) -> None:
    heard: list[Any] = []

    async def endless() -> None:
        await asyncio.sleep(600)

    scheduler.add_listener(heard.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(endless, "date", id="endless", timeout=0.1)
    async with scheduler:
        await until(lambda: rows(scheduler, "timed_out"))
    assert [type(event.exception) for event in heard] == [TimeoutError]


async def test_a_startup_run_in_its_retries_is_replaced_by_that_of_the_next_start(
    scheduler: AsyncIOScheduler,
) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    scheduler.add_job(broken, "date", id="broken", retries=1, retry_delay=60)
    async with scheduler:
        await until(lambda: len(attempts(scheduler.ledger)) == 1)
    async with scheduler:
        await until(lambda: len(attempts(scheduler.ledger)) == 2)
    assert [row["state"] for row in rows(scheduler)] == ["failed", "retrying"]


async def test_what_a_removed_job_left_waiting_is_ended(scheduler: AsyncIOScheduler) -> None:
    def broken() -> None:
        raise RuntimeError("no")

    scheduler.add_job(broken, "date", id="broken", retries=1, retry_delay=60)
    async with scheduler:
        await until(lambda: rows(scheduler, "retrying"))
    scheduler.remove_job("broken")
    async with scheduler:
        assert scheduler.registration.removed == ["broken"]
    assert [row["state"] for row in rows(scheduler)] == ["cancelled"]


async def test_a_function_beyond_its_timeout_holds_its_slot_until_it_ends(
    scheduler: AsyncIOScheduler,
) -> None:
    release = threading.Event()
    began: list[float] = []

    def stuck() -> None:
        began.append(time.monotonic())
        release.wait(20)

    scheduler.add_job(stuck, "interval", seconds=0.2, id="stuck", timeout=0.1)
    async with scheduler:
        await until(lambda: len(overlaps(scheduler)) >= 2)
        assert len(began) == 1
        assert len(rows(scheduler, "running")) == 1
        release.set()
        await until(lambda: rows(scheduler, "timed_out"))


async def test_a_task_can_ask_which_run_it_is(scheduler: AsyncIOScheduler) -> None:
    seen: dict[str, Run | None] = {}

    async def coroutine() -> None:
        seen["coroutine"] = current_run()
        seen["thread below"] = await asyncio.to_thread(current_run)

    def function() -> None:
        seen["function"] = current_run()

    zone = "Asia/Tokyo"
    scheduler.add_job(coroutine, "interval", seconds=0.5, id="c", timeout=60, timezone=zone)
    scheduler.add_job(function, "date", id="f")
    async with scheduler:
        await until(lambda: len(seen) == 3)
    run = seen["coroutine"]
    assert run is not None
    assert run == seen["thread below"]
    assert run.tick is not None
    assert run.deadline is not None
    assert str(run.tick.tzinfo) == zone
    assert 0 < (run.deadline - run.tick).total_seconds() < 120
    assert (run.job_id, run.kind, run.attempt) == ("c", "scheduled", 1)
    startup = seen["function"]
    assert startup is not None
    assert (startup.kind, startup.tick, startup.deadline) == ("startup", None, None)
    assert current_run() is None


@pytest.mark.full
async def test_a_coroutine_that_blocks_the_loop_is_named(
    scheduler: AsyncIOScheduler, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging()

    async def greedy() -> None:
        time.sleep(3)  # noqa: ASYNC251 (what it is about)

    scheduler.add_job(greedy, "date", id="greedy")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    assert "job greedy blocks the event loop" in capsys.readouterr().err


@pytest.mark.full
async def test_old_history_is_pruned_and_the_rest_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from everytick.engine import heartbeats

    monkeypatch.setattr(heartbeats, "_PRUNE_SECONDS", 0.0)
    monkeypatch.setattr(heartbeats, "_PRUNE_PIECE", 3)
    with scheduler_settings(tmp_path, SCHEDULER_HISTORY_DAYS=2):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(lambda: None, "interval", seconds=0.1, id="job")
        async with scheduler:
            await until(lambda: len(rows(scheduler, "succeeded")) >= 8)
        with changing(scheduler.ledger) as connection:
            connection.execute("UPDATE scheduler_runs SET finished_us = finished_us - 3 * 86400000000")
        old = {row["run_id"] for row in rows(scheduler)}
        async with scheduler:
            await until(lambda: not old & {row["run_id"] for row in rows(scheduler)})
        ticks = [row["tick_us"] for row in rows(scheduler)]
        assert ticks
        assert len(ticks) == len(set(ticks))


ENDLESS = """\
import asyncio, os, time
from app.core.log import logger
from everytick import current_run

def note(word: str) -> None:
    run = current_run()
    with open("marks.txt", "a") as file:
        file.write(f"{word} {run.job_id} {run.attempt} {os.getpid()}\\n")

async def long() -> None:
    note("start")
    while not os.path.exists("release"):
        await asyncio.sleep(0.05)
    note("end")
"""


def endless(app: Application, options: str = "") -> None:
    app.tasks(ENDLESS)
    app.schedule(
        f'scheduler.add_job(long, "interval", hours=9, id="long", next_run_time=datetime.now(){options})',
        "from datetime import datetime\nfrom app.services.my_tasks import long\n",
    )


def once_soon(app: Application, task: str) -> None:
    """Schedule a task for one instant in some seconds: the same declaration at each start."""
    at = datetime.now(UTC) + timedelta(seconds=4)
    app.schedule(
        f'scheduler.add_job({task}, "date", run_date="{at.isoformat()}", id="{task}")',
        f"from app.services.my_tasks import {task}\n",
    )


def marks(app: Application) -> list[list[str]]:
    file = app.folder / "marks.txt"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.full
def test_a_run_whose_process_was_killed_begins_its_next_attempt(app: Application) -> None:
    app.tasks(ENDLESS)
    once_soon(app, "long")
    killed = app.start()
    wait_for(lambda: marks(app), "the first start")
    killed.popen.kill()
    killed.popen.wait()
    with app.running():
        wait_for(lambda: len(marks(app)) == 2, "another start")
        (app.folder / "release").touch()
        app.records(1, "succeeded")
    [run] = app.recorded()
    assert (run["state"], run["attempt"], run["crashes"]) == ("succeeded", 2, 1)
    [before] = attempts(app.ledger)
    assert (before["attempt"], before["state"]) == (1, "lost")
    assert before["error"] == "the process that ran it died"


@pytest.mark.full
def test_a_startup_run_that_was_cut_off_is_replaced_by_that_of_the_next_start(app: Application) -> None:
    endless(app)
    killed = app.start()
    wait_for(lambda: marks(app), "the first start")
    killed.popen.kill()
    killed.popen.wait()
    (app.folder / "release").touch()
    with app.running():
        app.records(1, "succeeded")
    assert [(row["start_number"], row["state"]) for row in app.recorded()] == [(1, "lost"), (2, "succeeded")]


@pytest.mark.full
def test_with_on_crash_skip_it_stays_lost(app: Application) -> None:
    endless(app, ', on_crash="skip"')
    killed = app.start()
    wait_for(lambda: marks(app), "the first start")
    killed.popen.kill()
    killed.popen.wait()
    (app.folder / "release").touch()
    with app.running():
        wait_for(lambda: app.recorded("succeeded"), "the next start's own run")
    assert [row["state"] for row in app.recorded()] == ["lost", "succeeded"]


@pytest.mark.full
def test_a_run_that_kills_its_process_is_given_up_after_three_more(app: Application) -> None:
    app.tasks(
        "import os\ndef deadly() -> None:\n    open('marks.txt', 'a').write('start\\n')\n    os._exit(7)\n"
    )
    once_soon(app, "deadly")
    for number in range(1, 5):
        process = app.start()
        process.popen.wait(30)
        assert len((app.folder / "marks.txt").read_text().split()) == number
    with app.running():
        wait_for(lambda: app.recorded("lost"), "being given up")
    [run] = app.recorded()
    assert (run["state"], run["attempt"], run["crashes"]) == ("lost", 4, 3)


@pytest.mark.full
def test_a_stopped_process_finds_its_lease_gone_and_its_outcome_void(app: Application) -> None:
    app.tasks(ENDLESS)
    once_soon(app, "long")
    stopped = app.start()
    try:
        wait_for(lambda: marks(app), "the first start")
        stopped.popen.send_signal(signal.SIGSTOP)
        with app.running() as other:
            wait_for(lambda: ["start", "long", "2"] in [m[:3] for m in marks(app)], "the second attempt", 60)
            stopped.popen.send_signal(signal.SIGCONT)
            (app.folder / "release").touch()
            stopped.says("had lost its lease")
            wait_for(lambda: app.recorded("succeeded"), "the outcome of the second attempt")
            assert str(other.popen.pid) == next(mark[3] for mark in marks(app) if mark[2] == "2")
        [run] = app.recorded()
        assert (run["attempt"], run["state"]) == (2, "succeeded")
    finally:
        stopped.popen.kill()
        stopped.popen.wait()


@pytest.mark.full
@pytest.mark.parametrize("trouble", ["removed", "replaced"])
def test_a_ledger_that_goes_away_stops_the_claims_and_is_never_made_anew(
    app: Application, trouble: str
) -> None:
    app.tasks("def tick() -> None: ...\n")
    app.schedule(
        'scheduler.add_job(tick, "interval", seconds=0.3, id="tick")',
        "from app.services.my_tasks import tick\n",
    )
    aside = app.folder / "aside.db"
    with app.running() as process:
        app.records(2, "succeeded")
        app.ledger_file.rename(aside)
        if trouble == "replaced":
            app.ledger_file.write_bytes(b"")
        process.says("was removed or replaced")
        assert not app.ledger_file.exists() or app.ledger_file.stat().st_size == 0
        aside.replace(app.ledger_file)
        process.says("the ledger answers again")
        before = len(app.recorded("succeeded"))
        app.records(before + 2, "succeeded")
    found = [row["tick_us"] for row in app.recorded() if row["last_tick_us"] is None]
    assert len(found) == len(set(found))

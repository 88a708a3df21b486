"""How the application stops: by signals, by a job, with runs under way, waiting and reserved."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.store import runs
from everytick.store.records import Outcome

from application import Application
from bodies import AFTER_THE_START, deploy, doomed, entered, let, marks, more, pass_by
from inside import rows, until
from ledgers import held
from waiting import wait_for


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("body", ["long", "stuck"])
def test_a_job_that_ends_the_scheduler_at_once_cuts_the_others_and_exits_1(
    app: Application, body: str
) -> None:
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "600"
    last = 'lambda: (seen("end"), scheduler.shutdown(wait=False)), "date", id="last"'
    deploy(app, f'{body}, "date", id="other"', last)
    with doomed(app) as process:
        entered(app, "other")
        let(app, "end")
        assert process.popen.wait(40) == 1, process.log()
        assert "1 run had to be cut" in process.log()
    states = {row["job_id"]: row["state"] for row in app.recorded()}
    assert states == {"other": "interrupted", "last": "succeeded"}


@pytest.mark.full
def test_a_job_that_ends_the_scheduler_lets_the_others_end(app: Application) -> None:
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "600"
    last = 'lambda: (seen("end"), scheduler.shutdown()), "date", id="last"'
    deploy(app, 'long, "date", id="other"', last)
    with doomed(app) as process:
        entered(app, "other")
        let(app, "end")
        process.says("waiting up to 10 minutes")
        let(app, "release")
        assert process.popen.wait(40) == 0, process.log()
    assert {row["state"] for row in app.recorded()} == {"succeeded"}


@pytest.mark.full
def test_a_signal_hurries_a_stop_that_a_job_began(app: Application) -> None:
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "600"
    last = 'lambda: (seen("end"), scheduler.shutdown()), "date", id="last"'
    deploy(app, 'long, "date", id="other"', last)
    with doomed(app) as process:
        entered(app, "other")
        let(app, "end")
        process.says("waiting up to 10 minutes")
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(40) == 1, process.log()
    states = {row["job_id"]: row["state"] for row in app.recorded()}
    assert states == {"other": "interrupted", "last": "succeeded"}


@pytest.mark.full
@pytest.mark.parametrize("times", [1, 2])
def test_a_terminal_that_is_closed_drains_also_if_it_says_so_twice(app: Application, times: int) -> None:
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "600"
    deploy(app, 'long, "date", id="other"')
    with doomed(app) as process:
        entered(app, "other")
        for _ in range(times):
            process.popen.send_signal(signal.SIGHUP)
            process.says("waiting up to 10 minutes")
            time.sleep(0.3)
        let(app, "release")
        assert process.popen.wait(40) == 0, process.log()
    assert {row["state"] for row in app.recorded()} == {"succeeded"}


@pytest.mark.full
def test_under_nohup_a_terminal_that_is_closed_changes_nothing(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(app, 'long, "date", id="other"')
    # A child begins with what its parent ignores.
    app.is_loaded_anew = True
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = app.launch()
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        entered(app, "other")
        process.popen.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert "stopping" not in process.log()
        let(app, "release")
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(40) == 0, process.log()
    finally:
        process.popen.kill()
        process.popen.wait()


async def test_leaving_the_block_waits_for_a_stop_that_was_begun_inside(scheduler: AsyncIOScheduler) -> None:
    began = asyncio.Event()

    async def slow() -> None:
        began.set()
        await asyncio.sleep(0.5)

    scheduler.add_job(slow, "date", id="slow")
    async with scheduler:
        await began.wait()
        scheduler.shutdown()
        await until(lambda: not scheduler.running)
    assert [row["state"] for row in rows(scheduler)] == ["succeeded"]


@pytest.mark.full
def test_runs_that_wait_in_a_stopping_process_are_run_by_the_other(app: Application) -> None:
    app.environment |= {"SCHEDULER_MAX_WORKERS": "1", "SCHEDULER_SHUTDOWN_GRACE_TIME": "60"}
    three = [f'quick, "date", id="quick{number}", {AFTER_THE_START}' for number in range(3)]
    deploy(app, 'long, "date", id="long"', *three)
    with doomed(app) as stopping:
        app.records(4)
        assert sorted(row["state"] for row in app.recorded()) == ["claimed"] * 3 + ["running"]
        app.environment["SCHEDULER_MAX_WORKERS"] = "4"
        with app.running() as other:
            assert not marks(app, "quick0")
            stopping.popen.send_signal(signal.SIGTERM)
            app.records(3, "succeeded")
            # The first one is still waiting for its own run.
            assert stopping.popen.poll() is None
            let(app, "release")
            assert stopping.popen.wait(30) == 0, stopping.log()
            done = [mark.pid for number in range(3) for mark in marks(app, f"quick{number}")]
            assert done == [other.popen.pid] * 3
    found = {row["job_id"]: (row["state"], row["attempt"], row["crashes"]) for row in app.recorded()}
    assert set(found.values()) == {("succeeded", 1, 0)}
    assert len(found) == 4


@pytest.mark.full
@pytest.mark.parametrize("on_crash", ["rerun", "skip"])
def test_cut_runs_are_begun_again_by_the_other_process_or_stay_so(app: Application, on_crash: str) -> None:
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "0.3"
    deploy(
        app,
        f'long, "date", id="long", {AFTER_THE_START}, on_crash="{on_crash}"',
        'quick, "interval", seconds=1, id="quick"',
    )
    with doomed(app) as stopping:
        entered(app, "long")
        with app.running():
            stopping.popen.send_signal(signal.SIGTERM)
            assert stopping.popen.wait(30) == 1
            let(app, "release")
            if on_crash == "rerun":
                wait_for(lambda: marks(app, "long", "end"), "the end of the next attempt")
            else:
                more(app, "quick", 4)
    [run] = [row for row in app.recorded() if row["job_id"] == "long"]
    expected = ("succeeded", 2) if on_crash == "rerun" else ("interrupted", 1)
    assert (run["state"], run["attempt"]) == expected
    assert [mark.attempt for mark in marks(app, "long")] == list(range(1, expected[1] + 1))


@pytest.mark.full
def test_nothing_begins_after_the_signal(app: Application) -> None:
    deploy(app, 'long, "date", id="long"', 'quick, "interval", seconds=0.2, id="quick"')
    with doomed(app) as process:
        app.records(3, "succeeded")
        process.popen.send_signal(signal.SIGTERM)
        process.says("waiting up to")
        number = len(marks(app, "quick"))
        # Many ticks long.
        pass_by(2)
        assert len(marks(app, "quick")) <= number + 1
        assert process.popen.poll() is None
        let(app, "release")
        assert process.popen.wait(30) == 0
    assert {row["state"] for row in app.recorded()} <= {"succeeded", "skipped", "queued"}


@pytest.mark.full
async def test_a_run_that_waited_to_be_recorded_is_not_entered_after_the_stop_was_asked_for(
    scheduler: AsyncIOScheduler,
) -> None:
    entered: list[int] = []
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    scheduler.add_job(lambda: entered.append(1), "interval", hours=9, id="job", next_run_time=soon)
    async with scheduler:
        await until(lambda: rows(scheduler, "claimed"))
        with held(scheduler.ledger):
            # When it is due it cannot be recorded as started.
            due = rows(scheduler)[0]["due_us"]
            await until(lambda: time.time_ns() // 1000 > due + 300_000)
            stopping = asyncio.ensure_future(scheduler.drain())
            await asyncio.sleep(0.2)
        await stopping
    assert not entered
    assert [(row["state"], row["attempt"]) for row in rows(scheduler)] == [("queued", 1)]


@pytest.mark.full
async def test_outcomes_that_wait_for_the_ledger_are_written_before_the_process_leaves(
    scheduler: AsyncIOScheduler,
) -> None:
    release = asyncio.Event()
    scheduler.add_job(release.wait, "date", id="job", on_crash="skip")
    async with scheduler:
        await until(lambda: rows(scheduler, "running"))
        process = scheduler._process
        assert process is not None
        with held(scheduler.ledger):
            release.set()
            await until(lambda: process.writer._kept, patience=30)
        # Now it is tried again within a second, and the stop comes first.
    assert [(row["state"], row["attempt"]) for row in rows(scheduler)] == [("succeeded", 1)]


async def test_a_run_whose_words_are_refused_has_an_outcome_all_the_same(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = runs.finish

    def refuse(connection: Any, me: Any, outcome: Outcome) -> bool:
        if outcome.traceback is not None:
            raise UnicodeEncodeError("latin-1", "words", 0, 1, "there is no such sign")
        return finish(connection, me, outcome)

    monkeypatch.setattr(runs, "finish", refuse)
    scheduler.add_job(doomed_to_fail, "date", id="job")
    async with scheduler:
        [row] = await until(lambda: rows(scheduler, "failed"))
    assert row["error"] == "what it said could not be written to the ledger: see the log of its process"


async def doomed_to_fail() -> None:
    raise RuntimeError("unheard of")

"""The ledger is locked, its disk is full, its file goes away: what waits, what is kept, what comes back."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, LedgerError
from everytick.model import ticks

from application import Application, Running
from bodies import TASKS, deploy, doomed, entered, let, marks, more, pass_by
from inside import Clock, covered, rows, rows_of, until, with_jitter, without_a_hole
from short_waits import LEASE, shorten_leases
from waiting import wait_for

SECOND = 1_000_000
# Enough for the log, not for many more pages of the ledger.
LITTLE = 80_000
FILLING = f"""
import resource

def let_files_grow_to(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

signal.signal(signal.SIGUSR1, lambda *_: let_files_grow_to({LITTLE}))
signal.signal(signal.SIGUSR2, lambda *_: let_files_grow_to(resource.RLIM_INFINITY))
"""


@pytest.fixture
def app(tmp_path: Path) -> Application:
    made = Application(tmp_path)
    deploy(
        made,
        'quick, "interval", seconds=1, id="tick", coalesce=False, max_catch_up=200',
        'long, "date", id="long"',
        'short, "date", id="short"',
    )
    made.tasks(TASKS + FILLING)
    return made


def beats(app: Application) -> dict[str, int]:
    with closing(sqlite3.connect(app.ledger_file)) as connection:
        return dict(connection.execute("SELECT process_id, beat FROM scheduler_processes").fetchall())


@contextmanager
def locked(app: Application, _processes: list[Running]) -> Iterator[None]:
    """Another process holds the ledger's lock."""
    hold = (
        "import sqlite3, sys\n"
        f"other = sqlite3.connect({str(app.ledger_file)!r}, timeout=30, isolation_level=None)\n"
        "other.execute('BEGIN EXCLUSIVE')\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield


@contextmanager
def full(_app: Application, processes: list[Running]) -> Iterator[None]:
    """No file of these processes can grow: what they write fails half-way, as on a full disk."""
    for process in processes:
        process.popen.send_signal(signal.SIGUSR1)
    yield
    for process in processes:
        process.popen.send_signal(signal.SIGUSR2)


@pytest.mark.full
@pytest.mark.long
@pytest.mark.parametrize("trouble", [locked, full])
def test_twice_a_lease_without_the_ledger_loses_nothing_and_kills_nobody(
    app: Application, trouble: Any
) -> None:
    shorten_leases(app)
    with ExitStack() as stack:
        processes = [stack.enter_context(app.running()) for _ in range(2)]
        entered(app, "long")
        entered(app, "short")
        wait_for(lambda: len(app.recorded("succeeded")) >= 3, "some ticks")
        with trouble(app, processes):
            for process in processes:
                process.says("the ledger does not answer")
            before, begin = len(marks(app, "tick")), time.time_ns() // 1000
            let(app, "soon")
            wait_for(lambda: marks(app, "short", "end"), "the end of a run")
            # Twice the lease: whoever believed in the heartbeats would call the other dead.
            pass_by(2 * LEASE)
            assert len(marks(app, "tick")) == before, "something started unrecorded"
            end = time.time_ns() // 1000
        wait_for(lambda: len(marks(app, "tick")) > before, "the next start", 8)
        old = beats(app)
        wait_for(lambda: all(beats(app).get(name, 0) > beat for name, beat in old.items()), "heartbeats")
        assert len(old) == 2
        # Whoever counted from before the trouble would reap now.
        pass_by(LEASE + 4)
        [held] = [row for row in app.recorded() if row["job_id"] == "long"]
        assert (held["state"], held["attempt"]) == ("running", 1)
        let(app, "release")
        wait_for(lambda: marks(app, "long", "end"), "its end")
        logs = [process.log() for process in processes]
    for log in logs:
        assert "the ledger answers again" in log
        for bad in ("Traceback", "died", "declared dead", "lost its lease", "could not be written"):
            assert bad not in log
    found = app.recorded()
    [short] = [row for row in found if row["job_id"] == "short"]
    assert short["state"] == "succeeded"
    assert begin <= short["finished_us"] <= end
    assert {row["attempt"] for row in found if row["state"] != "skipped"} == {1}
    assert {row["state"] for row in found} <= {"succeeded", "skipped", "queued"}
    assert without_a_hole(covered(found, "tick", 1), 1)
    # Each start is known to the ledger, and happened once.
    started = [row for row in found if row["job_id"] == "tick" and row["state"] == "succeeded"]
    assert len(started) == len(marks(app, "tick"))


@pytest.mark.full
def test_a_run_that_ended_without_a_ledger_is_told_and_the_file_is_not_made_anew(app: Application) -> None:
    with app.running(expect=1) as process:
        entered(app, "long")
        entered(app, "short")
        for file in app.ledger_file.parent.glob("ledger.db*"):
            file.unlink()
        process.says("was removed or replaced")
        let(app, "soon")
        let(app, "release")
        wait_for(lambda: marks(app, "long", "end") and marks(app, "short", "end"), "their ends")
        before = len(marks(app, "tick"))
        pass_by(3)
        assert len(marks(app, "tick")) == before
        process.popen.send_signal(signal.SIGTERM)
        process.popen.wait(60)
        assert " could not be written to the ledger" in process.log()
        assert "Traceback" not in process.log()
    assert not app.ledger_file.exists()


@pytest.mark.full
@pytest.mark.parametrize("end", ["-wal", "-shm"])
def test_nothing_is_written_without_the_files_beside_the_ledger(app: Application, end: str) -> None:
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "1"
    with app.running(expect=1) as process:
        entered(app, "tick")
        app.ledger_file.with_name(f"{app.ledger_file.name}{end}").unlink()
        process.says("was removed or replaced")
        before = len(marks(app, "tick"))
        pass_by(3)
        assert len(marks(app, "tick")) == before
    assert "Traceback" not in process.log()


@pytest.mark.full
def test_an_older_copy_in_the_ledgers_place_is_not_written_to(app: Application) -> None:
    copy, aside = app.folder / "copy.db", app.folder / "aside.db"
    with app.running() as process:
        wait_for(lambda: len(app.recorded("succeeded")) >= 2, "some ticks")
        with closing(sqlite3.connect(app.ledger_file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        content = copy.read_bytes()
        app.ledger_file.rename(aside)
        shutil.copy(copy, app.ledger_file)
        process.says("was removed or replaced")
        before = len(marks(app, "tick"))
        pass_by(4)
        assert len(marks(app, "tick")) == before
        assert app.ledger_file.read_bytes() == content
        aside.replace(app.ledger_file)
        process.says("the ledger answers again")
        wait_for(lambda: len(marks(app, "tick")) > before, "the next tick")
        let(app, "release")
        let(app, "soon")
    assert without_a_hole(covered(app.recorded(), "tick", 1), 1)


@pytest.mark.full
def test_a_ledger_that_another_start_made_anew_is_left_to_it(app: Application) -> None:
    with doomed(app) as first:
        entered(app, "tick")
        for file in app.ledger_file.parent.glob("ledger.db*"):
            file.unlink()
        let(app, "release")
        let(app, "soon")
        first.says("was removed or replaced")
        with app.running() as second:
            wait_for(lambda: second.popen.pid in {mark.pid for mark in marks(app, "tick")}, "its ticks")
            assert {mark.pid for mark in more(app, "tick", 4)} == {second.popen.pid}
            assert len(beats(app)) == 1


@pytest.mark.full
def test_a_start_waits_for_a_ledger_that_is_locked(app: Application) -> None:
    with app.running():
        let(app, "release")
        let(app, "soon")
    with locked(app, []):
        waiting = app.launch()
        waiting.says("is held by another program; waiting up to 30 seconds")
    try:
        wait_for(waiting.is_up, "the start line")
        assert waiting.popen.poll() is None
    finally:
        waiting.popen.kill()
        waiting.popen.wait()


@pytest.mark.full
async def test_a_ledger_that_stays_locked_is_a_sentence(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everytick.engine.process._START_PATIENCE", 1)
    scheduler.add_job(lambda: None, "interval", hours=4, id="fine")
    async with scheduler:
        pass
    with closing(sqlite3.connect(scheduler.ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="another program holds it: end that, then try again"):
            async with scheduler:
                pass
        other.execute("ROLLBACK")
    async with scheduler:
        assert not rows(scheduler)


@pytest.mark.full
async def test_a_run_that_could_not_be_recorded_within_its_grace_is_not_entered(
    scheduler: AsyncIOScheduler, clock: Clock
) -> None:
    tick = 1_800_000_000 * SECOND
    job_id, due = with_jitter(tick, 60, 2, 3)
    entered: list[int] = []
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="awake")
    scheduler.add_job(
        lambda: entered.append(1), "interval", hours=1, id=job_id, jitter=60, misfire_grace_time=1
    )
    clock.set(tick - 600 * SECOND)
    async with scheduler:
        clock.set(tick - SECOND // 5)
        await until(lambda: rows_of(scheduler, job_id))
        with closing(sqlite3.connect(scheduler.ledger.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await until(lambda: ticks.now() > due + 2 * SECOND)
            other.execute("ROLLBACK")
        await until(lambda: rows_of(scheduler, job_id)[0]["finished_us"])
    assert not entered
    [row] = rows_of(scheduler, job_id)
    assert (row["state"], row["reason"], row["started_us"]) == ("skipped", "missed", None)

"""Processes that are killed, stopped or end themselves in a run: what becomes of it, and of a lost ledger."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from application import Application
from ledgers import found_in
from short_waits import shorten_leases
from waiting import wait_for


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


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
    at = datetime.now(UTC) + timedelta(seconds=8)
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
    [before] = found_in(app.ledger, "SELECT * FROM scheduler_attempts")
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
@pytest.mark.parametrize(
    ("deadly", "code"),
    [
        ("os._exit(7)", 7),
        # Meant as a bound for the call, but nothing takes the signal.
        ("signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(60)", -signal.SIGALRM),
    ],
)
def test_a_run_that_kills_its_process_is_given_up_after_three_more(
    app: Application, deadly: str, code: int
) -> None:
    mark = "open('marks.txt', 'a').write('start\\n')"
    app.tasks(f"import os, signal, time\ndef deadly() -> None:\n    {mark}; {deadly}\n")
    once_soon(app, "deadly")
    for number in range(1, 5):
        process = app.start()
        assert process.popen.wait(30) == code
        assert len((app.folder / "marks.txt").read_text().split()) == number
    with app.running():
        wait_for(lambda: app.recorded("lost"), "being given up")
    [run] = app.recorded()
    assert (run["state"], run["attempt"], run["crashes"]) == ("lost", 4, 3)


@pytest.mark.full
@pytest.mark.long
def test_a_stopped_process_finds_its_lease_gone_and_its_outcome_void(app: Application) -> None:
    app.tasks(ENDLESS)
    once_soon(app, "long")
    shorten_leases(app)
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


@pytest.mark.full
def test_a_task_of_a_job_that_exits_ends_nothing_else(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.tasks(
        "import asyncio, sys\n"
        "async def leave(): sys.exit(7)\n"
        "async def boom(): await asyncio.gather(leave())\n"
        "async def fine(): ...\n"
    )
    app.schedule(
        'scheduler.add_job(boom, "interval", seconds=1, id="boom")\n'
        'scheduler.add_job(fine, "interval", seconds=1, id="fine")',
        "from app.services.my_tasks import boom, fine\n",
    )
    with app.running() as process:
        process.says("wanted to end the program; it goes on")
        before = len([row for row in app.recorded("succeeded") if row["job_id"] == "fine"])
        wait_for(
            lambda: len([row for row in app.recorded("succeeded") if row["job_id"] == "fine"]) > before + 1,
            "further runs",
        )


@pytest.mark.full
def test_with_on_crash_skip_a_kill_just_before_the_tick_loses_nothing(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.tasks("def note():\n    open('ran', 'a').write('x')\n")
    app.schedule(
        'scheduler.add_job(note, "interval", seconds=3, id="job", on_crash="skip")',
        "from app.services.my_tasks import note\n",
    )
    process = app.start()
    wait_for(lambda: app.recorded("claimed"), "a claim ahead of its tick")
    os.kill(process.popen.pid, signal.SIGKILL)
    process.popen.wait()
    [claimed] = app.recorded("claimed")
    with app.running():
        wait_for(lambda: app.recorded("succeeded"), "the run")
    assert app.recorded("succeeded")[0]["run_id"] == claimed["run_id"]

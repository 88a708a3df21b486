"""The application as a process: it runs the schedule, records every run, and stops when it is asked."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from application import Application
from ledgers import found_in
from waiting import wait_for

TICKING = """\
from app.core.log import logger

async def tick() -> None:
    logger.info("tick 📊")

def tock() -> None:
    logger.info("tock")

def broken() -> None:
    raise RuntimeError("the mail server said no")
"""


ENDLESS = """\
import asyncio
from app.core.log import logger

async def endless() -> None:
    logger.info("endless began")
    await asyncio.sleep(600)
"""


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


@pytest.fixture
def ticking(app: Application) -> Application:
    app.tasks(TICKING)
    app.schedule(
        'scheduler.add_job(tick, "interval", seconds=0.5, id="tick")\n'
        'scheduler.add_job(tock, "interval", seconds=0.5, id="tock")\n'
        'scheduler.add_job(broken, "interval", seconds=0.5, id="broken")',
        "from app.services.my_tasks import broken, tick, tock\n",
    )
    return app


def test_runs_of_a_real_schedule_are_recorded_with_their_outcome(ticking: Application) -> None:
    ticking.makes_its_ledger = True
    with ticking.running() as process:
        wait_for(lambda: len(ticking.recorded("succeeded", "failed")) >= 6, "six runs")
        log = process.log()
    runs = ticking.runs()
    succeeded = [run for run in runs if run["job_id"] == "tick" and run["state"] == "succeeded"]
    assert succeeded
    for run in succeeded:
        assert run["kind"] == "scheduled"
        assert run["attempt"] == 1
        assert run["error"] is None
        tick, started = (datetime.fromisoformat(run[name]) for name in ("tick", "started_at"))
        assert timedelta(0) <= started - tick < timedelta(seconds=5)
        assert datetime.fromisoformat(run["finished_at"]) >= started
    failed = [run for run in runs if run["job_id"] == "broken"]
    assert {run["state"] for run in failed} <= {"failed", "skipped"}
    failed = [run for run in failed if run["state"] == "failed"]
    assert failed[0]["error"] == "RuntimeError: the mail server said no"
    assert "Traceback" in failed[0]["traceback"]
    assert [run["run_id"] for run in runs] == sorted((run["run_id"] for run in runs), reverse=True)
    ticks = [(run["job_id"], run["tick"]) for run in runs]
    assert len(ticks) == len(set(ticks))
    # A line of a run carries its job and its tick.
    assert re.search(r"INFO +tick \d{4}-\d\d-\d\dT\S+ tick 📊", log), log


@pytest.mark.full
def test_the_start_is_one_line_that_says_what_runs(ticking: Application) -> None:
    with ticking.running() as process:
        process.says("3 jobs: ")
    line = next(line for line in process.log().splitlines() if "| ledger " in line)
    assert "story-app" in line
    assert "zone UTC" in line
    assert "sqlite data/ledger.db" in line
    assert re.search(r"\| 3 jobs: next (tick|tock|broken) in \d", line)


@pytest.mark.full
def test_a_restart_goes_on_where_the_ledger_stands(ticking: Application) -> None:
    with ticking.running():
        wait_for(lambda: ticking.recorded("succeeded"), "a run")
    first = ticking.runs("--limit", "500")
    with ticking.running():
        wait_for(lambda: len(ticking.recorded()) > len(first) + 3, "more runs")
    runs = ticking.runs("--limit", "500", "--job", "tick")
    ticks = [run["tick"] for run in runs if "count" not in run]
    assert len(ticks) == len(set(ticks))
    assert {run["run_id"] for run in first} <= {run["run_id"] for run in ticking.runs("--limit", "500")}


@pytest.mark.full
def test_sigterm_lets_a_running_job_end(app: Application) -> None:
    app.tasks(
        "import asyncio\n"
        "from app.core.log import logger\n"
        "async def slow() -> None:\n"
        "    logger.info('slow began')\n"
        "    await asyncio.sleep(1.5)\n"
    )
    app.schedule('scheduler.add_job(slow, "date", id="slow")', "from app.services.my_tasks import slow\n")
    with app.running() as process:
        process.says("slow began")
    [run] = app.runs()
    assert (run["kind"], run["tick"], run["state"]) == ("startup", None, "succeeded")


@pytest.mark.full
@pytest.mark.parametrize("kind", ["async def", "def"])
def test_runs_that_outlive_the_grace_time_are_cut_recorded_and_exit_1(app: Application, kind: str) -> None:
    app.tasks(
        "import asyncio, time\n"
        "from app.core.log import logger\n"
        f"{kind} endless() -> None:\n"
        "    logger.info('endless began')\n"
        f"    {'await asyncio.sleep(600)' if kind == 'async def' else 'time.sleep(600)'}\n"
    )
    app.schedule(
        'scheduler.add_job(endless, "date", id="endless")',
        "from app.services.my_tasks import endless\n",
    )
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "0.3"
    with app.running(expect=1) as process:
        process.says("endless began")
    [run] = app.runs()
    assert run["state"] == "interrupted"
    assert run["error"]


@pytest.mark.full
def test_a_second_signal_does_not_wait_for_the_grace_time(app: Application) -> None:
    app.tasks(ENDLESS)
    app.schedule(
        'scheduler.add_job(endless, "date", id="endless")',
        "from app.services.my_tasks import endless\n",
    )
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "600"
    with app.running(expect=1) as process:
        process.says("endless began")
        process.popen.send_signal(signal.SIGINT)
        process.says("waiting up to 10 minutes")
        process.popen.send_signal(signal.SIGINT)
        process.popen.wait(30)
    assert app.runs()[0]["state"] == "interrupted"


@pytest.mark.full
def test_runs_of_a_killed_process_are_recorded_as_lost_by_the_next_start(app: Application) -> None:
    app.tasks(ENDLESS)
    app.schedule(
        'scheduler.add_job(endless, "interval", seconds=0.5, id="endless")',
        "from app.services.my_tasks import endless\n",
    )
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "0"
    killed = app.start()
    killed.says("endless began")
    killed.popen.kill()
    killed.popen.wait()
    with app.running(expect=1) as process:
        process.says("recorded as lost")
        # It does not count as an instance any more: the job runs again, that run before newer ticks (R14).
        process.says("endless began")
    [lost] = found_in(app.ledger, "SELECT run_id, attempt FROM scheduler_attempts WHERE state = 'lost'")
    first = app.recorded()[0]
    assert (first["run_id"], first["attempt"], first["state"]) == (lost["run_id"], 2, "interrupted")


@pytest.mark.full
def test_two_processes_on_one_ledger_run_each_tick_once(ticking: Application) -> None:
    with ticking.running(), ticking.running():
        wait_for(lambda: len(ticking.recorded()) >= 15, "fifteen runs")
    ticks = [(run["job_id"], run["tick_us"]) for run in ticking.recorded()]
    assert len(ticks) == len(set(ticks))


@pytest.mark.full
def test_a_job_paused_at_first_stays_so_over_restarts(ticking: Application) -> None:
    ticking.schedule(
        'scheduler.add_job(tick, "interval", seconds=0.5, id="tick", next_run_time=None)\n'
        'scheduler.add_job(tock, "interval", seconds=0.5, id="tock")',
        "from app.services.my_tasks import tick, tock\n",
    )
    for _ in range(2):
        before = len(ticking.recorded())
        with ticking.running():
            ticking.records(before + 2)
    assert {run["job_id"] for run in ticking.recorded()} == {"tock"}
    paused = {job["id"]: (job["paused"], job["next_run"]) for job in ticking.json("jobs")}
    assert paused["tick"] == (True, None)
    assert paused["tock"][0] is False


@pytest.mark.full
def test_a_job_is_paused_and_resumed_from_another_process(ticking: Application) -> None:
    def paused() -> bool:
        return bool(next(job["paused"] for job in ticking.json("jobs") if job["id"] == "tick"))

    assert ticking.command("pause", "tick").returncode == 1  # there is no ledger yet
    with ticking.running():
        ticking.records(2, "succeeded")
        done = ticking.command("pause", "tick", "--note", "for the test")
        assert (done.returncode, done.stdout) == (0, "tick is paused\n")
        assert paused()
        assert ticking.command("pause", "tick").stdout == "tick was paused already\n"
        before = len([row for row in ticking.recorded("succeeded") if row["job_id"] == "tick"])
        assert ticking.command("resume", "tick", "--yes").stdout == "tick is resumed\n"
        assert not paused()
        wait_for(
            lambda: (
                len([row for row in ticking.recorded("succeeded") if row["job_id"] == "tick"]) > before + 1
            ),
            "more ticks",
        )
    assert "paused" in {row["reason"] for row in ticking.recorded("skipped")}
    unknown = ticking.command("pause", "tickk")
    assert unknown.returncode == 2
    assert "did you mean 'tick'?" in unknown.stderr


@pytest.mark.full
def test_a_job_can_end_the_scheduler(app: Application) -> None:
    app.tasks("def nothing() -> None: ...\n")
    app.schedule(
        'scheduler.add_job(lambda: scheduler.shutdown(wait=False), "date", id="last")\n'
        'scheduler.add_job(nothing, "interval", seconds=1, id="nothing")',
        "from app.services.my_tasks import nothing\n",
    )
    process = app.start()
    try:
        assert process.popen.wait(30) == 0, process.log()
        assert "stopped" in process.log()
    finally:
        process.popen.kill()


@pytest.mark.full
def test_the_sample_tasks_do_what_they_say(app: Application) -> None:
    app.schedule(
        'scheduler.add_job(send_daily_report, "interval", seconds=0.5, id="report")\n'
        'scheduler.add_job(cleanup_temp_files, "date", id="clean")\n'
        'scheduler.add_job(backup_database, "date", id="backup")',
        "from app.services.my_tasks import backup_database, cleanup_temp_files, send_daily_report\n",
    )
    old, new = app.folder / "data/tmp/old.txt", app.folder / "data/tmp/new.txt"
    old.parent.mkdir(parents=True)
    for path in (old, new):
        path.write_text("x")
    os.utime(old, (0, 0))
    with app.running() as process:
        process.says("Removed 1 file(s)")
        process.says("Saved ")
        wait_for(lambda: re.search(r"Daily report: \d+ succeeded", process.log()), "a counting report")
    assert not old.exists()
    assert new.exists()
    [copy] = (app.folder / "data/backups").glob("*.db")
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM scheduler_jobs").fetchone() == (3,)


@pytest.mark.full
def test_json_logs_hold_the_run(ticking: Application) -> None:
    ticking.environment["LOG_FORMAT"] = "json"
    with ticking.running() as process:
        process.says('"message": ')
        wait_for(lambda: "tock" in process.log(), "a run's line")
        wait_for(lambda: len(ticking.recorded()) >= 4, "runs")
    lines = [json.loads(line) for line in process.log().splitlines()]
    said = next(line for line in lines if line["message"] == "tock")
    assert said["job"] == "tock"
    assert datetime.fromisoformat(said["tick"]).utcoffset() is not None
    assert said["attempt"] == 1


@pytest.mark.full
def test_an_emoji_does_not_fail_on_a_terminal_that_is_not_utf_8(ticking: Application) -> None:
    ticking.environment |= {
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
        "PYTHONCOERCECLOCALE": "0",
    }
    with ticking.running() as process:
        process.says("tick \\U0001f4ca")
    assert "UnicodeEncodeError" not in process.log()


@pytest.mark.full
def test_standard_logging_comes_out_the_same_way(app: Application) -> None:
    app.tasks(
        "import logging\n"
        "def task() -> None:\n"
        "    logging.getLogger('some.library').warning('said by a library')\n"
    )
    app.schedule('scheduler.add_job(task, "date", id="t")', "from app.services.my_tasks import task\n")
    with app.running() as process:
        process.says("said by a library")
    assert re.search(r"WARNING +t startup said by a library", process.log()), process.log()


@pytest.mark.full
def test_a_job_that_ends_the_scheduler_at_once_cuts_the_others_and_says_so(app: Application) -> None:
    app.tasks(
        "import asyncio\n"
        "async def endless(): await asyncio.sleep(600)\n"
        "async def ending():\n"
        "    from app.components.scheduler import main\n"
        "    await asyncio.sleep(0.5)\n"
        "    main.SCHEDULER.shutdown(wait=False)\n"
    )
    app.schedule(
        'global SCHEDULER\nscheduler.add_job(endless, "date", id="endless")\n'
        'scheduler.add_job(ending, "date", id="ending")\nSCHEDULER = scheduler',
        "from app.services.my_tasks import ending, endless\n",
    )
    with app.running(expect=1) as process:
        wait_for(lambda: process.popen.poll() is not None, "the end")
    assert [row["job_id"] for row in app.recorded("interrupted")] == ["endless"]


@pytest.mark.full
def test_ctrl_c_before_anything_was_started_is_one_word(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.schedule("import pathlib, time\npathlib.Path('loading').touch()\ntime.sleep(60)")
    process = app.launch()
    try:
        wait_for((app.folder / "loading").exists, "the schedule to be read")
        process.popen.send_signal(signal.SIGINT)
        assert process.popen.wait(30) == 130
    finally:
        process.popen.kill()
    assert process.log() == "interrupted\n"

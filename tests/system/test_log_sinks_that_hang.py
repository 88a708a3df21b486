"""A sink that a job added to loguru, and that hangs, holds up nothing but itself."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from application import Application
from short_waits import BEAT, LEASE, shorten_leases
from waiting import wait_for

pytestmark = [pytest.mark.full, pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")]

# The engine itself logs too: the event loop tells of a job that fails.
TASKS = """
import logging, os, sys, time
from pathlib import Path
from loguru import logger

def hang(_message):
    Path("hangs").touch()
    time.sleep(600)

class Hanging(logging.Handler):
    def emit(self, record):
        hang(record)

def adds_a_function():
    logger.add(hang)
    logger.info("a line")

def adds_a_queued_function():
    logger.add(hang, enqueue=True)
    logger.info("a line")

def adds_a_handler():
    logger.add(Hanging())
    logger.info("a line")

def adds_a_full_pipe():
    _reader, writer = os.pipe()
    logger.add(os.fdopen(writer, "w"))
    Path("hangs").touch()
    logger.info("x" * 200_000)

async def adds_it_on_the_loop():
    adds_a_function()

def fails():
    raise ValueError("as it should")

async def logs():
    logger.info("a line of a coroutine")

def long():
    time.sleep(600)
"""
CULPRITS = (
    "adds_a_function",
    "adds_a_queued_function",
    "adds_a_full_pipe",
    "adds_it_on_the_loop",
)
BLOCKING = """
from everytick import BlockingScheduler, log_to_stderr
from app.services.my_tasks import fails, {culprit}

log_to_stderr()
scheduler = BlockingScheduler()
scheduler.add_job({culprit}, "date", id="culprit")
scheduler.add_job(fails, "interval", seconds=0.3, id="fails")
scheduler.start()
"""


@pytest.fixture
def app(tmp_path: Path) -> Application:
    made = Application(tmp_path)
    made.tasks(TASKS)
    return made


def schedule(app: Application, culprit: str, *others: str) -> None:
    jobs = [
        f'scheduler.add_job({culprit}, "date", id="culprit")',
        'scheduler.add_job(fails, "interval", seconds=0.3, id="fails")',
        'scheduler.add_job(logs, "interval", seconds=0.3, id="logs")',
        *others,
    ]
    app.schedule("\n".join(jobs), f"from app.services.my_tasks import fails, logs, long, {culprit}\n")


def goes_on(app: Application) -> None:
    """Wait for runs of the other jobs that began after the sink had hung."""
    wait_for((app.folder / "hangs").exists, "the sink")
    before = len(app.recorded("failed")), len(app.recorded("succeeded"))
    wait_for(lambda: len(app.recorded("failed")) >= before[0] + 8, "runs that fail")
    wait_for(lambda: len(app.recorded("succeeded")) >= before[1] + 8, "runs that log")


@pytest.mark.parametrize("culprit", CULPRITS)
def test_the_other_jobs_go_on_and_the_process_stops_in_time(app: Application, culprit: str) -> None:
    schedule(app, culprit)
    with app.running() as process:
        goes_on(app)
        process.popen.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        assert process.popen.wait(30) == 0, process.log()
        assert time.monotonic() - begin < 8
    said = process.log()
    assert said.splitlines()[-1].endswith(" stopped")
    assert "blocks the event loop" not in said
    # Each line is in the log that works, in the order in which they were logged.
    assert said.count("ERROR") >= 8
    times = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", said, re.MULTILINE)
    assert times == sorted(times)


def test_what_python_itself_waits_for_at_the_end_is_named(app: Application) -> None:
    """Python's end takes the lock of each handler of its own logging, which one that hangs holds."""
    schedule(app, "adds_a_handler")
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "2"
    with app.running(expect=1) as process:
        goes_on(app)
    assert "ended, although a job had left behind what goes on: the log sink <Hanging" in process.log()


def test_a_scheduler_inside_a_program_goes_on_too(app: Application) -> None:
    app.ledger.prepare()
    (app.folder / "program.py").write_text(BLOCKING.format(culprit="adds_a_function"))
    said = app.folder / "said"
    with said.open("wb") as stream:
        popen = subprocess.Popen(
            [sys.executable, "program.py"], cwd=app.folder, env=app.variables(), stdout=stream, stderr=stream
        )
    try:
        wait_for((app.folder / "hangs").exists, "the sink")
        before = len(app.recorded("failed"))
        wait_for(lambda: len(app.recorded("failed")) >= before + 8, "runs that fail")
        popen.send_signal(signal.SIGTERM)
        assert popen.wait(30) == 0, said.read_text()
    finally:
        popen.kill()
        popen.wait()


def test_another_process_does_not_take_over_its_runs(app: Application) -> None:
    schedule(app, "adds_a_function", 'scheduler.add_job(long, "date", id="long", max_instances=1)')
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "1"
    shorten_leases(app)
    # The function goes on for too long for the grace time.
    with app.running(expect=1) as first:
        wait_for(lambda: [r for r in app.recorded("running") if r["job_id"] == "long"], "the long run")
        goes_on(app)
        with app.running() as other:
            # Two whole leases: by then it would have been declared dead.
            ends = time.monotonic() + 2 * LEASE + 2 * BEAT
            wait_for(lambda: time.monotonic() > ends, "the time of two leases", 60)
        assert "died" not in other.log()
        [run] = [row for row in app.recorded() if row["job_id"] == "long"]
        assert (run["state"], run["attempt"], run["crashes"]) == ("running", 1, 0)
        goes_on(app)
    assert "declared dead" not in first.log()


SHOUTS = """
import time
from pathlib import Path
from loguru import logger

def wait(_message):
    while not Path("go").exists():
        time.sleep(0.05)

def shouts():
    logger.add(wait)
    for number in range(12_000):
        logger.info("{}", number)
    Path("go").touch()
"""


def test_lines_that_a_sink_was_too_slow_for_are_counted(app: Application) -> None:
    app.tasks(SHOUTS)
    imports = "from app.services.my_tasks import shouts\n"
    app.schedule('scheduler.add_job(shouts, "date", id="shouts")', imports)
    with app.running() as process:
        process.says("were left out")
    told = re.search(r"WARNING +(\d+) line\(s\) were left out of the log sink wait", process.log())
    assert told is not None
    # The job's own lines and a few of the engine's.
    assert 2_000 <= int(told[1]) < 2_100

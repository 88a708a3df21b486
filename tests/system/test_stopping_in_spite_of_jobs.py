"""A process of the scheduler's own ends in time when it is asked to, whatever jobs have done to keep it."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

from application import Application
from waiting import wait_for

pytestmark = [pytest.mark.full, pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")]

TASKS = """
import asyncio, os, sys, threading, time
from loguru import logger

def done():
    open("done", "w").close()

def hold(_message=None):
    done()
    while True:
        try:
            threading.Event().wait()
        except BaseException:
            pass

def logs_to_what_hangs():
    logger.add(hold)
    logger.info("a line")

async def logs_on_the_loop_to_what_hangs():
    logs_to_what_hangs()

class Output:
    def write(self, text): return len(text)
    def flush(self): time.sleep(600)

def replaces_the_output():
    sys.stdout = Output()
    hold()

def never_ends():
    hold()

async def leaves_a_thread_of_the_loop():
    asyncio.get_running_loop().run_in_executor(None, lambda: time.sleep(0.5) or hold())

def closes_all_files():
    os.closerange(3, 1000)

async def leaves_no_memory():
    def fail(_timeout):
        raise MemoryError
    # Python crashes now and then, or hangs for good, where there really is none.
    asyncio.get_running_loop()._selector.select = fail
"""
BLOCKING = """
from everytick import BlockingScheduler, log_to_stderr
from app.services.my_tasks import {job}

log_to_stderr()
scheduler = BlockingScheduler()
scheduler.add_job({job}, "date", id="culprit")
scheduler.start()
"""
WAYS = {
    "logs_to_what_hangs": "blocks the event loop",
    "logs_on_the_loop_to_what_hangs": "job culprit blocks the event loop",
    "never_ends": "",
    "leaves_a_thread_of_the_loop": "the thread asyncio_0",
}


@pytest.mark.parametrize(
    ("job", "kind"), [*product(WAYS, ["run", "blocking"]), ("replaces_the_output", "run")]
)
def test_it_ends_in_time_and_says_why(tmp_path: Path, job: str, kind: str) -> None:
    popen, said = launched(tmp_path, job, kind)
    try:
        wait_for((tmp_path / "done").exists, "the job")
        assert ended(popen, said) == 1, said.read_text()
    finally:
        popen.kill()
        popen.wait()
    assert WAYS.get(job, "") in said.read_text()


@pytest.mark.parametrize("kind", ["run", "blocking"])
def test_a_process_whose_event_loop_has_no_memory_ends_at_once(tmp_path: Path, kind: str) -> None:
    popen, said = launched(tmp_path, "leaves_no_memory", kind)
    try:
        assert popen.wait(30) == 1, said.read_text()
    finally:
        popen.kill()
        popen.wait()
    assert "error: ended: no memory is left" in said.read_text()


@pytest.mark.parametrize("kind", ["run", "blocking"])
def test_a_process_whose_files_a_job_has_closed_ends_at_once_and_says_so(tmp_path: Path, kind: str) -> None:
    popen, said = launched(tmp_path, "closes_all_files", kind)
    try:
        assert popen.wait(30) == 1, said.read_text()
    finally:
        popen.kill()
        popen.wait()
    assert "ended: a job has closed file handles of the event loop (Bad file descriptor)" in said.read_text()
    assert "Traceback" not in said.read_text()


def ended(process: subprocess.Popen[bytes], said: Path) -> int:
    """Ask it to end, once more if it does not stop within its grace time; return its exit code."""
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(4)
    if "stopped" not in said.read_text():
        process.send_signal(signal.SIGTERM)
    return process.wait(30)


def launched(folder: Path, job: str, kind: str) -> tuple[subprocess.Popen[bytes], Path]:
    app = Application(folder)
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "1"
    app.tasks(TASKS)
    app.schedule(
        f'scheduler.add_job({job}, "date", id="culprit")', f"from app.services.my_tasks import {job}\n"
    )
    (folder / "program.py").write_text(BLOCKING.format(job=job))
    app.ledger.prepare()
    said = folder / "said"
    command = ["program.py"] if kind == "blocking" else ["-m", "app", "run"]
    with said.open("wb") as stream:
        popen = subprocess.Popen(
            [sys.executable, *command], cwd=folder, env=app.variables(), stdout=stream, stderr=stream
        )
    return popen, said

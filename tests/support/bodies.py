"""Tasks that write down when they were entered and left, in a file that is not the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from application import Application, Running
from waiting import wait_for

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
# The first lines of tasks that leave something behind, most often a child that was forked.
FORKING = """\
import asyncio, atexit, concurrent.futures, logging, multiprocessing, os, signal, sys, threading, time
from datetime import timedelta
from loguru import logger

forking = multiprocessing.get_context("fork")
kept = []
"""
TASKS = """\
import asyncio, os, signal, time
from datetime import UTC, datetime, timedelta
from everytick import current_run

def after_the_start(seconds: float = 5) -> str:
    # A file that is there keeps the time at which it was made. A text, since a datetime that is computed
    # stands for a delay after each start.
    os.close(os.open("begun", os.O_CREAT))
    made = datetime.fromtimestamp(os.stat("begun").st_mtime, UTC)
    return (made + timedelta(seconds=seconds)).isoformat()

def note(word: str) -> None:
    run = current_run()
    with open("marks.txt", "a") as file:
        file.write(f"{word} {run.job_id} {run.attempt} {os.getpid()} {time.monotonic_ns() // 1000}\\n")

def seen(word: str) -> None:
    while not os.path.exists(word):
        time.sleep(0.05)

def quick(ignored: object = None) -> None:
    note("start")

def quick_too(**ignored: object) -> None:
    note("start")

async def slow() -> None:
    note("start")
    await asyncio.sleep(0.8)
    note("end")

async def long() -> None:
    note("start")
    while not os.path.exists("release"):
        await asyncio.sleep(0.05)
    note("end")

def stuck() -> None:
    note("start")
    seen("release")
    note("end")

def short() -> None:
    note("start")
    seen("soon")
    note("end")

def flaky() -> None:
    note("start")
    seen("fail")
    raise RuntimeError("as planned")

def deadly() -> None:
    note("start")
    os.kill(os.getpid(), signal.SIGKILL)
"""
IMPORTS = (
    "from datetime import datetime\n"
    "from app.services.my_tasks import after_the_start, seen\n"
    "from app.services.my_tasks import deadly, flaky, long, quick, quick_too, short, slow, stuck\n"
)


@dataclass(frozen=True)
class Mark:
    """One line of the bodies: `at` in microseconds on the machine's monotonic clock."""

    word: str
    job: str
    attempt: int
    pid: int
    at: int


def deploy(app: Application, *calls: str) -> None:
    """Write the tasks and a schedule of these `add_job` calls; processes that start from now on have them."""
    app.tasks(TASKS)
    app.schedule("\n".join(f"scheduler.add_job({call})" for call in calls), IMPORTS)


def marks(app: Application, job_id: str, word: str = "start") -> list[Mark]:
    """Return when a job's body was entered, or with `end` when it was left."""
    file = app.folder / "marks.txt"
    # The last line may be on its way.
    whole, _, _ = file.read_text().rpartition("\n") if file.exists() else ("", "", "")
    lines = [line.split() for line in whole.splitlines()]
    found = [Mark(line[0], line[1], *(int(number) for number in line[2:])) for line in lines]
    return [mark for mark in found if (mark.word, mark.job) == (word, job_id)]


def entered(app: Application, job_id: str, number: int = 1) -> list[Mark]:
    """Wait until a job's body was entered that many times; return its starts."""
    wait_for(lambda: len(marks(app, job_id)) >= number, f"{number} start(s) of {job_id}")
    return marks(app, job_id)


def more(app: Application, job_id: str, number: int) -> list[Mark]:
    """Wait until a job's body was entered that many times more; return those starts."""
    before = len(marks(app, job_id))
    return entered(app, job_id, before + number)[before:]


def let(app: Application, word: str) -> None:
    """Let the bodies that wait for a file of this name go on."""
    (app.folder / word).touch()


AFTER_THE_START = "run_date=after_the_start()"
"""For a `date` trigger: soon after the first process has read the schedule, which then is about to be up."""


def in_some_seconds(seconds: float = 8) -> str:
    """Return an instant for a `date` trigger: late enough for two processes to be up by then."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def pass_by(seconds: float) -> None:
    """Let a time go by of which it matters how long it is."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= end, "the time", seconds + 5)


@contextmanager
def doomed(app: Application) -> Iterator[Running]:
    """A process that is killed at the end of the block, if it still lives."""
    process = app.start()
    try:
        yield process
    finally:
        kill(process)


def kill(process: Running) -> None:
    process.popen.kill()
    process.popen.wait()

"""The application under test: its tasks, its clock, and the disk of its ledger."""

from __future__ import annotations

import os
import time
from pathlib import Path

from application import Application
from proxy import Proxy
from servers import Server, port_of
from torture.jobs import DAY, EVERYTHING, LIMITS, SECOND, schedule_around

IMPORTS = """import time
from datetime import datetime

from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.interval import IntervalTrigger

from app.services.my_tasks import burst, dozer, flaky, gappy, hog, numb, quick, slow, tell, thread
"""

# How long before the end of a day the world begins, where it has a clock of its own.
_BEFORE_MIDNIGHT = 20 * SECOND

BODIES = """
import asyncio, os, time
from everytick import current_run

MARKS = os.open("marks.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def mark(word):
    run = current_run()
    tick = 0 if run.tick is None else round(run.tick.timestamp() * 1e6)
    line = f"{word} {run.run_id} {run.kind} {run.job_id} {tick} {run.attempt}"
    os.write(MARKS, f"{line} {os.getpid()} {time.monotonic_ns() // 1000}\\n".encode())

async def quick():
    mark("start")
    mark("end")

async def slow():
    mark("start")
    try:
        await asyncio.sleep(1.2)
    finally:
        mark("end")

async def burst():
    mark("start")
    await asyncio.sleep(0.02 if current_run().tick.timestamp() % 4 else 2.4)
    mark("end")

def thread():
    mark("start")
    time.sleep(0.7)
    mark("end")

async def flaky():
    mark("start")
    await asyncio.sleep(0.05)
    mark("end")
    if current_run().attempt % 3:
        raise RuntimeError("as planned")

async def dozer():
    mark("start")
    await asyncio.sleep(3)
    mark("end")

async def gappy():
    mark("start")
    run = current_run()
    if run.kind == "scheduled" and run.tick.timestamp() % 6 == 0:
        await asyncio.sleep(3)
    mark("end")

def numb():
    mark("start")
    time.sleep(1.5)
    mark("end")

async def tell(number: int = 0):
    mark("start")
    run = current_run()
    for step in range(1, 21):
        await asyncio.sleep(0.2)
        run.progress(step / 20, f"step {step}")
        mark(f"said={step * 500}")
    mark("end")
    return {"number": number, "run": run.run_id, "attempt": run.attempt}

async def hog():
    mark("start")
    if current_run().tick.timestamp() % 20 == 0:
        time.sleep(3)
    mark("end")
"""

# Loaded by each process before anything else: its clock can be stepped, and its ledger's disk be full.
BOUNDARY = """
import os, sqlite3, time

_base = int(os.environ["TORTURE_BASE"]) * 1000
_offset = [0, 0]
_skew = int(os.environ.get("TORTURE_SKEW", "0")) * 1_000_000_000

def time_ns():
    now = time.monotonic_ns()
    if now - _offset[1] > 50_000_000:
        with open(os.environ["TORTURE_CLOCK"]) as file:
            _offset[:] = [int(file.read()) * 1000, now]
    return now + _base + _offset[0] + _skew

time.time_ns = time_ns

class Disk(sqlite3.Connection):
    def execute(self, sql, *values):
        word = sql.split(None, 1)[0].upper()
        if word in ("INSERT", "UPDATE", "DELETE", "COMMIT"):
            full = _full()
            if full == "commit" and word == "COMMIT":
                super().execute("ROLLBACK")
            if full and (full == "commit") == (word == "COMMIT"):
                raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, *values)

def _full():
    try:
        with open(os.environ["TORTURE_FULL"]) as file:
            return file.read()
    except OSError:
        return ""

_connect = sqlite3.connect
sqlite3.connect = lambda *args, **options: _connect(*args, **{"factory": Disk, **options})
"""


class World(Application):
    """An application with the jobs of `jobs`, a clock of its own, and a disk that can be full.

    Its clock begins shortly before the end of a Tuesday; where there is a server it is that of the server.
    With one its ledger is there, three processes only claim and three only run, each through a wire.
    `ledger_url`: where it is there, and by which way it is reached; a schema of its own for None.
    """

    def __init__(self, folder: Path, server: Server | None = None, ledger_url: str | None = None) -> None:
        super().__init__(folder, "torture")
        self.server = server
        # For each slot: the role, by how many seconds its clock is wrong, and the proxy to the server.
        self.slots: list[tuple[str, int, Proxy | None]] = [("all", 0, None)] * 3
        self.tasks(BODIES)
        self.marks_file = folder / "marks.txt"
        self.marks_file.touch()
        self.base = (time.time_ns() - time.monotonic_ns()) // 1000
        # The day that ends; on a server the one that has ended.
        self.day = (self.base + time.monotonic_ns() // 1000) // DAY - 1
        if server is None:
            self.day = self._next_tuesday()
            self.base = (self.day + 1) * DAY - _BEFORE_MIDNIGHT - time.monotonic_ns() // 1000
        self.specs = schedule_around(self.day)
        # Of the processes that start from now on.
        self.environment_of_processes = EVERYTHING
        self._clock_file, self._full_file = folder / "clock-offset", folder / "disk-full"
        self.set_clock(0)
        (folder / "site").mkdir()
        (folder / "site/sitecustomize.py").write_text(BOUNDARY)
        self.environment |= {
            "PYTHONPATH": str(folder / "site"),
            "TORTURE_BASE": str(self.base),
            "TORTURE_CLOCK": str(self._clock_file),
            "TORTURE_FULL": str(self._full_file),
            "SCHEDULER_MAX_WORKERS": "8",
            "SCHEDULER_GROUP_LIMITS": ",".join(f"{name}={limit}" for name, limit in LIMITS.items()),
            "SCHEDULER_MISFIRE_GRACE_TIME": "60",
            "SCHEDULER_SHUTDOWN_GRACE_TIME": "2",
        }
        if server is not None:
            url = ledger_url or server.new_ledger()
            self.environment["SCHEDULER_DATABASE_URL"] = url
            self.slots = [
                (role, skew, Proxy(port_of(url))) for role in ("scheduler", "worker") for skew in (0, 60, -60)
            ]
        self.deploy(0)

    def _next_tuesday(self) -> int:
        """Return the next Tuesday whose end is still to come: 1970-01-01 was a Thursday."""
        soonest = (self.base + time.monotonic_ns() // 1000 + _BEFORE_MIDNIGHT) // DAY
        return soonest + (5 - soonest) % 7

    def deploy(self, number: int) -> None:
        """Write a version of the schedule; processes that start from now on have it."""
        written = [spec for spec in self.specs if not spec.added]
        specs = [now for spec in written if (now := spec.as_deployed(number)) is not None]
        final, self.main_file = self.main_file, self.main_file.with_suffix(".new")
        lines = [*(spec.declaration() for spec in specs), "scheduler.offer(tell)"]
        self.schedule("\n".join(lines), IMPORTS)
        # At once: a process that starts at this moment must not read half of it.
        os.replace(self.main_file, final)
        self.main_file = final

    def set_clock(self, offset: int) -> None:
        """Set the clock of all processes ahead by that many microseconds."""
        _write_at_once(self._clock_file, str(offset))

    def fill_disk(self, fails: str) -> None:
        """Let each `write`, or each `commit`, fail from now on; with empty text none does."""
        if fails:
            _write_at_once(self._full_file, fails)
        else:
            self._full_file.unlink()


def _write_at_once(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, file)

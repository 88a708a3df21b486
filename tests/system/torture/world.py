"""The application under test, and its schedule in plain numbers."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from application import Application
from proxy import Proxy
from servers import Server, port_of

SECOND = 1_000_000
HOUR = 3_600 * SECOND


@dataclass(frozen=True)
class JobSpec:
    """One job: a tick every `step` microseconds since the epoch (0: none), and every `also` as well.

    steps: what `step` is in one deployment or another, for a job that a redeploy changes.
    leaves: it is in the code of every other deployment only. ids: its id in one deployment or another.
    once: single ticks, for a job that was asked for while the world ran.
    ends: how a run ends to which no harm is done.
    overlap: what becomes of a tick while the run before goes on. group: whose limit its runs share.
    added: it is no part of the code, but was added while running.
    """

    id: str
    step: int = 0
    body: str = "quick"
    options: str = ""
    trigger: str = '"interval"'
    also: int = 0
    steps: tuple[int, ...] = ()
    once: frozenset[int] = frozenset()
    grace: int = 60 * SECOND
    jitter: int = 0
    catch_up: int = 1
    max_instances: int = 1
    reruns: bool = True
    retries: int = 0
    startup: bool = False
    ends: str = "succeeded"
    added: bool = False
    overlap: str = "skip"
    group: str = ""
    leaves: bool = False
    ids: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether a redeploy changes it: then only processes with the newer code decide about it (R8)."""
        return bool(self.steps or self.leaves or self.ids)

    def as_deployed(self, number: int) -> JobSpec | None:
        """Return it as it stands in the code of a deployment; None where it is not there."""
        if self.leaves and number % 2:
            return None
        if self.steps:
            return JobSpec(self.id, self.steps[number % len(self.steps)])
        if self.ids:
            now, before = (self.ids[which % len(self.ids)] for which in (number, number - 1))
            return replace(self, id=now, options=f'renamed_from="{before}"')
        return self

    def declaration(self) -> str:
        """Return the line of the schedule that declares it."""
        parts = [self.body, self._trigger(), f'id="{self.id}"', self.options]
        parts += [f'overlap="{self.overlap}"'] if self.overlap != "skip" else []
        parts += [f'group="{self.group}"'] if self.group else []
        return f"scheduler.add_job({', '.join(part for part in parts if part)})"

    def _trigger(self) -> str:
        if self.also:
            parts = (f"IntervalTrigger({_every(step)})" for step in (self.step, self.also))
            return f"OrTrigger([{', '.join(parts)}])"
        return f"{self.trigger}, {_every(self.step)}" if self.trigger == '"interval"' else self.trigger

    def is_tick(self, instant: int) -> bool:
        steps = self.steps or [step for step in (self.step, self.also) if step]
        return instant in self.once or any(instant % step == 0 for step in steps)

    def next_tick(self, after: int) -> int | None:
        """Return the first tick later than `after`."""
        found = [(after // step + 1) * step for step in (self.step, self.also) if step]
        return min([*found, *(tick for tick in self.once if tick > after)], default=None)

    def count(self, first: int, last: int) -> int:
        """Return how many ticks lie from `first` to `last`, both included."""
        tick, number = self.next_tick(first - 1), 0
        while tick is not None and tick <= last:
            tick, number = self.next_tick(tick), number + 1
        return number


def _every(step: int) -> str:
    return f'seconds={step / SECOND:g}, start_date="1970-01-01T00:00:00+00:00"'


# Not datetime.now(): the moment must be the one that the processes' own clock shows.
_AT_EACH_START = "next_run_time=datetime.fromtimestamp(time.time_ns() / 1e9)"

SCHEDULE = [
    JobSpec("quick", SECOND),
    JobSpec("half", SECOND // 2),
    JobSpec("cron", 2 * SECOND, trigger='"cron", second="*/2"'),
    JobSpec("either", 2 * SECOND, also=3 * SECOND),
    JobSpec("slow", 3 * SECOND, "slow"),
    JobSpec("thread", 2 * SECOND, "thread"),
    JobSpec("once_only", 2 * SECOND, "slow", 'on_crash="skip"', reruns=False),
    JobSpec("all", SECOND, options="coalesce=False, max_catch_up=5", catch_up=5),
    JobSpec("pair", SECOND, "slow", "max_instances=2", max_instances=2),
    JobSpec("flaky", 2 * SECOND, "flaky", "retries=2, retry_delay=0.2", retries=2),
    JobSpec("late", 2 * SECOND, options="jitter=1", jitter=SECOND),
    JobSpec("strict", SECOND, options="jitter=2, misfire_grace_time=2", jitter=2 * SECOND, grace=2 * SECOND),
    JobSpec(
        "spread", SECOND, options="coalesce=False, max_catch_up=4, jitter=3", jitter=3 * SECOND, catch_up=4
    ),
    JobSpec("dozer", 5 * SECOND, "dozer", "timeout=1", ends="timed_out"),
    JobSpec("numb", 4 * SECOND, "numb", "timeout=0.5", ends="timed_out"),
    JobSpec("hog", 10 * SECOND, "hog"),
    JobSpec("added", 2 * SECOND, added=True),
    # A person has added it, of a function on offer: it says how far it is, and returns something.
    JobSpec("tells", 8 * SECOND, "tell", added=True),
    # Its past ticks are filled while the world runs.
    JobSpec("past", HOUR, "thread"),
    JobSpec("boot", trigger="", startup=True),
    JobSpec("warm", 4 * SECOND, "slow", _AT_EACH_START, startup=True),
    # Of four ticks one takes longer than the time to the next two.
    JobSpec("each", SECOND, "burst", overlap="wait"),
    JobSpec("newest", SECOND, "burst", overlap="wait-one"),
    JobSpec("replaced", SECOND, "slow", overlap="replace", ends="cancelled"),
    JobSpec("each_late", 2 * SECOND, "burst", "jitter=1", overlap="wait", jitter=SECOND),
    *(JobSpec(f"shared{number}", 3 * SECOND, "slow", group="shared") for number in range(3)),
    JobSpec("shared_thread", 4 * SECOND, "thread", group="shared", overlap="wait"),
    # A redeploy changes this job's step.
    JobSpec("morph", 5 * SECOND, steps=(5 * SECOND, 7 * SECOND)),
]
# How many runs of a group may be under way.
LIMITS = {"shared": 2}
# The jobs that are paused and resumed.
PAUSABLE = ("quick", "slow", "all", "cron", "late")

# The bodies that run on threads.
ON_THREADS = ("thread", "numb")

IMPORTS = """import time
from datetime import datetime

from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.interval import IntervalTrigger

from app.services.my_tasks import burst, dozer, flaky, hog, numb, quick, slow, tell, thread
"""

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

# What the body `tell` says of how far it is, in ten-thousandths: from one time to the next, and at the end.
STEP, WHOLE = 500, 10_000

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
    """An application with the schedule above, a clock of its own, and a disk that can be full.

    With a server its ledger is there, three processes only claim and three only run, each through a wire.
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

    def deploy(self, number: int) -> None:
        """Write a version of the schedule; processes that start from now on have it."""
        written = [spec for spec in SCHEDULE if not spec.added]
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

"""The application under torture, and its schedule in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from application import Application

SECOND = 1_000_000


@dataclass(frozen=True)
class JobSpec:
    """One job: a tick every `step` microseconds since the epoch."""

    id: str
    step: int
    body: str
    options: str = ""
    trigger: str = '"interval"'
    reruns: bool = True
    max_instances: int = 1
    retries: bool = False

    def declaration(self) -> str:
        start = 'start_date="1970-01-01T00:00:00+00:00"' if "interval" in self.trigger else ""
        length = f"seconds={self.step / SECOND:g}" if "interval" in self.trigger else ""
        parts = [self.body, self.trigger, length, start, f'id="{self.id}"', self.options]
        return f"scheduler.add_job({', '.join(part for part in parts if part)})"


SCHEDULE = [
    JobSpec("quick", SECOND, "quick"),
    JobSpec("half", SECOND // 2, "quick"),
    JobSpec("cron", 2 * SECOND, "quick", trigger='"cron", second="*/2"'),
    JobSpec("slow", 3 * SECOND, "slow"),
    JobSpec("thread", 2 * SECOND, "thread"),
    JobSpec("once_only", 2 * SECOND, "slow", 'on_crash="skip"', reruns=False),
    JobSpec("all", SECOND, "quick", "coalesce=False, max_catch_up=5"),
    JobSpec("pair", SECOND, "slow", "max_instances=2", max_instances=2),
    JobSpec("flaky", 2 * SECOND, "flaky", "retries=2, retry_delay=0.2", retries=True),
    JobSpec("late", 2 * SECOND, "quick", "jitter=1"),
]
# What a redeploy changes: this job's step.
MORPHING = (5 * SECOND, 7 * SECOND)

BODIES = """
import asyncio, os, time
from app.components.scheduler.runtime import current_run

MARKS = os.open("marks.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def mark(word):
    run = current_run()
    tick = 0 if run.tick is None else round(run.tick.timestamp() * 1e6)
    line = f"{word} {run.job_id} {tick} {run.attempt} {os.getpid()} {time.monotonic_ns() // 1000}\\n"
    os.write(MARKS, line.encode())

async def quick():
    mark("start")
    mark("end")

async def slow():
    mark("start")
    await asyncio.sleep(1.2)
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
"""

# Lets the clock that a process sees be stepped by writing a number of seconds into a file.
CLOCK = """
import os, time
_real, _offset = time.time_ns, [0, 0.0]

def time_ns():
    now = time.monotonic()
    if now - _offset[1] > 0.05:
        try:
            _offset[:] = [int(float(open(os.environ["TORTURE_CLOCK"]).read()) * 1e9), now]
        except (OSError, ValueError):
            pass
    return _real() + _offset[0]

time.time_ns = time_ns
"""


class World(Application):
    """An application with the schedule above."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "torture")
        self.tasks(BODIES)
        self.clock_file = folder / "clock-offset"
        self.clock_file.write_text("0")
        (folder / "site").mkdir()
        (folder / "site/sitecustomize.py").write_text(CLOCK)
        self.environment |= {
            "PYTHONPATH": str(folder / "site"),
            "TORTURE_CLOCK": str(self.clock_file),
            "SCHEDULER_MAX_WORKERS": "6",
            "SCHEDULER_SHUTDOWN_GRACE_TIME": "2",
        }
        self.deploy(MORPHING[0])

    def deploy(self, morphing: int) -> None:
        """Write the schedule; processes that start from now on have it."""
        specs = [*SCHEDULE, JobSpec("morph", morphing, "quick")]
        self.schedule(
            "\n".join(spec.declaration() for spec in specs),
            "from app.services.my_tasks import flaky, quick, slow, thread\n",
        )

"""How long commands take that people call each day, beside importing what they are built on."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from benchmarks import application
from benchmarks.running import PeerFailed, started

# The commands, and under `floor` the packages that all of them are built on.
COMMANDS = {
    "floor": (
        "-c",
        "import typer, pydantic_settings, loguru, apscheduler.schedulers.asyncio",
    ),
    "jobs": ("-m", "app", "jobs"),
    "runs": ("-m", "app", "runs"),
    "why": ("-m", "app", "why", "job-0"),
    "plan": ("-m", "app", "plan"),
}
# As many jobs as somebody looks through.
JOBS = 20
_PATIENCE = 60.0


def seconds(arguments: Sequence[str], url: str) -> float:
    """Return the seconds from the start to the end of Python with these arguments, in the application."""
    # Once a day each: a plan of jobs that are due each second would have a million lines.
    work = {"jobs": JOBS, "spread": False, "cron": True, "first": time.time() // 86_400 * 86_400}
    command = [str(application.python()), *arguments]
    with started(command, work, {}, where=application.FOLDER / "project", place=url) as running:
        # With a limit of its own `wait` would look every 50 ms, a seventh of what is measured.
        limit = threading.Timer(_PATIENCE, running.process.kill)
        limit.start()
        code = running.process.wait()
        took = time.time() - running.spawned
        limit.cancel()
        if code:
            raise PeerFailed(f"ended with exit code {code}\n{running.log()}")
    return took

"""A handler of standard logging that hangs holds up only the job that logs there, not the schedule."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from application import Application
from waiting import wait_for

pytestmark = [pytest.mark.full, pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")]

TASKS = """
import asyncio, logging, threading, warnings

class Network(logging.Handler):
    def emit(self, record):
        open("hangs", "w").close()
        while True:
            threading.Event().wait()

def logs():
    logging.getLogger().addHandler(Network())
    logging.getLogger("shop").warning("a line")

async def loses_an_error():
    # The event loop tells of it.
    async def fails():
        raise ValueError("nobody wanted to know")
    asyncio.create_task(fails())
    await asyncio.sleep(0)

async def warns():
    warnings.warn("look here")

async def goes_on():
    pass
"""
SCHEDULE = """
scheduler.add_job(logs, "date", id="logs")
for job in (loses_an_error, warns, goes_on):
    scheduler.add_job(job, "interval", seconds=1, id=job.__name__)
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_ticks_heartbeats_and_the_end_do_not_wait_for_it(tmp_path: Path, log_format: str) -> None:
    app = Application(tmp_path)
    app.environment |= {"SCHEDULER_SHUTDOWN_GRACE_TIME": "1", "LOG_FORMAT": log_format}
    app.tasks(TASKS)
    app.schedule(SCHEDULE, "from app.services.my_tasks import goes_on, logs, loses_an_error, warns\n")
    with app.running(expect=1) as process:
        wait_for((tmp_path / "hangs").exists, "the handler")
        before = len(app.recorded("succeeded"))
        wait_for(lambda: len(app.recorded("succeeded")) > before + 12, "runs of the others")
        assert app.command("health").returncode == 0
        late = [row for row in app.recorded("skipped") if row["reason"] != "coalesced"]
        assert not late
        asked = time.monotonic()
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(30) == 1
        assert time.monotonic() - asked < 15
        assert "nobody wanted to know" in process.log()
        assert "UserWarning: look here" in process.log()

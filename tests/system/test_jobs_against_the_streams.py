"""Jobs that close or replace the standard streams: that costs lines of the log at most."""

from __future__ import annotations

from pathlib import Path

import pytest

from application import Application
from waiting import wait_for

pytestmark = pytest.mark.full

# What a job does to a stream of the process, and what the log says of it.
HARM = {
    "sys.{}.close()": "something wanted to close standard {} of all jobs; it stays open",
    "sys.{}.buffer.close()": "something wanted to close standard {} of all jobs; it stays open",
    "io.TextIOWrapper(sys.{}.buffer)": "something wanted to close standard {} of all jobs; it stays open",
    "sys.{}.detach()": "",
    "sys.__{}__.close()": "",
    "os.close(sys.{}.fileno())": "",
    "sys.{} = None": "sys.{} was put back",
    "sys.{} = object()": "sys.{} was put back",
    "sys.{} = io.StringIO(); sys.{}.close()": "sys.{} was put back",
    "del sys.{}": "sys.{} was put back",
}
TASKS = """
import asyncio, io, os, sys
from loguru import logger

def culprit():
    {harm}

async def beside():
    await asyncio.sleep(3)

def prints():
    print("printed")
    sys.stderr.write("printed\\n")
    logger.error("logged")
"""
SCHEDULE = """
scheduler.add_job(beside, "date", id="beside")
scheduler.add_job(culprit, "date", id="culprit")
scheduler.add_job(prints, "interval", seconds=2, id="prints")
"""
IMPORTS = "from app.services.my_tasks import beside, culprit, prints\n"

JOBS = {"beside", "culprit", "prints"}
ENDED = ("succeeded", "failed", "cancelled", "interrupted")


def have_ended(app: Application) -> bool:
    return {row["job_id"] for row in app.recorded(*ENDED)} == JOBS


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("harm", HARM)
def test_all_other_runs_go_on_and_the_stop_is_clean(tmp_path: Path, harm: str, stream: str) -> None:
    app = Application(tmp_path)
    app.tasks(TASKS.format(harm=harm.format(stream, stream)))
    app.schedule(SCHEDULE, IMPORTS)
    with app.running() as process:
        wait_for(lambda: process.popen.poll() or have_ended(app), "the end of the runs")
    # The next run of the interval may wait already.
    states = {(row["job_id"], row["state"]) for row in app.recorded(*ENDED)}
    assert states == {(job, "succeeded") for job in JOBS}, process.log()
    assert process.log().count("printed\n") >= 2
    assert "ERROR    prints" in process.log()
    assert process.log().splitlines()[-1].endswith(" stopped")
    name = {"stdout": "output", "stderr": "error"}[stream] if "standard" in HARM[harm] else stream
    said = HARM[harm].format(name)
    lines = [line for line in process.log().splitlines() if said in line]
    # Where another run begins before this one has ended, it finds and tells it.
    assert not said or any(" culprit" in line or "before this run" in line for line in lines), process.log()

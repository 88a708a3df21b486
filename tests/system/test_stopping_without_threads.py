"""A process in which no thread can be started stops when it is asked to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from application import Application
from waiting import wait_for

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process like this"),
]

TASKS = """
import asyncio, re, resource, sys, threading

async def no_memory():
    # Each further thread would need more than there may be.
    threading.stack_size(1 << 30)
    size = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 29),) * 2)
    open("done", "w").close()
    await asyncio.sleep(SECONDS)

async def no_hooks():
    sys.excepthook = threading.excepthook = None
    open("done", "w").close()
    await asyncio.sleep(SECONDS)

async def own_error():
    class Own(Exception):
        def __str__(self): return "own"
    await no_memory()
    raise Own
"""
BLOCKING = """
from everytick import BlockingScheduler, log_to_stderr
from app.services.my_tasks import {job}

log_to_stderr()
scheduler = BlockingScheduler()
scheduler.add_job({job}, "date", id="culprit")
scheduler.start()
"""


def prepared(folder: Path, job: str, seconds: float) -> Application:
    app = Application(folder)
    app.tasks(TASKS.replace("SECONDS", str(seconds)))
    app.schedule(
        f'scheduler.add_job({job}, "date", id="culprit")', f"from app.services.my_tasks import {job}\n"
    )
    return app


@pytest.mark.parametrize("seconds", [0, 2])
@pytest.mark.parametrize("job", ["no_memory", "no_hooks"])
def test_the_signal_is_heard(tmp_path: Path, job: str, seconds: float) -> None:
    app = prepared(tmp_path, job, seconds)
    with app.running() as process:
        wait_for((tmp_path / "done").exists, "the job")
        process.popen.send_signal(signal.SIGTERM)
        process.says("stopping")
        assert process.popen.wait(30) == 0, process.log()
    assert [row["state"] for row in app.recorded()] == ["succeeded"]
    assert process.log().splitlines()[-1].endswith(" stopped")
    assert "stopped the event loop" not in process.log()


@pytest.mark.parametrize("job", ["no_memory", "no_hooks"])
def test_a_blocking_scheduler_hears_it_as_well(tmp_path: Path, job: str) -> None:
    app = prepared(tmp_path, job, 2)
    (tmp_path / "program.py").write_text(BLOCKING.format(job=job))
    app.ledger.prepare()
    with (tmp_path / "said").open("wb") as said:
        popen = subprocess.Popen(
            [sys.executable, "program.py"], cwd=tmp_path, env=app.variables(), stdout=said, stderr=said
        )
    try:
        wait_for((tmp_path / "done").exists, "the job")
        popen.send_signal(signal.SIGTERM)
        assert popen.wait(30) == 0
    finally:
        popen.kill()
        popen.wait()
    assert "stopped the event loop" not in (tmp_path / "said").read_text()


def test_a_run_whose_error_no_thread_can_show_has_an_end(tmp_path: Path) -> None:
    app = prepared(tmp_path, "own_error", 0)
    with app.running():
        app.records(1, "failed")

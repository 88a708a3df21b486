"""Threads and processes that a job left behind: the scheduler ends in spite of them."""

from __future__ import annotations

import functools
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from application import Application
from bodies import FORKING, needs_fork
from ports import free_port
from waiting import wait_for

pytestmark = [pytest.mark.full, needs_fork]

TASKS = (
    FORKING
    + """
def nap(seconds=600):
    with open("pids.txt", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(seconds)

def a_process():
    forking.Process(target=nap, name="exporter").start()

def a_pool_of_processes():
    pool = concurrent.futures.ProcessPoolExecutor(2, mp_context=forking)
    kept.append(pool)
    pool.submit(nap)

def a_thread():
    threading.Thread(target=nap, name="exporter").start()

def a_pool_of_threads():
    pool = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="exporter")
    pool.submit(nap)

def a_queue_that_nobody_reads():
    queue = forking.Queue()
    queue.put("x" * 1_000_000)
    kept.append(queue)
    nap(0)

async def a_thread_of_the_loop():
    kept.append(asyncio.ensure_future(asyncio.to_thread(nap)))

def a_daemon():
    forking.Process(target=nap, name="exporter", daemon=True).start()

def deaf_nap():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    nap()

def a_deaf_process():
    forking.Process(target=deaf_nap, name="exporter").start()

def a_deaf_daemon():
    forking.Process(target=deaf_nap, name="exporter", daemon=True).start()

def an_end_that_waits():
    atexit.register(nap)

async def a_task_that_swallows_its_cancellation():
    async def deaf():
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                pass
    kept.append(asyncio.ensure_future(deaf()))
    nap(0)

def a_thread_that_ends_soon():
    threading.Thread(target=nap, args=(3,), name="exporter").start()
"""
)
SAID = {
    "a_process": "the process exporter",
    "a_pool_of_processes": "the process ForkProcess-1",
    "a_thread": "the thread exporter",
    "a_pool_of_threads": "the thread exporter_0",
    "a_queue_that_nobody_reads": "something that is neither a thread nor a process",
    "a_thread_of_the_loop": "the thread asyncio_0",
    "a_deaf_process": "the process exporter",
    "a_deaf_daemon": "the process exporter",
    "a_task_that_swallows_its_cancellation": "a task of a_task_that_swallows_its_cancellation.<locals>.deaf",
}


def left_by(folder: Path, name: str, grace: float) -> Application:
    app = Application(folder)
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = str(grace)
    app.tasks(TASKS)
    app.schedule(
        f'scheduler.add_job({name}, "date", id="leaves")', f"from app.services.my_tasks import {name}"
    )
    return app


def at_work(app: Application) -> list[int]:
    """Return the process ids of what was left behind, when it is at work."""
    pids = app.folder / "pids.txt"
    wait_for(pids.exists, "what is left behind")
    wait_for(lambda: app.recorded("succeeded"), "the end of the run")
    return [int(line) for line in pids.read_text().split()]


def is_over(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("name", SAID)
def test_the_end_waits_for_it_as_long_as_for_runs_and_names_it(tmp_path: Path, name: str) -> None:
    app = left_by(tmp_path, name, 1)
    with app.running(expect=1) as process:
        pids = at_work(app)
    assert f"ended, although a job had left behind what goes on: {SAID[name]}" in process.log()
    for pid in pids:
        wait_for(functools.partial(is_over, pid), "the end of the child")


def test_a_daemon_that_can_be_ended_is_ended_without_a_word(tmp_path: Path) -> None:
    app = left_by(tmp_path, "a_daemon", 60)
    with app.running() as process:
        [pid] = at_work(app)
    assert "left behind" not in process.log()
    wait_for(functools.partial(is_over, pid), "the end of the child")


def test_what_is_registered_for_the_end_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    app = left_by(tmp_path, "an_end_that_waits", 1)
    with app.running(expect=1) as process:
        wait_for(lambda: app.recorded("succeeded"), "the end of the run")
    assert "something that is neither a thread nor a process" in process.log()


def test_what_ends_by_itself_in_time_is_waited_for(tmp_path: Path) -> None:
    app = left_by(tmp_path, "a_thread_that_ends_soon", 60)
    with app.running() as process:
        at_work(app)
    assert "left behind" not in process.log()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    app = left_by(tmp_path, "a_thread", 600)
    with app.running(expect=1) as process:
        at_work(app)
        process.popen.send_signal(signal.SIGTERM)
        process.says("stopped")
        process.popen.send_signal(signal.SIGTERM)
        process.popen.wait(30)
    assert "the thread exporter" in process.log()


BLOCKING = """
import time

async def blocks():
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass
"""


def hurried(process: subprocess.Popen[Any]) -> bool:
    """Ask it again, and return whether it has ended."""
    process.send_signal(signal.SIGINT)
    return process.poll() is not None


@pytest.mark.parametrize("again", [True, False])
def test_a_coroutine_that_blocks_the_event_loop_for_ever_does_not_keep_the_process(
    tmp_path: Path, again: bool
) -> None:
    app = Application(tmp_path)
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "600" if again else "1"
    app.tasks(BLOCKING)
    app.schedule(
        'scheduler.add_job(blocks, "interval", seconds=1, id="job")',
        "from app.services.my_tasks import blocks",
    )
    process = app.start()
    try:
        process.says("blocks the event loop")
        process.popen.send_signal(signal.SIGTERM)
        if again:
            # Of two signals that come together Python may hear one only when its function returns.
            wait_for(lambda: hurried(process.popen), "the end of the process", 30)
        assert process.popen.wait(30) == 1
    finally:
        process.popen.kill()
    assert "ended without waiting for runs: job job blocks the event loop" in process.log()


FORKING = """
import os, signal, time

def forks():
    if not os.path.exists("pids.txt") and os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open("pids.txt", "a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(600)
"""


def test_a_child_that_was_forked_keeps_neither_the_process_nor_the_port_of_the_dashboard(
    tmp_path: Path,
) -> None:
    app = Application(tmp_path)
    port = free_port()
    app.environment |= {"SCHEDULER_DASHBOARD": "true", "SCHEDULER_DASHBOARD_PORT": str(port)}
    app.tasks(FORKING)
    app.schedule(
        'scheduler.add_job(forks, "interval", seconds=2, id="forks")',
        "from app.services.my_tasks import forks",
    )
    with app.running() as process:
        [pid] = at_work(app)
        process.says("dashboard")
    try:
        with socket.create_server(("127.0.0.1", port)):
            pass
    finally:
        os.kill(pid, signal.SIGKILL)


CHILDREN = """
import os, subprocess, sys, time

def forks():
    if os.fork() == 0:
        time.sleep(600)
    with open("pids.txt", "a") as file:
        file.write(f"{subprocess.Popen(['sleep', '600']).pid}\\n")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_children_that_go_on_after_the_end_are_named_with_their_job(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.tasks(CHILDREN)
    app.schedule('scheduler.add_job(forks, "date", id="forks")', "from app.services.my_tasks import forks")
    with app.running() as process:
        [program] = at_work(app)
    [line] = [line for line in process.log().splitlines() if "go on without it" in line]
    assert "WARNING" in line
    found = re.search(r"(\d+) \(a copy of this process, forked by job forks\)", line)
    assert found is not None, line
    assert f"{program} (sleep 600)" in line
    for pid in (int(found[1]), program):
        os.kill(pid, signal.SIGKILL)


def test_no_child_is_named_where_all_have_ended(tmp_path: Path) -> None:
    app = left_by(tmp_path, "a_pool_of_processes", 1)
    with app.running(expect=1) as process:
        at_work(app)
    assert "go on without it" not in process.log()


@pytest.mark.parametrize("call", ["signal.SIGTERM, signal.SIG_IGN", "signal.SIGTERM, lambda *_: None"])
def test_a_signal_that_a_coroutine_has_taken_over_is_given_back_at_its_end(tmp_path: Path, call: str) -> None:
    app = Application(tmp_path)
    app.tasks(f"import signal\nasync def takes():\n    signal.signal({call})\n")
    app.schedule(
        "scheduler.add_job(takes, 'interval', seconds=1, id='takes')",
        "from app.services.my_tasks import takes\n",
    )
    process = app.launch()
    try:
        process.says("SIGTERM was put back")
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(20) == 0
    finally:
        process.popen.kill()
        process.popen.wait()

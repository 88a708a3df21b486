"""Jobs that fork: their children end by the signals that they are sent, and use nothing of the parent's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from application import Application
from bodies import FORKING, needs_fork
from waiting import wait_for

pytestmark = [pytest.mark.full, needs_fork]

TASKS = (
    FORKING
    + """
def leaves_a_pool():
    pool = forking.Pool(2)
    kept.append(pool)
    pool.apply_async(time.sleep, (600,))

def terminates_a_pool():
    with forking.Pool(2) as pool:
        pool.apply_async(time.sleep, (600,))

def terminates_a_process():
    child = forking.Process(target=time.sleep, args=(600,))
    child.start()
    child.terminate()
    child.join(30)
    assert child.exitcode == -signal.SIGTERM, child.exitcode

def interrupts_a_process():
    child = os.fork()
    if child == 0:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            os._exit(7)
    time.sleep(0.3)
    os.kill(child, signal.SIGINT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

async def forks_on_the_loop():
    child = os.fork()
    if child == 0:
        time.sleep(600)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM

def forks_twice():
    # The child hears a signal in a way of its own, as another scheduler in it would.
    def fork_again():
        from everytick.system import system
        system.on_signal(signal.SIGTERM, lambda: None)
        child = os.fork()
        if child == 0:
            time.sleep(600)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    child = forking.Process(target=fork_again)
    child.start()
    child.join(30)
    assert child.exitcode == 0, child.exitcode

def leaves_a_daemon():
    child = forking.Process(target=time.sleep, args=(600,), daemon=True)
    kept.append(child)
    child.start()

def ended(child, code):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        number, status = os.waitpid(child, os.WNOHANG)
        if number:
            assert os.waitstatus_to_exitcode(status) == code, status
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("the child went on")

def leaves_its_function_in_the_child():
    child = os.fork()
    if child == 0:
        return
    ended(child, 0)

def exits_in_the_child():
    child = os.fork()
    if child == 0:
        sys.exit(5)
    ended(child, 5)

def exits_with_words_in_the_child():
    child = os.fork()
    if child == 0:
        sys.exit("the last words")
    ended(child, 1)

def fails_in_the_child():
    child = os.fork()
    if child == 0:
        raise ValueError("of the child")
    ended(child, 1)

async def leaves_its_coroutine_in_the_child():
    child = os.fork()
    if child == 0:
        return
    await asyncio.to_thread(ended, child, 0)

async def fails_on_the_loop_in_the_child():
    child = os.fork()
    if child == 0:
        await asyncio.sleep(1)
    await asyncio.to_thread(ended, child, 1)

async def waits_on_the_loop_in_the_child():
    child = os.fork()
    if child == 0:
        await asyncio.sleep(0)
        os._exit(0)
    await asyncio.to_thread(ended, child, 1)

def logs():
    def talk():
        logger.info("the child says so")
        logging.getLogger("child").warning("by logging too")
    child = forking.Process(target=talk)
    child.start()
    child.join(30)
    assert child.exitcode == 0, child.exitcode

def told(target):
    receiving, sending = forking.Pipe(duplex=False)
    def ask():
        begun = time.monotonic()
        try:
            target()
            answer = "done"
        except Exception as problem:
            answer = f"{type(problem).__name__}: {problem}"
        sending.send((answer, time.monotonic() - begun))
    child = forking.Process(target=ask)
    child.start()
    answer, seconds = receiving.recv()
    child.join(30)
    logger.info("after {:.0f} s the child was told: {}", seconds, answer)

def adds_a_job():
    from app.components.scheduler import main
    told(lambda: main.kept[0].add_job(logs, "interval", hours=1, id="added by a child"))

def asks_as_a_client():
    from everytick import SchedulerClient
    told(lambda: SchedulerClient().add_job(logs, "interval", hours=1, id="added by a child"))

def reads():
    from everytick import LedgerReader
    told(lambda: LedgerReader().outcome_counts(timedelta(days=1)))

def spawns():
    child = multiprocessing.get_context("spawn").Process(target=add)
    child.start()
    child.join(30)

def add():
    from everytick import SchedulerClient
    SchedulerClient().add_job(logs, "interval", hours=1, id="added by a child")
"""
)
# As a web server does it: the one signal by the event loop, the other by a handler.
AROUND = """
import asyncio, signal
from app.components.scheduler.main import create_scheduler

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, lambda *_: None)
    async with create_scheduler():
        await stop.wait()

asyncio.run(main())
"""
REFUSED = "the child was told: LedgerError: the ledger was open in the process from which this one was forked"


def of_forks(app: Application, *states: str) -> list[dict[str, Any]]:
    return [row for row in app.recorded(*states) if row["job_id"] == "forks"]


def with_job(folder: Path, name: str) -> Application:
    app = Application(folder)
    app.tasks(TASKS)
    app.schedule(
        f'scheduler.add_job({name}, "date", id="forks")\n'
        'scheduler.add_job(print, "interval", seconds=1, args=["tick"], id="beside")\n'
        "kept.append(scheduler)",
        f"from app.services.my_tasks import {name}\nkept = []\n",
    )
    return app


@pytest.mark.parametrize(
    "name",
    [
        "leaves_a_pool",
        "terminates_a_pool",
        "terminates_a_process",
        "interrupts_a_process",
        "forks_on_the_loop",
        "forks_twice",
        "leaves_a_daemon",
        "logs",
    ],
)
def test_children_end_when_they_are_asked_to_and_so_does_the_scheduler(tmp_path: Path, name: str) -> None:
    app = with_job(tmp_path, name)
    with app.running() as process:
        wait_for(lambda: of_forks(app, "succeeded", "failed"), name)
        [run] = of_forks(app)
        assert run["state"] == "succeeded", process.log()
    if name == "logs":
        assert "the child says so" in process.log()
        assert "by logging too" in process.log()


@pytest.mark.parametrize(
    ("name", "said"),
    {
        "leaves_its_function_in_the_child": "",
        "exits_in_the_child": "",
        "exits_with_words_in_the_child": "the last words",
        "fails_in_the_child": "ValueError: of the child",
        "leaves_its_coroutine_in_the_child": "",
        "fails_on_the_loop_in_the_child": "RuntimeError: no running event loop",
    }.items(),
)
def test_a_child_ends_where_it_leaves_the_function_of_the_job(tmp_path: Path, name: str, said: str) -> None:
    app = with_job(tmp_path, name)
    with app.running() as process:
        wait_for(lambda: of_forks(app, "succeeded", "failed"), name)
        [run] = of_forks(app)
        assert run["state"] == "succeeded", process.log()
        assert said in process.log()


@pytest.mark.parametrize("name", ["leaves_a_pool", "terminates_a_process", "interrupts_a_process"])
def test_children_end_too_where_the_application_around_hears_the_signals(tmp_path: Path, name: str) -> None:
    app = with_job(tmp_path, name)
    (app.folder / "around.py").write_text(AROUND)
    process = subprocess.Popen([sys.executable, "around.py"], cwd=app.folder, env=app.variables())
    try:
        wait_for(lambda: of_forks(app, "succeeded", "failed"), name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert [run["state"] for run in of_forks(app)] == ["succeeded"]


@pytest.mark.parametrize("name", ["adds_a_job", "asks_as_a_client", "reads"])
def test_a_child_that_wants_the_ledger_is_told_at_once_how_to_get_at_it(tmp_path: Path, name: str) -> None:
    app = with_job(tmp_path, name)
    with app.running() as process:
        process.says("after 0 s the child was told: ")
        assert REFUSED in process.log()
        before = len(app.recorded("succeeded"))
        wait_for(lambda: len(app.recorded("succeeded")) > before + 1, "further runs")
    assert {job["id"] for job in app.json("jobs")} == {"forks", "beside"}


def test_a_child_that_is_spawned_may_add_a_job(tmp_path: Path) -> None:
    app = with_job(tmp_path, "spawns")
    with app.running():
        wait_for(lambda: any(job["id"] == "added by a child" for job in app.json("jobs")), "the child's job")


FORKED_AFTER_THE_START = """
import os, time
from everytick import BackgroundScheduler

scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_job(print, "interval", hours=1, id="job")
scheduler.start()

def in_a_child(function):
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        return
    begun = time.monotonic()
    try:
        function()
    except Exception as problem:
        print(type(problem).__name__, flush=True)
    print("slow" if time.monotonic() - begun > 5 else "quick", flush=True)
    os._exit(0)

def asks_and_starts():
    scheduler.ledger
    scheduler.start()

def asks_and_shuts_down():
    scheduler.ledger
    scheduler.shutdown()

for function in (scheduler.shutdown, scheduler.start, asks_and_shuts_down, asks_and_starts):
    in_a_child(function)
scheduler.shutdown()
"""


def test_a_child_forked_after_the_start_waits_for_no_end_of_its_parent(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SCHEDULER_DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
        "SCHEDULER_SHUTDOWN_GRACE_TIME": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", FORKED_AFTER_THE_START],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "blocks the event loop" not in done.stderr
    # A ledger that was open before a fork is not used after it.
    assert done.stdout.split() == ["quick", "LedgerError", "quick", "quick", "LedgerError", "quick"]

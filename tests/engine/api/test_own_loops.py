"""The classes that bring an event loop of their own: what APScheduler's users know of them."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from everytick import BackgroundScheduler, BlockingScheduler, LedgerError, ScheduleError, current_run
from everytick.api import ending, own_loop
from everytick.api.standing import Standing
from everytick.store.writer import Writer

from added_tasks import note
from inside import log as log
from inside import new_threads, rows, scheduler_settings, until
from waiting import wait_for

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.fixture
def background(scheduler: Any) -> Iterator[BackgroundScheduler]:
    made = BackgroundScheduler(timezone="UTC")
    yield made
    if made.running:
        made.shutdown()


def test_a_thread_of_its_own_runs_plain_functions_and_coroutines(background: BackgroundScheduler) -> None:
    threads: dict[str, str] = {}

    def plain() -> None:
        threads["plain"] = threading.current_thread().name

    async def coroutine() -> None:
        await asyncio.sleep(0)
        threads["coroutine"] = threading.current_thread().name

    background.add_job(plain, id="plain")
    background.add_job(coroutine, id="coroutine")
    background.start()
    assert background.running
    wait_for(lambda: len(threads) == 2, "both jobs")
    assert threads["coroutine"] == "scheduler"
    assert threads["plain"].startswith("scheduler-task")
    background.shutdown()
    assert [row["state"] for row in rows(background)] == ["succeeded", "succeeded"]


def test_a_shutdown_waits_for_what_runs_and_one_that_does_not_wait_returns_at_once(
    background: BackgroundScheduler,
) -> None:
    begun, released = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        released.wait(20)

    background.add_job(slow, id="slow")
    background.start()
    assert begun.wait(20)
    stopping = threading.Thread(target=background.shutdown)
    stopping.start()
    assert not released.is_set()
    assert stopping.is_alive()
    released.set()
    stopping.join(20)
    assert [row["state"] for row in rows(background)] == ["succeeded"]

    # Once more, in the same process.
    begun.clear()
    released.clear()
    background.start()
    assert begun.wait(20)
    background.shutdown(wait=False)
    released.set()
    wait_for(lambda: rows(background)[-1]["finished_us"], "the end of the run")


@pytest.mark.full
def test_a_start_waits_for_the_end_of_a_shutdown_that_did_not_wait(background: BackgroundScheduler) -> None:
    begun, released = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        released.wait(0.3)

    background.add_job(slow, id="slow")
    for _ in range(3):
        begun.clear()
        background.start()
        assert begun.wait(20)
        background.shutdown(wait=False)
        assert not background.running
    background.start()
    background.shutdown()
    states = [row["state"] for row in rows(background)]
    assert states[:3] == ["succeeded"] * 3
    assert not background.running


def test_a_job_may_shut_its_scheduler_down(background: BackgroundScheduler) -> None:
    background.add_job(background.shutdown, id="ends")
    background.start()
    wait_for(lambda: not background.running, "the end")
    wait_for(lambda: [row["state"] for row in rows(background)] == ["succeeded"], "its outcome")


def test_starts_and_stops_that_do_not_fit_are_errors_as_in_apscheduler(
    background: BackgroundScheduler,
) -> None:
    with pytest.raises(SchedulerNotRunningError):
        background.shutdown()
    with pytest.raises(ScheduleError, match=r"start\(paused=True\)"):
        background.start(paused=True)
    background.start()
    with pytest.raises(SchedulerAlreadyRunningError):
        background.start()
    background.shutdown()
    with pytest.raises(SchedulerNotRunningError):
        background.shutdown()
    with pytest.raises(ScheduleError, match="daemon=False cannot be: a BlockingScheduler keeps"):
        BackgroundScheduler(daemon=False)
    with pytest.raises(ScheduleError, match="BackgroundScheduler takes no zone="):
        BackgroundScheduler(zone="UTC")


def _first_of(left: list[Any], _scheduler: object) -> Any:
    return left.pop() if left else None


@pytest.mark.parametrize("ask", ["ledger", "get_jobs", "add_job", "remove_job", "shutdown"])
def test_a_shutdown_on_another_thread_in_the_middle_of_a_call_is_no_internal_error(
    background: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    before = threading.enumerate()
    background.start()
    background.add_job(print, "interval", hours=1, id="declared")
    calls: dict[str, Callable[[], object]] = {
        "ledger": lambda: background.ledger,
        "get_jobs": background.get_jobs,
        "add_job": lambda: background.add_job(print, "interval", hours=1, id="job"),
        "remove_job": lambda: background.remove_job("declared"),
        "shutdown": background.shutdown,
    }
    # Whichever look at the process is the first that finds none, the call has an answer or an error in words.
    for looks in range(8):
        found = [background._own_process] * looks
        with monkeypatch.context() as patch:
            patch.setattr(Standing, "_process", property(partial(_first_of, found)))
            with suppress(SchedulerNotRunningError, ScheduleError, LedgerError):
                calls[ask]()
    # A drain to which the process was hidden has left its threads.
    if background._own_process is not None and not background.running:
        background._own_process.abandon()
    if ask == "shutdown":
        wait_for(
            lambda: "scheduler-ledger" not in {it.name for it in new_threads(before)}, "the thread's end"
        )


def test_any_thread_may_add_and_remove_jobs(background: BackgroundScheduler) -> None:
    background.start()
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for each in range(5):
                background.add_job(note, "interval", hours=1, args=["x"], id=f"{number}-{each}")
                background.pause_job(f"{number}-{each}")
            background.remove_job(f"{number}-0")
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    left = {f"{number}-{each}" for number in range(8) for each in range(1, 5)}
    assert {job.id for job in background.get_jobs()} == left
    assert background.paused_jobs() >= left


def test_a_ledger_that_cannot_be_used_is_an_error_of_start(
    background: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_loop() -> None:
        raise OSError("no file handle is left")

    monkeypatch.setattr("everytick.api.own_loop.check_handles_of_a_loop", no_loop)
    with pytest.raises(OSError, match="no file handle"):
        background.start()
    assert not background.running


def test_a_job_that_stops_the_loop_or_raises_system_exit_ends_nothing(
    background: BackgroundScheduler,
) -> None:
    calls: list[int] = []

    async def hostile() -> None:
        asyncio.get_running_loop().stop()
        raise SystemExit

    background.add_job(hostile, id="hostile")
    background.add_job(lambda: calls.append(1), "interval", seconds=0.2, id="beside")
    background.start()
    wait_for(lambda: {row["job_id"] for row in rows(background, "failed", "succeeded")} >= {"hostile"}, "it")
    seen = len(calls)
    wait_for(lambda: len(calls) > seen + 1, "other jobs")
    assert background.running


async def test_inside_of_async_with_it_runs_on_the_loop_around(background: BackgroundScheduler) -> None:
    # As `python -m app run` does with what `create_scheduler()` returns.
    loops: list[asyncio.AbstractEventLoop] = []

    async def look() -> None:
        loops.append(asyncio.get_running_loop())

    background.add_job(look, id="look")
    async with background:
        await until(lambda: loops)
        assert loops == [asyncio.get_running_loop()]
        background.shutdown()
        await until(lambda: not background.running)


def ends(scheduler: BlockingScheduler) -> Callable[[], None]:
    def end() -> None:
        assert current_run() is not None
        scheduler.shutdown()

    return end


def test_a_blocking_start_returns_when_a_job_has_shut_it_down(scheduler: Any) -> None:
    blocking = BlockingScheduler(timezone="UTC")
    blocking.add_job(ends(blocking), id="ends")
    for number in (1, 2):
        blocking.start()
        assert not blocking.running
        assert [row["state"] for row in rows(blocking)] == ["succeeded"] * number


async def test_a_blocking_scheduler_cannot_start_on_a_loop_that_runs(scheduler: Any) -> None:
    with pytest.raises(ScheduleError, match="cannot start on an event loop that runs: use AsyncIOScheduler"):
        BlockingScheduler().start()


def test_a_blocking_scheduler_may_run_on_any_thread(scheduler: Any) -> None:
    blocking = BlockingScheduler(timezone="UTC")
    thread = threading.Thread(target=blocking.start)
    thread.start()
    wait_for(lambda: blocking.running, "the start")
    blocking.shutdown()
    thread.join(20)
    assert not thread.is_alive()


def _is_alone() -> bool:
    gc.collect()
    return all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


@pytest.mark.parametrize(
    ("culprit", "said"),
    [
        (
            "ledger",
            "although the schedule has not stopped: the ledger does not answer, so the outcomes that it",
        ),
        ("job", "although jobs hold up the end: job job"),
        ("loop", "a coroutine blocks the event loop of the jobs: the program ends without its runs"),
    ],
)
def test_an_end_that_takes_too_long_is_blamed_on_what_holds_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: list[str], culprit: str, said: str
) -> None:
    monkeypatch.setattr(own_loop, "CLEAN_UP", 0.5)
    monkeypatch.setattr(ending, "_HELD_UP", 0.5)
    # A thread of an earlier test would be blamed too: it ends when its executor is collected.
    wait_for(_is_alone, "the end of other threads")
    release, begun, close = threading.Event(), threading.Event(), Writer.close

    def close_late(*given: Any, **options: Any) -> int:
        # As where the name of a server is not resolved.
        if culprit == "ledger":
            release.wait(20)
        return close(*given, **options)

    async def never_ends() -> None:
        begun.set()
        while not release.is_set():
            if culprit == "loop":
                release.wait(20)
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    monkeypatch.setattr(Writer, "close", close_late)
    with scheduler_settings(tmp_path, SCHEDULER_SHUTDOWN_GRACE_TIME=0):
        scheduler = BackgroundScheduler()
        if culprit != "ledger":
            scheduler.add_job(never_ends, "date", id="job")
        scheduler.start()
        assert culprit == "ledger" or begun.wait(10)
        scheduler.shutdown()
        assert any(said in line for line in log), log
        release.set()
        scheduler._wait_for_the_end()

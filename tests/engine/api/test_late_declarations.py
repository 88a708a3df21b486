"""Code that calls `start()` first and declares its jobs below: they are jobs of the code all the same."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import everytick
import pytest
from everytick import AsyncIOScheduler, BackgroundScheduler, ScheduleError
from everytick.api.control import NoSuchJobError
from everytick.doctor import history
from everytick.engine import heartbeats, removals
from everytick.model import ticks
from everytick.read.known_job import read_jobs, undeclared
from everytick.settings import settings
from everytick.store import joining, workers
from everytick.store.querying import connect
from loguru import logger

from added_tasks import note
from inside import rows_of, until
from ledgers import found_in
from waiting import wait_for

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.fixture
def new(scheduler: Any) -> Iterator[Callable[[], BackgroundScheduler]]:
    made: list[BackgroundScheduler] = []

    def make() -> BackgroundScheduler:
        made.append(BackgroundScheduler(timezone="UTC"))
        return made[-1]

    yield make
    for one in made:
        if one.running:
            one.shutdown()


class Service:
    """As an application has them: a constructor that adds what the service does regularly."""

    def __init__(self, scheduler: AsyncIOScheduler, calls: list[str]) -> None:
        self.calls = calls
        scheduler.add_job(self.refresh, "interval", seconds=0.2, id="refresh")

    def refresh(self) -> None:
        self.calls.append("refresh")


def by_a_framework(handler: Callable[[], Any]) -> Any:
    """Call a function as a web server calls a handler: with code of somebody else between."""

    async def call() -> Any:
        return handler()

    return asyncio.run(call())


def an_earlier_start_declared(job_id: str, first: BackgroundScheduler) -> None:
    first.start()
    first.add_job(print, "interval", hours=1, id=job_id)
    first.shutdown()


def names(scheduler: AsyncIOScheduler) -> set[str]:
    with connect(scheduler.ledger) as connection:
        return {job.id for job in read_jobs(connection) if job.row.removed_us is None}


def test_what_stands_below_the_start_may_be_any_function(new: Callable[[], BackgroundScheduler]) -> None:
    scheduler, calls = new(), list[str]()
    scheduler.start()

    @scheduler.scheduled_job("interval", seconds=0.2, id="decorated")
    def decorated() -> None:
        calls.append("decorated")

    scheduler.add_job(lambda: calls.append("lambda"), "interval", seconds=0.2, id="lambda")
    Service(scheduler, calls)
    wait_for(lambda: set(calls) == {"decorated", "lambda", "refresh"}, "all three")
    assert [job.added for job in scheduler.get_jobs()] == [False] * 3
    with pytest.raises(ScheduleError, match="the id 'lambda' is taken by the job declared at"):
        scheduler.add_job(print, "interval", hours=1, id="lambda")
    scheduler.add_job(print, "interval", hours=1, id="lambda", replace_existing=True)
    job = scheduler.get_job("lambda")
    assert job is not None
    assert (job.name, job.where.partition(":")[0]) == ("print", "tests/engine/api/test_late_declarations.py")


@pytest.mark.full
def test_the_same_code_declares_the_same_jobs_at_each_start(
    new: Callable[[], BackgroundScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removals, "DECLARED_WITHIN", 0.3)

    def start() -> BackgroundScheduler:
        scheduler = new()
        scheduler.start()
        scheduler.add_job(print, "interval", seconds=0.2, args=["."], id="often")
        return scheduler

    first = start()
    wait_for(lambda: rows_of(first, "often"), "a run")
    first.shutdown()
    last = rows_of(first, "often")[-1]["run_id"]
    time.sleep(1.0)  # nothing is up, which is what the next start finds
    second = start()
    wait_for(lambda: rows_of(second, "often")[-1]["run_id"] > last + 4, "it goes on")
    second.shutdown()
    # As for a job that is declared before the start: each tick that was missed has its outcome.
    found = [(row["tick_us"], row["last_tick_us"] or row["tick_us"]) for row in rows_of(second, "often")]
    found.sort()
    gaps = [after[0] - before[1] for before, after in itertools.pairwise(found)]
    assert set(gaps) == {200_000}
    assert any(row["reason"] == "coalesced" for row in rows_of(second, "often"))
    assert names(second) == {"often"}


def test_a_job_that_the_code_no_longer_declares_is_removed_and_told_of(
    new: Callable[[], BackgroundScheduler],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    said: list[str] = []
    number = logger.add(lambda line: said.append(str(line)))
    request.addfinalizer(lambda: logger.remove(number))
    first = new()
    first.start()
    first.add_job(print, "interval", hours=1, id="stays")
    first.add_job(print, "interval", hours=2, id="goes")
    by_a_framework(lambda: first.add_job(note, "interval", hours=3, id="asked for by a user"))
    first.shutdown()

    monkeypatch.setattr(removals, "DECLARED_WITHIN", 0.3)
    second = new()
    second.start()
    second.add_job(print, "interval", hours=1, id="stays")
    wait_for(lambda: "goes" not in names(second), "its removal")
    assert names(second) == {"stays", "asked for by a user"}
    wait_for(lambda: "removed from the schedule: goes" in "".join(said), "the log line")


@pytest.mark.full
def test_the_newest_process_decides_what_is_no_longer_declared(
    new: Callable[[], BackgroundScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    an_earlier_start_declared("of the new code", new())

    monkeypatch.setattr(removals, "DECLARED_WITHIN", 0.5)
    old_code = new()
    old_code.start()
    new_code = new()
    new_code.start()
    new_code.add_job(print, "interval", hours=1, id="of the new code")
    time.sleep(1.2)  # both have looked by then
    assert names(new_code) == {"of the new code"}


def test_a_declaration_that_waits_for_the_ledger_when_the_time_is_over_is_not_removed(
    new: Callable[[], BackgroundScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    an_earlier_start_declared("slow", new())

    settled = threading.Event()

    def settle(*arguments: Any) -> list[str]:
        removed = joining.settle(*arguments)
        settled.set()
        return removed

    monkeypatch.setattr(removals, "joining", SimpleNamespace(**vars(joining) | {"settle": settle}))
    monkeypatch.setattr(removals, "DECLARED_WITHIN", 0.3)
    second = new()
    second.start()
    assert second._process is not None
    until_later = threading.Event()
    second._process.writer.submit(lambda _connection: until_later.wait(10))
    threading.Timer(1.0, until_later.set).start()
    second.add_job(print, "interval", hours=1, id="slow")
    assert settled.wait(10)
    assert names(second) == {"slow"}


def test_a_declaration_that_fails_leaves_the_job_to_be_removed(
    new: Callable[[], BackgroundScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    an_earlier_start_declared("fails", new())

    def declare(*_: Any) -> None:
        raise everytick.LedgerError("it is full")

    monkeypatch.setattr(removals, "DECLARED_WITHIN", 0.5)
    second = new()
    second.start()
    with monkeypatch.context() as patch:
        patch.setattr(joining, "declare", declare)
        with pytest.raises(everytick.LedgerError, match="it is full"):
            second.add_job(print, "interval", hours=1, id="fails")
    assert second.get_jobs() == []
    wait_for(lambda: not names(second), "its removal")


@pytest.mark.parametrize("beats", [False, True], ids=["reaped", "reaped and back"])
def test_an_old_process_that_others_had_declared_dead_removes_nothing(
    new: Callable[[], BackgroundScheduler], monkeypatch: pytest.MonkeyPatch, beats: bool
) -> None:
    an_earlier_start_declared("of the new code", new())

    asked = list[list[str]]()

    def settle(*arguments: Any) -> list[str]:
        asked.append(joining.settle(*arguments))
        return asked[-1]

    monkeypatch.setattr(removals, "joining", SimpleNamespace(**vars(joining) | {"settle": settle}))
    monkeypatch.setattr(removals, "DECLARED_WITHIN", 1.0)
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 60.0)
    old_code = new()
    old_code.start()
    assert old_code._process is not None
    new_code = new()
    new_code.start()
    new_code.add_job(print, "interval", hours=1, id="of the new code")
    # As it is after a suspend: the others have reaped it, and it comes back before it beats, or after.
    me, registration = old_code._process._me, old_code.registration
    beat_sql = f"SELECT beat FROM scheduler_processes WHERE process_id = '{me.process_id}'"
    [row] = found_in(old_code.ledger, beat_sql)
    reaped = old_code._process.execute(
        lambda connection: workers.reap(connection, me.process_id, row["beat"], 0)
    )
    assert reaped == 0
    if beats:
        old_code._process.execute(lambda connection: workers.beat(connection, me, registration.start_number))
    wait_for(lambda: len(asked) == 2, "both to look")
    assert asked == [[], []]
    assert names(new_code) == {"of the new code"}


def test_a_request_adds_data_and_code_that_sets_up_declares(new: Callable[[], BackgroundScheduler]) -> None:
    scheduler = new()
    scheduler.start()
    scheduler.add_job(print, "interval", hours=1, id="declared")

    def handler() -> None:
        scheduler.add_job(note, "interval", hours=1, id="added")

    by_a_framework(handler)
    assert {job.id: job.added for job in scheduler.get_jobs()} == {"declared": False, "added": True}
    with pytest.raises(ScheduleError, match=r"lambda|inside"):
        by_a_framework(lambda: scheduler.add_job(lambda: None, "interval", hours=1, id="x"))
    with pytest.raises(ScheduleError, match="'declared' stands in the schedule's code: delete it there"):
        by_a_framework(lambda: scheduler.remove_job("declared"))
    by_a_framework(lambda: scheduler.remove_job("added"))


def test_code_that_sets_up_may_remove_what_an_earlier_start_had_and_take_back_its_own(
    new: Callable[[], BackgroundScheduler],
) -> None:
    an_earlier_start_declared("job", new())

    second = new()
    second.start()
    # As much code does, so that it can be run again.
    with pytest.raises(NoSuchJobError):
        second.remove_job("job")
    second.add_job(print, "interval", hours=1, id="job")
    second.remove_job("job")
    assert second.get_jobs() == []
    second.add_job(print, "interval", hours=2, id="job")
    assert [job.id for job in second.get_jobs()] == ["job"]


@pytest.mark.full
def test_a_declaration_that_was_taken_back_is_removed_from_the_ledger_unless_it_comes_again(
    new: Callable[[], BackgroundScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removals, "DECLARED_WITHIN", 0.5)
    scheduler = new()
    scheduler.start()
    for job_id in ("back", "gone"):
        scheduler.add_job(print, "interval", hours=1, id=job_id)
        scheduler.remove_job(job_id)
    scheduler.add_job(print, "interval", hours=1, id="back")
    wait_for(lambda: "gone" not in names(scheduler), "its removal")
    # Also one that nobody awaits any more.
    scheduler.add_job(print, "interval", hours=1, id="late")
    scheduler.remove_job("late")
    wait_for(lambda: names(scheduler) == {"back"}, "its removal")


def test_modules_that_are_imported_after_the_start_declare(
    new: Callable[[], BackgroundScheduler], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_jobs.py").write_text(
        "import builtins\n"
        "@builtins.late_scheduler.scheduled_job('interval', hours=1, id='late')\n"
        "def late(): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    scheduler = new()
    monkeypatch.setattr("builtins.late_scheduler", scheduler, raising=False)
    scheduler.start()

    def handler() -> None:
        import late_jobs  # type: ignore[import-not-found]

        assert late_jobs

    by_a_framework(handler)
    sys.modules.pop("late_jobs")
    assert [job.added for job in scheduler.get_jobs()] == [False]


def test_an_application_that_is_an_installed_package_declares_as_well(
    new: Callable[[], BackgroundScheduler], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "site-packages"
    (packages / "installed_shop").mkdir(parents=True)
    (packages / "installed_shop/__init__.py").write_text(
        "from .jobs import declare\n"
        "def create_app(scheduler):\n"
        "    scheduler.start()\n"
        "    declare(scheduler)\n"
    )
    (packages / "installed_shop/jobs.py").write_text(
        "def declare(scheduler):\n    scheduler.add_job(lambda: None, 'interval', hours=1, id='declared')\n"
    )
    monkeypatch.syspath_prepend(str(packages))
    import installed_shop  # type: ignore[import-not-found]

    scheduler = new()
    installed_shop.create_app(scheduler)
    assert [job.added for job in scheduler.get_jobs()] == [False]
    with pytest.raises(ScheduleError, match="lambda"):
        by_a_framework(lambda: installed_shop.declare(scheduler))


def test_a_startup_job_below_the_start_runs_once_for_all_that_start_together(
    new: Callable[[], BackgroundScheduler],
) -> None:
    calls: list[int] = []
    schedulers = [new() for _ in range(3)]
    for number, one in enumerate(schedulers):
        one.start()
        one.add_job(calls.append, args=[number], id="at each start")
    wait_for(lambda: calls, "its run")
    assert len(rows_of(schedulers[0], "at each start")) == 1
    assert calls == [0]


async def test_on_an_event_loop_of_the_application_it_is_the_same(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.start()
    scheduler.add_job(lambda: calls.append(1), id="below")
    await until(lambda: calls)
    assert [job.added for job in scheduler.get_jobs()] == [False]
    await scheduler.drain()


async def test_in_the_block_of_async_with_jobs_are_added_and_those_of_each_start_are_told_of(
    scheduler: AsyncIOScheduler, request: pytest.FixtureRequest
) -> None:
    said: list[str] = []
    number = logger.add(lambda line: said.append(str(line)))
    request.addfinalizer(lambda: logger.remove(number))
    async with scheduler:
        assert scheduler.add_job(note, "interval", hours=1, id="at-each-start").added
        scheduler.add_job(note, "date", run_date="2099-01-01", id="once")
        await asyncio.to_thread(scheduler.add_job, note, "interval", hours=2, id="of-a-request")
    told = [line for line in said if "goes on when that code is gone: declare it before the start" in line]
    assert len(told) == 1
    assert "job at-each-start is added by code that runs at each start" in told[0]


async def test_doctor_tells_of_a_job_that_code_added_at_each_start_and_does_no_more(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_ADDED_WITHIN", -60 * ticks.SECOND)

    def told() -> list[str]:
        with connect(scheduler.ledger) as connection:
            found = history.examine_history(connection, undeclared(settings()), ticks.now(), UTC)
        return [finding.what for finding in found if finding.check == "no longer added"]

    for number in range(2):
        async with scheduler:
            # Without an id: the same call adds nothing the second time.
            ours = scheduler.add_job(note, "interval", hours=1)
            await asyncio.to_thread(scheduler.add_job, note, "interval", hours=2, id=f"request-{number}")
            assert told() == []
    async with scheduler:
        [sentence] = told()
        assert f"job {ours.id} was added at each start by tests/engine/api/test_late_dec" in sentence
        scheduler.remove_job(ours.id)
        assert told() == []

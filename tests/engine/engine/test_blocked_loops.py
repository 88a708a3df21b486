"""A job that blocks the event loop of its process keeps no runs of other jobs that were not entered."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler
from everytick.engine.held import Held
from everytick.model import ticks
from everytick.model.misfire import Decision
from everytick.store import claims, queue, runs
from everytick.store.connections import transaction
from everytick.store.records import Claim, Identity, Outcome, Room

from inside import overlaps, rows_of, scheduler_settings, until, was_down

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


class Blocking:
    """A job that blocks the event loop once, from when `may_begin` until the first run of `waits` is queued.

    Then it calls `meanwhile`. took: for how many seconds it blocked the loop until then.
    """

    def __init__(self, scheduler: AsyncIOScheduler) -> None:
        self.took = math.inf
        self.blocks, self.may_begin = threading.Event(), threading.Event()
        self.meanwhile: Callable[[], Any] = lambda: None
        self._scheduler = scheduler

    async def __call__(self) -> None:
        if self.blocks.is_set():
            return
        await until(self.may_begin.is_set)
        self.blocks.set()
        begun = time.monotonic()
        while states(self._scheduler)[:1] != ["queued"]:
            assert time.monotonic() < begun + 10, "it stayed with the process whose loop was blocked"
            threading.Event().wait(0.02)
        self.took = time.monotonic() - begun
        self.meanwhile()


def soon() -> IntervalTrigger:
    """Return a trigger that is due in a moment, and then each second."""
    tick = (ticks.now() // ticks.SECOND + 2) * ticks.SECOND
    return IntervalTrigger(seconds=1, start_date=ticks.moment(tick, UTC))


def states(scheduler: AsyncIOScheduler) -> list[str]:
    return [row["state"] for row in rows_of(scheduler, "waits")]


@pytest.mark.full
@pytest.mark.parametrize("slots", [2, 1], ids=["with a slot, and not entered", "without a slot"])
async def test_a_run_that_only_waits_behind_a_blocked_loop_is_given_back_before_the_next_tick(
    tmp_path: Path, slots: int
) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_MAX_WORKERS=slots):
        scheduler, trigger = AsyncIOScheduler(), soon()
        blocking = Blocking(scheduler)
        blocking.may_begin.set()
        scheduler.add_job(blocking, trigger, id="blocks")
        scheduler.add_job(lambda: None, trigger, id="waits")
        async with scheduler:
            await until(lambda: states(scheduler)[:1] == ["succeeded"])
        assert blocking.took < 1
        assert not overlaps(scheduler)


@pytest.mark.full
@pytest.mark.parametrize(("module", "name"), [(claims, "claim"), (runs, "start")])
async def test_a_run_that_the_ledger_gives_while_the_loop_is_blocked_is_given_back(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    """It was claimed, or recorded as started, and the loop has not heard of that."""
    blocking, usual = Blocking(scheduler), getattr(module, name)

    def hold_up(connection: Any, me: Identity, about: Any, *more: Any) -> Any:
        answer = usual(connection, me, about, *more)
        if any(_job_of(each) == "waits" for each in about):
            blocking.may_begin.set()
            assert blocking.blocks.wait(10)
        return answer

    monkeypatch.setattr(module, name, hold_up)
    scheduler.add_job(blocking, "date", id="blocks")
    # It is not recorded as started together with its claim.
    scheduler.add_job(lambda: None, soon(), id="waits", on_crash="skip")
    async with scheduler:
        await until(lambda: states(scheduler)[:1] == ["succeeded"])
    assert blocking.took < 1
    assert not overlaps(scheduler)


def _job_of(about: Any) -> str:
    """Return the job of a decision, or of a claim that is about to begin, beside its job."""
    return about.job.id if isinstance(about, Decision) else about[1].id


@pytest.mark.full
async def test_another_process_may_have_it_and_then_it_is_not_entered_here(
    scheduler: AsyncIOScheduler,
) -> None:
    blocking, trigger, entered = Blocking(scheduler), soon(), []
    other = Identity.new()

    def take_it() -> None:
        with closing(scheduler.ledger.connect()) as connection:
            with transaction(connection):
                [claim] = queue.take(connection, other, {"waits": job}, Room(1))
            with transaction(connection):
                assert runs.finish(connection, other, Outcome(claim, "succeeded", finished=ticks.now()))

    blocking.may_begin.set()
    blocking.meanwhile = take_it
    scheduler.add_job(blocking, trigger, id="blocks")
    job = scheduler.add_job(lambda: entered.append(ticks.now()), trigger, id="waits")
    async with scheduler:
        await until(lambda: states(scheduler)[:2] == ["succeeded"] * 2)
    found = rows_of(scheduler, "waits")
    assert found[0]["process_id"] == other.process_id
    assert all(row["process_id"] != other.process_id for row in found[1:])
    assert len(entered) == len([row for row in found[1:] if row["state"] == "succeeded"])


@pytest.mark.full
async def test_the_process_takes_none_of_them_back_as_long_as_its_loop_is_blocked(
    scheduler: AsyncIOScheduler,
) -> None:
    blocking, trigger, seen = Blocking(scheduler), soon(), set()

    def watch() -> None:
        # Longer than from one pulse to the next.
        until_then = time.monotonic() + 1.5
        while time.monotonic() < until_then:
            seen.add(states(scheduler)[0])
            threading.Event().wait(0.02)

    blocking.may_begin.set()
    blocking.meanwhile = watch
    scheduler.add_job(blocking, trigger, id="blocks")
    scheduler.add_job(lambda: None, trigger, id="waits")
    async with scheduler:
        await until(lambda: states(scheduler)[:1] == ["succeeded"])
        ended = ticks.now()
    assert seen == {"queued"}
    # And at once when it answers again.
    assert rows_of(scheduler, "waits")[0]["started_us"] < ended


@pytest.mark.full
async def test_missed_ticks_that_were_given_back_run_one_after_another_oldest_first(tmp_path: Path) -> None:
    def work() -> None:
        ran.append(ticks.now())

    def made() -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler()
        scheduler.add_job(
            work, "interval", hours=1, id="waits", coalesce=False, misfire_grace_time=None, max_instances=3
        )
        return scheduler

    ran: list[int] = []
    with scheduler_settings(tmp_path, SCHEDULER_MAX_WORKERS=1):
        await was_down(made(), "waits", 4 * 3_600)
        scheduler = made()
        blocking = Blocking(scheduler)
        blocking.may_begin.set()
        scheduler.add_job(blocking, "date", id="blocks")
        async with scheduler:
            await until(lambda: states(scheduler).count("succeeded") == 4)
        found = [row for row in rows_of(scheduler, "waits") if row["state"] == "succeeded"]
    by_start = sorted(found, key=lambda row: row["started_us"])
    assert [row["tick_us"] for row in by_start] == sorted(row["tick_us"] for row in found)
    assert len(ran) == 4
    assert blocking.took < 1


def test_of_two_threads_that_want_the_same_claims_one_gets_them() -> None:
    held = Held()
    lists = [[Claim(number, "job", "scheduled", 1, 1, 1)] for number in range(20_000)]
    for claimed in lists:
        held.add(claimed)
    begin = threading.Barrier(2)
    got: tuple[list[int], list[int]] = ([], [])

    def take(mine: list[int]) -> None:
        begin.wait()
        mine += [number for number, claimed in enumerate(lists) if held.remove(claimed)]

    threads = [threading.Thread(target=take, args=(mine,)) for mine in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got[0] + got[1]) == list(range(20_000))
    assert list(held) == []

"""overlap=: what becomes of a tick at which as many runs of its job are under way as may be."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from everytick import AsyncIOScheduler, ScheduleError, current_run
from everytick.doctor import history
from everytick.explain import why
from everytick.model import ticks
from everytick.read import under_way
from everytick.read.known_job import Declared
from everytick.read.run_details import run_details
from everytick.store.querying import connect
from everytick.system import use

from inside import deaf_until, rows, rows_of, until
from inside import log as log

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

NEVER = 10_000.0


class Held:
    """A task whose runs go on until they are let go; it notes the ticks in the order of their runs."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.at_once = self.most_at_once = 0
        self._may_end = asyncio.Semaphore(0)

    async def __call__(self) -> None:
        run = current_run()
        assert run is not None
        self.begun.append(run.tick)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._may_end.acquire()
        finally:
            self.at_once -= 1

    def let_go(self, number: int = 1) -> None:
        for _ in range(number):
            self._may_end.release()


def add(scheduler: AsyncIOScheduler, func: Any, overlap: str, **options: Any) -> None:
    options = {"seconds": 0.3, "misfire_grace_time": 60, **options}
    scheduler.add_job(func, "interval", id="job", overlap=overlap, **options)


def reasons(scheduler: AsyncIOScheduler) -> list[str]:
    """Return why ticks were skipped, but for those that had passed when the schedule had started."""
    skipped = [row for row in rows_of(scheduler, "job") if row["state"] == "skipped"]
    return [row["reason"] for row in skipped if row["attempt"] or row["reason"] == "overlap"]


def waiting(scheduler: AsyncIOScheduler) -> list[int]:
    return [row["tick_us"] for row in rows(scheduler, "queued")]


def said(scheduler: AsyncIOScheduler, run_id: int) -> str:
    declared = {job.id: job for job in scheduler.get_jobs()}
    found = why(scheduler.ledger, "job", None, run_id, declared, None, scheduler.settings)
    return " ".join(found.sentences).lower()


async def test_by_default_a_tick_is_skipped_while_the_run_before_goes_on(scheduler: AsyncIOScheduler) -> None:
    held = Held()
    scheduler.add_job(held, "interval", seconds=0.3, id="job")
    async with scheduler:
        await until(lambda: reasons(scheduler).count("overlap") == 2)
        assert (len(held.begun), waiting(scheduler)) == (1, [])
        held.let_go(99)


@pytest.mark.full
@pytest.mark.parametrize("coalesce", [True, False])
async def test_every_tick_waits_for_the_run_before_and_begins_oldest_first(
    scheduler: AsyncIOScheduler, coalesce: bool
) -> None:
    held = Held()
    # No pulse comes by itself: a run that waits begins as soon as its job has a free slot.
    with use(uniform=lambda _low, _high: NEVER):
        add(scheduler, held, "wait", coalesce=coalesce)
        async with scheduler:
            await until(lambda: len(waiting(scheduler)) == 3)
            assert len(held.begun) == 1
            first = waiting(scheduler)
            held.let_go(99)
            await until(lambda: set(first) <= {ticks.instant(it) for it in held.begun})
            assert held.begun == sorted(held.begun)
    assert held.most_at_once == 1
    assert reasons(scheduler) == []


@pytest.mark.full
async def test_ticks_wait_while_as_many_runs_go_on_as_may(scheduler: AsyncIOScheduler) -> None:
    held = Held()
    add(scheduler, held, "wait", max_instances=2)
    async with scheduler:
        await until(lambda: len(waiting(scheduler)) == 2)
        assert len(held.begun) == 2
        held.let_go(99)
        await until(lambda: len(held.begun) > 4)
    assert held.most_at_once == 2
    assert reasons(scheduler) == []


@pytest.mark.full
async def test_a_tick_that_waits_beyond_its_grace_time_is_missed_while_the_run_before_goes_on(
    scheduler: AsyncIOScheduler,
) -> None:
    held = Held()
    add(scheduler, held, "wait", misfire_grace_time=0.5)
    async with scheduler:
        await until(lambda: reasons(scheduler).count("missed") >= 2)
        assert len(held.begun) == 1
        # Those that are still within it wait.
        assert len(waiting(scheduler)) <= 8
        held.let_go(99)
        await until(lambda: len(held.begun) > 2)
    assert set(reasons(scheduler)) == {"missed"}


@pytest.mark.full
async def test_only_the_newest_tick_waits(scheduler: AsyncIOScheduler) -> None:
    held = Held()
    add(scheduler, held, "wait-one")
    async with scheduler:
        await until(lambda: len(reasons(scheduler)) == 3)
        assert set(reasons(scheduler)) == {"coalesced"}
        [newest] = waiting(scheduler)
        assert newest == max(row["tick_us"] for row in rows_of(scheduler, "job"))
        held.let_go()
        await until(lambda: len(held.begun) == 2)
        assert ticks.instant(held.begun[1]) >= newest
        held.let_go(99)
    assert held.most_at_once == 1


@pytest.mark.full
async def test_a_run_is_asked_to_end_and_its_tick_s_successor_begins(scheduler: AsyncIOScheduler) -> None:
    held = Held()
    with use(uniform=lambda _low, _high: NEVER):
        add(scheduler, held, "replace", retries=3)
        async with scheduler:
            await until(lambda: len(held.begun) == 4)
            held.let_go(99)
    replaced = [row for row in rows_of(scheduler, "job") if row["state"] == "cancelled" and row["started_us"]]
    assert len(replaced) >= 3
    for row, tick in zip(replaced, held.begun[1:], strict=False):
        assert row["error"].startswith("replaced by the tick of ")
        # A busy machine may let that one wait until a later one takes its place.
        assert row["tick_us"] < row["replaced_by_us"] <= ticks.instant(tick)
        assert row["attempt"] == 1
    assert held.most_at_once == 1
    assert reasons(scheduler) == []


@pytest.mark.full
async def test_a_function_that_does_not_end_is_waited_for_within_the_grace_time_and_told_of(
    scheduler: AsyncIOScheduler,
    log: list[str],
) -> None:
    begun: list[int] = []
    asked, free = threading.Event(), threading.Event()

    def deaf() -> None:
        begun.append(1)
        while not free.wait(0.02):
            if (run := current_run()) is not None and run.cancel_requested:
                asked.set()

    add(scheduler, deaf, "replace", seconds=1, misfire_grace_time=0.5)
    async with scheduler:
        try:
            await until(asked.is_set)
            await until(lambda: "missed" in reasons(scheduler))
            assert len(begun) == 1
            said = " ".join(log)
            assert "is to end (replaced by the tick of " in said
            assert "plain function: it goes on" in said
        finally:
            free.set()
        await until(lambda: len(begun) > 1)


@pytest.mark.full
async def test_a_retry_waits_for_its_turn_and_replaces_nothing(scheduler: AsyncIOScheduler) -> None:
    begun: list[tuple[Any, int]] = []
    free = asyncio.Event()

    async def fails_first() -> None:
        run = current_run()
        assert run is not None
        begun.append((run.tick, run.attempt))
        if len(begun) == 1:
            raise RuntimeError("no")
        await free.wait()

    add(scheduler, fails_first, "replace", seconds=1, retries=1, retry_delay=1.3)
    async with scheduler:
        await until(lambda: len(begun) >= 2)
        await until(lambda: [row for row in rows(scheduler, "retrying") if row["due_us"] < ticks.now()])
        assert not [row for row in rows(scheduler) if row["replaced_by_us"] == begun[0][0]]
        free.set()


@pytest.mark.full
@pytest.mark.parametrize("overlap", ["wait", "wait-one", "replace"])
async def test_ticks_with_a_jitter_are_decided_about_when_they_are_due(
    scheduler: AsyncIOScheduler, overlap: str
) -> None:
    held = Held()
    add(scheduler, held, overlap, seconds=0.6, jitter=0.3)
    async with scheduler:
        await until(lambda: len(held.begun) >= 1)
        if overlap == "replace":
            await until(lambda: len(held.begun) >= 3)
        else:
            await until(lambda: waiting(scheduler), 5)
            await until(lambda: len(waiting(scheduler)) == 2 or "coalesced" in reasons(scheduler))
        held.let_go(99)
    assert held.most_at_once == 1
    assert set(reasons(scheduler)) <= ({"coalesced"} if overlap == "wait-one" else set())


@pytest.mark.parametrize("overlap", ["wait", "wait-one"])
async def test_ticks_that_wait_run_after_a_restart(scheduler: AsyncIOScheduler, overlap: str) -> None:
    held = Held()
    add(scheduler, held, overlap)
    async with scheduler:
        await until(lambda: waiting(scheduler))
        first = waiting(scheduler)
        # It ends while the process stops: what waits for it does not begin there.
        asyncio.get_running_loop().call_later(0.1, held.let_go, 99)
    left = waiting(scheduler)
    assert len(held.begun) == 1
    assert left
    assert overlap == "wait-one" or set(first) <= set(left)
    again, held = AsyncIOScheduler(), Held()
    held.let_go(99)
    add(again, held, overlap)
    async with again:
        await until(lambda: not set(left) & set(waiting(again)))
    done = {row["tick_us"]: row for row in rows_of(again, "job")}
    states = {done[tick]["state"] for tick in left}
    assert states == {"succeeded"} or (overlap == "wait-one" and states <= {"succeeded", "skipped"})


async def test_a_tick_that_waits_for_its_job_stays_while_that_is_paused(scheduler: AsyncIOScheduler) -> None:
    held = Held()
    add(scheduler, held, "wait")
    async with scheduler:
        await until(lambda: waiting(scheduler))
        scheduler.pause_job("job")
        seen = len(held.begun)
        [first, *_] = waiting(scheduler)
        held.let_go(99)
        await until(lambda: held.at_once == 0)
        assert first in waiting(scheduler)
        scheduler.resume_job("job")
        await until(lambda: len(held.begun) > seen)
        assert ticks.instant(held.begun[seen]) == first


@pytest.mark.full
async def test_what_waits_and_what_waited_for_too_long_is_told(scheduler: AsyncIOScheduler) -> None:
    held = Held()
    add(scheduler, held, "wait", misfire_grace_time=0.5)
    async with scheduler:
        await until(lambda: waiting(scheduler) and "missed" in reasons(scheduler))
        missed = next(row["run_id"] for row in rows_of(scheduler, "job") if row["reason"] == "missed")
        told = said(scheduler, missed)
        assert "it waited for an earlier run, and its grace time of 0.5 s was over" in told
        assert "which began at" in told
        await until(lambda: waiting(scheduler))
        told = said(scheduler, rows(scheduler, "queued")[-1]["run_id"])
        assert "it waits for a run of its job to end, since " in told
        assert "overlap='wait': " in told
        assert "if that is by" in told
        held.let_go(99)


@pytest.mark.full
async def test_of_a_tick_behind_others_is_told_how_many_begin_before_it(scheduler: AsyncIOScheduler) -> None:
    held = Held()
    add(scheduler, held, "wait")
    async with scheduler:
        await until(lambda: len(waiting(scheduler)) >= 3)
        first, second, third = [row["run_id"] for row in rows(scheduler, "queued")][:3]
        assert "it begins when one of these has ended, if that is by" in said(scheduler, first)
        told = said(scheduler, second)
        assert "1 run of the job waits since before it and begins first" in told
        assert "one of these has ended" not in told
        assert "then it begins, if that is by" in told
        assert "2 runs of the job wait since before it and begin first" in said(scheduler, third)
        held.let_go(99)


async def test_a_run_that_goes_on_although_a_tick_is_to_replace_it_is_told(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_way, "_MOMENT", ticks.SECOND // 10)
    over = asyncio.Event()
    deaf = deaf_until(over)

    add(scheduler, deaf, "replace")
    async with scheduler:
        try:
            await until(lambda: waiting(scheduler))
            [run] = rows(scheduler, "running")
            goes_on = "it goes on although it was asked to end"
            await until(lambda: goes_on in said(scheduler, run["run_id"]))
            told = said(scheduler, run["run_id"])
            assert "a coroutine that swallows its cancellation" in told
            assert told.count("it was asked to end at") == 1
            told = said(scheduler, rows(scheduler, "queued")[-1]["run_id"])
            assert f"run {run['run_id']} was asked to end at" in told
            assert "and goes on since" in told
            given = Declared(scheduler.get_jobs(), scheduler.defaults, scheduler.settings.allowed_functions)
            with connect(scheduler.ledger) as connection:
                found = history.examine_history(connection, given, ticks.now(), scheduler.timezone)
            [finding] = [one for one in found if one.check == "cancel"]
            assert f"run {run['run_id']} of job job goes on although it was asked to end" in finding.what
        finally:
            over.set()


async def test_a_tick_whose_place_a_newer_one_took_is_told(scheduler: AsyncIOScheduler) -> None:
    held = Held()
    add(scheduler, held, "wait-one")
    async with scheduler:
        await until(lambda: reasons(scheduler))
        held.let_go(99)
    [one, *_] = [row for row in rows(scheduler, "skipped") if row["attempt"]]
    assert "it waited, with overlap='wait-one', until a newer tick took its place" in said(
        scheduler, one["run_id"]
    )


async def test_a_replaced_run_is_told(scheduler: AsyncIOScheduler) -> None:
    held = Held()
    add(scheduler, held, "replace")
    async with scheduler:
        await until(lambda: rows(scheduler, "cancelled"))
        held.let_go(99)
    [replaced, *_] = rows(scheduler, "cancelled")
    assert "for the tick of" in (told := said(scheduler, replaced["run_id"]))
    assert "the job has overlap='replace'" in told
    assert run_details(scheduler.ledger, replaced["run_id"])["replaced_by"] is not None


async def test_an_overlap_that_there_is_not_is_refused(scheduler: AsyncIOScheduler) -> None:
    with pytest.raises(
        ScheduleError, match="overlap='queue' must be 'skip', 'wait', 'wait-one' or 'replace'"
    ):
        add(scheduler, print, "queue")

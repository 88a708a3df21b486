"""Runs that are due while no slot is free: they are said to wait, and any process may run them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from datetime import UTC
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.explain import why
from everytick.model import ticks
from everytick.model.misfire import decide
from everytick.store import claims, limits, runs
from everytick.store.connections import transaction
from everytick.store.records import Claim, Identity, Room
from everytick.system import use

import added_tasks
from inside import Gauge, overlaps, rows, rows_of, scheduler_settings, until, was_down, with_jitter
from ledgers import change

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.fixture
def all_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a tick that waits be one for which no process had room, from the first moment on."""
    monkeypatch.setattr(limits, "_LOOKED_SECONDS", 0.0)


class Hold:
    """A task that runs until it is let go."""

    def __init__(self) -> None:
        self.entered = 0
        self._free = asyncio.Event()

    async def __call__(self) -> None:
        self.entered += 1
        await self._free.wait()

    def let_go(self) -> None:
        self._free.set()


@asynccontextmanager
async def all_slots_taken(scheduler: AsyncIOScheduler, slots: int) -> AsyncIterator[Hold]:
    """Start the schedule with as many long runs as there are slots; let them go at the end."""
    hold = Hold()
    for number in range(slots):
        scheduler.add_job(hold, "date", id=f"long{number}")
    async with scheduler:
        await until(lambda: hold.entered == slots)
        try:
            yield hold
        finally:
            hold.let_go()


@pytest.mark.usefixtures("all_looked_at_once")
@pytest.mark.parametrize("before", ["", "a short run that makes slots seem to get free soon"])
@pytest.mark.full
async def test_a_run_without_a_slot_waits_and_is_not_called_running(
    scheduler: AsyncIOScheduler, before: str
) -> None:
    entered: list[int] = []
    for number in range(3):
        scheduler.add_job(lambda: entered.append(ticks.now()), "interval", seconds=0.4, id=f"waits{number}")
    if before:
        scheduler.add_job(lambda: None, "interval", seconds=0.1, id="short", end_date="2020-01-01")
    async with all_slots_taken(scheduler, 4) as hold:
        await until(lambda: len(rows(scheduler, "queued")) == 3)
        seen = len(rows(scheduler, "skipped"))
        await until(lambda: len(rows(scheduler, "skipped")) > seen + 3)
        running = rows(scheduler, "running")
        assert {row["job_id"] for row in running} == {f"long{number}" for number in range(4)}
        # Of a job that coalesces the newest tick waits; the older ones say that it took their place.
        assert {row["reason"] for row in rows(scheduler, "skipped")} == {"coalesced"}
        # Not one of those that a slow start has coalesced.
        skipped = max(rows(scheduler, "skipped"), key=itemgetter("run_id"))
        found = why(
            scheduler.ledger, skipped["job_id"], None, skipped["run_id"], {}, None, scheduler.settings
        )
        said = " ".join(found.sentences)
        assert "it waited, since no process had a free slot for it, until a newer tick took its place" in said
        begun = len(entered)
        free_from = ticks.now()
        hold.let_go()
        await until(lambda: len(entered) > begun)
    assert not overlaps(scheduler) or overlaps(scheduler)[0]["tick_us"] > free_from
    for row in rows(scheduler, "succeeded"):
        if row["job_id"].startswith("waits") and row["started_us"] < free_from:
            assert any(abs(row["started_us"] - at) < ticks.SECOND // 10 for at in entered)


async def test_a_free_slot_is_taken_at_once_by_a_run_that_waits_for_it(scheduler: AsyncIOScheduler) -> None:
    entered: list[str] = []
    # No pulse comes by itself any more.
    with use(uniform=lambda _low, _high: 10_000.0):
        scheduler.add_job(lambda: entered.append("x"), "interval", seconds=0.4, id="waits")
        async with all_slots_taken(scheduler, 4) as hold:
            await until(lambda: rows(scheduler, "queued"))
            entered.clear()
            waits = rows(scheduler, "queued")[0]["run_id"]
            hold.let_go()
            await until(lambda: entered)
            await until(lambda: waits not in {row["run_id"] for row in rows(scheduler, "queued")})


async def test_a_backlog_of_a_job_drains_oldest_first_and_without_a_pulse(
    scheduler: AsyncIOScheduler,
) -> None:
    gauge, order = Gauge(), []

    def work() -> None:
        gauge.enter()
        order.append(1)
        gauge.leave()

    scheduler.add_job(work, "interval", hours=1, id="job", coalesce=False, misfire_grace_time=None)
    await was_down(scheduler, "job", 12 * 3_600)
    with use(uniform=lambda _low, _high: 10_000.0):
        fresh = AsyncIOScheduler()
        fresh.add_job(work, "interval", hours=1, id="job", coalesce=False, misfire_grace_time=None)
        async with all_slots_taken(fresh, 4) as hold:
            await until(lambda: len([row for row in rows_of(fresh, "job") if row["state"] == "queued"]) == 10)
            hold.let_go()
            await until(lambda: len([r for r in rows_of(fresh, "job") if r["state"] == "succeeded"]) == 10)
    done = [row for row in rows_of(fresh, "job") if row["state"] == "succeeded"]
    assert gauge.most == 1
    by_start = sorted(done, key=lambda row: row["started_us"])
    assert [row["tick_us"] for row in by_start] == sorted(row["tick_us"] for row in done)


@pytest.mark.usefixtures("all_looked_at_once")
@pytest.mark.full
async def test_of_a_job_without_coalescing_as_many_ticks_wait_as_would_be_made_up_for(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="job", coalesce=False, max_catch_up=3)

    def waiting() -> list[dict[str, Any]]:
        return [row for row in rows_of(scheduler, "job") if row["state"] in ("queued", "claimed")]

    async with all_slots_taken(scheduler, 4):
        await until(lambda: len([r for r in rows_of(scheduler, "job") if r["reason"] == "coalesced"]) > 4)
        found = [row for row in rows_of(scheduler, "job") if row["state"] == "queued"]
        assert len(found) == 3
        skipped = [row["tick_us"] for row in rows_of(scheduler, "job") if row["state"] == "skipped"]
        assert max(skipped) < min(row["tick_us"] for row in found)
        assert waiting()


@pytest.mark.full
async def test_a_process_with_room_runs_what_another_one_has_no_slot_for(tmp_path: Path) -> None:
    ran: list[str] = []

    def declare(hold: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler()
        scheduler.add_job(hold, "date", id="long")
        # Reserved long before it is due: when it is, its process has no slot.
        scheduler.add_job(lambda: ran.append("x"), "interval", seconds=0.5, jitter=1, id="waits")
        return scheduler

    hold, other = Hold(), Hold()
    with scheduler_settings(tmp_path, SCHEDULER_MAX_WORKERS=1):
        full = declare(hold)
        async with full:
            await until(lambda: hold.entered)
            with scheduler_settings(tmp_path, SCHEDULER_MAX_WORKERS=1, SCHEDULER_ROLE="worker"):
                helper = declare(other)
                async with helper:
                    await until(lambda: len(ran) >= 5)
            found = rows_of(full, "waits")
            hold.let_go()
    assert {row["reason"] for row in found if row["state"] == "skipped"} <= {"coalesced"}


@pytest.mark.full
async def test_no_tick_is_given_up_before_each_process_has_looked_for_it(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="job")
    async with all_slots_taken(scheduler, 4):
        await until(lambda: overtaken(scheduler))
    for row in overtaken(scheduler):
        assert row["finished_us"] - row["due_us"] > ticks.SECOND


def overtaken(scheduler: AsyncIOScheduler) -> list[dict[str, Any]]:
    """Return the ticks of `job` that waited until a newer one took their place."""
    return [row for row in rows_of(scheduler, "job") if row["reason"] == "coalesced" and row["attempt"]]


async def test_ticks_for_other_processes_wait_however_full_this_one_is(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_MAX_WORKERS=1, SCHEDULER_QUEUES="cpu"):
        scheduler = AsyncIOScheduler(job_defaults={"queue": "cpu"})
        scheduler.add_job(lambda: None, "interval", seconds=0.2, id="job", queue="mail", max_instances=3)
        async with all_slots_taken(scheduler, 1):
            await until(lambda: overlaps(scheduler))
        assert len([row for row in rows_of(scheduler, "job") if row["state"] == "queued"]) == 3
        assert not overtaken(scheduler)


async def test_a_run_whose_cancellation_was_requested_does_not_wait_for_another_process(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=0.3, id="job")
    async with all_slots_taken(scheduler, 4):
        await until(lambda: rows(scheduler, "queued"))
        taken = Identity("another", "elsewhere", 1)
        with closing(scheduler.ledger.connect()) as connection, transaction(connection):
            number = rows(scheduler, "queued")[0]["run_id"]
            connection.execute(
                "UPDATE scheduler_runs SET state = 'claimed', process_id = 'another', claimed_us = 5,"
                f" cancel_us = 6 WHERE run_id = {number}"
            )
            claim = Claim(number, "job", "scheduled", 1, 1, 5)
            runs.requeue(connection, taken, [(claim, 1)])
        [row] = [row for row in rows(scheduler) if row["run_id"] == number]
        assert (row["state"], row["error"]) == ("cancelled", "its cancellation was requested")
        assert row["finished_us"]


@pytest.mark.parametrize(
    ("late", "since", "waits"),
    [
        pytest.param(5, 0.1, True, id="taken late, a moment ago: it may not have been entered yet"),
        pytest.param(5, 2, False, id="taken late, and under way for long"),
        pytest.param(0, 0.1, False, id="begun in time"),
    ],
)
async def test_a_tick_waits_behind_a_run_that_itself_waited_until_a_moment_ago(
    scheduler: AsyncIOScheduler, late: float, since: float, waits: bool
) -> None:
    job = scheduler.add_job(lambda: None, "interval", hours=1, id="job", misfire_grace_time=None)
    await was_down(scheduler, "job", 3_600)
    me = Identity.new()
    with closing(scheduler.ledger.connect()) as connection, transaction(connection):
        now = ticks.now()
        begun = now - int(since * ticks.SECOND)
        connection.execute(
            "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us, process_id,"
            " claimed_us, started_us) VALUES ('job', 'scheduled', 1, 'running', 1, 0, :due, 'another',"
            " :begun, :begun)",
            {"due": begun - int(late * ticks.SECOND), "begun": begun},
        )
        [(seen,)] = connection.execute("SELECT watermark_us FROM scheduler_jobs").fetchall()
        decision = decide(job, seen, now)
        assert decision is not None
        [answer] = claims.claim(connection, me, [decision], Room(4))
    assert answer.queued == (1 if waits else 0)
    assert bool(answer.overlapped) != waits


@pytest.mark.full
async def test_what_comes_due_behind_a_blocked_event_loop_waits_for_any_process(
    scheduler: AsyncIOScheduler,
) -> None:
    """Or others would skip the next ticks of its job because of a run that only waits."""
    seen: list[dict[str, Any]] = []

    async def blocks() -> None:
        # Blocks the loop until somebody else has seen what became of the other job's tick.
        deadline = time.monotonic() + 20
        while not seen and time.monotonic() < deadline:
            seen.extend(row for row in rows_of(scheduler, jittered) if row["state"] == "queued")
            threading.Event().wait(0.02)

    tick = (ticks.now() // ticks.SECOND + 3) * ticks.SECOND
    # Its run is due in the second that follows on its tick, when the loop is blocked.
    jittered, due = with_jitter(tick, 1, 0.3, 0.9)
    for job_id, function, jitter in (("blocks", blocks, None), (jittered, added_tasks.note, 1)):
        trigger = IntervalTrigger(hours=1, start_date=ticks.moment(tick, UTC), jitter=jitter)
        scheduler.add_job(function, trigger, id=job_id)
    async with scheduler:
        await until(lambda: [row for row in rows_of(scheduler, jittered) if row["state"] == "succeeded"])
    assert seen, "the run stayed with the process whose event loop was blocked"
    [run] = rows_of(scheduler, jittered)
    assert run["due_us"] == due
    assert [row["state"] for row in rows_of(scheduler, "blocks")] == ["succeeded"]


@pytest.mark.full
async def test_no_second_attempt_of_a_run_begins_where_the_first_one_goes_on(
    scheduler: AsyncIOScheduler,
) -> None:
    hold = Hold()
    scheduler.add_job(hold, "date", id="long")
    scheduler.add_job(added_tasks.note, "cron", year=2099, id="other")
    async with scheduler:
        await until(lambda: hold.entered == 1)
        # Others took the run over while this process was frozen, and a person has it tried again.
        again = "state = 'queued', attempt = 2, process_id = NULL, claimed_us = NULL, started_us = NULL"
        change(scheduler.ledger, f"UPDATE scheduler_runs SET {again}")
        # Who takes this one has looked at the other before.
        await asyncio.to_thread(SchedulerClient("Anna").run_job_now, "other")
        await until(lambda: rows_of(scheduler, "other")[0]["state"] == "succeeded")
        assert hold.entered == 1
        hold.let_go()
        await until(lambda: rows_of(scheduler, "long")[0]["state"] == "succeeded")
    assert hold.entered == 2

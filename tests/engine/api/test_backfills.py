"""Backfills: a job runs for its past ticks, one after another, beside its schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from everytick import AsyncIOScheduler, Run, ScheduleError, SchedulerClient, current_run
from everytick.model import ticks
from everytick.read.backfills import backfill_row, backfill_rows
from everytick.read.schemas import Backfill
from everytick.store import pruning
from everytick.store.connections import transaction

import added_tasks
from histories import HOUR, MINUTE, SECOND, prepared, run, write
from inside import Gauge, rows, until
from ledgers import change, found_in

MARCH = datetime(2026, 3, 1, 3, tzinfo=UTC)
TICK = ticks.instant(MARCH)
DAY = 24 * HOUR


def day(number: int, **changes: Any) -> datetime:
    return MARCH.replace(day=number, **changes)


def daily(
    scheduler: AsyncIOScheduler, function: Callable[[], Any] = added_tasks.note, **options: Any
) -> None:
    scheduler.add_job(function, "cron", hour=3, id="report", **options)


def seen_runs(scheduler: AsyncIOScheduler, **options: Any) -> list[Run]:
    """Declare a job that runs each night, and return the runs in which it found itself."""
    found: list[Run] = []

    def job() -> None:
        found.append(current_run() or pytest.fail("there is no run"))

    daily(scheduler, job, **options)
    return found


async def asked(scheduler: AsyncIOScheduler, *span: datetime, **options: Any) -> int:
    return await asyncio.to_thread(lambda: SchedulerClient("carla").backfill_job("report", *span, **options))


def made(scheduler: AsyncIOScheduler) -> list[int]:
    """Return the ticks for which backfills have made runs, in the order of these."""
    return [row["for_tick_us"] for row in rows(scheduler) if row["kind"] == "backfill"]


def days(*numbers: int) -> list[int]:
    return [TICK + (number - 1) * DAY for number in numbers]


async def over(scheduler: AsyncIOScheduler, number: int) -> Backfill:
    """Return a backfill when it goes on no more."""
    await until(lambda: backfill_row(scheduler.ledger, number)["state"] != "running")
    return backfill_row(scheduler.ledger, number)


# --- what runs


@pytest.mark.full
async def test_each_past_tick_runs_once_the_oldest_first_and_knows_what_it_is(
    scheduler: AsyncIOScheduler,
) -> None:
    found = seen_runs(scheduler)
    async with scheduler:
        before = found_in(scheduler.ledger, "SELECT watermark_us FROM scheduler_jobs")
        number = await asked(scheduler, day(1), day(4), note="the feed was wrong")
        state = await over(scheduler, number)
        assert found_in(scheduler.ledger, "SELECT watermark_us FROM scheduler_jobs") == before
    assert [(one.kind, one.tick) for one in found] == [("backfill", day(n)) for n in (1, 2, 3, 4)]
    assert (state["state"], state["ticks"], state["made"], state["runs"]) == (
        "finished",
        4,
        4,
        {"succeeded": 4},
    )
    assert {row["tick_us"] for row in rows(scheduler)} == {None}
    [entry] = found_in(scheduler.ledger, "SELECT who, action, job_id, note FROM scheduler_audit")
    assert tuple(entry.values()) == ("carla", "backfill", "report", "backfill 1: the feed was wrong")


@pytest.mark.full
async def test_only_so_many_run_at_once_beside_the_schedule_which_goes_on(
    scheduler: AsyncIOScheduler,
) -> None:
    gauge, scheduled = Gauge(), []

    async def job() -> None:
        this = current_run() or pytest.fail("there is no run")
        if this.kind == "scheduled":
            scheduled.append(this.tick)
            return
        gauge.enter()
        await asyncio.sleep(0.6)
        gauge.leave()

    scheduler.add_job(job, "interval", seconds=1, id="report", max_instances=1)
    async with scheduler:
        end = datetime.now(UTC) - timedelta(minutes=1)
        number = await asked(scheduler, end - timedelta(seconds=7), end, max_instances=2)
        await over(scheduler, number)
    assert (gauge.most, gauge.entered) in ((2, 7), (2, 8))
    # Its limit is its own: no tick of the schedule found one of its runs in the way.
    assert len(scheduled) >= 2
    assert not [row for row in rows(scheduler, "skipped") if row["reason"] == "overlap"]


@pytest.mark.full
async def test_a_rate_bounds_how_many_begin_in_a_minute(scheduler: AsyncIOScheduler) -> None:
    daily(scheduler)
    async with scheduler:
        number = await asked(scheduler, day(1), day(6), rate=120, max_instances=6)
        await over(scheduler, number)
    begun = [row["started_us"] for row in rows(scheduler)]
    # Half a second apart, and for a second without a look it may make up.
    assert max(begun) - min(begun) > 1.2 * SECOND


@pytest.mark.full
async def test_a_run_that_fails_is_tried_again_as_its_job_says_and_the_next_waits_for_that(
    scheduler: AsyncIOScheduler,
) -> None:
    found: list[Any] = []

    def job() -> None:
        this = current_run() or pytest.fail("there is no run")
        found.append((this.tick and this.tick.day, this.attempt))
        assert this.attempt > 1

    daily(scheduler, job, retries=1, retry_delay=0.1)
    async with scheduler:
        number = await asked(scheduler, day(1), day(2))
        state = await over(scheduler, number)
    assert found == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert state["runs"] == {"succeeded": 2}


@pytest.mark.full
async def test_it_waits_while_its_job_is_paused(scheduler: AsyncIOScheduler) -> None:
    found = seen_runs(scheduler)
    async with scheduler:
        client = SchedulerClient()
        await asyncio.to_thread(client.pause_job, "report")
        number = await asked(scheduler, day(1), day(2))
        # Another job's request is carried out meanwhile, so this one was looked at.
        scheduler.add_job(added_tasks.note, "cron", hour=3, id="other")
        run_id = await asyncio.to_thread(client.run_job_now, "other")
        await until(lambda: [row for row in rows(scheduler, "succeeded") if row["run_id"] == run_id])
        assert found == []
        await asyncio.to_thread(client.resume_job, "report")
        await over(scheduler, number)
    assert len(found) == 2


# --- only what was missed


def history(scheduler: AsyncIOScheduler) -> None:
    """Write down what became of nine ticks."""
    ledger = prepared(scheduler)
    ended = {"failed": 2, "lost": 3, "timed_out": 4, "succeeded": 5, "cancelled": 6}
    one = {"reason": None, "last_tick_us": None, "tick_count": None}
    write(
        ledger, "scheduler_runs", [run("report", at, state) for state, n in ended.items() for at in days(n)]
    )
    write(
        ledger,
        "scheduler_runs",
        [
            run("report", days(7)[0], "skipped", **one | {"reason": "missed"}),
            run("report", days(9)[0], "skipped", reason="paused", last_tick_us=days(12)[0], tick_count=4),
        ],
    )


async def test_only_ticks_that_are_on_record_and_did_not_succeed(scheduler: AsyncIOScheduler) -> None:
    daily(scheduler)
    history(scheduler)
    span = (day(1), day(20))
    client = SchedulerClient()
    found = client.preview_backfill("report", *span, only_missed=True)
    assert (found.count, found.first, found.last) == (9, day(2), day(12))
    # A range that begins before, and goes on behind.
    found = client.preview_backfill("report", day(10), day(11), only_missed=True)
    assert (found.count, found.first, found.last) == (2, day(10), day(11))
    assert client.preview_backfill("report", *span).count == 20
    # What a run by hand has made up for, or still may.
    made_up = [
        run("report", None, state, for_tick_us=at, due_us=at)
        for state, at in zip(("succeeded", "queued", "failed"), days(2, 9, 12), strict=True)
    ]
    write(scheduler.ledger, "scheduler_runs", made_up)
    found = client.preview_backfill("report", *span, only_missed=True)
    assert (found.count, found.first, found.last) == (7, day(3), day(12))
    with pytest.raises(ScheduleError, match=r"nothing to do: no tick .* is on record that did not succeed$"):
        client.backfill_job("report", day(13), day(20), only_missed=True)


@pytest.mark.full
async def test_a_backfill_of_what_was_missed_runs_that_and_leaves_the_records_as_they_are(
    scheduler: AsyncIOScheduler,
) -> None:
    found = seen_runs(scheduler)
    history(scheduler)
    async with scheduler:
        state = await over(scheduler, await asked(scheduler, day(1), day(20), only_missed=True))
        again = SchedulerClient().preview_backfill("report", day(1), day(20), only_missed=True)
    assert [one.tick and one.tick.day for one in found] == [2, 3, 4, 6, 7, 9, 10, 11, 12]
    assert (state["ticks"], state["made"], again.count) == (9, 9, 0)
    assert len(rows(scheduler, "failed", "lost", "timed_out", "cancelled")) == 4


async def test_what_was_missed_is_found_in_a_long_history_piece_by_piece(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everytick.store.backfills._ROWS", 3)
    monkeypatch.setattr("everytick.store.backfills._PIECE", 2)
    daily(scheduler)
    history(scheduler)
    found = SchedulerClient().preview_backfill("report", day(1), day(20), only_missed=True)
    assert (found.count, found.first, found.last) == (9, day(2), day(12))


# --- stopping and going on


@pytest.mark.full
async def test_it_is_stopped_goes_on_where_it_was_and_over_a_restart(scheduler: AsyncIOScheduler) -> None:
    may_end = asyncio.Event()

    async def job() -> None:
        await may_end.wait()

    daily(scheduler, job)
    client = SchedulerClient("carla")
    async with scheduler:
        number = await asked(scheduler, day(1), day(3))
        await until(lambda: rows(scheduler, "running"))
        assert await asyncio.to_thread(client.stop_backfill, number, note="too much")
        assert not await asyncio.to_thread(client.stop_backfill, number)
        may_end.set()
        await until(lambda: rows(scheduler, "succeeded"))
    assert made(scheduler) == days(1)
    assert backfill_row(scheduler.ledger, number)["state"] == "stopped"
    again = AsyncIOScheduler()
    daily(again, job)
    async with again:
        assert made(again) == days(1)
        assert await asyncio.to_thread(client.continue_backfill, number)
        state = await over(again, number)
        assert not await asyncio.to_thread(client.continue_backfill, number)
    assert made(again) == days(1, 2, 3)
    assert state["runs"] == {"succeeded": 3}
    actions = [row["action"] for row in found_in(again.ledger, "SELECT action FROM scheduler_audit")]
    assert actions == ["backfill", "stop backfill", "continue backfill"]


@pytest.mark.full
async def test_one_whose_job_is_gone_stops_and_says_why(scheduler: AsyncIOScheduler) -> None:
    daily(scheduler)
    async with scheduler:
        pass
    number = SchedulerClient().backfill_job("report", day(1), day(3))
    other = AsyncIOScheduler()
    other.add_job(added_tasks.note, "cron", hour=3, id="other")
    async with other:
        state = await over(other, number)
        with pytest.raises(ScheduleError, match="there is no job 'report'"):
            SchedulerClient().continue_backfill(number)
    assert (state["state"], state["why"]) == ("stopped", "its job was removed from the schedule")


@pytest.mark.full
async def test_its_runs_are_those_of_the_schedule_that_was_previewed(scheduler: AsyncIOScheduler) -> None:
    daily(scheduler)
    async with scheduler:
        pass
    number = SchedulerClient().backfill_job("report", day(1), day(3))
    other = AsyncIOScheduler()
    other.add_job(added_tasks.note, "cron", hour=5, id="report")
    async with other:
        await over(other, number)
    assert made(other) == days(1, 2, 3)


# --- what is refused


async def test_what_makes_no_sense_is_refused_in_a_sentence(scheduler: AsyncIOScheduler) -> None:
    daily(scheduler)
    prepared(scheduler)
    client = SchedulerClient()
    to_come = datetime.now(UTC) + timedelta(days=1)
    for arguments, options, sentence in (
        (
            (day(3), day(2)),
            {},
            r"the start of a backfill, 2026-03-03 03:00:00 UTC, is later than its end, 2026",
        ),
        ((day(3), to_come), {}, "is still to come: ticks to come run at their time"),
        (
            (day(3, hour=4), day(4, hour=2)),
            {},
            "nothing to do: no tick of the job 'report' from 2026-03-03 04",
        ),
        (("2026-03-01",), {}, "start='2026-03-01' must be a datetime"),
        ((day(1),), {"rate": 0}, "rate=0 must be a whole number from 1 to 6,000"),
        ((day(1),), {"max_instances": 101}, "max_instances=101 must be a whole number from 1 to 100"),
        ((day(1),), {"only_missed": "yes"}, "only_missed='yes' must be True or False"),
        ((day(1),), {"note": 7}, "note=7 must be text"),
    ):
        with pytest.raises(ScheduleError, match=sentence):
            client.backfill_job("report", *arguments, **options)
    with pytest.raises(ScheduleError, match=r"there is no job 'raport'.*'report'"):
        client.backfill_job("raport", day(1))
    for act in (client.stop_backfill, client.continue_backfill):
        with pytest.raises(ScheduleError, match="there is no backfill 7, or it is not kept any more"):
            act(7)
        with pytest.raises(ScheduleError, match="there is no backfill True"):
            act(True)
    assert backfill_rows(scheduler.ledger, 10) == []


async def test_a_job_that_is_over_is_refused(scheduler: AsyncIOScheduler) -> None:
    client = SchedulerClient()
    client.add_job("added_tasks:note", "date", run_date="2099-01-01", id="report")
    change(scheduler.ledger, "UPDATE scheduler_jobs SET exhausted_us = ?", TICK)
    with pytest.raises(ScheduleError, match="the job 'report' was added while running, and has no tick left"):
        client.backfill_job("report", day(1))


async def test_the_same_ticks_are_not_filled_twice_at_once(scheduler: AsyncIOScheduler) -> None:
    daily(scheduler)
    prepared(scheduler)
    client = SchedulerClient()
    first = client.backfill_job("report", day(1), day(5))
    with pytest.raises(
        ScheduleError, match="backfill 1 of the job 'report' goes on, and has times in common"
    ):
        client.backfill_job("report", day(5), day(9))
    client.backfill_job("report", day(6), day(9))
    client.stop_backfill(first)
    client.backfill_job("report", day(5), day(5))
    with pytest.raises(ScheduleError, match="backfill 3 of the job 'report' goes on"):
        client.continue_backfill(first)


@pytest.mark.parametrize("trigger", [{"second": "*"}, {"minute": "*", "exclude": ["sat"]}])
async def test_far_too_many_ticks_are_refused_at_once(
    scheduler: AsyncIOScheduler, trigger: dict[str, Any]
) -> None:
    scheduler.add_job(added_tasks.note, "cron", id="report", **trigger)
    prepared(scheduler)
    begun = ticks.now()
    with pytest.raises(
        ScheduleError, match=r"a backfill may have 100,000 ticks, and the job 'report' has more"
    ):
        SchedulerClient().preview_backfill("report", day(1) - timedelta(days=365), day(1))
    # A bound that no machine which does much else comes near to.
    assert ticks.now() - begun < 20 * SECOND
    assert SchedulerClient().preview_backfill("report", day(1), day(1) + timedelta(hours=1)).count > 50


@pytest.mark.full
async def test_two_backfills_of_a_job_do_not_hold_each_other_up(scheduler: AsyncIOScheduler) -> None:
    daily(scheduler)
    async with scheduler:
        numbers = [await asked(scheduler, day(1), day(2)), await asked(scheduler, day(3), day(4))]
        for number in numbers:
            await over(scheduler, number)
    assert sorted(made(scheduler)) == days(1, 2, 3, 4)


async def test_a_kept_backfill_goes_with_its_history(scheduler: AsyncIOScheduler) -> None:
    daily(scheduler)
    ledger = prepared(scheduler)
    client = SchedulerClient()
    for number in (1, 2):
        client.backfill_job("report", day(number), day(number))
    client.stop_backfill(1)
    with closing(ledger.connect()) as connection, transaction(connection):
        assert pruning.is_any(connection, ticks.now() + MINUTE)
        pruning.prune_runs(connection, ticks.now() + MINUTE, 100)
    assert [row["backfill_id"] for row in backfill_rows(ledger, 10)] == [2]

"""Pauses: with a note, with an end, over restarts; what falls into one is recorded and never caught up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick.read.audit import audit_rows

from histories import prepared
from inside import rows, until


async def test_a_pause_with_an_end_ends_by_itself(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", minutes=1, id="job")
    with time_machine.travel(datetime(2026, 12, 1, 12, 0, 30, tzinfo=UTC), tick=True) as clock:
        async with scheduler:
            assert scheduler.pause_job("job", note="a visit", until=datetime(2026, 12, 1, 12, 4, tzinfo=UTC))
            assert not scheduler.pause_job("job")
        clock.move_to(datetime(2026, 12, 1, 12, 4, 30, tzinfo=UTC))
        async with scheduler:
            assert scheduler.registration.paused == set()
            await until(lambda: calls)
    [gap, run] = rows(scheduler)
    assert (gap["reason"], gap["tick_count"]) == ("paused", 3)
    # The tick at the very end of the pause is the first that runs.
    end = int(datetime(2026, 12, 1, 12, 4, tzinfo=UTC).timestamp()) * 1_000_000
    assert (run["state"], run["tick_us"]) == ("succeeded", end)


async def test_a_pause_with_an_end_lasts_over_a_restart_until_then(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", minutes=1, id="job")
    end = datetime(2026, 12, 1, 12, 4, tzinfo=UTC)
    with time_machine.travel(datetime(2026, 12, 1, 12, 0, 30, tzinfo=UTC), tick=True) as clock:
        async with scheduler:
            scheduler.pause_job("job", until=end)
        clock.move_to(datetime(2026, 12, 1, 12, 2, 30, tzinfo=UTC))
        async with scheduler:
            assert scheduler.registration.paused == {"job"}
            clock.move_to(datetime(2026, 12, 1, 12, 3, 30, tzinfo=UTC))
            assert scheduler.paused_jobs() == {"job"}
            assert not calls
            # It ends while the second one is up, with the tick at its very end.
            clock.move_to(datetime(2026, 12, 1, 12, 4, 1, tzinfo=UTC))
            await until(lambda: calls)
            assert scheduler.paused_jobs() == set()
    assert [(row["state"], row["reason"]) for row in rows(scheduler)] == [
        ("skipped", "paused"),
        ("succeeded", None),
    ]


@pytest.mark.full
async def test_a_pause_that_ends_while_running_lets_the_next_tick_run(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=0.1, id="job")
    async with scheduler:
        scheduler.pause_job("job", until=datetime.now(UTC) + timedelta(seconds=0.5))
        [gap] = await until(lambda: [row for row in rows(scheduler) if row["reason"] == "paused"])
        before = len(calls)
        await until(lambda: len(calls) > before)
    assert gap["tick_count"] >= 2


def test_a_pause_into_the_past_is_refused(scheduler: AsyncIOScheduler) -> None:
    with pytest.raises(ScheduleError, match="give a time to come"):
        SchedulerClient().pause_job("job", until=datetime(2020, 1, 1, tzinfo=UTC))


def test_the_end_of_a_pause_and_its_note_are_on_record(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", minutes=1, id="job")
    prepared(scheduler)
    client = SchedulerClient("carla")
    client.pause_job("job", note="a visit", until=datetime(2099, 12, 1, 12, 4, tzinfo=UTC))
    client.pause_job("job", until=datetime(2099, 12, 2))
    client.pause_job("job", note="a longer visit")
    found = [(row["action"], row["note"]) for row in reversed(audit_rows(scheduler.ledger, 10))]
    assert found == [
        ("pause", "until 2099-12-01 12:04:00 UTC: a visit"),
        ("pause", "until 2099-12-02 00:00:00 UTC"),
        ("pause", "a longer visit"),
    ]


async def test_ticks_missed_before_a_pause_are_an_outage(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", minutes=1, id="job")
    with time_machine.travel(datetime(2026, 12, 1, 12, 0, 30, tzinfo=UTC), tick=True) as clock:
        async with scheduler:
            pass
        clock.shift(180)
        SchedulerClient().pause_job("job")
        clock.shift(120)
        SchedulerClient().resume_job("job")
    found = [(row["reason"], row["tick_count"]) for row in rows(scheduler)]
    assert found == [("outage", 3), ("paused", 2)]


@pytest.mark.full
async def test_a_run_that_waits_for_its_jitter_is_not_begun_in_a_pause(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=0.5, id="job", jitter=4)
    async with scheduler:
        await until(lambda: rows(scheduler, "claimed"))
        scheduler.pause_job("job")
        before = len(calls)
        await until(lambda: not rows(scheduler, "claimed"))
        assert len(calls) <= before + 1
    assert "paused" in {row["reason"] for row in rows(scheduler)}


async def test_a_single_run_that_fell_into_a_pause_is_over_when_it_ends(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        job = scheduler.add_job("added_tasks:note", "date", run_date=soon, id="once")
        job.pause()
        await until(lambda: datetime.now(UTC) > soon)
        job.resume()
    assert [row["reason"] for row in rows(scheduler)] == ["paused"]
    async with AsyncIOScheduler() as again:
        assert again.get_jobs() == []

"""After an outage, a pause, a locked ledger: what runs, what is recorded instead."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from apscheduler import events
from everytick import AsyncIOScheduler
from everytick import log_to_stderr as configure_logging
from everytick.model import ticks
from everytick.model.misfire import decide
from loguru import logger

from inside import Gauge, rows, until, was_down
from ledgers import held

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def test_after_an_outage_the_latest_missed_tick_runs(scheduler: AsyncIOScheduler) -> None:
    calls: list[float] = []
    scheduler.add_job(lambda: calls.append(time.time()), "interval", minutes=1, id="job")
    await was_down(scheduler, "job", 5 * 60)
    async with scheduler:
        await until(lambda: calls)
    done, skipped = rows(scheduler, "succeeded"), rows(scheduler, "skipped")
    assert len(done) == 1
    # A minute may have begun meanwhile, or its tick may have been claimed just before.
    assert 3 <= len(skipped) <= 5
    assert {row["reason"] for row in skipped} == {"coalesced"}
    assert max(row["tick_us"] for row in skipped) < done[0]["tick_us"]


async def test_a_tick_beyond_its_grace_is_recorded_as_an_outage(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", hours=1, id="job", misfire_grace_time=1)
    await was_down(scheduler, "job", 3_601 if datetime.now(UTC).minute == 0 else 3_600)
    async with scheduler:
        pass
    assert [(row["state"], row["reason"]) for row in rows(scheduler)] == [("skipped", "outage")]


async def test_without_coalescing_missed_ticks_run_oldest_first_one_at_a_time(
    scheduler: AsyncIOScheduler,
) -> None:
    gauge = Gauge()

    async def job() -> None:
        gauge.enter()
        await asyncio.sleep(0.01)
        gauge.leave()

    scheduler.add_job(
        job, "interval", minutes=1, id="job", coalesce=False, misfire_grace_time=None, max_catch_up=3
    )
    await was_down(scheduler, "job", 8 * 60)
    async with scheduler:
        await until(lambda: gauge.entered >= 3)
    done = rows(scheduler, "succeeded")
    assert gauge.most == 1
    assert [row["tick_us"] for row in done] == sorted(row["tick_us"] for row in done)
    starts = [row["started_us"] for row in done]
    assert starts == sorted(starts)
    assert len(rows(scheduler, "skipped")) >= 4


async def test_all_that_was_skipped_of_a_job_is_one_line_of_the_log(
    scheduler: AsyncIOScheduler,
) -> None:
    logged: list[str] = []
    sink = logger.add(logged.append, format="{message}")
    scheduler.add_job(lambda: None, "interval", seconds=1, id="job", misfire_grace_time=5)
    await was_down(scheduler, "job", 60)
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    logger.remove(sink)
    [line] = [line for line in logged if "skipped" in line]
    assert re.fullmatch(r"skipped \d+ ticks \(\d+ outage, \d coalesced\) from .* on\n", line)


async def test_a_long_gap_is_a_range_row_with_its_exact_count(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=1, id="job", misfire_grace_time=60)
    await was_down(scheduler, "job", 7 * 24 * 3_600)
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    gap, young, *_later = rows(scheduler, "skipped")
    assert (gap["reason"], young["reason"]) == ("outage", "coalesced")
    for row in (gap, young):
        # Exact for intervals; the younger ones were still within their grace.
        assert row["tick_count"] == (row["last_tick_us"] - row["tick_us"]) // 1_000_000 + 1
    assert young["tick_us"] == gap["last_tick_us"] + 1_000_000
    assert 55 <= young["tick_count"] <= 61
    assert gap["tick_count"] > 600_000


async def test_a_changed_schedule_is_not_caught_up(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", hours=1, id="job", misfire_grace_time=None)
    await was_down(scheduler, "job", 5 * 3_600)
    scheduler.remove_job("job")
    scheduler.add_job(lambda: calls.append(1), "interval", hours=2, id="job", misfire_grace_time=None)
    async with scheduler:
        assert scheduler.registration.changed == ["job"]
    assert not calls
    # What the former schedule had planned meanwhile is accounted for all the same.
    [gap] = rows(scheduler)
    assert (gap["state"], gap["reason"], gap["tick_count"]) == ("skipped", "outage", 5)


@pytest.mark.full
async def test_a_reserved_run_that_was_not_started_is_given_back_and_runs_later(
    scheduler: AsyncIOScheduler,
) -> None:
    calls: list[int] = []
    scheduler.add_job(
        lambda: calls.append(1),
        "interval",
        hours=6,
        id="job",
        next_run_time=datetime.now(UTC) + timedelta(seconds=2),
    )
    async with scheduler:
        assert [row["state"] for row in rows(scheduler)] == ["claimed"]
    assert [row["state"] for row in rows(scheduler)] == ["queued"]
    assert not calls
    scheduler.get_jobs()[0].startup_delay = None
    async with scheduler:
        await until(lambda: calls)
    [row] = rows(scheduler)
    assert (row["state"], row["attempt"]) == ("succeeded", 1)


@pytest.mark.full
async def test_pausing_and_resuming_is_durable_and_recorded(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=0.1, id="job")
    async with scheduler:
        await until(lambda: calls)
        scheduler.pause_job("job")
    before = len(calls)
    async with scheduler:
        await asyncio.sleep(0.5)
        assert len(calls) <= before + 1
        scheduler.resume_job("job")
        await until(lambda: len(calls) >= before + 3)
    reasons = [row["reason"] for row in rows(scheduler, "skipped")]
    assert "paused" in reasons
    ticks = [row["tick_us"] for row in rows(scheduler)]
    assert len(ticks) == len(set(ticks))


@pytest.mark.full
async def test_a_locked_ledger_delays_and_loses_nothing(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(
        lambda: calls.append(1), "interval", seconds=0.5, id="job", coalesce=False, max_catch_up=100
    )
    async with scheduler:
        await until(lambda: calls)
        with held(scheduler.ledger):
            await asyncio.sleep(7)
            stopped = len(calls)
        await until(lambda: len(calls) > stopped + 3)
    found = [row["tick_us"] for row in rows(scheduler)]
    steps = {later - earlier for earlier, later in pairwise(found)}
    assert steps == {500_000}, "every tick has its row, none twice"


async def test_a_paused_job_has_no_startup_run(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "date", id="job")
    scheduler.pause_job("job")
    for _ in range(2):
        async with scheduler:
            assert scheduler.registration.paused == {"job"}
    assert not calls
    assert rows(scheduler) == []


@pytest.mark.full
async def test_a_startup_run_that_was_given_back_does_not_add_up(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    soon = datetime.now(UTC) + timedelta(seconds=5)
    scheduler.add_job(lambda: calls.append(1), "interval", hours=9, id="job", next_run_time=soon)
    for _ in range(3):
        async with scheduler:
            pass
    scheduler.get_jobs()[0].startup_delay = 0
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
        await asyncio.sleep(1.5)
    assert [row["state"] for row in rows(scheduler)] == ["skipped"] * 3 + ["succeeded"]
    assert calls == [1]


@pytest.mark.full
async def test_resuming_never_moves_a_job_back_in_time(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=0.2, id="job", misfire_grace_time=None)
    # As after a clock that was an hour ahead.
    await was_down(scheduler, "job", -3_600)
    # A start that takes its time runs a tick before that.
    calls.clear()
    async with scheduler:
        scheduler.pause_job("job")
        scheduler.resume_job("job")
        await asyncio.sleep(1)
    assert not calls


async def test_ticks_that_were_missed_are_told_to_listeners(scheduler: AsyncIOScheduler) -> None:
    heard: list[Any] = []
    scheduler.add_listener(heard.append, events.EVENT_JOB_MISSED)
    scheduler.add_job(lambda: None, "interval", hours=1, id="job", misfire_grace_time=1)
    await was_down(scheduler, "job", 3_601 if datetime.now(UTC).minute == 0 else 3_600)
    async with scheduler:
        pass
    assert [event.job_id for event in heard] == ["job"]


async def test_a_job_that_will_never_run_is_told_at_the_start(
    scheduler: AsyncIOScheduler, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging()
    scheduler.add_job(lambda: None, "date", id="past", run_date="2020-01-01")
    scheduler.add_job(lambda: None, "cron", id="impossible", month=2, day=30)
    async with scheduler:
        pass
    said = capsys.readouterr().err
    assert "job past will never run" in said
    assert "job impossible will never run" in said


async def test_a_gap_of_years_of_cron_ticks_is_counted_exactly(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "cron", second="*/2", id="job")
    with time_machine.travel(datetime(2020, 1, 1, tzinfo=UTC), tick=True) as clock:
        async with scheduler:
            pass
        clock.move_to(datetime(2023, 1, 1, tzinfo=UTC))
        async with scheduler:
            await until(lambda: rows(scheduler, "succeeded"))
    outage = next(row for row in rows(scheduler, "skipped") if row["reason"] == "outage")
    assert outage["tick_count"] > 1_096 * 43_200 - 400


async def test_a_schedule_that_is_changed_while_paused_accounts_for_the_pause_so_far(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(lambda: None, "interval", hours=1, id="job")
    with time_machine.travel(datetime(2026, 12, 1, 12, 30, tzinfo=UTC), tick=True) as clock:
        async with scheduler:
            scheduler.pause_job("job")
        clock.shift(3 * 3_600)
        changed = AsyncIOScheduler()
        changed.add_job(lambda: None, "interval", hours=2, id="job")
        async with changed:
            assert changed.registration.paused == {"job"}
    [gap] = rows(scheduler)
    assert (gap["reason"], gap["tick_count"]) == ("paused", 3)


async def test_a_job_that_is_removed_accounts_for_the_time_until_then(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", hours=1, id="job")
    with time_machine.travel(datetime(2026, 12, 1, 12, 30, tzinfo=UTC), tick=True) as clock:
        async with scheduler:
            pass
        clock.shift(3 * 3_600)
        async with AsyncIOScheduler():
            pass
    [gap] = rows(scheduler)
    assert (gap["reason"], gap["tick_count"]) == ("outage", 3)


@pytest.mark.parametrize("back", [12, 14])
async def test_a_job_that_is_there_again_while_the_clock_is_back_accounts_for_each_tick_once(
    scheduler: AsyncIOScheduler, back: int
) -> None:
    scheduler.add_job(lambda: None, "interval", hours=1, id="job")
    with time_machine.travel(datetime(2026, 12, 1, 12, 30, tzinfo=UTC), tick=True) as clock:
        async with scheduler:
            pass
        clock.move_to(datetime(2026, 12, 1, 15, 30, tzinfo=UTC))
        async with AsyncIOScheduler():
            pass
        for hour in (back, 18):
            clock.move_to(datetime(2026, 12, 1, hour, 45, tzinfo=UTC))
            there_again = AsyncIOScheduler()
            there_again.add_job(lambda: None, "interval", hours=1, id="job", misfire_grace_time=1)
            async with there_again:
                pass
    found = [
        (datetime.fromtimestamp(row["tick_us"] / 1e6, UTC).hour, row["tick_count"])
        for row in rows(there_again)
    ]
    assert sorted(found) == [(13, 3), (16, None), (17, None), (18, None)]


# --- where the grace ends


@pytest.mark.parametrize("later", [0, 1])
def test_the_end_of_its_grace_is_still_within_it_for_each_tick(
    scheduler: AsyncIOScheduler, later: int
) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    job = scheduler.add_job(
        print, "interval", seconds=10, id="job", misfire_grace_time=20, start_date=start, coalesce=False
    )
    first = ticks.instant(start)
    # The first tick has lasted for its grace, to the microsecond, or one longer.
    now = first + 20 * ticks.SECOND + later
    every = [first, first + 10 * ticks.SECOND, first + 20 * ticks.SECOND]
    decided = decide(job, first - 1, now, "outage")
    assert decided is not None
    assert list(decided.run) == every[later:]

    scheduler.remove_job("job")
    job = scheduler.add_job(print, "interval", seconds=10, id="job", misfire_grace_time=20, start_date=start)
    decided = decide(job, first - 1, now, "outage")
    assert decided is not None
    assert list(decided.run) == every[-1:]
    reasons = ["outage" if later else "coalesced", "coalesced"]
    assert [(skip.first, skip.reason) for skip in decided.skip] == list(zip(every, reasons, strict=False))

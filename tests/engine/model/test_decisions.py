"""What is decided about due ticks: each is accounted for once, and none needs to be walked for it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.misfire import decide
from everytick.model.ticks import DAY, SECOND, CalendarTicks, CronTicks, Ticks, UnionTicks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inside import rows, until
from ledgers import changing
from test_ticks import any_source, walk

NOON = int(datetime(2026, 5, 20, 12, tzinfo=UTC).timestamp()) * SECOND


class Counting:
    """Ticks that count how often they were asked."""

    def __init__(self, source: Ticks) -> None:
        self._source, self.canonical, self.asked = source, source.canonical, 0

    def next(self, after: int) -> int | None:
        self.asked += 1
        return self._source.next(after)

    def note(self, tick: int) -> str:
        return self._source.note(tick)

    def postponed(self, tick: int) -> set[timedelta]:
        return self._source.postponed(tick)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.integers(0, 99),
    step=st.integers(5, 30),
    missed=st.integers(0, 60),
    part=st.integers(0, SECOND),
    grace=st.one_of(st.none(), st.integers(1, 150), st.just(900)),
    jitter=st.one_of(st.just(0), st.integers(20, 90)),
    most=st.one_of(st.none(), st.integers(1, 12)),
    reason=st.sampled_from(["missed", "outage"]),
)
def test_every_due_tick_runs_or_is_skipped_once(
    scheduler: AsyncIOScheduler,
    name: int,
    step: int,
    missed: int,
    part: int,
    grace: int | None,
    jitter: int,
    most: int | None,
    reason: str,
) -> None:
    scheduler.remove_all_jobs()
    job = scheduler.add_job(
        print, "interval", seconds=step, id=f"job{name}", misfire_grace_time=grace, jitter=jitter,
        coalesce=most is None, max_catch_up=most or 1,
    )  # fmt: skip
    seen = (job.next_tick(NOON) or 0) - 1
    now = seen + missed * step * SECOND + part
    due = walk(job.schedule.ticks, seen + 1, now + 1)
    decision = decide(job, seen, now, reason)
    if decision is None:
        assert due == []
        return
    skipped = [tick for skip in decision.skip for tick in due if skip.first <= tick <= skip.last]
    assert sorted([*decision.run, *skipped]) == due
    assert decision.upto == due[-1]
    for skip in decision.skip:
        assert skip.first in due
        assert skip.last in due
        assert skip.count == len([tick for tick in due if skip.first <= tick <= skip.last])
        assert skip.reason in (reason, "coalesced")
    # The newest ones within their grace, and no more of them than was asked for, oldest first.
    candidates = due[-(most or 1) :]
    assert list(decision.run) == [tick for tick in candidates if not job.too_late(job.due(tick), now)]


def test_jitter_that_makes_a_newer_tick_too_late_leaves_it_recorded(scheduler: AsyncIOScheduler) -> None:
    mixed = 0
    for number in range(100):
        job = scheduler.add_job(
            print, "interval", seconds=10, id=f"job{number}", misfire_grace_time=40, jitter=30, coalesce=False
        )
        now = NOON + 95 * SECOND
        due = walk(job.schedule.ticks, NOON + 1, now + 1)
        decision = decide(job, NOON, now)
        assert decision is not None
        late_among_them = [tick for tick in due if tick > decision.run[0] and tick not in decision.run]
        mixed += bool(late_among_them)
        skipped = {tick for skip in decision.skip for tick in due if skip.first <= tick <= skip.last}
        assert skipped == set(due) - set(decision.run)
    assert mixed


def every_second_for_a_week(scheduler: AsyncIOScheduler, **options: Any) -> tuple[Job, Counting]:
    job = scheduler.add_job(print, "cron", second="*", id="job", **options)
    counting = Counting(job.schedule.ticks)
    # A copy: jobs with the same trigger share their schedule, those of other tests too.
    job.schedule = dataclasses.replace(job.schedule, ticks=counting)
    return job, counting


@pytest.mark.parametrize(
    "options",
    [
        {"misfire_grace_time": 1},
        {"misfire_grace_time": 600},
        {"misfire_grace_time": None},
        {"misfire_grace_time": None, "coalesce": False},
        {"misfire_grace_time": 3 * 86_400, "coalesce": False},
    ],
)
def test_a_week_of_missed_seconds_is_not_walked(scheduler: AsyncIOScheduler, options: dict[str, Any]) -> None:
    job, counting = every_second_for_a_week(scheduler, **options)
    decision = decide(job, NOON - 7 * DAY, NOON, "outage")
    assert decision is not None
    assert counting.asked < 600
    assert len(decision.run) == (1 if job.options.coalesce else 10)
    covered = sum((skip.last - skip.first) // SECOND + 1 for skip in decision.skip)
    assert covered + len(decision.run) == 7 * 86_400
    assert len(decision.skip) <= 2


@pytest.mark.parametrize("limit", [1, 10])
@pytest.mark.parametrize(
    "source",
    [
        # Dense, then nothing for weeks: neither the gap nor the dense part is walked.
        CronTicks({"day": "1", "second": "*"}, ZoneInfo("UTC")),
        CronTicks({"hour": "3", "second": "*"}, ZoneInfo("Europe/Berlin")),
        CronTicks({"month": "1", "minute": "*"}, ZoneInfo("America/Sao_Paulo")),
        UnionTicks(
            [
                CronTicks({"day": "2", "second": "*"}, ZoneInfo("UTC")),
                CalendarTicks(0, 1, 0, time(4), ZoneInfo("UTC"), date(2000, 1, 1), None),
            ]
        ),
    ],
    ids=["first of the month", "three o'clock", "January", "union"],
)
def test_the_newest_ticks_are_found_without_walking_the_dense_ones(source: Ticks, limit: int) -> None:
    counting = Counting(source)
    found = ticks.newest(counting, NOON - 300 * DAY, NOON, limit)
    assert counting.asked < 100 * limit + 200
    assert len(found) == limit
    assert walk(source, found[0], NOON + 1) == found


@settings(max_examples=60)
@given(any_source(), st.integers(NOON - 400 * DAY, NOON), st.integers(1, 40), st.integers(1, 30))
def test_the_newest_ticks_are_those_that_walking_finds(
    source: Ticks, after: int, number: int, limit: int
) -> None:
    walked = [after]
    for _ in range(number):
        walked.append(source.next(walked[-1]) or 0)
    assert ticks.newest(source, after, walked[-1], limit) == walked[1:][-limit:]
    assert ticks.newest(source, after, walked[-1] - 1, limit) == walked[1:-1][-limit:]
    assert ticks.newest(source, after, after, limit) == []


@pytest.mark.full
async def test_the_ticks_of_a_long_gap_are_counted_afterwards(scheduler: AsyncIOScheduler) -> None:
    halves = OrTrigger([CronTrigger(second="0-14"), CronTrigger(second="15-29")])
    job = scheduler.add_job(print, halves, id="job", misfire_grace_time=1)
    async with scheduler:
        pass
    with changing(scheduler.ledger) as connection:
        connection.execute("DELETE FROM scheduler_runs")
        connection.execute(
            "UPDATE scheduler_jobs SET watermark_us = watermark_us - ?, changed_us = changed_us - ?",
            (7_200 * SECOND, 7_200 * SECOND),
        )
    async with scheduler:
        await until(lambda: any(row["tick_count"] for row in rows(scheduler)), patience=60)
    gap = next(row for row in rows(scheduler) if row["tick_count"])
    assert gap["reason"] == "outage"
    assert gap["tick_count"] == len(walk(job.schedule.ticks, gap["tick_us"], gap["last_tick_us"] + 1))
    assert gap["tick_count"] > 3_500

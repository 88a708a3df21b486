"""The runs of the last day by hours: what is counted once, what each time, and what bit by bit."""

from __future__ import annotations

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.read.hourly import HourlyRuns
from everytick.store.database import Ledger
from everytick.store.querying import connect
from everytick.system import system, use

from standing import run

SECOND, MINUTE, HOUR = (ticks.SECOND * size for size in (1, 60, 3_600))


async def quick() -> None:
    """Do nothing."""


@pytest.fixture
async def ledger(scheduler: AsyncIOScheduler) -> Ledger:
    """A ledger with one job of which nothing is due."""
    scheduler.add_job(quick, "interval", days=300, id="report")
    async with scheduler:
        pass
    return scheduler.ledger


async def test_settled_hours_are_counted_once_and_the_newest_minutes_each_time(ledger: Ledger) -> None:
    now = ticks.now() // HOUR * HOUR + 30 * MINUTE
    hourly = HourlyRuns()

    def counted() -> list[int | None]:
        with connect(ledger) as connection:
            return [hour.runs for hour in hourly.read(connection, now).hours]

    for at in (now - 3 * HOUR, now - 20 * MINUTE, now - SECOND):
        run(ledger, "report", "succeeded", ticks.now() - at, finished=at)
    before = counted()
    assert (before[-4], before[-1]) == (1, 2)
    for at in (now - 3 * HOUR - SECOND, now - 20 * MINUTE - SECOND, now - 2 * SECOND):
        run(ledger, "report", "succeeded", ticks.now() - at, finished=at)
    after = counted()
    assert (after[-4], after[-1]) == (1, 3)
    # After a while all is counted anew: a retry moves the end of a run, and old runs are removed.
    present = system.monotonic()
    with use(monotonic=lambda: present + 3_600):
        anew = counted()
    assert (anew[-4], anew[-1]) == (2, 4)


async def test_a_day_that_takes_long_to_count_is_counted_bit_by_bit(ledger: Ledger) -> None:
    # The hour that is under way is counted minute by minute: late in it that alone would take all the time.
    now, hourly = ticks.now() // HOUR * HOUR + HOUR // 2, HourlyRuns()
    present = [0.0]

    def later() -> float:
        present[0] += 1.0
        return present[0]

    with connect(ledger) as connection, use(monotonic=later):
        first = hourly.read(connection, now, 100.0).hours
        missing = sum(hour.runs is None for hour in first)
        assert 0 < missing < 25
        assert first[-1].runs is not None
        for _ in range(5):
            last = hourly.read(connection, now, 100.0)
        assert last.complete
        assert all(hour.runs is not None for hour in last.hours)


async def test_what_was_counted_while_the_clock_was_ahead_is_not_kept(ledger: Ledger) -> None:
    now, hourly = ticks.now() // HOUR * HOUR + 30 * MINUTE, HourlyRuns()

    def newest() -> int | None:
        with connect(ledger) as connection:
            return hourly.read(connection, now + ahead, None).hours[-1].runs

    ahead = 20 * MINUTE
    assert newest() == 0
    ahead = 0
    newest()
    for at in (now + 5 * MINUTE, now + 6 * MINUTE):
        run(ledger, "report", "succeeded", ticks.now() - at, finished=at)
    # Time goes on, and comes to the minutes that were counted when they were ahead.
    ahead = 15 * MINUTE
    assert newest() == 2

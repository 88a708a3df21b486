"""The contents of the dashboard's pictures: the schedule of a shop, and some days of its history."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND

TASKS = '''\
"""What the shop does by itself."""

import asyncio
from decimal import Decimal

from app.core.log import logger

MAILBOX = {"2026-4711": "Walnut & Sons;118.40", "2026-4712": "Harbour Supplies 92,10"}


async def quick() -> None:
    """Stand for what takes no time."""
    logger.info("Nothing to do")


async def rebuild_index() -> None:
    """Read all articles anew."""
    logger.info("Reading 18,204 articles")
    await asyncio.Event().wait()


async def import_invoices() -> None:
    """Take the invoices out of the mailbox."""
    logger.info("{} invoices in the mailbox", len(MAILBOX))
    for number, text in MAILBOX.items():
        supplier, amount = read_invoice(text)
        logger.info("Invoice {} of {}: {:.2f}", number, supplier, amount)


def read_invoice(text: str) -> tuple[str, Decimal]:
    """Return supplier and amount."""
    supplier, amount = text.split(";")
    return supplier, Decimal(amount)
'''

SCHEDULE = '''\
"""When the shop does what."""

from everytick import AsyncIOScheduler
from app.services.my_tasks import import_invoices, quick, rebuild_index


def create_scheduler() -> AsyncIOScheduler:
    """Create and configure the scheduler with all jobs."""
    scheduler = AsyncIOScheduler()
    add = scheduler.add_job
    add(quick, "cron", hour=2, minute=30, retries=2, id="backup_database", name="Back up the database")
    add(quick, "interval", hours=4, id="clean_up", name="Remove what nobody needs")
    add(quick, "cron", day_of_week="mon-fri", hour=7, id="daily_report", name="Send the daily report")
    add(import_invoices, "interval", minutes=15, id="import_invoices", name="Import invoices by mail")
    add(quick, "cron", day="last", hour=22, id="month_end", name="Close the month")
    add(rebuild_index, "cron", hour="*/6", id="rebuild_index", name="Rebuild the search index")
    add(quick, "interval", hours=1, id="refresh_rates", name="Refresh exchange rates")
    add(quick, "cron", day_of_week="thu", hour=10, jitter=600, id="newsletter", name="Send the newsletter")
    add(quick, "interval", minutes=5, id="sync_stock", name="Tell the shop what is in stock")
    return scheduler
'''

COLUMNS = (
    *("job_id", "kind", "tick_us", "last_tick_us", "tick_count", "state", "reason", "attempt", "crashes"),
    *("due_us", "process_id", "claimed_us", "started_us", "finished_us", "error"),
)


def write_history(ledger: Path) -> None:
    """Write what became of the days before now into a ledger that knows the jobs of the shop."""
    now = int(datetime.now(UTC).timestamp()) * SECOND
    found = sorted(_rows(now, random.Random(4711)), key=lambda row: int(row["due_us"]))
    rows = [{name: row.get(name) for name in COLUMNS} for row in found]
    names, marks = ", ".join(COLUMNS), ", ".join(f":{name}" for name in COLUMNS)
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.executemany(f"INSERT INTO scheduler_runs ({names}) VALUES ({marks})", rows)
        connection.execute("UPDATE scheduler_jobs SET registered_us = ?", (now - 40 * DAY,))


def _rows(now: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    # Some hours ago the machine was down for an hour.
    down = (_at(now, 1, time(3, 10)), _at(now, 1, time(4, 5)))
    for days in range(40, -1, -1):
        yield from _of_a_day(now, days, chance)
    for tick in _every(4 * HOUR, now - 6 * DAY, now):
        yield _ran("clean_up", tick, chance.uniform(0.3, 1.2))
    for tick in _every(6 * HOUR, now - 8 * DAY, now):
        yield _ran("rebuild_index", tick, chance.uniform(240, 420))
    for tick in _every(HOUR, now - 2 * DAY, now):
        yield from _unless_down("refresh_rates", tick, chance.uniform(0.4, 0.9), down)
    for tick in _every(15 * MINUTE, now - 2 * DAY, now - 15 * MINUTE):
        if chance.random() < 0.04:
            yield _ran(
                "import_invoices", tick, 20.0, state="failed", error="TimeoutError: no answer from mail"
            )
        else:
            yield from _unless_down("import_invoices", tick, chance.triangular(0.8, 9, 1.6), down)
    slow = False
    for tick in _every(5 * MINUTE, max(now - DAY, down[1] + MINUTE), now - 5 * MINUTE):
        # The tick after a slow run finds it still going.
        if slow:
            slow = False
            yield {**_ran("sync_stock", tick, 0), **_skipped("overlap", tick)}
            continue
        slow = chance.random() < 0.05
        yield _ran("sync_stock", tick, 340 if slow else chance.uniform(2, 7))
    yield {
        **_ran("sync_stock", down[0], 0),
        **_skipped("outage", down[1] + MINUTE),
        "last_tick_us": down[1],
        "tick_count": (down[1] - down[0]) // (5 * MINUTE) + 1,
    }


def _of_a_day(now: int, days: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield what is due at a time of day, that many days ago."""
    day = datetime.fromtimestamp(_at(now, days, time(12)) // SECOND, ZONE)
    found = [_ran("backup_database", _at(now, days, time(2, 30)), chance.uniform(41, 66), 1 + (days == 5))]
    if day.weekday() < 5:
        found.append(_ran("daily_report", _at(now, days, time(7)), chance.uniform(3, 8)))
    if day.weekday() == 3:
        found.append(_ran("newsletter", _at(now, days, time(10)), chance.uniform(80, 200)))
    if (day + timedelta(days=1)).day == 1:
        found.append(_ran("month_end", _at(now, days, time(22)), chance.uniform(300, 400)))
    yield from (row for row in found if row["finished_us"] < now)


def _at(now: int, days: int, clock: time) -> int:
    """Return when a clock in the shop showed that, that many days ago."""
    day = datetime.fromtimestamp(now // SECOND, ZONE).date() - timedelta(days=days)
    return int(datetime.combine(day, clock, ZONE).timestamp()) * SECOND


def _every(step: int, begin: int, end: int) -> Iterator[int]:
    """Yield the ticks of an interval between two instants."""
    anchor = int(datetime(2000, 1, 1, tzinfo=ZONE).timestamp()) * SECOND
    return iter(range(anchor + -(-(begin - anchor) // step) * step, end, step))


def _unless_down(job_id: str, tick: int, seconds: float, down: tuple[int, int]) -> Iterator[dict[str, Any]]:
    row = _ran(job_id, tick, seconds)
    yield {**row, **_skipped("outage", down[1] + MINUTE)} if down[0] <= tick <= down[1] else row


def _ran(job_id: str, tick: int, seconds: float, attempt: int = 1, **columns: Any) -> dict[str, Any]:
    begun = tick + 20_000
    return {
        "job_id": job_id,
        "kind": "scheduled",
        "tick_us": tick,
        "due_us": tick,
        "state": "succeeded",
        "attempt": attempt,
        "crashes": 0,
        "process_id": "0" * 32,
        "claimed_us": tick - 200_000,
        "started_us": begun,
        "finished_us": begun + int(seconds * SECOND),
        **columns,
    }


def _skipped(reason: str, noticed: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("process_id", "claimed_us", "started_us"))
    return {"state": "skipped", "reason": reason, "attempt": 0, "finished_us": noticed, **nothing}

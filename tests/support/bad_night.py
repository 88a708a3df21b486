"""A shop in the morning, whose ledger tells of the night before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from everytick import AsyncIOScheduler
from everytick import app as which
from everytick.store.database import Ledger
from everytick.system import use

from histories import HOUR, MINUTE, SECOND, prepared, run, write
from ledgers import change
from standing import beats

NOW = int(datetime(2026, 11, 30, 9, 0, tzinfo=UTC).timestamp()) * SECOND
MIDNIGHT = NOW - 9 * HOUR
FULL = "OSError: [Errno 28] No space left on device: '/backup/shop-2026-11-30.sql'"
EVERY_5 = range(NOW - 24 * HOUR + 5 * MINUTE, NOW, 5 * MINUTE)


def task() -> None:
    """The body of all jobs."""


@pytest.fixture
def shop(scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncIOScheduler]:
    """A shop in the morning: a scheduler is up, and nothing went wrong so far."""
    monkeypatch.setattr(which.current(), "command", "python -m app")
    monkeypatch.setenv("TERM", "xterm")
    with use(time_ns=lambda: NOW * 1_000):
        scheduler.add_job(task, "interval", minutes=5, timezone="UTC", id="sync_stock")
        scheduler.add_job(task, "cron", hour=2, minute=30, timezone="UTC", id="backup")
        scheduler.add_job(task, "cron", minute=10, timezone="UTC", id="rates")
        ledger = prepared(scheduler)
        # All ticks so far are accounted for.
        change(ledger, "UPDATE scheduler_jobs SET watermark_us = ?", NOW)
        beats(ledger)
        yield scheduler


def hung(
    ledger: Ledger,
    begin: int = MIDNIGHT + 30 * MINUTE,
    minutes: int = 90,
    *,
    job_id: str = "sync_stock",
) -> None:
    """Let a run of a job have gone on for that time, which ended by its timeout; others were skipped.

    The job was due every five minutes.
    """
    end, rows = begin + minutes * MINUTE, []
    for tick in EVERY_5:
        if tick == begin:
            late = {"finished_us": end, "error": "it took longer than its timeout", "claimed_us": begin}
            rows.append(run(job_id, tick, "timed_out", **late))
        elif begin < tick < end:
            rows.append(run(job_id, tick, "skipped", reason="overlap", claimed_us=None))
        else:
            rows.append(run(job_id, tick, claimed_us=tick, finished_us=tick + 4 * SECOND))
    write(ledger, "scheduler_runs", [{"claimed_us": None, **row} for row in rows])


def outage(ledger: Ledger, *, backup: bool = True) -> None:
    """Let no scheduler have been up from two to five; the job of the night has not run since."""
    begin, end = MIDNIGHT + 2 * HOUR, MIDNIGHT + 5 * HOUR
    missed = {"reason": "outage", "finished_us": end}
    first = begin + 5 * MINUTE
    stock = {"last_tick_us": end - 5 * MINUTE, "tick_count": 35}
    write(
        ledger,
        "scheduler_runs",
        [
            *(
                run("sync_stock", tick, finished_us=tick + 4 * SECOND)
                for tick in EVERY_5
                if not begin < tick < end
            ),
            run("sync_stock", first, "skipped", **missed, **stock),
            *([run("backup", begin + 30 * MINUTE, "skipped", **missed)] if backup else []),
        ],
    )

"""A number that has reached the end of its column is the trouble of that row alone, where a server counts."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.engine import heartbeats
from everytick.model import ticks
from everytick.model.backoff import Backoff
from everytick.store import incidents, notices
from everytick.store.connections import transaction

from inside import log as log
from inside import rows, rows_of, until
from ledgers import change, found_in
from test_odd_processes import (  # noqa: F401
    task,
    test_a_process_whose_own_number_of_heartbeats_was_changed_goes_on_with_its_jobs,
)

pytestmark = pytest.mark.full


def one(scheduler: AsyncIOScheduler, query: str) -> dict[str, Any]:
    [row] = found_in(scheduler.ledger, query)
    return row


async def failing() -> None:
    raise ValueError("as always")


async def test_runs_at_their_last_attempt_stop_no_other_job(
    scheduler: AsyncIOScheduler, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)
    scheduler.add_job(failing, "interval", seconds=3600, id="odd", retries=2, on_crash="rerun")
    scheduler.add_job(task, "interval", seconds=0.2, id="job", coalesce=False, max_instances=5)
    async with scheduler:
        for state in ("queued", "retrying", "lost"):
            for attempt, crashes in ((2**31 - 1, 0), (2**30, 0), (2**31 - 2, 2**31 - 1), (1, 2**31 - 1)):
                change(
                    scheduler.ledger,
                    "INSERT INTO scheduler_runs"
                    " (job_id, kind, state, attempt, crashes, due_us, rerun_until_us)"
                    " VALUES ('odd', 'manual', ?, ?, ?, ?, ?)",
                    *(state, attempt, crashes, ticks.now()),
                    ticks.now() + 60 * ticks.SECOND if state == "lost" else None,
                )
        done = len(rows_of(scheduler, "job"))
        await until(lambda: len(rows_of(scheduler, "job")) > done + 10)
        states = {row["state"] for row in rows_of(scheduler, "job")}
        assert states <= {"succeeded", "running", "claimed"}
    assert not [line for line in log if "Traceback" in line or "out of range" in line]


async def test_a_backfill_that_says_that_it_made_as_many_as_can_be_goes_on(
    scheduler: AsyncIOScheduler, log: list[str]
) -> None:
    scheduler.add_job(task, "cron", hour=3, id="job")
    scheduler.ledger.prepare()
    async with scheduler:
        client = SchedulerClient()
        await asyncio.to_thread(client.pause_job, "job")
        begin, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
        await asyncio.to_thread(client.backfill_job, "job", begin, end)
        change(scheduler.ledger, "UPDATE scheduler_backfills SET made = ?", 2**63 - 1)
        await asyncio.to_thread(client.resume_job, "job")
        await until(lambda: len(rows(scheduler, "succeeded")) == 3)
    assert not [line for line in log if "Traceback" in line or "out of range" in line]


async def test_an_alert_about_what_was_counted_to_the_end_is_still_noted(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(task, "interval", seconds=3600, id="job")
    scheduler.ledger.prepare()
    now = ticks.now()
    change(
        scheduler.ledger,
        "INSERT INTO scheduler_incidents"
        " (job_id, kind, first_us, last_us, count, mark_us, detail, changed_us)"
        " VALUES ('job', 'failed', ?, ?, ?, ?, 'x', ?)",
        *(now, now, 2**63 - 1, now, now),
    )
    with closing(scheduler.ledger.connect()) as connection, transaction(connection):
        values = {
            "incident_id": 1,
            "at": now,
            "count": 5,
            "run_id": 1,
            "mark": now,
            "detail": "y",
            "now": now,
        }
        connection.execute(incidents._GO_ON, values)
    row = one(scheduler, "SELECT count, detail FROM scheduler_incidents")
    assert (row["count"], row["detail"]) == (2**63 - 1, "y")


async def test_a_channel_that_was_tried_as_often_as_can_be_counted_is_tried_again(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.ledger.prepare()
    change(
        scheduler.ledger,
        "INSERT INTO scheduler_channels (channel, since_us, process_id, tries, try_us)"
        " VALUES ('a', 0, 'me', ?, 0)",
        2**31 - 1,
    )
    with closing(scheduler.ledger.connect()) as connection, transaction(connection):
        tries, wait = notices.refused(connection, "me", "a", Backoff(first=1.0, longest=60.0))
    assert (tries, 0 < wait <= 60 * ticks.SECOND) == (2**31 - 1, True)
    assert one(scheduler, "SELECT tries FROM scheduler_channels")["tries"] == 2**31 - 1

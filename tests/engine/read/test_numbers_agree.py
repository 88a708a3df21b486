"""Two places that count the same tell the same number, or say what they count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.model import ticks
from everytick.store.database import Ledger
from everytick.system import use

from dashboards import page
from histories import HOUR, MINUTE, SECOND, ask, prepared, run, write
from ledgers import change
from standing import beats

NOW = int(datetime(2026, 3, 2, 18, 0, tzinfo=UTC).timestamp()) * SECOND


@pytest.fixture
def ledger(scheduler: AsyncIOScheduler) -> Iterator[Ledger]:
    with use(time_ns=lambda: NOW * 1_000):
        scheduler.add_job(print, "cron", hour="*", timezone="UTC", id="hourly")
        scheduler.add_job(print, "cron", minute="*/5", timezone="UTC", id="often")
        found = prepared(scheduler)
        change(found, "UPDATE scheduler_jobs SET registered_us = 1, changed_us = 1, watermark_us = ?", NOW)
        beats(found)
        yield found


def test_a_list_of_a_time_says_how_many_runs_were_tried_again(
    scheduler: AsyncIOScheduler, ledger: Ledger
) -> None:
    lost = run("hourly", NOW - 30 * MINUTE, "lost"), run("often", NOW - 20 * MINUTE, "failed")
    write(ledger, "scheduler_runs", lost)
    SchedulerClient().retry_run(1)
    told = "tried again since: 1 run of these; without a time it counts how they ended last"
    assert told in ask(scheduler, "runs", "--failed", "--since", "1h").splitlines()
    assert "tried again since" not in ask(scheduler, "runs", "--failed")


def test_runs_that_were_lost_and_began_again_were_lost_all_the_same(
    scheduler: AsyncIOScheduler, ledger: Ledger
) -> None:
    write(ledger, "scheduler_runs", [run("hourly", NOW - 30 * MINUTE, "lost")])
    assert "lost within a day: 1 run, of hourly" in ask(scheduler, "doctor")
    SchedulerClient().retry_run(1)
    said = " ".join(ask(scheduler, "doctor").split())
    assert "lost within a day and begun again: 1 run, of hourly" in said
    assert "none lost" not in said


def test_a_run_that_is_to_be_retried_later_waits_and_is_not_due(ledger: Ledger) -> None:
    later: dict[str, Any] = {
        "attempt": 2,
        "due_us": NOW + 5 * MINUTE,
        "process_id": None,
        "finished_us": None,
    }
    write(ledger, "scheduler_runs", [run("hourly", NOW - HOUR, "retrying", **later)])
    assert re.search(r'Waiting <span class="none">1</span> <small>due by now: 0', page(ledger, "/running"))
    assert "<dt>Due and waiting</dt>" in page(ledger, "/")


def test_the_time_line_and_the_list_have_the_same_ticks_paused(ledger: Ledger) -> None:
    SchedulerClient().pause_job("hourly", until=ticks.moment(NOW + 6 * HOUR, UTC))
    SchedulerClient().pause_job("often", until=ticks.moment(NOW + 6 * HOUR, UTC))
    shown = page(ledger, "/coming")
    assert shown.count("paused until 00:00") == 2
    [off] = re.findall(r'class="ticks off" d="([^"]*)"', shown)
    [on] = re.findall(r'class="ticks" d="([^"]*)"', shown)
    assert (off.count("M"), on.count("M")) == (6, 18)
    assert re.findall(r'class="dense off" d="([^"]*)"', shown) == ["M0 6H250v8H0z"]


def test_a_job_that_never_ran_has_no_length_of_its_only_run(ledger: Ledger) -> None:
    write(ledger, "scheduler_runs", [run("hourly", NOW - HOUR, "skipped", reason="outage")])
    shown = page(ledger, "/job?id=hourly")
    assert "the only run" not in shown

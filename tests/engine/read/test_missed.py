"""A job whose newest tick did not run stands out: at the terminal, in doctor, on the overview."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.read.known_job import jobs_due
from everytick.read.missed import find_missed
from everytick.store.database import Ledger
from everytick.store.querying import connect
from everytick.system import use

from dashboards import api, page
from histories import HOUR, MINUTE, SECOND, ask, prepared, run, write
from ledgers import change
from standing import beats
from step_counting import steps

MORNING = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * SECOND
TICK = MORNING - 8 * HOUR


@pytest.fixture
def ledger(scheduler: AsyncIOScheduler) -> Iterator[Ledger]:
    """It is nine; of the daily jobs each had a tick at one."""
    with use(time_ns=lambda: MORNING * 1_000):
        for job_id in ("backup", "report"):
            scheduler.add_job(print, "cron", hour=1, timezone="UTC", id=job_id)
        found = prepared(scheduler)
        change(
            found, "UPDATE scheduler_jobs SET registered_us = 1, changed_us = 1, watermark_us = ?", MORNING
        )
        write(found, "scheduler_runs", [run("report", TICK), skipped("outage")])
        beats(found)
        yield found


def skipped(reason: str, job_id: str = "backup", tick: int = TICK, **more: Any) -> dict[str, Any]:
    return run(job_id, tick, "skipped", reason=reason, finished_us=MORNING - HOUR, **more)


def missed(ledger: Ledger) -> list[str]:
    with connect(ledger) as connection:
        return [one.job_id for one in find_missed(connection, jobs_due(connection))]


@pytest.mark.full
def test_the_commands_tell_it(scheduler: AsyncIOScheduler, ledger: Ledger) -> None:
    told = "its last tick (01:00:00) did not run: no scheduler was up"
    lines = ask(scheduler, "jobs").splitlines()
    assert f"backup: {told}" in lines
    assert lines[3].startswith("backup"), "what needs a look stands first"
    assert f"job backup: {told}" in ask(scheduler, "doctor")


def test_the_overview_tells_it(ledger: Ledger) -> None:
    found = api(ledger, "overview")
    assert (found["sentence"], found["well"]) == ("1 job missed its last tick.", False)
    [one] = found["missed"]
    assert (one["job_id"], one["reason"]) == ("backup", "outage")
    assert "did not run: no scheduler was up" in page(ledger, "/")
    assert "backup" in page(ledger, "/jobs?state=missed")


@pytest.mark.parametrize("reason", ["overlap", "coalesced", "paused"])
def test_ticks_that_were_skipped_as_the_job_has_it_are_not_missed(ledger: Ledger, reason: str) -> None:
    change(ledger, "UPDATE scheduler_runs SET reason = ? WHERE reason IS NOT NULL", reason)
    assert missed(ledger) == []


@pytest.mark.parametrize("reason", ["outage", "missed"])
def test_a_tick_for_which_none_was_up_or_free_is(ledger: Ledger, reason: str) -> None:
    change(ledger, "UPDATE scheduler_runs SET reason = ? WHERE reason IS NOT NULL", reason)
    assert missed(ledger) == ["backup"]


def test_a_run_since_is_enough(ledger: Ledger) -> None:
    write(ledger, "scheduler_runs", [run("backup", None, due_us=MORNING - 5 * MINUTE)])
    assert missed(ledger) == []


def test_each_job_is_found_in_one_step(ledger: Ledger) -> None:
    """Counted in steps of SQLite's machine: however long the history is."""

    def tens() -> int:
        with connect(ledger) as connection:
            due = jobs_due(connection)
            with steps(connection, 10) as taken:
                find_missed(connection, due)
        return len(taken)

    before = tens()
    history = [run("backup", TICK - at * SECOND) for at in range(1, 10_000)]
    write(ledger, "scheduler_runs", history)
    assert tens() < before + 1_000

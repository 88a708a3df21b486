"""What `doctor` says of backfills."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.doctor.backfills import examine_backfills
from everytick.doctor.finding import Finding
from everytick.model import ticks
from everytick.store.backfills import make_runs
from everytick.store.connections import transaction
from everytick.store.querying import connect

import added_tasks
from histories import ask, prepared
from inside import Clock
from ledgers import change
from sample_ledger import up

FIRST, LAST = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)


@pytest.fixture
def asked(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """Return a scheduler with a backfill of four runs, the first of which is made."""
    scheduler.add_job(added_tasks.note, "cron", hour=3, id="report")
    prepared(scheduler)
    SchedulerClient().backfill_job("report", FIRST, LAST)
    with closing(scheduler.ledger.connect()) as connection, transaction(connection):
        make_runs(connection, 1)
    return scheduler


def said(scheduler: AsyncIOScheduler) -> list[tuple[str, str]]:
    return [(it.level, it.what) for it in findings(scheduler)]


def findings(scheduler: AsyncIOScheduler) -> list[Finding]:
    with connect(scheduler.ledger) as connection:
        return examine_backfills(connection, ticks.now(), UTC)


def end_its_run(scheduler: AsyncIOScheduler, state: str = "succeeded") -> None:
    change(scheduler.ledger, "UPDATE scheduler_runs SET state = ?, finished_us = ?", state, ticks.now())


def test_one_that_goes_on_is_no_finding(asked: AsyncIOScheduler) -> None:
    assert said(asked) == []
    end_its_run(asked)
    with up(asked.ledger):
        assert said(asked) == []


def test_one_that_could_make_a_run_and_does_not_stands_still(asked: AsyncIOScheduler, clock: Clock) -> None:
    end_its_run(asked)
    clock.set(ticks.now() + 90 * ticks.SECOND)
    # Of a scheduler that is not up the processes are told about.
    assert said(asked) == []
    with up(asked.ledger):
        [found] = findings(asked)
    what = "stands still for 1 min 30 s, with 3 of 4 runs to come, although a scheduler is up"
    assert (found.level, found.what) == ("error", f"backfill 1 of report {what}")


def test_one_whose_run_goes_on_does_not_stand_still(asked: AsyncIOScheduler, clock: Clock) -> None:
    clock.set(ticks.now() + 90 * ticks.SECOND)
    with up(asked.ledger):
        assert said(asked) == []


def test_one_that_waits_for_its_job_is_named_with_what_holds_it(asked: AsyncIOScheduler) -> None:
    SchedulerClient().pause_job("report")
    [found] = findings(asked)
    what = "backfill 1 of report waits, with 3 of 4 runs to come: its job is paused"
    assert (found.level, found.what) == ("note", what)
    assert found.right is not None
    assert found.right.endswith("resume report")
    change(asked.ledger, "UPDATE scheduler_jobs SET disabled_by = 'SCHEDULER_DISABLED_JOBS=*'")
    [found] = findings(asked)
    assert (found.what, found.right) == (what.replace("paused", "disabled"), None)


def test_one_that_was_stopped_is_named_for_a_week(asked: AsyncIOScheduler, clock: Clock) -> None:
    SchedulerClient().stop_backfill(1)
    [found] = findings(asked)
    assert found.level == "note"
    assert found.what.startswith("backfill 1 of report is stopped since ")
    assert found.what.endswith("with 3 of 4 runs to come")
    assert found.right is not None
    assert "backfill --continue 1" in found.right
    clock.set(ticks.now() + 8 * ticks.DAY)
    assert findings(asked) == []


def test_one_that_ended_by_itself_says_why(asked: AsyncIOScheduler) -> None:
    statement = "UPDATE scheduler_backfills SET state = 'stopped', ended_us = ?, why = 'its job was removed'"
    change(asked.ledger, statement, ticks.now())
    [found] = findings(asked)
    assert found.what.endswith("with 3 of 4 runs to come: its job was removed")
    assert found.right is None


def test_one_whose_runs_fail_is_a_warning_until_a_day_after_its_end(
    asked: AsyncIOScheduler, clock: Clock
) -> None:
    end_its_run(asked, "failed")
    what = "backfill 1 of report had 1 run that did not succeed: 1 failed"
    assert said(asked) == [("warning", what)]
    statement = "UPDATE scheduler_backfills SET state = 'finished', made = tick_count, ended_us = ?"
    change(asked.ledger, statement, ticks.now())
    assert said(asked) == [("warning", what)]
    clock.set(ticks.now() + 25 * 3600 * ticks.SECOND)
    assert said(asked) == []


def test_the_command_has_them_among_its_findings(asked: AsyncIOScheduler) -> None:
    SchedulerClient().pause_job("report")
    assert "backfill: backfill 1 of report waits" in " ".join(ask(asked, "doctor").split())

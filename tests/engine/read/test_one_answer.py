"""Commands, pages and API give the same answer to the same question, whatever the ledger holds."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from apscheduler.triggers.cron import CronTrigger
from everytick import AsyncIOScheduler, ConfigurationError, ScheduleError
from everytick.doctor.history import examine_history
from everytick.model import ticks
from everytick.notify.lateness import Lateness
from everytick.read.known_job import Declared
from everytick.store.database import Ledger
from everytick.store.querying import connect

import added_tasks
from dashboards import api, page, refused
from histories import MINUTE, SECOND, ask, ask_json, prepared, run, write
from ledgers import change
from standing import beats

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_audit_trail_has_one_order_also_after_the_clock_was_set_back(scheduler: AsyncIOScheduler) -> None:
    ledger, now = prepared(scheduler), ticks.now()
    entry = {"who": "somebody", "action": "pause"}
    write(ledger, "scheduler_audit", [{**entry, "at_us": now}, {**entry, "at_us": now - 60 * MINUTE}])
    listed = [entry["audit_id"] for entry in api(ledger, "audit")["entries"]]
    assert [entry["audit_id"] for entry in ask_json(scheduler, "audit")] == listed == [2, 1]


def test_a_job_that_waits_for_its_own_run_is_told_so_by_all(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(added_tasks.note, "interval", minutes=1, id="slow", overlap="wait")
    ledger = prepared(scheduler)
    now = ticks.now()
    begun = now - 10 * MINUTE
    write(ledger, "scheduler_runs", [run("slow", begun, "running", finished_us=None, claimed_us=begun)])
    queued = {"process_id": None, "started_us": None, "finished_us": None}
    rows = [run("slow", begun + n * MINUTE, "queued", **queued) for n in (1, 2)]
    write(ledger, "scheduler_runs", rows)
    beats(ledger)
    change(ledger, "UPDATE scheduler_runs SET process_id = 'p' WHERE run_id = 1")
    change(ledger, f"UPDATE scheduler_jobs SET watermark_us = {now}")
    what = "run 1 (max_instances=1)"
    assert ask_json(scheduler, "jobs")[0]["waits_for"] == api(ledger, "jobs/slow")["waits_for"] == what
    for command in ("jobs", "troubles"):
        printed = " ".join(ask(scheduler, command).split())
        assert f"waiting for {what}" in printed, printed
        assert "late by" not in printed
        assert "due and not begun" not in printed
    assert "Its max_instances=1 is reached by run 1" in " ".join(
        ask(scheduler, "why", "slow", "--run", "2").split()
    )
    for address in ("/", "/jobs"):
        assert f"waiting for {what}" in page(ledger, address), address
    # Those that wait for the same are one row, with the way to them.
    running = page(ledger, "/running")
    assert f'href="/runs?job=slow&amp;state=queued">2 wait</a> for {what}' in running
    assert running.count("queued</span>") == 1


def test_there_is_one_sentence_for_a_run_that_there_is_not(scheduler: AsyncIOScheduler) -> None:
    ledger, said = prepared(scheduler), []
    for command in ("show", "retry", "cancel"):
        with pytest.raises((ConfigurationError, ScheduleError)) as problem:
            ask(scheduler, command, "77")
        said.append(str(problem.value))
    said.append(refused(ledger, "runs/77"))
    assert set(said) == {"there is no run 77, or it is not kept any more"}


def test_there_is_one_sentence_for_a_job_that_there_is_not(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(added_tasks.note, "interval", minutes=1, id="hello")
    ledger, said = prepared(scheduler), []
    for command in (["runs", "--job", "helo"], ["audit", "--job", "helo"], ["plan", "--job", "helo"]):
        with pytest.raises(ConfigurationError) as problem:
            ask(scheduler, *command)
        said.append(str(problem.value))
    said += [refused(ledger, path) for path in ("jobs/helo", "jobs/helo/why")]
    said += [refused(ledger, path, job="helo") for path in ("runs", "plan")]
    assert set(said) == {"there is no job 'helo'; did you mean 'hello'?"}


def paged(ledger: Ledger, limit: int, **query: Any) -> list[int]:
    """Return the numbers of all runs that the API lists, part by part."""
    found: list[int] = []
    answer = api(ledger, "runs", limit=limit, **query)
    while True:
        found += [row["run_id"] for row in answer["runs"]]
        if answer["next_before"] is None or len(found) > 1_000:
            return found
        answer = api(ledger, "runs", limit=limit, before=answer["next_before"], **query)


@pytest.mark.parametrize("limit", [pytest.param(1, marks=pytest.mark.full), 2, 3, 100])
def test_no_run_is_lost_or_told_twice_between_two_parts_of_a_list(
    scheduler: AsyncIOScheduler, limit: int
) -> None:
    """A run by hand that was tried again later is due later than those that were asked for after it."""
    scheduler.add_job(added_tasks.note, "interval", minutes=1, id="job")
    ledger, now = prepared(scheduler), ticks.now()
    by_hand = [
        run("job", None, "failed", due_us=now - minutes * MINUTE, attempt=2, started_us=now, finished_us=now)
        for minutes in (1, 8, 7, 3, 5)
    ]
    write(ledger, "scheduler_runs", by_hand)
    write(ledger, "scheduler_runs", [run("job", now - minutes * MINUTE) for minutes in (9, 6, 4, 2)])
    every = {row["run_id"] for row in ask_json(scheduler, "runs", "--job", "job")}
    assert len(every) == 9
    found = paged(ledger, limit, job="job")
    assert sorted(found) == sorted(every)
    assert found == paged(ledger, 100, job="job")
    assert paged(ledger, limit, job="job", state="succeeded") == [9, 8, 7, 6]
    assert sorted(paged(ledger, limit, job="job", state="failed")) == [1, 2, 3, 4, 5]


async def test_of_a_job_that_was_removed_nobody_says_that_it_cannot_run(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", days=300, id="added")
        scheduler.remove_job("added")
    ledger = scheduler.ledger
    change(ledger, "UPDATE scheduler_jobs SET function = 'added_tasks:gone' WHERE job_id = ?", "added")
    assert "cannot run" not in page(ledger, "/job", id="added")
    assert api(ledger, "jobs/added")["problem"] is None


async def test_a_tick_is_paused_in_both_plans_while_the_pause_lasts(
    scheduler: AsyncIOScheduler,
) -> None:
    """A pause that is over and that nobody has ended yet is no pause."""
    ledger, now = scheduler.ledger, ticks.now()
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", minutes=10, id="added", start_date=BEGIN)
    pause = "UPDATE scheduler_jobs SET paused_us = ?, paused_until_us = ?"
    begin, end = (ticks.moment(now + minutes * MINUTE, UTC).isoformat() for minutes in (-60, 60))
    for since, until, number in ((-50, -20, 0), (-50, 30, 8), (-50, None, 11)):
        change(ledger, pause, now + since * MINUTE, None if until is None else now + until * MINUTE)
        listed = ask_json(scheduler, "plan", "--from", begin, "--to", end)
        assert listed == api(ledger, "plan", **{"from": begin, "to": end})["ticks"]
        assert sum("paused" in fire["note"] for fire in listed) == number


def test_doctor_judges_by_the_durations_that_jobs_shows(scheduler: AsyncIOScheduler) -> None:
    """A run that was ended for its length has taken its time all the same."""
    scheduler.add_job(added_tasks.note, "interval", minutes=1, id="job")
    ledger, now = prepared(scheduler), ticks.now()
    rows = [
        run("job", now - number * MINUTE, state, finished_us=now - number * MINUTE + length * SECOND)
        for number, (state, length) in enumerate([("succeeded", 1), ("timed_out", 90)] * 5, 1)
    ]
    write(ledger, "scheduler_runs", rows)
    [shown] = ask_json(scheduler, "jobs")
    assert shown["p95"] == 90
    with connect(ledger) as connection:
        declared = Declared(scheduler.get_jobs(), scheduler.defaults, scheduler.settings.allowed_functions)
        found = examine_history(connection, declared, now, UTC)
    [slow] = [finding.what for finding in found if finding.check == "duration"]
    assert slow == "job job is due every minute, and one run in twenty takes 1 min 30 s or longer"


def test_what_fell_into_a_pause_that_is_over_is_late_for_nobody(scheduler: AsyncIOScheduler) -> None:
    """The end of a pause is written down with the next tick, which may come a day later."""
    now = ticks.now()
    fell = ticks.moment(now - 90 * MINUTE, UTC).replace(second=0, microsecond=0)
    at = CronTrigger(hour=fell.hour, minute=fell.minute, timezone="UTC")
    scheduler.add_job(added_tasks.note, at, id="job")
    ledger = prepared(scheduler)
    over = "UPDATE scheduler_jobs SET watermark_us = ?, paused_us = ?, paused_until_us = ?"
    change(ledger, over, now - 150 * MINUTE, now - 120 * MINUTE, now - 60 * MINUTE)
    assert api(ledger, "jobs/job")["unclaimed"] is None
    with closing(ledger.connect(read_only=True)) as connection:
        assert Lateness({}, after=0).look(connection) == ({}, [])
    change(ledger, "UPDATE scheduler_jobs SET paused_us = ?, paused_until_us = ?", None, None)
    with closing(ledger.connect(read_only=True)) as connection:
        waiting, late = Lateness({}, after=0).look(connection)
    assert late == list(waiting.items())
    assert api(ledger, "jobs/job")["unclaimed"] == {"ticks": 1, "since": fell.isoformat()}


@pytest.mark.full
def test_a_run_that_is_recorded_as_started_before_it_is_due_is_said_to_wait(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(added_tasks.note, "interval", minutes=1, id="job")
    ledger, now = prepared(scheduler), ticks.now()
    ahead = now + 5 * MINUTE
    write(
        ledger,
        "scheduler_runs",
        [
            run(
                "job",
                now - MINUTE,
                state="running",
                started_us=now - MINUTE,
                finished_us=None,
                claimed_us=now,
            ),
            run("job", ahead, state="running", started_us=ahead, finished_us=None, claimed_us=now),
        ],
    )
    for state, expected in (("running", [1]), ("claimed", [2])):
        assert [row["run_id"] for row in ask_json(scheduler, "runs", "--state", state)] == expected
        by_job = ["runs", "--state", state, "--job", "job"]
        assert [row["run_id"] for row in ask_json(scheduler, *by_job)] == expected
        assert [row["run_id"] for row in api(ledger, "runs", state=state)["runs"]] == expected
        assert [row["run_id"] for row in api(ledger, "runs", state=state, job="job")["runs"]] == expected
    listed = {row["run_id"]: row for row in ask_json(scheduler, "runs")}
    assert (listed[2]["state"], listed[2]["started_at"]) == ("claimed", None)
    assert api(ledger, "runs/2")["state"] == ask_json(scheduler, "show", "2")["state"] == "claimed"
    assert ask_json(scheduler, "why", "job", "--run", "2")["verdict"] == "claimed"
    assert ask_json(scheduler, "why", "job", "--run", "1")["verdict"] == "running"
    assert "jitter" not in ask(scheduler, "why", "job", "--run", "2")
    metrics = ask(scheduler, "metrics")
    assert 'scheduler_running_runs{job_id="job"} 1.0' in metrics
    assert 'scheduler_queue_runs{state="claimed"} 1.0' in metrics

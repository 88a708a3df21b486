"""Tasks and listeners that end programs, ignore their cancellation, or were frozen: what is made of them."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick.doctor import history
from everytick.engine import runner as runner_room
from everytick.engine.tasks import RunTask, Tasks
from everytick.explain import why
from everytick.model import ticks
from everytick.read import under_way
from everytick.read.known_job import Declared
from everytick.settings import settings
from everytick.store.querying import connect
from loguru import logger

import added_tasks
from inside import deaf_until, rows, rows_of, until
from ledgers import change, changing


async def test_a_listener_that_exits_does_not_deafen_the_others(scheduler: AsyncIOScheduler) -> None:
    heard: list[str] = []

    def leaving(event: object) -> None:
        sys.exit(3)

    scheduler.add_listener(leaving, EVENT_JOB_EXECUTED)
    scheduler.add_listener(lambda event: heard.append(event.job_id), EVENT_JOB_EXECUTED)
    scheduler.add_job(lambda: None, "interval", seconds=0.1, id="job")
    async with scheduler:
        await until(lambda: len(heard) >= 2)


@pytest.mark.full
async def test_a_coroutine_that_swallows_its_timeout_is_timed_out(scheduler: AsyncIOScheduler) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)

    scheduler.add_job(stubborn, "date", id="job", timeout=0.2)
    async with scheduler:
        await until(lambda: rows(scheduler, "timed_out"))


@pytest.mark.full
async def test_a_coroutine_whose_clean_up_fails_when_it_is_cut_is_interrupted(
    scheduler: AsyncIOScheduler,
) -> None:
    entered = asyncio.Event()

    async def untidy() -> None:
        entered.set()
        try:
            await asyncio.sleep(30)
        finally:
            raise RuntimeError("while cleaning up")

    hurry = asyncio.Event()
    hurry.set()
    scheduler.add_job(untidy, "date", id="job")
    async with scheduler:
        await entered.wait()
        await scheduler.drain(hurry)
    assert [row["state"] for row in rows(scheduler)] == ["interrupted"]


@pytest.mark.full
async def test_a_run_that_was_taken_away_while_the_process_was_frozen_is_not_entered(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it had been frozen between the claim and its due instant, so that it asks before it enters a run.
    monkeypatch.setattr(runner_room, "_FRESH_SECONDS", -1.0)
    calls: list[int] = []
    taken: list[int] = []
    asked = runner_room.Runner._start

    async def too_late(runner: runner_room.Runner, claim: Any, job: Any) -> bool:
        if not taken:
            taken.append(claim.run_id)
            change(
                scheduler.ledger,
                "UPDATE scheduler_runs SET attempt = 2, process_id = 'another', state = 'succeeded'",
            )
        return await asked(runner, claim, job)

    monkeypatch.setattr(runner_room.Runner, "_start", too_late)
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=1, id="job")
    async with scheduler:
        await until(lambda: calls)
    assert len(calls) == len(rows(scheduler, "succeeded")) - 1


@pytest.mark.full
async def test_a_catch_up_takes_one_slot(scheduler: AsyncIOScheduler) -> None:
    inside: list[int] = []

    async def body() -> None:
        inside.append(1)
        await asyncio.sleep(1)

    scheduler.add_job(body, "interval", seconds=1, id="job", coalesce=False, max_instances=2)
    async with scheduler:
        pass
    with changing(scheduler.ledger) as connection:
        connection.execute("UPDATE scheduler_jobs SET watermark_us = watermark_us - 6000000")
    async with scheduler:
        newest = time.time_ns() // 1000
        await until(lambda: any((row["tick_us"] or 0) > newest for row in rows(scheduler)))
        row = next(row for row in rows(scheduler) if row["tick_us"] > newest)
        assert row["reason"] != "overlap"


async def test_a_gap_of_a_combined_trigger_that_is_changed_is_counted(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(
        lambda: None, OrTrigger([IntervalTrigger(seconds=7), IntervalTrigger(seconds=11)]), id="job"
    )
    async with scheduler:
        pass
    with changing(scheduler.ledger) as connection:
        connection.execute("UPDATE scheduler_jobs SET watermark_us = watermark_us - 7700000000")
    changed = AsyncIOScheduler()
    changed.add_job(lambda: None, "interval", hours=1, id="job")
    async with changed:
        pass
    [gap] = [row for row in rows(scheduler) if row["last_tick_us"]]
    assert gap["reason"] == "outage"
    # A tick at either end may have been claimed by itself.
    assert gap["tick_count"] in (1_699, 1_700, 1_701)


async def test_a_run_given_back_under_another_schedule_does_not_run_under_the_new_one(
    scheduler: AsyncIOScheduler,
) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=0.5, jitter=60, id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "claimed"))
    assert rows(scheduler, "queued")
    changed = AsyncIOScheduler()
    changed.add_job(lambda: calls.append(1), "interval", hours=1, id="job")
    async with changed:
        assert not rows(scheduler, "queued")
    assert {row["reason"] for row in rows(scheduler, "skipped")} == {"outage"}


async def test_a_module_that_ends_the_program_is_a_reason_like_any_other(
    scheduler: AsyncIOScheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaving.py").write_text("import sys\ndef work(): ...\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    async with scheduler:
        with pytest.raises(ScheduleError, match="'leaving:work' cannot be imported: SystemExit: 3"):
            scheduler.add_job("leaving:work", "interval", hours=1, id="job")


async def test_a_further_pause_changes_the_note_and_the_end(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        job = scheduler.add_job(added_tasks.note, "interval", hours=1, id="job")
        assert scheduler.pause_job("job", note="one")
        assert scheduler.pause_job("job", note="two")
        assert not scheduler.pause_job("job")
        with pytest.raises(ScheduleError, match="must be a datetime"):
            scheduler.pause_job("job", until="2027-01-01")  # type: ignore[arg-type]
        with pytest.raises(ScheduleError, match="an id is text"):
            scheduler.pause_job(5)  # type: ignore[arg-type]
        with pytest.raises(ScheduleError, match="second argument, without a name"):
            scheduler.reschedule_job("job", "interval")
        job.remove()
        # Added anew it is another job, which nobody paused.
        scheduler.add_job(added_tasks.note, id="job")
        await until(lambda: rows(scheduler, "succeeded"))


@pytest.mark.parametrize(
    "trigger",
    [
        {"trigger": "cron", "month": 2, "day": 30},
        {"trigger": "interval", "hours": 1, "end_date": "2020-01-01"},
    ],
)
def test_a_job_that_would_never_run_is_refused(scheduler: AsyncIOScheduler, trigger: Any) -> None:
    with pytest.raises(ScheduleError, match="no time to come"):
        SchedulerClient().add_job(added_tasks.note, id="never", **trigger)


def test_a_date_older_than_the_history_is_refused(scheduler: AsyncIOScheduler) -> None:
    with pytest.raises(ScheduleError, match="older than SCHEDULER_HISTORY_DAYS"):
        SchedulerClient().add_job(added_tasks.note, "date", run_date="2020-01-01", id="old")


@pytest.mark.full
async def test_who_swallows_the_cancellation_of_its_timeout_is_told_of_everywhere(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_room, "_CANCEL_SECONDS", 0.3)
    monkeypatch.setattr(under_way, "_MOMENT", ticks.SECOND // 10)
    over = asyncio.Event()
    deaf = deaf_until(over)

    def endless() -> None:
        while not over.is_set():
            time.sleep(0.05)

    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message}", level="WARNING")
    scheduler.add_job(deaf, "interval", seconds=0.1, id="deaf", timeout=0.2)
    scheduler.add_job(endless, "date", id="endless", timeout=0.2)
    scheduler.add_job(deaf, "date", id="asked")
    declared = {job.id: job for job in scheduler.get_jobs()}
    given = Declared([*declared.values()], scheduler.defaults, settings().allowed_functions)

    def told(*words: str) -> list[str]:
        return [line for line in lines if all(word in line for word in words)]

    async with scheduler:
        try:
            await until(lambda: rows_of(scheduler, "asked") and rows_of(scheduler, "asked")[0]["started_us"])
            await asyncio.to_thread(SchedulerClient().cancel_run, rows_of(scheduler, "asked")[0]["run_id"])
            passed = "goes on although its timeout of 0.2 seconds has passed"
            await until(lambda: told("ERROR", f"of job deaf {passed}: it swallows its cancellation"))
            await until(lambda: told("ERROR", f"of job endless {passed}: a thread cannot be stopped"))
            await until(lambda: told("ERROR", "of job asked goes on although it was cancelled"))
            for job_id in ("deaf", "endless"):
                [row] = [row for row in rows_of(scheduler, job_id) if row["state"] == "running"]
                found = why(scheduler.ledger, job_id, None, row["run_id"], declared, None, settings())
                assert "not ended although its timeout of 0.2 seconds passed" in " ".join(found.sentences)
                with connect(scheduler.ledger) as connection:
                    findings = history.examine_history(connection, given, ticks.now(), scheduler.timezone)
                assert [it for it in findings if f"of job {job_id} goes on although its timeout" in it.what]
            # It counts for max_instances, and is not begun again.
            assert len(told(f"of job deaf {passed}")) == 1
        finally:
            over.set()
        await until(lambda: [row for row in rows_of(scheduler, "deaf") if row["state"] == "timed_out"])
    logger.remove(sink)


async def test_a_slot_whose_task_is_cancelled_before_it_begins_is_free_again(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application around the scheduler cancels all tasks that there are, as at its own stop."""
    cancelled: list[RunTask] = []
    usual = Tasks.start

    def start(tasks: Tasks, *about: Any) -> RunTask:
        task = usual(tasks, *about)
        if not cancelled:
            cancelled.append(task)
            task.cancel()
        return task

    monkeypatch.setattr(Tasks, "start", start)
    scheduler.settings.scheduler_max_workers = 1
    scheduler.add_job(lambda: None, "interval", seconds=0.5, id="job")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded")) >= 2)
    # What it was to run was given back, and run all the same.
    assert [task.cancelled() for task in cancelled] == [True]
    assert not rows(scheduler, "cancelled")
    assert not rows(scheduler, "interrupted")

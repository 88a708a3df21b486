"""What people ask of runs: one now, one more attempt, an end; who asked, and what the runs logged."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler, Run, ScheduleError, SchedulerClient, current_run, masking
from everytick.engine import heartbeats
from everytick.settings import SchedulerSettings
from everytick.system import use
from loguru import logger
from pydantic import SecretStr

import added_tasks
from inside import rows, until
from ledgers import found_in


def written(scheduler: AsyncIOScheduler, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table."""
    return found_in(scheduler.ledger, f"SELECT * FROM {table}")


def seen_runs(scheduler: AsyncIOScheduler, **options: Any) -> list[Run | None]:
    """Declare a job that is not due for long, and return the runs in which it found itself."""
    found: list[Run | None] = []
    scheduler.add_job(lambda: found.append(current_run()), "cron", hour=3, id="job", **options)
    return found


# --- run now


@pytest.mark.full
async def test_a_job_runs_now_beside_its_schedule_whoever_asks(scheduler: AsyncIOScheduler) -> None:
    found = seen_runs(scheduler)
    async with scheduler:
        run_id = await asyncio.to_thread(SchedulerClient("carla").run_job_now, "job", note="a customer asks")
        await until(lambda: rows(scheduler, "succeeded"))
    [row] = rows(scheduler)
    assert (row["run_id"], row["kind"], row["tick_us"], row["attempt"]) == (run_id, "manual", None, 1)
    [run] = found
    assert run is not None
    assert (run.run_id, run.kind, run.tick) == (run_id, "manual", None)
    [entry] = written(scheduler, "scheduler_audit")
    assert (entry["who"], entry["action"], entry["job_id"], entry["run_id"], entry["note"]) == (
        "carla",
        "run now",
        "job",
        run_id,
        "a customer asks",
    )
    assert entry["at_us"] >= row["due_us"]


@pytest.mark.full
async def test_a_run_by_hand_may_stand_in_for_a_tick_and_the_tick_keeps_its_outcome(
    scheduler: AsyncIOScheduler,
) -> None:
    found = seen_runs(scheduler)
    tick = datetime(2026, 3, 1, 3, tzinfo=UTC)
    async with scheduler:
        for _ in range(2):
            await asyncio.to_thread(SchedulerClient().run_job_now, "job", tick=tick)
        await until(lambda: len(rows(scheduler, "succeeded")) == 2)
        nearest = "the one before is 2026-03-01 03:00:00 UTC, the next one is 2026-03-02 03:00:00 UTC"
        with pytest.raises(
            ScheduleError, match=f"2026-03-01 04:00:00 UTC is no tick of the job 'job': {nearest}"
        ):
            await asyncio.to_thread(SchedulerClient().run_job_now, "job", tick=tick.replace(hour=4))
    assert [run and run.tick for run in found] == [tick, tick]
    assert {row["for_tick_us"] for row in rows(scheduler)} == {int(tick.timestamp()) * 1_000_000}


async def test_a_tick_to_come_is_left_to_its_time(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(print, "cron", hour=3, id="job", timezone="Europe/Berlin")
    scheduler.add_job(print, "date", run_date=datetime(2036, 3, 1, 3), id="once")
    async with scheduler:
        client = SchedulerClient()
        sentence = (
            r"the tick 2036-03-01 03:00:00 CET of the job 'job' is still to come, and comes at its time"
        )
        with pytest.raises(ScheduleError, match=sentence):
            client.run_job_now("job", tick=datetime(2036, 3, 1, 2))
        with pytest.raises(ScheduleError, match=r"'once': the next one is 2036-03-01 03:00:00 UTC$"):
            client.run_job_now("once", tick=datetime(2026, 3, 1, 3))
        with pytest.raises(ScheduleError, match=r"'once': the one before is 2036-03-01 03:00:00 UTC$"):
            client.run_job_now("once", tick=datetime(2036, 3, 2, 3))
    assert rows(scheduler) == []
    assert written(scheduler, "scheduler_audit") == []


@pytest.mark.full
async def test_a_paused_job_runs_by_hand(scheduler: AsyncIOScheduler) -> None:
    found = seen_runs(scheduler)
    async with scheduler:
        await asyncio.to_thread(SchedulerClient("carla").pause_job, "job", note="too loud")
        await asyncio.to_thread(SchedulerClient("carla").run_job_now, "job")
        await until(lambda: rows(scheduler, "succeeded"))
    assert len(found) == 1
    assert [(it["action"], it["note"]) for it in written(scheduler, "scheduler_audit")] == [
        ("pause", "too loud"),
        ("run now", None),
    ]


@pytest.mark.full
async def test_a_job_that_ran_once_and_is_over_runs_again_when_somebody_asks(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Processes let go of such jobs after a while.
    monkeypatch.setattr(heartbeats, "_PRUNE_SECONDS", 0.0)
    added_tasks.calls.clear()
    client = SchedulerClient("Anna")
    async with scheduler:
        client.add_job(added_tasks.fails_once, "date", id="once")
        await until(lambda: [it["state"] for it in rows(scheduler)] == ["failed"])
        await until(lambda: scheduler.get_job("once") is None)
        await asyncio.to_thread(client.retry_run, 1)
        await until(lambda: [it["state"] for it in rows(scheduler)] == ["succeeded"])
        await until(lambda: scheduler.get_job("once") is None)
        await asyncio.to_thread(client.run_job_now, "once")
        await until(lambda: [it["state"] for it in rows(scheduler)] == ["succeeded", "succeeded"])


async def test_an_unknown_job_or_run_is_refused(scheduler: AsyncIOScheduler) -> None:
    seen_runs(scheduler)
    async with scheduler:
        client = SchedulerClient()
        with pytest.raises(ScheduleError, match=r"there is no job 'jop' in the schedule.*'job'"):
            await asyncio.to_thread(client.run_job_now, "jop")
        for ask in (client.retry_run, client.cancel_run):
            with pytest.raises(ScheduleError, match="there is no run 7, or it is not kept"):
                await asyncio.to_thread(ask, 7)
    assert not written(scheduler, "scheduler_audit")


# --- retry


@pytest.mark.full
async def test_a_run_that_failed_gets_one_more_attempt(scheduler: AsyncIOScheduler) -> None:
    attempts: list[int] = []

    def job() -> None:
        attempts.append((current_run() or pytest.fail("there is no run")).attempt)
        assert len(attempts) > 1

    scheduler.add_job(job, "cron", hour=3, id="job")
    async with scheduler:
        run_id = await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: rows(scheduler, "failed"))
        await asyncio.to_thread(SchedulerClient("carla").retry_run, run_id)
        await until(lambda: rows(scheduler, "succeeded"))
        with pytest.raises(ScheduleError, match=f"run {run_id} has succeeded: only a run that failed, "):
            await asyncio.to_thread(SchedulerClient().retry_run, run_id)
    assert attempts == [1, 2]
    [row] = rows(scheduler)
    assert (row["attempt"], row["error"]) == (2, None)
    [earlier] = written(scheduler, "scheduler_attempts")
    assert (earlier["attempt"], earlier["state"]) == (1, "failed")
    assert "AssertionError" in earlier["traceback"]


# --- cancel


@pytest.mark.full
async def test_a_run_of_a_job_that_is_removed_gets_no_more_attempt(scheduler: AsyncIOScheduler) -> None:
    added_tasks.calls.clear()
    async with scheduler:
        scheduler.add_job(added_tasks.fails_once, "cron", hour=3, id="job")
        run_id = scheduler.run_job_now("job")
        await until(lambda: rows(scheduler, "failed"))
        before = rows(scheduler)
        scheduler.remove_job("job")
        for ask in (scheduler.retry_run, SchedulerClient().retry_run):
            with pytest.raises(ScheduleError, match="run 1 is of job 'job', which is removed: nothing of it"):
                ask(run_id)
        assert rows(scheduler) == before
        # It is there again.
        scheduler.add_job(added_tasks.fails_once, "cron", hour=3, id="job")
        scheduler.retry_run(run_id)
        await until(lambda: rows(scheduler, "succeeded"))


@pytest.mark.full
async def test_a_coroutine_is_cancelled_within_a_second_and_not_retried(scheduler: AsyncIOScheduler) -> None:
    # Two in one slot: the next one goes on undisturbed.
    scheduler.add_job(asyncio.Event().wait, "cron", hour=3, id="job", retries=3, max_instances=2)
    async with scheduler:
        first = await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: rows(scheduler, "running"))
        assert not await asyncio.to_thread(SchedulerClient("carla").cancel_run, first)
        await until(lambda: rows(scheduler, "cancelled"))
        with pytest.raises(ScheduleError, match=f"run {first} is over: it was cancelled"):
            await asyncio.to_thread(SchedulerClient().cancel_run, first)
    [row] = rows(scheduler)
    assert (row["state"], row["error"], row["attempt"]) == ("cancelled", "its cancellation was requested", 1)
    assert [it["action"] for it in written(scheduler, "scheduler_audit")] == ["run now", "cancel"]


@pytest.mark.full
async def test_a_coroutine_that_a_plain_function_returns_is_cancelled_like_any_other(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(lambda: asyncio.sleep(3600), "cron", hour=3, id="job")
    async with scheduler:
        run_id = await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: rows(scheduler, "running"))
        assert not await asyncio.to_thread(SchedulerClient().cancel_run, run_id)
        await until(lambda: rows(scheduler, "cancelled"))


async def test_a_run_that_waits_is_cancelled_and_never_begins(scheduler: AsyncIOScheduler) -> None:
    release = asyncio.Event()
    found = seen_runs(scheduler)
    for number in range(4):
        scheduler.add_job(release.wait, id=f"blocker{number}")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "running")) == 4)
        run_id = await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        assert await asyncio.to_thread(SchedulerClient("carla").cancel_run, run_id)
        release.set()
        await until(lambda: len(rows(scheduler, "succeeded")) == 4)
    [row] = [row for row in rows(scheduler) if row["job_id"] == "job"]
    assert (row["state"], row["error"], row["started_us"]) == ("cancelled", "cancelled by carla", None)
    assert not found


@pytest.mark.full
async def test_a_plain_function_is_told_and_may_end_by_itself(scheduler: AsyncIOScheduler) -> None:
    told = threading.Event()

    def job() -> str:
        run = current_run() or pytest.fail("there is no run")
        while not run.cancel_requested:
            told.wait(0.02)
        return "ended by itself"

    scheduler.add_job(job, "cron", hour=3, id="job")
    async with scheduler:
        run_id = await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: rows(scheduler, "running"))
        assert not await asyncio.to_thread(SchedulerClient().cancel_run, run_id)
        await until(lambda: rows(scheduler, "succeeded"))


# --- why, for others


async def test_the_end_of_a_pause_and_of_a_job_may_say_why(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        client = SchedulerClient("carla")
        client.add_job(added_tasks.note, "cron", hour=3, id="job")
        client.pause_job("job")
        client.resume_job("job", note="all is well")
        client.remove_job("job", note="nobody reads it")
    noted = {it["action"]: it["note"] for it in written(scheduler, "scheduler_audit")}
    assert noted | {"resume": "all is well", "remove": "nobody reads it"} == noted


# --- what it logged


@pytest.mark.full
async def test_log_lines_of_a_run_are_kept_with_secrets_as_stars(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Settings(SchedulerSettings):
        mail_password: SecretStr = SecretStr("kept-to-itself")
        broker_url: str = "amqp://me:in-the-url@host/x"

    monkeypatch.setattr(masking, "_known", {})
    Settings()

    def job() -> None:
        logger.info("by loguru, with kept-to-itself")
        logging.getLogger("library").warning("by logging, with in-the-url")
        raise ValueError("kept-to-itself is wrong")

    scheduler.add_job(job, "cron", hour=3, id="job")
    async with scheduler:
        logger.info("nobody's")
        await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: rows(scheduler, "failed"))
    [log] = written(scheduler, "scheduler_logs")
    lines = log["text"].splitlines()
    assert [line.split(maxsplit=2)[2] for line in lines] == [
        "INFO     by loguru, with *****",
        "WARNING  by logging, with *****",
    ]
    [row] = rows(scheduler)
    assert row["error"] == "ValueError: ***** is wrong"
    assert "kept-to-itself" not in row["traceback"]


@pytest.mark.full
async def test_of_a_long_log_the_newest_lines_are_kept(scheduler: AsyncIOScheduler) -> None:
    def job() -> None:
        for number in range(3_000):
            logger.debug("not shown, not kept")
            logger.info("line {} of many", number)

    scheduler.add_job(job, "cron", hour=3, id="job")
    async with scheduler:
        await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: rows(scheduler, "succeeded"))
    [log] = written(scheduler, "scheduler_logs")
    lines = log["text"].splitlines()
    assert lines[0].endswith(" older line(s) left out)")
    assert lines[-1].endswith("line 2999 of many")
    assert 40_000 < len(log["text"]) < 60_000
    assert "not kept" not in log["text"]


@pytest.mark.full
async def test_logs_are_kept_also_after_all_sinks_were_removed(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: logger.info("still kept"), "cron", hour=3, id="job")
    async with scheduler:
        logger.remove()
        await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: rows(scheduler, "succeeded"))
    [log] = written(scheduler, "scheduler_logs")
    assert log["text"].endswith("still kept\n")


async def test_a_tick_that_is_no_datetime_is_said(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(print, "interval", hours=1, id="job")
    async with scheduler:
        wrong: Any = "2026-01-01"
        with pytest.raises(ScheduleError, match="tick='2026-01-01' must be a datetime"):
            scheduler.run_job_now("job", tick=wrong)


# --- what is no number and no name


@pytest.mark.parametrize("number", [0, -1, 2**63, 10**40, 1.5, None, "1", "\udcff"])
async def test_what_is_no_number_of_a_run_is_a_sentence(scheduler: AsyncIOScheduler, number: Any) -> None:
    async with scheduler:
        for who in (scheduler, SchedulerClient("carla")):
            for ask in (who.retry_run, who.cancel_run):
                with pytest.raises(ScheduleError, match=r"there is no run|is not the number of a run"):
                    ask(number)


async def test_who_asks_is_one_line_of_text(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ScheduleError, match=r"who=7 must be text"):
        SchedulerClient(7)  # type: ignore[arg-type]
    assert SchedulerClient("\x1b[31mthe\n web\udcff shop").who == "[31mthe web shop"
    with use(user_name=lambda: "a\udcff"):
        async with scheduler:
            scheduler.add_job(added_tasks.note, "interval", hours=1, id="job")
            SchedulerClient().pause_job("job")
    [row] = found_in(scheduler.ledger, "SELECT who FROM scheduler_audit WHERE action = 'pause'")
    assert row["who"].startswith("a\\udcff@")
    # The system knows who runs this; the variable may say anything.
    monkeypatch.setenv("LOGNAME", "the boss")
    assert "the boss" not in SchedulerClient().who

"""A run that was asked to end, and whose process dies before it ends, is cancelled and not tried again."""

from __future__ import annotations

from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.model import ticks
from everytick.store import runs, workers
from everytick.store.records import Claim, Identity, Outcome

from histories import SECOND, ask, ask_json, prepared, write
from histories import run as a_run
from inside import rows, until
from ledgers import change, changing

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def quick() -> None:
    """Do nothing."""


def plain() -> None:
    """Do nothing, on a thread."""


def left_behind(scheduler: AsyncIOScheduler, job_id: str, **more: Any) -> None:
    """Let a run go on in a process that died a minute ago."""
    dead = ticks.now() - 60 * SECOND
    change(
        scheduler.ledger,
        "INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number)"
        " VALUES ('gone', ?, 4194304, ?, 1, ?, 1)",
        *(Identity.new().host, dead - 60 * SECOND, dead),
    )
    begun: dict[str, Any] = {"due_us": dead - 10 * SECOND, "process_id": "gone", "finished_us": None}
    write(scheduler.ledger, "scheduler_runs", [a_run(job_id, None, "running", **begun, **more)])


@pytest.mark.parametrize("function", [quick, plain])
async def test_it_is_cancelled_by_the_next_start(scheduler: AsyncIOScheduler, function: Any) -> None:
    scheduler.add_job(function, "cron", hour=3, id="job")
    prepared(scheduler)
    left_behind(scheduler, "job")
    assert SchedulerClient().cancel_run(1) is False
    async with scheduler:
        ended = await until(lambda: rows(scheduler, "cancelled"))
    assert [(row["attempt"], row["error"]) for row in ended] == [
        (1, "its cancellation was requested, and its process died")
    ]
    assert len(rows(scheduler)) == 1


async def test_one_that_nobody_asked_to_end_is_tried_again(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(quick, "cron", hour=3, id="job")
    prepared(scheduler)
    left_behind(scheduler, "job")
    async with scheduler:
        ended = await until(lambda: rows(scheduler, "succeeded"))
    assert [row["attempt"] for row in ended] == [2]


def test_others_that_find_the_process_dead_cancel_it_too(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(quick, "cron", hour=3, id="job")
    prepared(scheduler)
    left_behind(scheduler, "job")
    SchedulerClient().cancel_run(1)
    with changing(scheduler.ledger) as hand:
        workers.reap(hand._connection, "gone", 1, ticks.now() - 60 * SECOND)
    [row] = rows(scheduler)
    assert (row["state"], row["rerun_until_us"]) == ("cancelled", None)


def test_one_that_the_stop_of_its_process_cuts_first_is_not_tried_again(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(quick, "cron", hour=3, id="job")
    prepared(scheduler)
    left_behind(scheduler, "job", claimed_us=5)
    SchedulerClient().cancel_run(1)
    [row] = rows(scheduler)
    claim, me = Claim(1, "job", "manual", None, row["due_us"], claimed=5), Identity("gone", "here", 1)
    cut = Outcome(
        claim, "interrupted", None, row["started_us"], ticks.now(), "cut", rerun_until=ticks.FOREVER
    )
    with changing(scheduler.ledger) as hand:
        assert runs.finish(hand._connection, me, cut)
    assert rows(scheduler)[0]["rerun_until_us"] is None


def test_the_command_and_why_say_how_it_ends(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(quick, "cron", hour=3, id="job")
    prepared(scheduler)
    left_behind(scheduler, "job")
    said = ask(scheduler, "cancel", "1")
    assert said.startswith("run 1 ends as cancelled when a scheduler is started; no scheduler is up since")
    why = ask(scheduler, "why", "job", "--run", "1")
    assert "the next start ends it as cancelled, and does not try it again" in why


@pytest.mark.parametrize("asked", [False, True])
def test_how_long_it_took_is_not_told_by_when_that_was_found(
    scheduler: AsyncIOScheduler, asked: bool
) -> None:
    scheduler.add_job(quick, "cron", hour=3, id="job", on_crash="skip")
    prepared(scheduler)
    left_behind(scheduler, "job")
    if asked:
        SchedulerClient().cancel_run(1)
    with changing(scheduler.ledger) as hand:
        workers.reap(hand._connection, "gone", 1, ticks.now() - 60 * SECOND)
    assert ask_json(scheduler, "runs")[0]["duration"] is None
    assert ask_json(scheduler, "show", "1")["attempts"][0]["duration"] is None
    assert " after " not in ask(scheduler, "why", "job", "--run", "1")

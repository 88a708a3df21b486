"""Where no scheduler is up, each command that needs one says so, and since when as far as that is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler
from everytick.api import loading
from everytick.cli import program
from everytick.system import use
from typer.testing import CliRunner

from histories import HOUR, MINUTE, SECOND, prepared, run, write
from ledgers import change

MORNING = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * SECOND
BY_OUTCOME = "no scheduler is up: its last trace is of 2026-03-02 02:10:01 UTC"
BY_HEARTBEAT = "no scheduler is up since 2026-03-02 02:10:30 UTC, its last heartbeat"


@pytest.fixture
def deserted(scheduler: AsyncIOScheduler) -> Iterator[AsyncIOScheduler]:
    """It is nine, and the last outcome is of ten past two."""
    with use(time_ns=lambda: MORNING * 1_000):
        scheduler.add_job(print, "cron", minute=10, timezone="UTC", id="invoices")
        ended = [run("invoices", MORNING - hours * HOUR - 50 * MINUTE, "failed") for hours in (8, 7, 6)]
        write(prepared(scheduler), "scheduler_runs", ended)
        before = MORNING - 9 * HOUR
        times = "UPDATE scheduler_jobs SET registered_us = ?, changed_us = ?, watermark_us = ?"
        change(scheduler.ledger, times, before, before, MORNING - 110 * MINUTE)
        yield scheduler


def told(scheduler: AsyncIOScheduler, command: str) -> str:
    """Return all that a command writes, as one line."""
    with patch.object(loading, "load_schedule_for_command", lambda: scheduler):
        done = CliRunner().invoke(program.app, command.split())
    return " ".join(done.output.split())


COMMANDS = {
    "doctor": "warning processes: {}",
    "health": "not ready: {}",
    "run-now invoices": "run 4 of invoices begins when a scheduler is started; {}",
    "retry 3": "run 3 begins one more attempt when a scheduler is started; {}",
    "retry 3 --wait": "error: {}: run 3 is not waited for, and the request stays on record until one is",
    "retry --failed --since 24h --yes": "to be tried again: 3 runs {}: the runs wait for one",
    "why invoices 08:10": "{}.",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_told_by_its_last_trace(deserted: AsyncIOScheduler, command: str) -> None:
    assert COMMANDS[command].format(BY_OUTCOME)[1:] in told(deserted, command)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in ("health", "doctor")])
def test_it_is_told_since_the_last_heartbeat_of_one_that_died(
    deserted: AsyncIOScheduler, command: str
) -> None:
    change(
        deserted.ledger,
        "INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number)"
        " VALUES ('p', 'shop/x/y', 4711, 1, 1, ?, 1)",
        MORNING - 410 * MINUTE + 30 * SECOND,
    )
    assert COMMANDS[command].format(BY_HEARTBEAT)[1:] in told(deserted, command)


@pytest.mark.parametrize(
    ("tick", "row", "words"),
    [
        (None, {}, "waiting 10 min"),
        (MORNING - 10 * MINUTE, {"attempt": 2}, "waiting 10 min"),
        (MORNING - 10 * MINUTE, {"attempt": 1}, "late by 10 min"),
    ],
    ids=["by hand", "another attempt", "a tick"],
)
def test_a_job_is_late_by_its_ticks_and_not_by_what_else_waits(
    scheduler: AsyncIOScheduler, tick: int | None, row: dict[str, int], words: str
) -> None:
    with use(time_ns=lambda: MORNING * 1_000):
        scheduler.add_job(print, "cron", year=2030, timezone="UTC", id="yearly")
        queued = run("yearly", tick, "queued", due_us=MORNING - 10 * MINUTE, **row)
        write(prepared(scheduler), "scheduler_runs", [queued])
        assert words in told(scheduler, "jobs")


def test_a_ledger_without_any_trace_has_no_more_to_tell(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(print, "cron", minute=10, timezone="UTC", id="invoices")
    prepared(scheduler)
    assert told(scheduler, "run-now invoices").endswith("when a scheduler is started; no scheduler is up")

"""After a kill the commands say that no scheduler is up, and no run of the dead process simply runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler
from everytick.api import loading
from everytick.cli import program
from everytick.read.chosen import runs_under_way
from everytick.store.records import Identity
from everytick.system import use
from typer.testing import CliRunner

from dashboards import api, page
from histories import MINUTE, SECOND, ask, ask_json, prepared, run, write
from ledgers import change

NOW = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * SECOND
NOBODY = "no scheduler is up since 2026-03-02 08:50:00 UTC, its last heartbeat"


@pytest.fixture
def killed(scheduler: AsyncIOScheduler) -> Iterator[AsyncIOScheduler]:
    """It is nine; ten minutes ago the only process was killed, and its run is still held."""
    with use(time_ns=lambda: NOW * 1_000):
        scheduler.add_job(print, "cron", hour=12, timezone="UTC", id="backup")
        ledger = prepared(scheduler)
        change(
            ledger,
            "INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number)"
            " VALUES ('gone', ?, 4194304, ?, 1, ?, 1)",
            *(Identity.new().host, NOW - 60 * MINUTE, NOW - 10 * MINUTE),
        )
        held = {"process_id": "gone", "finished_us": None, "due_us": NOW - 20 * MINUTE}
        write(ledger, "scheduler_runs", [run("backup", None, "running", **held)])
        yield scheduler


@pytest.mark.parametrize("command", ["jobs", "runs", "runs --missed", "runs --since 1h"])
def test_the_lists_say_that_no_scheduler_is_up(killed: AsyncIOScheduler, command: str) -> None:
    assert NOBODY in ask(killed, *command.split()).splitlines()


def test_a_list_of_what_is_past_does_not(killed: AsyncIOScheduler) -> None:
    assert "no scheduler is up" not in ask(killed, "runs", "--until", "08:00")


def test_the_doctor_warns_of_it(killed: AsyncIOScheduler) -> None:
    with patch.object(loading, "load_schedule_for_command", lambda: killed):
        shown = " ".join(CliRunner().invoke(program.app, ["doctor"]).stdout.split())
    assert f"warning processes: {NOBODY}" in shown
    change(killed.ledger, "DELETE FROM scheduler_processes")
    with patch.object(loading, "load_schedule_for_command", lambda: killed):
        shown = " ".join(CliRunner().invoke(program.app, ["doctor"]).stdout.split())
    assert "warning processes: no scheduler is up" in shown


def test_a_run_of_a_dead_process_is_not_told_as_running(killed: AsyncIOScheduler) -> None:
    assert "running (its process died)" in ask(killed, "runs")
    assert "running (its process died)" in ask(killed, "show", "1")
    assert ask_json(killed, "runs")[0]["holder_died"] is True
    said = ask(killed, "why", "backup", "--run", "1")
    assert "It is running" not in said
    assert "It was running when its process died" in said
    assert NOBODY in said.replace("No ", "no ")


def test_the_pages_and_the_api_do_not_count_it_as_running(killed: AsyncIOScheduler) -> None:
    assert api(killed.ledger, "overview")["running"] == 0
    for path in ("/run/1", "/runs", "/job?id=backup", "/running"):
        shown = " ".join(re.sub(r"<[^>]+>", " ", page(killed.ledger, path)).split())
        assert "running (its process died)" in shown, path
    (listed,) = api(killed.ledger, "runs")["runs"]
    assert listed["holder_died"] is True
    assert api(killed.ledger, "runs/1")["holder_died"] is True


def test_who_cancels_many_sees_that_the_process_of_a_run_died(killed: AsyncIOScheduler) -> None:
    (row,) = runs_under_way(killed.ledger, 10, [], [])
    assert row.get("holder_died") is True

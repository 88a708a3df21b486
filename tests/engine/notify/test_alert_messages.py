"""What a message says: run and tick before the error, the way to the run, and the end of its log."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.errors import ConfigurationError
from everytick.masking import hide
from everytick.model import ticks
from everytick.notify.messages import Page, message, trial_message
from everytick.store import notices
from everytick.store.connections import transaction
from everytick.store.notices import Item
from loguru import logger

from alerting import alerting, never_due, until
from alerting import quick_looks as quick_looks
from histories import MINUTE, prepared, run, write
from inside import rows, scheduler_settings
from sinks import HttpSink

# What Apprise loads for all the services that it knows.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PAGE = Page("https://jobs.example.org/team")


def item(job_id: str = "job", run_id: int | None = 7, **more: Any) -> Item:
    """Return an incident that no channel was told of."""
    values = {
        "incident_id": 1,
        "job_id": job_id,
        "kind": "failed",
        "first_us": 0,
        "last_us": 0,
        "count": 1,
        "detail": "run 7, tick 2026-03-01 03:00:00 UTC: ValueError: no",
        "over_us": None,
        "told_count": None,
        "told_us": None,
        "told_over_us": None,
    }
    return Item(**{**values, "run_id": run_id, **more})


async def test_an_alert_names_run_and_tick_before_the_error_links_to_the_run_and_has_the_end_of_its_log(
    tmp_path: Path, sink: HttpSink
) -> None:
    def fails() -> None:
        for number in range(40):
            logger.info("line {}", number)
        raise RuntimeError("the disk is full")

    with alerting(tmp_path, sink, SCHEDULER_DASHBOARD_URL="https://jobs.example.org/team/") as scheduler:
        scheduler.add_job(fails, "interval", seconds=1, id="fails")
        async with scheduler:
            await until(lambda: sink.bodies)
            run = rows(scheduler, "failed")[0]["run_id"]
    lines = sink.bodies[0].splitlines()
    assert re.fullmatch(
        rf"fails failed: run {run}, tick [\d-]+ [\d:]+ UTC: RuntimeError: the disk is full", lines[0]
    )
    assert lines[1] == f"https://jobs.example.org/team/run/{run}"
    begin = lines.index("The end of its log:")
    end = lines.index("", begin)
    assert end - begin == 11
    assert [line.rpartition(" ")[2] for line in lines[begin + 1 : end]] == [str(n) for n in range(30, 40)]


async def test_the_log_of_a_lost_attempt_is_told_and_not_that_of_the_next_one(
    tmp_path: Path, sink: HttpSink
) -> None:
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", lambda: None)
        async with scheduler:
            with closing(scheduler.ledger.connect()) as connection, transaction(connection):
                now = {"now": ticks.now()}
                for statement in (
                    "INSERT INTO scheduler_runs (run_id, job_id, kind, state, attempt, crashes, due_us,"
                    " started_us) VALUES (7, 'job', 'manual', 'running', 2, 1, :now, :now)",
                    "INSERT INTO scheduler_attempts (run_id, attempt, state, finished_us, error)"
                    " VALUES (7, 1, 'lost', :now, 'the process that ran it died')",
                    "INSERT INTO scheduler_logs (run_id, attempt, text) VALUES (7, 1, 'of the first\n')",
                    "INSERT INTO scheduler_logs (run_id, attempt, text) VALUES (7, 2, 'of the second\n')",
                ):
                    connection.execute(statement, now if ":now" in statement else {})
            await until(lambda: sink.bodies)
    assert "of the first" in sink.bodies[0]
    assert "of the second" not in sink.bodies[0]
    assert "http" not in sink.bodies[0]


def test_the_end_of_a_log_is_bounded_masked_and_shows_no_signs_that_steer() -> None:
    secret = "sesame-open-the-door"
    hide(secret)
    log = "".join(f"{number} {'x' * 3_000}\n" for number in range(500))
    log += f"with {secret}\n\x1b[31mred\x1b[0m\r\n\n  indented\n"
    found = message([item()], "app", UTC, PAGE, {7: log}).body
    assert len(found) < 2_000
    assert secret not in found
    assert "with *****" in found
    assert "\n  indented" in found
    assert all(line.isprintable() for line in found.split("\n"))


def test_a_message_about_several_links_each() -> None:
    found = message([item("a"), item("b", 8)], "app", UTC, PAGE, {}).body.splitlines()
    assert found[1] == "https://jobs.example.org/team/run/7"
    assert found[3] == "https://jobs.example.org/team/run/8"
    assert "The end of its log:" not in found


def test_the_logs_of_a_few_runs_are_read_and_of_many_none(scheduler: AsyncIOScheduler) -> None:
    ledger = prepared(scheduler)
    told = {"told_attempt": 1, "state": "failed", "error": "E: no"}
    write(ledger, "scheduler_runs", [run("a", n * MINUTE) | told | {"run_id": n} for n in range(1, 6)])
    write(ledger, "scheduler_logs", [{"run_id": n, "attempt": 1, "text": f"of {n}\n"} for n in range(1, 6)])
    items = [item("a", n) for n in range(1, 6)]
    with closing(ledger.connect()) as connection:
        assert notices.logs_of(connection, items[:2]) == {1: "of 1\n", 2: "of 2\n"}
        assert notices.logs_of(connection, items) == {}
        assert notices.logs_of(connection, [item("a", 1, over_us=5), item("a", None)]) == {}


def test_a_message_about_two_runs_has_the_end_of_the_log_of_each() -> None:
    logs = {7: "".join(f"first {n}\n" for n in range(40)), 8: "".join(f"second {n}\n" for n in range(40))}
    lines = message([item("a"), item("b", 8)], "app", UTC, PAGE, logs).body.splitlines()
    for number, words in ((7, "first"), (8, "second")):
        at = lines.index(f"The end of the log of run {number}:")
        assert lines[at + 1 : at + 7] == [*(f"{words} {n}" for n in range(35, 40)), ""]
    whole = dict.fromkeys((7, 8), f"{'x' * 150}\n" * 50)
    assert len(message([item("a"), item("b", 8)], "app", UTC, PAGE, whole).body) < 2_000


def test_what_has_no_run_leads_to_its_job_and_what_is_over_nowhere() -> None:
    late = message([item("a b/ü", None, kind="late", detail="due")], "app", UTC, PAGE, {})
    assert late.body.splitlines()[1] == "https://jobs.example.org/team/job?id=a+b%2F%C3%BC"
    over = message([item(over_us=5)], "app", UTC, PAGE, {7: "a log"})
    assert "http" not in over.body
    assert "a log" not in over.body


def test_without_an_address_there_is_no_link() -> None:
    assert "http" not in message([item()], "app", UTC, Page(""), {}).body
    assert "http" not in trial_message("app", Page("")).body
    assert "https://jobs.example.org/team\n" in trial_message("app", PAGE).body


def test_a_message_about_many_is_bounded() -> None:
    many = [item(f"job-{number}", number, detail="x" * 500) for number in range(1, 300)]
    found = message(many, "app", UTC, PAGE, {}).body
    assert len(found) < 2_000
    assert "... and " in found


@pytest.mark.parametrize(
    "address",
    ["jobs.example.org", "ftp://x.org", "https://", "https://u:p@x.org", "https://x.org/?a=1", "h ttp://x"],
)
def test_an_address_of_the_dashboard_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    with (
        pytest.raises(ConfigurationError) as problem,
        scheduler_settings(tmp_path, SCHEDULER_DASHBOARD_URL=address),
    ):
        raise AssertionError("taken")
    assert str(problem.value).startswith("SCHEDULER_DASHBOARD_URL: ")
    assert "https://jobs.example.org" in str(problem.value)
    assert "u:p" not in str(problem.value)

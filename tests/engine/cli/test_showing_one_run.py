"""`show` and `audit`: everything about one run, and who asked for what."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler, ConfigurationError, LedgerError, SchedulerClient, current_run
from everytick import app as which
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.model import ticks
from everytick.read import following_logs
from everytick.read.following_logs import LogPart
from everytick.read.run_details import newest_details
from loguru import logger

from histories import MINUTE, SECOND, ask, ask_json, prepared, run, write
from inside import rows, scheduler_settings, until
from ledgers import change as change_ledger

BEGIN = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * SECOND


@pytest.fixture
def history(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """A scheduler with two jobs, and one run of the first."""
    for job_id in ("a", "b"):
        scheduler.add_job(print, "cron", minute="*", id=job_id)
    write(prepared(scheduler), "scheduler_runs", [run("a", BEGIN)])
    return scheduler


# --- show


@pytest.mark.full
async def test_everything_about_a_run_is_shown(scheduler: AsyncIOScheduler) -> None:
    def job() -> None:
        logger.info("attempt {} begins", (current_run() or pytest.fail("no run")).attempt)
        if (current_run() or pytest.fail("no run")).attempt == 1:
            raise ValueError("not [bold]ready[/bold] yet")

    scheduler.add_job(job, "cron", hour=3, timezone="Asia/Tokyo", id="job", name="The Job")
    tick = datetime(2026, 2, 28, 18, tzinfo=UTC)
    client = SchedulerClient("carla")
    async with scheduler:
        run_id = await asyncio.to_thread(client.run_job_now, "job", tick=tick, note="a customer asks")
        await until(lambda: rows(scheduler, "failed"))
        await asyncio.to_thread(client.retry_run, run_id)
        await until(lambda: rows(scheduler, "succeeded"))
        shown = ask_json(scheduler, "show", str(run_id))
        printed = ask(scheduler, "show", str(run_id))
    after = ask_json(scheduler, "show", str(run_id))

    assert (shown["job_id"], shown["job_name"], shown["timezone"]) == ("job", "The Job", "Asia/Tokyo")
    assert (shown["kind"], shown["for_tick"], shown["state"]) == ("manual", tick.isoformat(), "succeeded")
    assert [(it["who"], it["action"], it["note"]) for it in shown["asked"]] == [
        ("carla", "run now", "a customer asks"),
        ("carla", "retry", None),
    ]
    first, second = shown["attempts"]
    assert (first["attempt"], first["state"], second["attempt"], second["state"]) == (
        *(1, "failed"),
        *(2, "succeeded"),
    )
    assert first["error"] == "ValueError: not [bold]ready[/bold] yet"
    assert first["traceback"].startswith("Traceback")
    assert (second["error"], second["traceback"]) == (None, None)
    assert first["duration"] >= 0
    assert "attempt 1 begins" in first["log"]
    assert "attempt 2 begins" in second["log"]
    assert first["pid"] == second["pid"] > 0
    # Once the process has gone nobody knows where it was.
    assert [it["host"] for it in after["attempts"]] == [None, None]

    for words in (
        "job (The Job)",
        "zone of the job  Asia/Tokyo",
        "2026-02-28 18:00:00 UTC",
        "run now by carla",
        "a customer asks",
        "ValueError: not [bold]ready[/bold] yet",
        "traceback of attempt 1:",
        "log of attempt 2:",
    ):
        assert words in printed


def test_a_range_of_skipped_ticks_is_shown_with_its_end_and_number(history: AsyncIOScheduler) -> None:
    gap = run("a", BEGIN + 60 * MINUTE, "skipped", reason="paused", last_tick_us=BEGIN + 90 * MINUTE)
    write(history.ledger, "scheduler_runs", [gap | {"tick_count": 31}])
    shown = ask_json(history, "show", "2")
    assert (shown["last_tick"], shown["count"], shown["attempts"]) == ("2026-03-01T01:30:00+00:00", 31, [])
    printed = ask(history, "show", "2")
    assert "skipped (paused)" in printed
    assert "2026-03-01 01:30:00 UTC" in printed


def test_a_run_that_waits_for_its_next_attempt_shows_the_one_before(history: AsyncIOScheduler) -> None:
    values = {"attempt": 2, "error": "E: once", "started_us": None, "finished_us": None, "process_id": None}
    write(history.ledger, "scheduler_runs", [run("a", BEGIN + 60 * MINUTE, "retrying", **values)])
    before = {"run_id": 2, "attempt": 1, "state": "failed", "error": "E: once", "process_id": "gone"}
    write(
        history.ledger, "scheduler_attempts", [before | {"started_us": BEGIN, "finished_us": BEGIN + SECOND}]
    )
    shown = ask_json(history, "show", "2")
    assert [(it["attempt"], it["state"], it["error"]) for it in shown["attempts"]] == [
        (1, "failed", "E: once")
    ]


def test_an_error_is_told_once_in_a_narrow_terminal_too(history: AsyncIOScheduler) -> None:
    error = "ExceptionGroup: many (2 sub-exceptions): [OSError: no route; KeyError: 'k']"
    write(history.ledger, "scheduler_runs", [run("a", BEGIN + 60 * MINUTE, "failed", error=error)])
    printed = ask(history, "show", "2", COLUMNS="80")
    assert f"error     {error}" in printed
    assert printed.count("ExceptionGroup") == 1
    assert re.search(r"^1 +failed .* as above *$", printed, re.M), printed
    # A time is not broken.
    assert re.search(r"^1 +failed +2026-03-01 01:00:00 ", printed, re.M), printed


def test_a_run_that_may_begin_anew_for_ever_is_shown(history: AsyncIOScheduler) -> None:
    lost = run("a", BEGIN + 60 * MINUTE, "lost", rerun_until_us=ticks.FOREVER)
    write(history.ledger, "scheduler_runs", [lost])
    assert ask_json(history, "show", "2")["rerun_until"].startswith("9990-")


def test_a_run_that_is_not_there_is_refused(history: AsyncIOScheduler) -> None:
    with pytest.raises(ConfigurationError, match="there is no run 77, or it is not kept"):
        ask(history, "show", "77")


# --- audit


def test_the_audit_trail_tells_who_did_what(history: AsyncIOScheduler, clock: Any) -> None:
    carla, ben = SchedulerClient("carla"), SchedulerClient("ben")
    clock.set(BEGIN)
    carla.pause_job("a", note="the [printer] is broken")
    clock.step(60)
    ben.resume_job("a")
    ben.run_job_now("b")
    trail = ask_json(history, "audit")
    assert [(it["who"], it["action"], it["job_id"], it["run_id"], it["note"]) for it in trail] == [
        ("ben", "run now", "b", 2, None),
        ("ben", "resume", "a", None, None),
        ("carla", "pause", "a", None, "the [printer] is broken"),
    ]
    assert trail[-1]["at"].startswith("2026-03-01T00:00:00")
    assert [it["action"] for it in ask_json(history, "audit", "--limit", "1")] == ["run now"]
    assert [it["action"] for it in ask_json(history, "audit", "--job", "a")] == ["resume", "pause"]
    printed = ask(history, "audit")
    assert "2026-03-01 00:00:00" in printed
    assert "the [printer] is broken" in printed


def test_before_the_first_start_nothing_happened(scheduler: AsyncIOScheduler) -> None:
    assert (ask_json(scheduler, "audit"), ask_json(scheduler, "runs", "--failed")) == ([], [])
    with pytest.raises(LedgerError, match=r"there is no ledger at .* yet"):
        ask(scheduler, "show", "1")


# --- the newest run of a job, and what runs logged


@pytest.fixture
def logged(history: AsyncIOScheduler) -> AsyncIOScheduler:
    """Two runs of the first job, each with its log, and a tick that was skipped since."""
    write(
        history.ledger,
        "scheduler_runs",
        [
            run("a", BEGIN + MINUTE, "failed"),
            run("a", BEGIN + 2 * MINUTE, "skipped", reason="missed"),
        ],
    )
    write(
        history.ledger,
        "scheduler_logs",
        [{"run_id": number, "attempt": 1, "text": f"it is run [{number}]\n"} for number in (1, 2)],
    )
    return history


def test_a_job_stands_for_its_newest_run(logged: AsyncIOScheduler) -> None:
    assert ask_json(logged, "show", "a") == ask_json(logged, "show", "2")
    with pytest.raises(ConfigurationError, match=r"^the job 'b' has no run yet$"):
        ask(logged, "show", "b")
    with pytest.raises(ConfigurationError, match=r"^there is no job 'c'"):
        ask(logged, "show", "c")


def test_what_the_newest_runs_of_a_job_logged_is_shown(logged: AsyncIOScheduler) -> None:
    last = "run 2 of a, tick 2026-03-01 00:01:00: failed\nit is run [2]\n"
    assert ask(logged, "logs", "a") == ask(logged, "logs", "2") == last
    first = "run 1 of a, tick 2026-03-01 00:00:00: succeeded\nit is run [1]\n"
    assert ask(logged, "logs", "a", "-n", "9") == first + last
    [shown] = ask_json(logged, "logs", "a")
    assert (shown["run_id"], shown["job_id"], shown["state"]) == (2, "a", "failed")
    assert shown["attempts"] == [{"attempt": 1, "state": "failed", "log": "it is run [2]\n"}]


def test_the_log_of_a_run_that_failed_ends_with_its_error(
    logged: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(which.current(), "command", "python -m app")
    log = "run 2 of a, tick 2026-03-01 00:01:00: failed\nit is run [2]\n"
    change = "UPDATE scheduler_runs SET error = ?, traceback = ? WHERE run_id = 2"
    change_ledger(logged.ledger, change, "ValueError: no\nsuch customer", None)
    assert ask(logged, "logs", "2") == f"{log}run 2 failed: ValueError: no such customer\n"
    change_ledger(logged.ledger, change, "ValueError: no", "Traceback\n  line 3\nValueError: no\n")
    assert ask(logged, "logs", "2") == (
        f"{log}run 2 failed: ValueError: no (its traceback: python -m app logs 2 --wide)\n"
    )
    assert ask(logged, "logs", "2", "--wide") == (
        f"{log}traceback of attempt 1:\nTraceback\n  line 3\nValueError: no\n\nrun 2 failed: ValueError: no\n"
    )
    [shown] = ask_json(logged, "logs", "a")
    assert shown["error"] == "ValueError: no"


def test_many_runs_are_read_over_one_connection(
    logged: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a server each is a new process there, with a handshake before it."""
    ledger, opened = logged.ledger, list[object]()
    reading = type(ledger).reading

    def count(self: Any) -> Any:
        opened.append(self)
        return reading(self)

    monkeypatch.setattr(type(ledger), "reading", count)
    assert [found["run_id"] for found in newest_details(ledger, "a", 9)] == [1, 2]
    assert len(opened) == 1


def test_the_logs_of_a_job_are_followed_until_enough_have_ended(
    logged: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    [found] = newest_details(logged.ledger, "a", 1)

    def parts(_ledger: object, job_id: str, _over: object) -> Any:
        assert job_id == "a"
        yield LogPart(found, 1, "it begins\n")
        yield LogPart(found, 1, "it goes on\n")
        yield LogPart(found, 1, "", has_ended=True)
        pytest.fail("one was asked for")

    monkeypatch.setattr(following_logs, "follow_logs", parts)
    assert ask(logged, "logs", "a", "-f", "-n", "1") == (
        "run 2 of a, tick 2026-03-01 00:01:00:\nit begins\nit goes on\nrun 2 failed\n"
    )
    assert json.loads(ask(logged, "logs", "a", "-f", "-n", "1", "--json")) == ask_json(logged, "logs", "a")[0]


def test_the_logs_of_a_job_that_there_is_not_are_not_waited_for(logged: AsyncIOScheduler) -> None:
    with pytest.raises(ConfigurationError, match=r"^there is no job 'c'"):
        ask(logged, "logs", "c", "-f")


@pytest.mark.full
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
async def test_logs_that_the_engine_wrote_are_told_once_where_they_differ_by_their_times(
    tmp_path: Path, zone: str
) -> None:
    def broken() -> None:
        logger.info("asking the bank")
        raise ConnectionError("no route")

    with scheduler_settings(tmp_path, timezone=zone):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(broken, "date", id="broken", retries=2, retry_delay=0.1)
        async with scheduler:
            await until(lambda: rows(scheduler, "failed"))
        printed, wide = (ask(scheduler, "show", "1", *more) for more in ((), ("--wide",)))
        app = create_app(scheduler.ledger, Authenticator("all-all-all-all-all-all", ""), frozenset(), 0)
        here = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://here",
            headers={"Authorization": "Bearer all-all-all-all-all-all"},
        )
        async with here:
            page = (await here.get("/run/1")).text
    assert "log of attempts 1 to 3 (times of attempt 3):" in printed
    assert (printed.count("asking the bank"), wide.count("asking the bank")) == (1, 3)
    assert "Log of attempts 1 to 3 (times of attempt 3)<" in page
    assert page.count("asking the bank") == 1


def test_the_error_of_a_run_is_bent_below_its_beginning_at_a_terminal(history: AsyncIOScheduler) -> None:
    error = {"error": "ConnectionError: the server of the bank refused the connection at once"}
    write(history.ledger, "scheduler_runs", [run("a", BEGIN + MINUTE, "failed", **error)])
    lines = ask(history, "show", "2", COLUMNS="60", FORCE_COLOR="1", NO_COLOR="1").splitlines()
    at = lines.index("error     ConnectionError: the server of the bank refused")
    assert lines[at + 1] == "          the connection at once"


@pytest.mark.parametrize("arguments", [["logs"], ["logs", "-f"], ["show"]])
def test_a_pattern_instead_of_a_job_is_refused_with_the_jobs_that_it_means(
    history: AsyncIOScheduler, arguments: list[str]
) -> None:
    with pytest.raises(ConfigurationError, match=r"^name one job, not a pattern: '\[ab\]' means a, b$"):
        ask(history, *arguments, "[ab]")
    with pytest.raises(ConfigurationError, match=r"no job has an id like 'x\*'"):
        ask(history, *arguments, "x*")


def test_what_equal_attempts_have_in_common_is_shown_once(history: AsyncIOScheduler) -> None:
    trace = (
        "Traceback (most recent call last):\n" + "\n".join(f"  frame {n}" for n in range(40)) + "\nE: no\n"
    )
    many = {"error": "E: no", "traceback": trace}
    write(history.ledger, "scheduler_runs", [run("a", BEGIN + 60 * MINUTE, "failed", attempt=3, **many)])
    earlier = {
        "run_id": 2,
        "state": "failed",
        "process_id": "gone",
        "started_us": BEGIN,
        "finished_us": BEGIN,
    }
    write(history.ledger, "scheduler_attempts", [earlier | many | {"attempt": number} for number in (1, 2)])
    lines = [f"2026-03-01 01:00:00.{n:03}+00:00 INFO     line {n % 50}\n" for n in range(150)]
    logs = ["".join(lines[n * 50 : n * 50 + 50]) for n in range(3)]
    write(
        history.ledger,
        "scheduler_logs",
        [{"run_id": 2, "attempt": number, "text": text} for number, text in enumerate(logs, start=1)],
    )
    printed = ask(history, "show", "2", COLUMNS="80")
    assert len(printed.splitlines()) < 60
    assert printed.count("E: no") == 2
    assert "traceback of attempts 1 to 3:\nTraceback" in printed
    assert "... 26 lines: " in printed
    assert "log of attempts 1 to 3 (times of attempt 3):\n... 34 lines: " in printed
    assert "00.149+00:00 INFO     line 49" in printed
    wide = ask(history, "show", "2", "--wide")
    assert (wide.count("line 7\n"), wide.count("frame 17\n")) == (3, 1)
    assert "lines: " not in wide

"""Dead man's switches: what is called at the start and at the end of runs."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick import log_to_stderr as configure_logging
from everytick.model.backoff import Backoff
from everytick.notify import sender
from everytick.notify.notifier import Notifier
from loguru import logger

from inside import rows, scheduler_settings
from inside import until as until_in_time
from sinks import HttpSink


async def until(condition: Callable[[], Any]) -> Any:
    """Wait for what passes through several threads, on a machine that may have much else to do."""
    return await until_in_time(condition, 60)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[AsyncIOScheduler]:
    configure_logging()
    with scheduler_settings(tmp_path, SCHEDULER_SHUTDOWN_GRACE_TIME=0):
        yield AsyncIOScheduler()


@pytest.fixture
def log(scheduler: AsyncIOScheduler) -> Iterator[list[str]]:
    lines: list[str] = []
    number = logger.add(lines.append, format="{level} {extra} {message}", level="TRACE")
    yield lines
    logger.remove(number)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "HEARTBEATS", Backoff(0.2, 300))


def at_start(scheduler: AsyncIOScheduler, body: Callable[[], Any], ping: str, **options: Any) -> None:
    """Declare a job that runs once, at the start."""
    scheduler.add_job(body, "date", id="job", ping=ping, **options)


def fails() -> None:
    logger.info("looking for the tape")
    raise RuntimeError("no tape")


# --- what is called


async def test_the_start_and_the_success_are_called(scheduler: AsyncIOScheduler, sink: HttpSink) -> None:
    order: list[int] = []
    at_start(scheduler, lambda: order.append(sink.arrived), f"{sink.url}/5e9f/backup")
    async with scheduler:
        await until(lambda: len(sink.requests) == 2)
    assert sink.calls == ["GET /5e9f/backup/start", "GET /5e9f/backup"]
    assert sink.requests[0].agent == "app"


@pytest.mark.full
async def test_a_failure_is_called_after_the_last_attempt_with_what_it_logged(
    scheduler: AsyncIOScheduler, sink: HttpSink
) -> None:
    at_start(scheduler, fails, f"{sink.url}/5e9f", retries=1, retry_delay=0)
    async with scheduler:
        await until(lambda: len(sink.requests) == 3)
    assert sink.calls == ["GET /5e9f/start", "GET /5e9f/start", "POST /5e9f/fail"]
    body = sink.requests[2].body
    assert body.startswith("RuntimeError: no tape\n\n")
    assert "INFO     looking for the tape" in body


@pytest.mark.full
async def test_of_a_long_log_the_end_is_sent(scheduler: AsyncIOScheduler, sink: HttpSink) -> None:
    def talks() -> None:
        for number in range(5_000):
            logger.info("line {} ünïcode", number)
        raise RuntimeError("\ud800" + "x" * 5_000)

    at_start(scheduler, talks, f"{sink.url}/5e9f")
    async with scheduler:
        await until(lambda: len(sink.requests) == 2)
    body = sink.requests[1].body
    assert body.startswith("RuntimeError: \\ud800xxx")
    assert "line 4999 ünïcode" in body
    assert "line 4000 " not in body
    assert len(body) < 15_000


@pytest.mark.parametrize(
    ("ping", "start", "fail"),
    [
        ("/p/{state}", "GET /p/start", "POST /p/fail"),
        (
            "/push?status={state}&msg=a%20b",
            "GET /push?status=start&msg=a%20b",
            "POST /push?status=fail&msg=a%20b",
        ),
        ("/p/?create=1", "GET /p/start?create=1", "POST /p/fail?create=1"),
        ("", "GET /start", "POST /fail"),
    ],
)
async def test_the_state_has_its_place_in_the_address(
    scheduler: AsyncIOScheduler, sink: HttpSink, ping: str, start: str, fail: str
) -> None:
    at_start(scheduler, fails, sink.url + ping)
    async with scheduler:
        await until(lambda: len(sink.requests) == 2)
    assert sink.calls == [start, fail]


@pytest.mark.full
async def test_a_run_cancelled_or_cut_off_for_good_has_failed(
    scheduler: AsyncIOScheduler, sink: HttpSink
) -> None:
    async def long() -> None:
        await asyncio.sleep(60)

    scheduler.add_job(long, "date", id="cancelled", ping=f"{sink.url}/cancelled")
    scheduler.add_job(long, "date", id="cut", ping=f"{sink.url}/cut", on_crash="skip")
    scheduler.add_job(long, "date", id="goes-on", ping=f"{sink.url}/goes-on")
    async with scheduler:
        await until(lambda: len(sink.requests) == 3)
        [run_id] = [row["run_id"] for row in rows(scheduler) if row["job_id"] == "cancelled"]
        await asyncio.to_thread(SchedulerClient("carla").cancel_run, run_id)
        await until(lambda: "POST /cancelled/fail" in sink.calls)
    assert sorted(sink.calls[3:]) == ["POST /cancelled/fail", "POST /cut/fail"]


# --- jobs that are added while it runs, and the account of those in the code


@pytest.mark.full
async def test_jobs_added_from_elsewhere_have_pings_which_can_be_changed(
    scheduler: AsyncIOScheduler, sink: HttpSink
) -> None:
    async with scheduler:
        client = SchedulerClient()

        def add() -> None:
            client.add_job("added_tasks:note", "cron", year=2099, id="added", ping=f"{sink.url}/first")
            client.run_job_now("added")

        await asyncio.to_thread(add)
        await until(lambda: sink.calls == ["GET /first/start", "GET /first"])
        await asyncio.to_thread(client.modify_job, "added", ping=f"{sink.url}/second")
    async with AsyncIOScheduler() as again:
        await asyncio.to_thread(client.run_job_now, "added")
        await until(lambda: sink.calls[2:] == ["GET /second/start", "GET /second"])
        await asyncio.to_thread(client.modify_job, "added", ping=None)
        await until(lambda: (job := again.get_job("added")) is not None and job.options.ping is None)
        await asyncio.to_thread(client.run_job_now, "added")
        await until(lambda: len(rows(again, "succeeded")) == 3)
    assert len(sink.requests) == 4


async def test_another_ping_is_no_other_schedule(scheduler: AsyncIOScheduler, sink: HttpSink) -> None:
    def of_the_ledger() -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(scheduler.ledger.path)) as connection:
            query = "SELECT definition, registered_us, changed_us, schedule_data FROM scheduler_jobs"
            return connection.execute(query).fetchall()

    found = []
    for ping in (None, f"{sink.url}/a", f"{sink.url}/b"):
        made = AsyncIOScheduler()
        derived = made.add_job(print, "interval", hours=1, ping=ping)
        async with made:
            assert made.registration.changed == []
        found.append((derived.id, of_the_ledger()))
    assert found[0] == found[1] == found[2]


# --- a service that is down, slow, or refuses


async def test_a_service_that_was_down_is_called_when_it_is_back_in_order(
    scheduler: AsyncIOScheduler, sink: HttpSink, log: list[str]
) -> None:
    sink.down()
    at_start(scheduler, fails, f"{sink.url}/5e9f-secret")
    async with scheduler:
        await until(lambda: rows(scheduler, "failed"))
        await until(lambda: any("a heartbeat URL took no call" in line for line in log))
        sink.up()
        await until(lambda: len(sink.requests) == 2)
        await until(lambda: any("the heartbeat URL takes calls again" in line for line in log))
    assert sink.calls == ["GET /5e9f-secret/start", "POST /5e9f-secret/fail"]
    told = [line for line in log if " heartbeat URL " in line]
    assert len(told) == 2
    assert "trying again from 0.2 s on: ConnectionRefusedError: " in told[0]
    assert "5e9f-secret" not in "".join(log)


@pytest.mark.full
async def test_a_service_in_trouble_is_called_again_and_one_that_refuses_is_not(
    scheduler: AsyncIOScheduler, sink: HttpSink, log: list[str]
) -> None:
    sink.code = 503
    scheduler.add_job(lambda: None, "cron", year=2099, id="job", ping=f"{sink.url}/5e9f")
    async with scheduler:
        await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: sink.refused >= 3)
        sink.code = 200
        await until(lambda: sink.calls == ["GET /5e9f/start", "GET /5e9f"])
        sink.code, sink.refused = 404, 0
        for _ in range(2):
            await asyncio.to_thread(SchedulerClient().run_job_now, "job")
            await until(lambda: sink.refused % 2 == 0 and sink.refused > 0)
        await until(lambda: sink.refused == 4)
    assert len([line for line in log if "its heartbeat URL refused the call: HTTP 404" in line]) == 1


@pytest.mark.full
async def test_a_service_that_does_not_answer_delays_neither_runs_nor_the_end(
    scheduler: AsyncIOScheduler, sink: HttpSink
) -> None:
    sink.answering.clear()
    scheduler.add_job(lambda: None, "interval", seconds=0.1, id="job", ping=f"{sink.url}/5e9f")
    async with scheduler:
        await until(lambda: sink.arrived)
        number = len(rows(scheduler))
        await until(lambda: len(rows(scheduler, "succeeded")) > number + 20)
        process = scheduler._process
        assert process is not None
        notifier = process._notifier
        assert isinstance(notifier, Notifier)
        waiting = notifier._heartbeat_urls
        assert waiting is not None
        assert sum(len(line.calls) for line in waiting._lines.values()) <= 4
        begun = time.monotonic()
    assert time.monotonic() - begun < 6
    assert sink.arrived == 1


async def test_remaining_calls_are_made_at_the_end(scheduler: AsyncIOScheduler, sink: HttpSink) -> None:
    def held() -> None:
        sink.answering.wait(30)

    at_start(scheduler, held, f"{sink.url}/5e9f")
    sink.answering.clear()
    async with scheduler:
        await until(lambda: sink.arrived)
        sink.answering.set()
        await until(lambda: rows(scheduler, "succeeded"))
    assert sink.calls == ["GET /5e9f/start", "GET /5e9f"]


# --- addresses


@pytest.mark.parametrize(
    "ping",
    [
        "https://hc-ping.com/5e9f3c0c-0000-4000-8000-000000000000",
        "http://[::1]:8000/x",
        "https://example.org?state={state}",
        "HTTPS://EXAMPLE.ORG/p/{state}/{state}",
    ],
)
def test_an_address_is_taken(scheduler: AsyncIOScheduler, ping: str) -> None:
    job = scheduler.add_job(print, "interval", hours=1, ping=ping)
    assert job.options.ping == ping
    assert ping not in repr(job.options)


@pytest.mark.parametrize(
    "ping",
    [
        *("", "hc-ping.com/x", "ftp://example.org/x", "https://", "https:///secret", "file:///etc/passwd"),
        *(
            "https://user:secret@example.org/x",
            "https://example.org/a b",
            "https://example.org/\r\nX: secret",
        ),
        *("https://example.org/{job}", "https://{state}.example.org/", "https://example.org/#secret"),
        *(
            "https://example.org:secret/",
            "https://example.org:99999/",
            "https://[::1/",
            "https://exämple.org/",
        ),
        *("https://example.org/" + "secret" * 500, 42, b"https://example.org", ["https://example.org"]),
    ],
)
def test_a_wrong_address_is_refused_in_a_sentence_that_does_not_repeat_it(
    scheduler: AsyncIOScheduler, ping: Any
) -> None:
    with pytest.raises(ScheduleError) as problem:
        scheduler.add_job(print, "interval", hours=1, ping=ping)
    sentence = str(problem.value)
    assert "ping= must be an http or https address such as" in sentence
    assert re.match(r"\S*test_heartbeat_urls.py:\d+: ", sentence)
    assert "secret" not in sentence
    assert "\n" not in sentence


def test_whether_to_alert_is_yes_or_no(scheduler: AsyncIOScheduler) -> None:
    with pytest.raises(ScheduleError, match=r"alert='no' must be True or False$"):
        scheduler.add_job(print, "interval", hours=1, alert="no")
    with pytest.raises(ScheduleError, match=r"takes no pings='x'|did you mean 'ping'\?"):
        scheduler.add_job(print, "interval", hours=1, pings="x")


def test_an_application_of_any_name_may_ping(sink: HttpSink) -> None:
    """A header cannot hold all letters."""
    sender.call(f"{sink.url}/5e9f", None, "План 計画\n")
    assert sink.calls == ["GET /5e9f"]


def test_an_address_that_is_none_is_a_call_that_was_not_taken() -> None:
    with pytest.raises(sender.NotTaken):
        sender.call("nowhere", None, "shop")

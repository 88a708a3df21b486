"""What people are told when something goes wrong, when it goes on, and when it is over."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.model import ticks
from everytick.notify import watch
from everytick.store import notices
from everytick.store.connections import transaction

from alerting import Moody, alerting, arrived, ended, never_due, run_now, settled, settled_since, until
from alerting import quick_looks as quick_looks
from inside import Clock, rows, scheduler_settings
from sinks import HttpSink, MailSink

# What Apprise loads for all the services that it knows.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# --- a failure and its end


@pytest.mark.full
async def test_a_failure_is_told_once_to_each_channel_and_so_is_its_end(
    tmp_path: Path, sink: HttpSink, mails: MailSink
) -> None:
    body = Moody()
    with alerting(tmp_path, sink, mails) as scheduler:
        never_due(scheduler, "backup", body)
        async with scheduler:
            await run_now("backup")
            await until(lambda: sink.requests and mails.mails)
            body.problem = ""
            await run_now("backup")
            await until(lambda: len(sink.requests) == 2 and len(mails.mails) == 2)
    first, last = sink.requests
    assert first.json["title"] == "[app] backup failed"
    assert first.json["message"].startswith("backup failed: run 1, manual: RuntimeError: the disk is full\n")
    assert first.json["type"] == "failure"
    assert last.json["title"] == "[app] backup succeeded again"
    assert last.json["message"].startswith("backup succeeded again, after it had failed once; the last: run")
    assert last.json["type"] == "success"
    assert [mail["Subject"] for mail in mails.mails] == sink.titles
    assert mails.mails[0]["To"] == "ops@example.org"
    assert "RuntimeError: the disk is full" in mails.mails[0].get_content()
    assert "secret" not in str(sink.requests)


@pytest.mark.full
async def test_what_is_tried_again_is_told_after_the_last_attempt(tmp_path: Path, sink: HttpSink) -> None:
    saved, broken = Moody(), Moody()

    def saved_by_the_second_attempt() -> None:
        try:
            saved()
        finally:
            saved.problem = ""

    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "saved", saved_by_the_second_attempt, retries=1, retry_delay=0)
        never_due(scheduler, "broken", broken, retries=1, retry_delay=0)
        async with scheduler:
            await run_now("saved")
            await until(lambda: rows(scheduler, "succeeded"))
            await run_now("broken")
            await until(lambda: sink.requests)
            await until(settled(scheduler))
    assert (saved.calls, broken.calls) == (2, 2)
    assert sink.titles == ["[app] broken failed"]
    assert ", attempt 2: RuntimeError" in sink.bodies[0]


@pytest.mark.full
async def test_a_timeout_is_a_failure(tmp_path: Path, sink: HttpSink) -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "hang", hang, timeout=0.1)
        async with scheduler:
            await run_now("hang")
            await until(lambda: sink.requests)
    assert re.match(r"hang failed: run \d+, manual: it took longer than its timeout of 0.1 s", sink.bodies[0])


@pytest.mark.full
async def test_one_more_attempt_by_hand_ends_it(tmp_path: Path, sink: HttpSink) -> None:
    body = Moody()
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", body)
        async with scheduler:
            await run_now("job")
            await until(lambda: sink.titles == ["[app] job failed"])
            body.problem = ""
            await asyncio.to_thread(SchedulerClient().retry_run, 1)
            await until(lambda: sink.titles[1:] == ["[app] job succeeded again"])


@pytest.mark.full
async def test_a_failure_of_another_job_is_news_of_its_own(tmp_path: Path, sink: HttpSink) -> None:
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "one", Moody())
        never_due(scheduler, "two", Moody())
        async with scheduler:
            await run_now("one")
            await until(lambda: sink.titles == ["[app] one failed"])
            await run_now("two")
            await until(lambda: sink.titles[1:] == ["[app] two failed"])


# --- a storm


@pytest.mark.full
async def test_of_a_storm_there_is_the_first_message_and_then_one_with_the_number(
    tmp_path: Path, sink: HttpSink, clock: Clock
) -> None:
    body = Moody()
    with alerting(tmp_path, sink, SCHEDULER_ALERT_WINDOW=60) as scheduler:
        never_due(scheduler, "storm", body)
        async with scheduler:
            await run_now("storm")
            await until(lambda: sink.requests)
            await run_now(*["storm"] * 11)
            await until(ended(scheduler, 12))
            await until(settled(scheduler))
            clock.step(30)
            await run_now("storm")
            await until(ended(scheduler, 13))
            await until(settled(scheduler))
            assert len(sink.requests) == 1
            clock.step(31)
            await until(lambda: len(sink.requests) == 2)
            body.problem = ""
            await run_now("storm")
            await until(lambda: len(sink.requests) == 3)
    assert sink.titles == ["[app] storm failed", "[app] storm failed 13 times", "[app] storm succeeded again"]
    assert re.match(
        r"storm failed 13 times since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; the last: run \d+, manual: Runtime",
        sink.bodies[1],
    )
    assert "after it had failed 13 times since" in sink.bodies[2]


@pytest.mark.full
async def test_many_jobs_that_fail_together_are_told_in_one_message(tmp_path: Path, sink: HttpSink) -> None:
    with alerting(tmp_path, sink, SCHEDULER_MAX_WORKERS=100) as scheduler:
        for number in range(60):
            never_due(scheduler, f"job-{number:02}", Moody())
        sink.answering.clear()
        async with scheduler:
            await run_now("job-00")
            await until(lambda: sink.arrived)
            # While the first message is on its way, the others fail.
            await run_now(*(f"job-{number:02}" for number in range(1, 60)))
            await until(ended(scheduler, 60))
            await until(settled(scheduler))
            sink.answering.set()
            await until(lambda: len(sink.requests) == 2)
            await until(settled(scheduler))
    assert sink.titles == ["[app] job-00 failed", "[app] 59 went wrong"]
    assert len(sink.bodies[1]) < 2_000
    assert "... and " in sink.bodies[1]


@pytest.mark.full
async def test_a_problem_that_comes_and_goes_is_not_alerted_each_time(
    tmp_path: Path, sink: HttpSink, clock: Clock
) -> None:
    body = Moody()
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", body)
        async with scheduler:
            for number in range(6):
                body.problem = "" if number % 2 else "again"
                await run_now("job")
                await until(ended(scheduler, number + 1))
                await until(settled(scheduler))
                await until(arrived(sink, min(number + 1, 2)))
            assert sink.titles == ["[app] job failed", "[app] job succeeded again"]
            clock.step(61)
            await until(lambda: len(sink.requests) == 3)
    assert sink.titles[2] == "[app] job succeeded again"
    assert "after it had failed 3 times since" in sink.bodies[2]


@pytest.mark.full
async def test_a_channel_is_told_at_most_so_often_in_a_window(
    tmp_path: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(notices, "_MOST", 3)
    with alerting(tmp_path, sink) as scheduler:
        for number in range(6):
            never_due(scheduler, f"job-{number}", Moody())
        async with scheduler:
            for number in range(3):
                await run_now(f"job-{number}")
                await until(arrived(sink, number + 1))
            await run_now("job-3", "job-4", "job-5")
            await until(ended(scheduler, 6))
            await until(settled(scheduler))
            assert len(sink.requests) == 3
            clock.step(61)
            await until(lambda: len(sink.requests) == 4)
    assert sink.titles[3] == "[app] 3 went wrong"
    assert all(f"job-{number} failed" in sink.bodies[3] for number in (3, 4, 5))


@pytest.mark.full
async def test_messages_keep_a_distance(
    tmp_path: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(notices, "_REST", 10_000_000)
    with alerting(tmp_path, sink, SCHEDULER_ALERT_WINDOW=900) as scheduler:
        for number in range(3):
            never_due(scheduler, f"job-{number}", Moody())
        async with scheduler:
            clock.step(1)
            await run_now("job-0")
            await until(lambda: sink.requests)
            await run_now("job-1", "job-2")
            await until(ended(scheduler, 3))
            await until(settled(scheduler))
            clock.step(11)
            await until(lambda: len(sink.requests) > 1)
    assert sink.titles == ["[app] job-0 failed", "[app] 2 went wrong"]


# --- restarts, and several processes


@pytest.mark.full
async def test_over_restarts_nothing_is_told_twice_and_nothing_is_forgotten(
    tmp_path: Path, sink: HttpSink
) -> None:
    body = Moody()

    def declared() -> AsyncIOScheduler:
        made = AsyncIOScheduler()
        never_due(made, "job", body)
        return made

    with alerting(tmp_path, sink):
        sink.down()
        async with declared() as scheduler:
            await run_now("job")
            await until(ended(scheduler, 1))
        sink.up()
        async with declared():
            await until(lambda: sink.titles == ["[app] job failed"])
        async with declared() as scheduler:
            # The same failure is no news; the next one is, but not yet.
            await run_now("job")
            await until(ended(scheduler, 2))
            await until(settled(scheduler))
        body.problem = ""
        async with declared() as scheduler:
            await run_now("job")
            await until(lambda: len(sink.requests) > 1)
        async with declared() as scheduler:
            await until(settled(scheduler))
    assert sink.titles == ["[app] job failed", "[app] job succeeded again"]
    assert "after it had failed 2 times since" in sink.bodies[1]


@pytest.mark.full
async def test_a_failure_in_the_last_moment_of_a_process_is_told_by_it(
    tmp_path: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 600)
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", Moody())
        async with scheduler:
            await run_now("job")
            await until(ended(scheduler, 1))
    assert sink.titles == ["[app] job failed"]


@pytest.mark.full
async def test_schedulers_on_one_ledger_tell_everything_once(
    tmp_path: Path, sink: HttpSink, clock: Clock
) -> None:
    with alerting(tmp_path, sink):
        body = Moody()
        three = [AsyncIOScheduler() for _ in range(3)]
        for scheduler in three:
            never_due(scheduler, "job", body)
        async with three[0], three[1], three[2]:
            await run_now("job")
            await until(lambda: sink.requests)
            for number in range(1, 4):
                await run_now("job", "job", "job")
                await until(ended(three[0], 3 * number + 1))
                await until(settled(three[0]))
                clock.step(61)
                await until(arrived(sink, number + 1))
            body.problem = ""
            await run_now("job")
            await until(lambda: sink.titles[-1] == "[app] job succeeded again")
            await until(settled(three[0]))
    assert [title.removeprefix("[app] job ") for title in sink.titles] == [
        *("failed", "failed 4 times", "failed 7 times", "failed 10 times"),
        "succeeded again",
    ]


@pytest.mark.full
async def test_a_lost_run_that_ran_again_before_the_next_look_is_alerted(
    tmp_path: Path, sink: HttpSink
) -> None:
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", Moody(""))
        async with scheduler:
            with closing(scheduler.ledger.connect()) as connection, transaction(connection):
                values = {"now": ticks.now()}
                connection.execute(
                    "INSERT INTO scheduler_runs (run_id, job_id, kind, state, attempt, crashes, due_us,"
                    " started_us, finished_us)"
                    " VALUES (7, 'job', 'manual', 'succeeded', 2, 1, :now, :now, :now)",
                    values,
                )
                connection.execute(
                    "INSERT INTO scheduler_attempts (run_id, attempt, state, finished_us, error)"
                    " VALUES (7, 1, 'lost', :now, 'the process that ran it died')",
                    values,
                )
            await until(lambda: sink.requests)
            await until(settled(scheduler))
    assert sink.titles == ["[app] job succeeded again"]
    assert (
        "after it had been cut off once; the last: run 7, manual: the process that ran it died; it began"
        in sink.bodies[0]
    )


@pytest.mark.full
async def test_failures_from_before_alerts_were_set_are_not_alerted(tmp_path: Path, sink: HttpSink) -> None:
    with scheduler_settings(tmp_path):
        before = AsyncIOScheduler()
        never_due(before, "old", Moody())
        async with before:
            await run_now("old")
            await until(lambda: rows(before, "failed"))
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "old", Moody())
        never_due(scheduler, "new", Moody())
        async with scheduler:
            await run_now("new")
            await until(lambda: sink.requests)
            await until(settled_since(scheduler))
    assert sink.titles == ["[app] new failed"]

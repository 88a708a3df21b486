"""`plan`: what is to come, and what of it will not go as somebody may think."""

from __future__ import annotations

import io
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler, ConfigurationError, SchedulerClient
from everytick import settings as settings_room
from everytick.cli import completion
from everytick.cli.progress import Progress
from everytick.model import ticks
from everytick.read.coming import due_between
from everytick.read.known_job import jobs_due
from everytick.store.querying import connect_checked

from histories import MINUTE, SECOND, ask, ask_json, prepared, run, write
from ledgers import change
from waiting import wait_for

BEGIN = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * SECOND


def nothing() -> None:
    """Do nothing."""


def summary(scheduler: AsyncIOScheduler, *options: str) -> dict[str, Any]:
    """Return what `plan --summary --json` says from 1 March 2026 on."""
    found: dict[str, Any] = ask_json(scheduler, "plan", "--summary", "--from", "2026-03-01", *options)
    return found


def takes(scheduler: AsyncIOScheduler, job_id: str, seconds: float) -> None:
    """Let the ledger have runs of a job that took so long."""
    runs = [run(job_id, BEGIN - n * MINUTE) for n in range(1, 11)]
    ended = [it | {"finished_us": it["started_us"] + int(seconds * SECOND)} for it in runs]
    write(prepared(scheduler), "scheduler_runs", ended)


def test_days_are_those_of_the_calendar(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", hour=9, minute=0, id="job")
    rows = ask_json(scheduler, "plan", "--from", "2026-03-01", "--days", "3")
    assert [row["tick"] for row in rows] == [f"2026-03-0{day}T09:00:00+00:00" for day in (1, 2, 3)]
    with pytest.raises(ConfigurationError, match="give either --to or --days"):
        ask(scheduler, "plan", "--days", "1", "--to", "2026-03-01")


def test_a_day_on_which_the_clock_changes_is_one_day(scheduler: AsyncIOScheduler) -> None:
    zoned = AsyncIOScheduler(timezone="Europe/Berlin")
    zoned.add_job(nothing, "cron", hour="*", minute=0, id="job")
    assert len(ask_json(zoned, "plan", "--from", "2026-03-29", "--days", "1")) == 23
    assert len(ask_json(zoned, "plan", "--from", "2026-10-25", "--days", "1")) == 25


def test_one_job_of_many(scheduler: AsyncIOScheduler) -> None:
    for hour in (8, 9):
        scheduler.add_job(nothing, "cron", hour=hour, id=f"at{hour}")
    rows = ask_json(scheduler, "plan", "--from", "2026-03-01", "--job", "at9")
    assert [row["job_id"] for row in rows] == ["at9"]
    with pytest.raises(ConfigurationError, match=r"there is no job 'at7'.*'at[89]'"):
        ask(scheduler, "plan", "--job", "at7")


def test_the_summary_counts_the_ticks_of_each_job(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", minute=0, id="hourly")
    scheduler.add_job(nothing, "cron", day_of_week="sun", hour=2, minute=30, id="weekly")
    found = summary(scheduler, "--days", "7")
    assert (found["from"], found["to"]) == ("2026-03-01T00:00:00+00:00", "2026-03-08T00:00:00+00:00")
    assert found["looked_until"] == found["to"]
    assert found["ticks"] == 7 * 24 + 1
    assert found["jobs"] == [
        {
            "job_id": "hourly",
            "ticks": 168,
            "first": "2026-03-01T00:00:00+00:00",
            "last": "2026-03-07T23:00:00+00:00",
        },
        {
            "job_id": "weekly",
            "ticks": 1,
            "first": "2026-03-01T02:30:00+00:00",
            "last": "2026-03-01T02:30:00+00:00",
        },
    ]
    assert found["gaps"] == found["overlaps"] == found["collisions"] == found["notes"] == []


def test_jobs_without_a_tick_are_named(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", day_of_week="sun", hour=2, id="weekly")
    scheduler.add_job(nothing, "date", run_date="2026-01-01", id="past")
    scheduler.add_job(nothing, id="startup")
    found = ask_json(scheduler, "plan", "--summary", "--from", "2026-03-02", "--days", "2")
    assert found["gaps"] == [
        {"job_id": "past", "next_tick": None},
        {"job_id": "weekly", "next_tick": "2026-03-08T02:00:00+00:00"},
    ]
    printed = ask(scheduler, "plan", "--from", "2026-03-02", "--days", "2")
    assert "no tick in this time: 2 jobs" in printed
    assert "past: never again" in printed
    assert "weekly: next at 2026-03-08 02:00:00 UTC" in printed


@pytest.mark.full
def test_ticks_that_come_while_the_run_before_goes_on_are_counted(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="job")
    assert summary(scheduler)["overlaps"] == []  # nobody knows how long it takes
    takes(scheduler, "job", 75)
    # A run of 75 s skips the next tick, and the one after that begins anew.
    assert summary(scheduler)["overlaps"] == [
        {"job_id": "job", "ticks": 720, "first": "2026-03-01T00:01:00+00:00", "p95": 75.0, "overlap": "skip"}
    ]
    printed = ask(scheduler, "plan", "--summary", "--from", "2026-03-01")
    assert "job: 720 ticks would be skipped, the first at 2026-03-01 00:01:00 UTC" in printed


@pytest.mark.parametrize(("seconds", "instances", "skipped"), [(60, 1, 0), (75, 2, 0), (150, 2, 480)])
def test_a_run_that_ends_in_time_or_has_room_beside_it_skips_nothing(
    scheduler: AsyncIOScheduler, seconds: float, instances: int, skipped: int
) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="job", max_instances=instances)
    takes(scheduler, "job", seconds)
    assert sum(it["ticks"] for it in summary(scheduler)["overlaps"]) == skipped


@pytest.mark.full
@pytest.mark.parametrize(
    ("overlap", "said"),
    [
        ("wait", "1,439 ticks would wait, the first"),
        ("wait-one", "1,439 ticks would wait, the newest one only, the first"),
        ("replace", "1,439 ticks would replace a run, the first"),
    ],
)
def test_what_becomes_of_ticks_that_come_too_early_is_told(
    scheduler: AsyncIOScheduler, overlap: str, said: str
) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="job", overlap=overlap)
    takes(scheduler, "job", 75)
    [found] = summary(scheduler)["overlaps"]
    assert (found["ticks"], found["overlap"]) == (1439, overlap)
    assert said in " ".join(ask(scheduler, "plan", "--summary", "--from", "2026-03-01").split())


def test_more_jobs_of_a_group_at_once_than_its_limit_are_marked(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULER_GROUP_LIMITS", "database=1")
    settings_room.settings.cache_clear()
    for name in ("a", "b"):
        scheduler.add_job(nothing, "cron", hour=2, id=name, group="database")
    scheduler.add_job(nothing, "cron", hour=2, id="c")
    [found] = summary(scheduler)["collisions"]
    assert found["exceeds_groups"] == ["database"]
    printed = ask(scheduler, "plan", "--summary", "--from", "2026-03-01")
    told = "3 jobs at 2026-03-01 02:00:00 UTC: a, b, c; of the 2 in group database 1 at once"
    assert f"{told} (SCHEDULER_GROUP_LIMITS)" in " ".join(printed.split())


def test_jobs_that_are_due_together_are_one_line(scheduler: AsyncIOScheduler) -> None:
    for number in range(9):
        scheduler.add_job(nothing, "cron", hour=2, minute=0, id=f"job{number}")
    scheduler.add_job(nothing, "cron", hour=2, minute=1, id="alone")
    names = [f"job{number}" for number in range(9)]
    found = summary(scheduler, "--days", "3")
    assert found["collisions"] == [
        {
            "job_ids": names,
            "number": 9,
            "times": 3,
            "first": "2026-03-01T02:00:00+00:00",
            "exceeds_max_workers": True,  # the fixture has four
            "exceeds_groups": [],
        }
    ]
    assert (
        "9 jobs at 2026-03-01 02:00:00 UTC: job0, job1, job2 and 6 more;"
        " a process runs 4 at once (SCHEDULER_MAX_WORKERS)"
    ) in " ".join(ask(scheduler, "plan", "--from", "2026-03-01").split())


def test_jobs_that_are_due_at_once_are_in_the_order_of_their_numbers(scheduler: AsyncIOScheduler) -> None:
    for number in (1, 10, 2):
        scheduler.add_job(nothing, "cron", hour=2, minute=0, id=f"sync_{number}")
    in_order = ["sync_1", "sync_2", "sync_10"]
    rows = ask_json(scheduler, "plan", "--from", "2026-03-01")
    assert [row["job_id"] for row in rows] == in_order
    found = summary(scheduler)
    assert [row["job_id"] for row in found["jobs"]] == in_order
    assert found["collisions"][0]["job_ids"] == in_order
    assert [row["job_id"] for row in summary(scheduler, "--to", "2026-03-01T01:00")["gaps"]] == in_order
    prepared(scheduler)
    with connect_checked(scheduler.ledger) as connection:
        due = due_between(jobs_due(connection), ticks.now(), ticks.now() + 2 * ticks.DAY)
    assert [one.job.id for one in due] == in_order
    assert completion.job_ids("sync") == in_order


def test_few_jobs_together_exceed_nothing_and_the_last_instant_counts(scheduler: AsyncIOScheduler) -> None:
    for name, hours in (("a", "1,23"), ("b", "23")):
        scheduler.add_job(nothing, "cron", hour=hours, minute=59, second=59, id=name)
    [found] = summary(scheduler)["collisions"]
    assert (found["job_ids"], found["first"]) == (["a", "b"], "2026-03-01T23:59:59+00:00")
    assert not found["exceeds_max_workers"]


def test_ticks_in_a_pause_are_marked_and_neither_collide_nor_overlap(scheduler: AsyncIOScheduler) -> None:
    for name in ("a", "b"):
        scheduler.add_job(nothing, "cron", hour=2, minute=0, id=name)
    prepared(scheduler)
    SchedulerClient().pause_job("a", until=datetime(2099, 3, 2, 2, tzinfo=UTC))
    rows = ask_json(scheduler, "plan", "--from", "2099-03-01", "--days", "2", "--job", "a")
    # A tick at the very end of the pause is not part of it.
    assert [row["note"] for row in rows] == ["paused", ""]
    both = ask_json(scheduler, "plan", "--summary", "--from", "2099-03-01", "--days", "2")
    assert [(it["first"], it["times"]) for it in both["collisions"]] == [("2099-03-02T02:00:00+00:00", 1)]


def test_odd_times_of_day_are_in_the_summary(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", hour=2, minute=30, timezone="Europe/Berlin", id="job")
    found = ask_json(scheduler, "plan", "--summary", "--from", "2026-03-28", "--days", "3")
    [note] = found["notes"]
    assert (note["job_id"], note["tick"]) == ("job", "2026-03-29T01:00:00+00:00")
    assert "the clock jumps over the planned time" in note["note"]
    assert "ticks with a note: 1 tick" in ask(
        scheduler, "plan", "--summary", "--from", "2026-03-28", "--days", "3"
    )


# --- many ticks


def test_jobs_that_are_due_very_often_have_one_line_and_the_others_one_a_tick(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(nothing, "interval", seconds=10, id="water_the_plants")
    scheduler.add_job(nothing, "cron", minute=0, id="hourly")
    scheduler.add_job(nothing, "cron", hour=9, id="daily")
    lines = ask(scheduler, "plan", "--from", "2026-03-01").splitlines()
    assert lines[:2] == [
        "8,665 ticks, times in UTC; due very often:",
        "  water_the_plants: every 10 seconds, 8,640 ticks",
    ]
    assert "one by one: 25 ticks" in lines
    assert sum("hourly" in line and line.startswith("2026-") for line in lines) == 24
    assert len(lines) < 40
    # What programs read is not folded, and neither are the first few that somebody asks for.
    assert len(ask_json(scheduler, "plan", "--from", "2026-03-01")) == 1000
    first = ask(scheduler, "plan", "--from", "2026-03-01", "--limit", "50").splitlines()
    assert sum(line.startswith("2026-03-01") for line in first) == 50


def test_a_plan_of_very_many_jobs_is_short_too(scheduler: AsyncIOScheduler) -> None:
    for number in range(60):
        scheduler.add_job(nothing, "cron", hour=9, id=f"daily_{number}")
        scheduler.add_job(nothing, "cron", minute=0, id=f"hourly_{number}")
    lines = ask(scheduler, "plan", "--from", "2026-03-01").splitlines()
    assert len(lines) < 80
    assert "  and 50 more; --summary has all" in lines  # of the jobs that are due very often
    assert "  and 20 more; --summary has all" in lines  # of the ticks one by one


def test_a_job_that_is_counted_still_tells_of_its_pause_and_of_the_clock(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "interval", minutes=1, id="a")
    scheduler.add_job(nothing, "interval", minutes=1, id="b")
    scheduler.add_job(nothing, "cron", hour=2, minute=30, timezone="Europe/Berlin", id="night")
    prepared(scheduler)
    SchedulerClient().pause_job("a")
    SchedulerClient().pause_job("b", until=datetime(2099, 3, 29, 1, tzinfo=UTC))
    printed = ask(scheduler, "plan", "--from", "2099-03-29")
    assert "  a: every minute, 1,440 ticks, paused\n" in printed
    assert "  b: every minute, 1,440 ticks, 60 of them paused\n" in printed
    printed = ask(scheduler, "plan", "--from", "2026-03-01", "--days", "50", "--job", "night")
    assert "  night: at 02:30 every day, 50 ticks\n" in printed
    assert "ticks with a note: 1 tick" in printed


def test_more_ticks_than_are_looked_at_are_said_to_be(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="job")
    found = summary(scheduler, "--limit", "30")
    assert (found["ticks"], found["looked_until"]) == (30, "2026-03-01T00:30:00+00:00")


# --- progress


class Terminal(io.StringIO):
    """A terminal, or something that is none."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def test_long_work_shows_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal(is_terminal=True))
    with Progress("computing", after=0.01) as progress:
        wait_for(lambda: "computing" in terminal.getvalue(), "the bar")
        progress.at(0.5)
    # The bar has gone, and nothing goes on.
    length = len(terminal.getvalue())
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        assert len(terminal.getvalue()) == length
        time.sleep(0.02)


@pytest.mark.parametrize(("is_terminal", "after"), [(True, 60.0), (False, 0.0)])
def test_quick_work_or_a_pipe_shows_no_progress(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, after: float
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal(is_terminal=is_terminal))
    told = 0
    with Progress("computing", after=after) as progress:
        for part in range(100):
            progress.at(part / 100)
            told += len(terminal.getvalue())
    assert told == 0
    assert terminal.getvalue() == ""


def test_backfills_that_go_on_are_told_beside_the_ticks(scheduler: AsyncIOScheduler) -> None:
    for job_id in ("report", "export", "other"):
        scheduler.add_job(nothing, "cron", hour=3, id=job_id)
    prepared(scheduler)
    client, first = SchedulerClient(), datetime(2026, 3, 1, tzinfo=UTC)
    client.backfill_job("report", first, datetime(2026, 3, 5, tzinfo=UTC), rate=30, max_instances=2)
    client.backfill_job("export", first, datetime(2026, 3, 3, tzinfo=UTC))
    client.pause_job("export")
    stopped = client.backfill_job("other", first, datetime(2026, 3, 3, tzinfo=UTC))
    client.stop_backfill(stopped)
    change(scheduler.ledger, "UPDATE scheduler_backfills SET made = 1 WHERE job_id = 'report'")
    said = ask(scheduler, "plan").splitlines()
    told = said.index("beside the schedule: 2 backfills")
    assert said[told + 1 : told + 3] == [
        "  backfill 1 of report: 3 of 4 runs to come, up to 2 at once, at most 30 a minute",
        "  backfill 2 of export: 2 of 2 runs to come, none while the job is paused",
    ]
    assert [row["backfill_id"] for row in summary(scheduler, "--job", "export")["backfills"]] == [2]
    change(scheduler.ledger, "UPDATE scheduler_backfills SET made = tick_count")
    assert "backfill" not in ask(scheduler, "plan")

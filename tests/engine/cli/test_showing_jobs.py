"""`jobs`: each job's schedule in words, its next tick, how its last runs ended and how long they took."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler, ConfigurationError, SchedulerClient
from everytick.api.loading import declared
from everytick.cli import cells
from everytick.cli.completion import job_ids
from everytick.read.jobs import job_rows
from everytick.read.last_runs import percentile
from everytick.store.sqlite import SqliteLedger

from histories import MINUTE, SECOND, ask, ask_json, prepared, run, write
from ledgers import changing

BEGIN = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * SECOND


def nothing() -> None:
    """Do nothing."""


def row_of(scheduler: AsyncIOScheduler, job_id: str = "job") -> dict[str, Any]:
    """Return what `jobs --json` says of a job."""
    return next(row for row in ask_json(scheduler, "jobs") if row["id"] == job_id)


def test_a_job_that_never_ran_has_neither_outcomes_nor_durations(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", hour=9, minute=0, id="job")
    found = row_of(scheduler)
    assert found["schedule_in_words"] == "at 09:00 every day"
    assert found["trigger"] == "cron[hour='9', minute='0']"
    assert (found["last_outcomes"], found["last_state"], found["p50"], found["p95"]) == ([], None, None, None)
    assert not scheduler.ledger.exists()


def test_the_next_tick_is_told_in_the_jobs_zone_and_in_utc(scheduler: AsyncIOScheduler, clock: Any) -> None:
    clock.set(BEGIN)
    scheduler.add_job(nothing, "cron", hour=9, minute=0, timezone="Asia/Tokyo", id="job")
    printed = ask(scheduler, "jobs")
    assert "2026-03-01 09:00:00 Asia/Tokyo" not in printed  # that instant is BEGIN, and has passed
    assert "2026-03-02 09:00:00 Asia/Tokyo" in printed
    assert "2026-03-02 00:00:00 UTC" in printed
    assert row_of(scheduler)["next_run"] == "2026-03-02T00:00:00+00:00"


def test_the_next_tick_is_told_in_the_jobs_zone_if_that_is_an_offset(
    scheduler: AsyncIOScheduler, clock: Any
) -> None:
    clock.set(BEGIN)
    zone = timezone(timedelta(hours=5, minutes=30))
    scheduler.add_job(nothing, "cron", hour=9, minute=0, timezone=zone, id="job")
    printed = ask(scheduler, "jobs")
    assert "2026-03-01 09:00:00 UTC+05:30" in printed
    assert "2026-03-01 03:30:00 UTC" in printed


def test_the_last_ten_outcomes_are_told_with_the_newest_at_the_end(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="job")
    ledger = prepared(scheduler)
    states = ["lost", *["succeeded"] * 5, "failed", "timed_out", "skipped", "cancelled", "succeeded"]
    write(
        ledger,
        "scheduler_runs",
        [
            run("job", BEGIN + index * MINUTE, state, reason="missed" if state == "skipped" else None)
            for index, state in enumerate(states)
        ],
    )
    # Neither another job's outcomes nor what is still under way belong to them.
    write(ledger, "scheduler_runs", [run("other", BEGIN, "failed")])
    write(ledger, "scheduler_runs", [run("job", BEGIN + MINUTE * 60, "running", finished_us=None)])

    found = row_of(scheduler)
    assert found["last_outcomes"] == states[1:]
    assert found["last_state"] == "succeeded"
    assert found["last_finished_at"] == "2026-03-01T00:10:01+00:00"


def test_runs_without_a_tick_stand_where_they_ended(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="job")
    by_hand = {"due_us": BEGIN + 90 * SECOND}
    write(
        prepared(scheduler),
        "scheduler_runs",
        [
            run("job", BEGIN),
            run("job", None, "failed", **by_hand),
            run("job", BEGIN + 2 * MINUTE),
        ],
    )
    assert row_of(scheduler)["last_outcomes"] == ["succeeded", "failed", "succeeded"]


def test_durations_are_those_of_the_last_hundred_runs_that_ran_to_an_end(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="job")

    def took(index: int, seconds: float, state: str = "succeeded") -> dict[str, Any]:
        tick = BEGIN + index * MINUTE
        return run("job", tick, state, finished_us=tick + int(seconds * SECOND))

    old = [took(index, 50) for index in range(50)]
    new = [took(100 + index, (index + 1) / 10) for index in range(100)]
    # What was cut off, or skipped, says nothing of how long the job takes.
    cut = [took(300 + index, 999, "lost") for index in range(5)]
    skipped = [run("job", BEGIN + (400 + index) * MINUTE, "skipped") for index in range(300)]
    write(prepared(scheduler), "scheduler_runs", [*old, *new, *cut, *skipped])
    found = row_of(scheduler)
    assert (found["p50"], found["p95"]) == (5.0, 9.5)


@pytest.mark.parametrize(
    ("values", "p50", "p95"),
    [
        ([], None, None),
        ([3.0], 3.0, 3.0),
        ([1.0, 2.0], 1.0, 2.0),
        ([float(n) for n in range(1, 21)], 10.0, 19.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], p50: float | None, p95: float | None
) -> None:
    assert (percentile(values, 0.5), percentile(values, 0.95)) == (p50, p95)


def test_a_pause_is_told_with_its_note(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", hour=9, id="job")
    prepared(scheduler)
    SchedulerClient("carla").pause_job("job", note="the printer is [broken]")
    printed = ask(scheduler, "jobs")
    assert "paused" in printed
    assert "the printer is [broken]" in printed
    assert row_of(scheduler)["next_run"] is None


def test_a_job_that_also_runs_at_each_start_says_so(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, id="first")
    scheduler.add_job(nothing, "cron", hour=9, id="second", next_run_time=datetime.now(UTC))
    words = {row["id"]: row["schedule_in_words"] for row in job_rows(scheduler.ledger, declared(scheduler))}
    assert words == {"first": "at each start", "second": "at 09:00 every day; also at each start"}


def test_a_job_whose_zone_this_machine_lacks_is_told_and_the_others_too(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", hour=9, id="job")
    ledger = prepared(scheduler)
    SchedulerClient().add_job("histories:prepared", "cron", hour=9, args=[1], id="added")
    with changing(ledger) as connection:
        connection.execute(
            "UPDATE scheduler_jobs SET schedule_data = replace(schedule_data, '\"UTC\"', '\"Mars/Base\"')"
            " WHERE job_id = 'added'"
        )
    assert row_of(scheduler, "added")["problem"] == "this machine does not know the time zone 'Mars/Base'"
    assert row_of(scheduler)["problem"] is None
    assert {row["job_id"] for row in ask_json(scheduler, "plan")} == {"job"}


# --- which, in which order, and how much of it


def ids(scheduler: AsyncIOScheduler, *arguments: str) -> list[str]:
    """Return the ids of the jobs that `jobs` lists."""
    return [row["id"] for row in ask_json(scheduler, "jobs", *arguments)]


def test_jobs_are_chosen_by_their_ids_or_by_patterns(scheduler: AsyncIOScheduler) -> None:
    for job_id in ("sync_1", "sync_2", "report", "odd[1]"):
        scheduler.add_job(nothing, "cron", hour=9, id=job_id)
    assert ids(scheduler, "sync_*") == ["sync_1", "sync_2"]
    assert ids(scheduler, "report", "sync_?") == ["report", "sync_1", "sync_2"]
    assert ids(scheduler, "odd[1]") == ["odd[1]"]
    with pytest.raises(ConfigurationError, match=r"^no job has an id like 'snc_\*'$"):
        ids(scheduler, "report", "snc_*")
    with pytest.raises(ConfigurationError, match=r"^there is no job 'reprt'; did you mean 'report'\?$"):
        ids(scheduler, "reprt")


def test_jobs_come_with_those_first_that_fail_are_late_or_paused_and_can_be_sorted(
    scheduler: AsyncIOScheduler, clock: Any
) -> None:
    clock.set(BEGIN)
    for job_id, hour in (("fine_10", 5), ("held", 4), ("fine_2", 3), ("broken", 2)):
        scheduler.add_job(nothing, "cron", hour=hour, id=job_id)
    write(prepared(scheduler), "scheduler_runs", [run("broken", BEGIN, "failed"), run("fine_2", BEGIN)])
    SchedulerClient().pause_job("held")
    trouble_first = ["broken", "held", "fine_2", "fine_10"]
    assert ids(scheduler) == trouble_first
    assert ids(scheduler, "--sort", "state") == trouble_first
    assert ids(scheduler, "--sort", "next") == ["broken", "fine_2", "fine_10", "held"]
    assert ids(scheduler, "--sort", "id") == ["broken", "fine_2", "fine_10", "held"]
    with pytest.raises(ConfigurationError, match=r"--sort 'stat' is none of state, next, id.*'state'"):
        ids(scheduler, "--sort", "stat")


def test_a_job_is_one_line_of_80_columns_and_all_of_it_with_wide(
    scheduler: AsyncIOScheduler, clock: Any
) -> None:
    clock.set(BEGIN)
    scheduler.add_job(nothing, "cron", hour=9, timezone="Asia/Tokyo", id="job", name="The [daily] one")
    [_title, _head, _rule, line, _end] = ask(scheduler, "jobs", COLUMNS="80").splitlines()
    assert line == "job  in 1 day  2026-03-02 09:00:00 Asia/Tokyo  -         at 09:00 every day"
    [*_, line, _end] = ask(scheduler, "jobs", "--wide", COLUMNS="80").splitlines()
    wide = ["in 1 day", "2026-03-02 09:00:00 Asia/Tokyo", "2026-03-02 00:00:00 UTC", "cron[hour='9']"]
    assert all(part in line for part in [*wide, "The [daily] one"])


# --- signs


def strip(states: list[str], encoding: str, monkeypatch: pytest.MonkeyPatch, term: str = "xterm") -> str:
    """Return how outcomes are shown on a terminal."""
    monkeypatch.setenv("TERM", term)
    with patch.object(sys, "stdout") as stdout:
        stdout.encoding = encoding
        return str(cells.outcomes(states))


STATES = ["succeeded", "failed", "timed_out", "lost", "interrupted", "cancelled", "skipped"]


def test_each_outcome_has_a_sign_of_its_own_whatever_the_terminal_can_show(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert strip(STATES, "utf-8", monkeypatch) == "✓✗◷†∥⊘–"  # noqa: RUF001
    for plain in (
        strip(STATES, "ascii", monkeypatch),
        strip(STATES, "latin-1", monkeypatch),
        strip(STATES, "utf-8", monkeypatch, term="dumb"),
    ):
        assert plain == "+xTLIc-"
        # Colours alone tell nothing apart.
        assert len(set(plain)) == len(STATES)


def test_only_the_signs_that_are_shown_are_explained(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="job")
    write(prepared(scheduler), "scheduler_runs", [run("job", BEGIN), run("job", BEGIN + MINUTE, "failed")])
    printed = ask(scheduler, "jobs", TERM="dumb")
    assert "+x" in printed
    assert printed.splitlines()[-2].strip() == "+ succeeded   x failed"


# --- cost


@contextmanager
def counted_steps() -> Iterator[Callable[[], int]]:
    """Count what SQLite does for connections opened inside of the block, in hundreds of its instructions."""
    steps = 0
    connect = SqliteLedger.connect

    def counting(ledger: SqliteLedger, *, read_only: bool = False) -> sqlite3.Connection:
        connection = connect(ledger, read_only=read_only)

        def step() -> None:
            nonlocal steps
            steps += 1

        connection.set_progress_handler(step, 100)
        return connection

    with patch.object(SqliteLedger, "connect", counting):
        yield lambda: steps


@pytest.mark.full
def test_the_cost_of_jobs_does_not_grow_with_the_history(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="job")
    ledger, costs = prepared(scheduler), []
    for begin, number in ((0, 300), (300, 30_000)):
        many = range(begin, begin + number)
        write(ledger, "scheduler_runs", [run("job", BEGIN + index * MINUTE) for index in many])
        write(ledger, "scheduler_runs", [run("job", None, due_us=BEGIN + index * MINUTE) for index in many])
        with counted_steps() as steps:
            job_rows(scheduler.ledger, declared(scheduler))
            costs.append(steps())
    few, very_many = costs
    assert few > 10
    assert very_many < 1.5 * few


def test_the_ids_of_jobs_are_completed(scheduler: AsyncIOScheduler) -> None:
    for job_id in ("report", "repair", "backup"):
        scheduler.add_job(nothing, "cron", hour=9, id=job_id)
    assert job_ids("re") == []  # there is no ledger yet
    prepared(scheduler)
    assert job_ids("re") == ["repair", "report"]
    scheduler.ledger.path.write_text("nothing that a shell should ever show")
    assert job_ids("re") == []

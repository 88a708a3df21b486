"""`runs` on the morning after: what went wrong in the night is found, also if it was tried again since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.read.chosen import failed_runs
from everytick.read.run_counts import count_states
from everytick.read.run_filter import FAILED, RunFilter
from everytick.read.run_pages import list_runs
from everytick.store.querying import connect
from everytick.system import use

from histories import HOUR, MINUTE, SECOND, ask, ask_json, prepared, run, write
from ledgers import change

MORNING = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * SECOND
NIGHT = MORNING - 390 * MINUTE
ERROR = "ConnectionError: the bank's server refused the connection"
EVENING = ("--since", "yesterday 20:00")


@contextmanager
def at(instant: int) -> Iterator[None]:
    with use(time_ns=lambda: instant * 1_000):
        yield


@pytest.fixture
def night(scheduler: AsyncIOScheduler) -> Iterator[AsyncIOScheduler]:
    """A night in which run 1 failed at half past two, among others; it is nine in the morning."""
    with at(MORNING):
        scheduler.add_job(print, "cron", minute=30, timezone="UTC", id="invoices")
        scheduler.add_job(print, "cron", minute=40, timezone="UTC", id="backup")
        write(
            prepared(scheduler),
            "scheduler_runs",
            [
                run("invoices", NIGHT, "failed", error=ERROR),
                *(run("backup", NIGHT + hours * HOUR + 10 * MINUTE) for hours in range(6)),
            ],
        )
        yield scheduler


def retry(scheduler: AsyncIOScheduler, instant: int = MORNING - HOUR) -> None:
    """Let a person have run 1 tried again, by default at eight."""
    with at(instant):
        ask(scheduler, "retry", "1")


def end(scheduler: AsyncIOScheduler, state: str, error: str | None = None) -> None:
    """Let the retry of run 1 end a minute later."""
    change(
        scheduler.ledger,
        "UPDATE scheduler_runs SET state = ?, started_us = ?, finished_us = ?, error = ? WHERE run_id = 1",
        *(state, MORNING - 59 * MINUTE, MORNING - 59 * MINUTE, error),
    )


def found(scheduler: AsyncIOScheduler, *options: str) -> list[int]:
    return [row["run_id"] for row in ask_json(scheduler, "runs", *options)]


def line(scheduler: AsyncIOScheduler, *options: str) -> str:
    """Return the line about run 1."""
    lines = ask(scheduler, "runs", *options).splitlines()
    return next(line for line in lines if line.startswith("1  "))


def test_a_failed_run_that_waits_for_its_retry_is_still_found_where_it_failed(
    night: AsyncIOScheduler,
) -> None:
    retry(night)
    assert found(night, "--failed", *EVENING) == [1]
    assert found(night, "--failed") == [1]
    assert found(night, *EVENING, "--until", "03:00") == [2, 1]
    assert found(night, "--failed", "--since", "03:00") == []
    shown = line(night, "--failed", *EVENING)
    assert shown.split()[3] == "failed"
    assert shown.endswith(f"retry waits; {ERROR}")
    [row] = ask_json(night, "runs", "--failed", *EVENING)
    assert row["state"] == "queued"
    assert row["before_retry"] == {
        "attempt": 1,
        "state": "failed",
        "finished_at": "2026-03-02T02:30:01+00:00",
        "error": ERROR,
        "retried_at": "2026-03-02T08:00:00+00:00",
    }
    # As it is now it is queued, and in each list once.
    assert found(night, *EVENING).count(1) == 1
    assert "before_retry" not in next(row for row in ask_json(night, "runs", *EVENING) if row["run_id"] == 1)


def test_a_failed_run_whose_retry_succeeded_went_wrong_in_the_night_all_the_same(
    night: AsyncIOScheduler,
) -> None:
    retry(night)
    end(night, "succeeded")
    assert line(night, "--failed", *EVENING).endswith(f"retry succeeded; {ERROR}")
    assert found(night, *EVENING, "--until", "03:00") == [2, 1]
    assert found(night, "--failed", "--since", "07:00") == []
    # Without a time the question is what is wrong now.
    assert found(night, "--failed") == []


def test_a_retry_that_fails_too_leaves_the_failure_in_the_night(night: AsyncIOScheduler) -> None:
    retry(night)
    end(night, "failed", "TimeoutError: again")
    [row] = ask_json(night, "runs", "--failed", *EVENING)
    assert (row["error"], "before_retry" in row) == ("TimeoutError: again", False)
    [row] = ask_json(night, "runs", "--failed", *EVENING, "--until", "03:00")
    assert row["before_retry"]["error"] == ERROR


def test_what_retries_itself_is_found_while_it_waits_and_has_its_last_outcome_then(
    night: AsyncIOScheduler,
) -> None:
    """Two attempts of one run: the second is due in the afternoon."""
    change(
        night.ledger,
        "INSERT INTO scheduler_attempts (run_id, attempt, state, started_us, finished_us, error)"
        " SELECT run_id, attempt, state, started_us, finished_us, error FROM scheduler_runs WHERE run_id = 1",
    )
    change(
        night.ledger,
        "UPDATE scheduler_runs SET state = 'retrying', attempt = 2, due_us = ?, started_us = NULL,"
        " finished_us = NULL WHERE run_id = 1",
        MORNING + 5 * HOUR,
    )
    assert line(night, "--failed", *EVENING).endswith(f"retry 14:00:00; {ERROR}")
    end(night, "succeeded")
    assert found(night, "--failed", *EVENING) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--job", "invoices"], [1]),
        (["--job", "backup"], []),
        (["--error", "bank"], [1]),
        (["--error", "disk"], []),
        (["--state", "timed_out"], []),
        (["--reason", "missed"], []),
        (["--limit", "1"], [1]),
    ],
)
def test_the_other_filters_hold_for_it_as_well(
    night: AsyncIOScheduler, options: list[str], expected: list[int]
) -> None:
    retry(night)
    wanted = options if "--reason" in options else ["--failed", *options]
    if "--state" in options:
        wanted = options
    assert found(night, *EVENING, *wanted) == expected


def listed(scheduler: AsyncIOScheduler, wanted: RunFilter, limit: int) -> list[int]:
    """Return the numbers of all runs that the dashboard lists, part by part."""
    numbers: list[int] = []
    before: int | None = None
    with connect(scheduler.ledger) as connection:
        for _part in range(20):
            rows, before = list_runs(connection, wanted, limit, before)
            numbers += [row.run_id for row in rows]
            if before is None:
                return numbers
    raise AssertionError(numbers)


@pytest.mark.parametrize("finish", [lambda _night: None, lambda night: end(night, "succeeded")])
def test_the_dashboard_lists_and_counts_it_in_the_night_too(
    night: AsyncIOScheduler, finish: Callable[[AsyncIOScheduler], Any]
) -> None:
    retry(night)
    finish(night)
    whole = RunFilter(since=MORNING - 13 * HOUR, until=MORNING - 6 * HOUR)
    failed = RunFilter(states=FAILED, since=MORNING - 13 * HOUR)
    for limit in (1, 2, 50):
        assert sorted(listed(night, whole, limit)) == [1, 2]
        assert listed(night, failed, limit) == [1]
    with connect(night.ledger) as connection:
        assert count_states(connection, whole).by_state == {"succeeded": 1, "failed": 1}
        counts = count_states(connection, failed)
    assert counts.by_state["failed"] == 1
    assert counts.total == 7


def test_it_is_not_tried_again_once_more(night: AsyncIOScheduler) -> None:
    retry(night)
    assert failed_runs(SchedulerClient().ledger, 10, (), MORNING - 13 * HOUR, None) == []


def as_it_was(scheduler: AsyncIOScheduler) -> dict[str, Any]:
    """Return run 1 without what a request leaves behind."""
    row: dict[str, Any] = dict(ask_json(scheduler, "show", "1"))
    for name in ("asked", "cancel_asked_at"):
        del row[name]
    return row


@pytest.mark.full
def test_a_retry_that_is_cancelled_leaves_the_failure_as_it_was(night: AsyncIOScheduler) -> None:
    change(
        night.ledger,
        "UPDATE scheduler_runs SET traceback = 'Traceback', claimed_us = started_us WHERE run_id = 1",
    )
    before = as_it_was(night)
    retry(night)
    assert ask(night, "cancel", "1") == f"the retry of run 1 is cancelled: it is failed as before ({ERROR})\n"
    assert as_it_was(night) == before
    assert [row["action"] for row in ask_json(night, "audit")] == ["cancel", "retry"]
    assert "retry=" not in ask(night, "why", "invoices", "--run", "1")
    # It can be tried again, by the same number.
    retry(night)
    assert ask_json(night, "show", "1")["attempt"] == 2
    assert ask(night, "cancel", "--state", "queued", "--yes") == "failed as before: 1 run\n"
    assert as_it_was(night) == before


def test_a_retry_that_the_job_makes_by_itself_can_be_cancelled_so_too(night: AsyncIOScheduler) -> None:
    retry(night)
    change(night.ledger, "UPDATE scheduler_runs SET state = 'retrying', due_us = ?", MORNING + HOUR)
    assert ask_json(night, "cancel", "1")["state"] == "failed"


def test_a_run_that_never_began_is_cancelled_as_such(night: AsyncIOScheduler) -> None:
    ask(night, "run-now", "invoices")
    assert ask(night, "cancel", "8") == "run 8 is cancelled\n"


def test_a_job_that_is_removed_while_a_retry_waits_leaves_the_failure_as_it_was(
    night: AsyncIOScheduler,
) -> None:
    before = as_it_was(night)
    retry(night)
    started = AsyncIOScheduler()
    started.add_job(print, "cron", minute=40, timezone="UTC", id="backup")
    prepared(started)
    after = as_it_was(night)
    assert (after["state"], after["error"], after["attempts"]) == ("failed", ERROR, before["attempts"])
    # Nobody asked for that.
    assert ask_json(night, "show", "1")["cancel_asked_at"] is None

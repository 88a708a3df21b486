"""`runs`: what happened, chosen by job, state, reason and time, or told as it happens."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from queue import Queue
from typing import Any

import pytest
from everytick import AsyncIOScheduler, ConfigurationError, LedgerError
from everytick.model import ticks
from everytick.read.audit import audit_rows
from everytick.read.following import follow
from everytick.read.run_filter import RunFilter
from everytick.read.runs import newest_runs, run_rows
from everytick.read.schemas import RunRow
from everytick.store.database import Ledger
from everytick.store.querying import connect

from histories import HOUR, MINUTE, SECOND, ask, ask_json, prepared, run, write
from statements import statements
from waiting import wait_for

BEGIN = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * SECOND


def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def history(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """A scheduler with two jobs and some runs of each kind: the n-th begins n minutes after midnight."""
    for job_id in ("a", "b"):
        scheduler.add_job(nothing, "cron", minute="*", id=job_id)
    write(
        prepared(scheduler),
        "scheduler_runs",
        [
            run("a", BEGIN),
            run("b", BEGIN + MINUTE, "failed", error="ValueError: no"),
            run("a", BEGIN + 2 * MINUTE, "skipped", reason="overlap"),
            run("b", BEGIN + 3 * MINUTE, "skipped", reason="missed"),
            run("a", BEGIN + 4 * MINUTE, "lost"),
            run("a", None, "timed_out", due_us=BEGIN + 5 * MINUTE),
            run("b", BEGIN + 6 * MINUTE, "interrupted"),
            run("b", BEGIN + 7 * MINUTE, "running", finished_us=None),
            run("a", None, "queued", due_us=BEGIN + 8 * MINUTE, started_us=None, finished_us=None),
        ],
    )
    return scheduler


@pytest.mark.parametrize("column", ["state", "reason"])
def test_a_state_or_a_reason_of_somebody_who_writes_the_ledger_does_not_steer_the_terminal(
    history: AsyncIOScheduler, column: str
) -> None:
    hostile = run("a", BEGIN + HOUR, "skipped", reason="overlap") | {column: "\x1b]0;mine\x07\x9b2J\nok"}
    write(history.ledger, "scheduler_runs", [hostile])
    newest = run_rows(history.ledger, 1, RunFilter())[0]["run_id"]
    for command in (["runs"], ["runs", "--wide"], ["show", str(newest)], ["troubles"], ["why", "a"]):
        said = ask(history, *command)
        assert not {"\x1b", "\x07", "\x9b"} & set(said), command
        assert "\nok" not in said
    assert "\\x1b]0;mine" in ask(history, "runs")


def found(scheduler: AsyncIOScheduler, *options: str) -> list[int]:
    """Return the numbers of the runs that `runs` lists with these options."""
    return [row["run_id"] for row in ask_json(scheduler, "runs", *options)]


def test_runs_are_shown_to_people_as_a_table_or_as_lines(history: AsyncIOScheduler) -> None:
    printed = ask(history, "runs", "--failed", "--job", "b")
    assert all(
        part in printed
        for part in ("seconds", "of 2026-03-01, times", " 00:01:00", "failed", "ValueError: no")
    )
    lines = ask(history, "runs", "--follow", "--since", "2026-03-01", "--limit", "2").splitlines()
    assert lines[1].split() == ["run", "ended", "job", "outcome", "seconds", "error"]
    assert [line.split()[0] for line in lines[2:]] == ["1", "2"]
    assert lines[3].endswith("ValueError: no")


def test_it_is_said_that_there_are_more_runs_than_are_listed(history: AsyncIOScheduler) -> None:
    assert (
        ask(history, "runs", "-n", "3").splitlines()[0].startswith("the newest 3 runs (more: -n 100), times")
    )
    assert ask(history, "runs", "-n", "9").splitlines()[0].startswith("9 runs, newest first, times")
    assert ask(history, "runs", "--failed", "-n", "4").splitlines()[0].startswith("4 runs, newest first")
    assert len(ask_json(history, "runs", "-n", "3")) == 3


def test_a_time_to_come_is_refused_where_only_the_past_can_be_meant(history: AsyncIOScheduler) -> None:
    with pytest.raises(ConfigurationError, match="--since 'tomorrow' lies ahead"):
        ask(history, "runs", "--since", "tomorrow")


def test_a_long_error_is_shortened_in_the_list_and_whole_with_wide(history: AsyncIOScheduler) -> None:
    parts = "; ".join(f"ValueError: row {number} is bad" for number in range(200))
    long = f"ExceptionGroup: batch (200 sub-exceptions):\n[{parts}]"
    write(history.ledger, "scheduler_runs", [run("b", BEGIN + 90 * MINUTE, "failed", error=long)])
    [*_, line, _end, _nobody_up] = ask(history, "runs", "--limit", "1").splitlines()
    assert "ExceptionGroup: batch (200 sub-exceptions): [ValueError: row 0 is bad" in line
    assert line.endswith("…")
    assert len(line) <= 200
    [*_, line, _end, _nobody_up] = ask(history, "runs", "--limit", "1", "--wide").splitlines()
    assert line.endswith(long.replace("\n", " "))
    assert ask_json(history, "runs", "--limit", "1")[0]["error"] == long


def test_a_run_is_one_line_of_80_columns(history: AsyncIOScheduler) -> None:
    ticks_of_a: dict[str, Any] = {"last_tick_us": BEGIN + 40 * MINUTE, "tick_count": 11}
    write(
        history.ledger,
        "scheduler_runs",
        [run("a", BEGIN + 30 * MINUTE, "skipped", reason="outage") | ticks_of_a],
    )
    by_hand: dict[str, Any] = {"due_us": BEGIN + 50 * MINUTE, "for_tick_us": BEGIN}
    write(
        history.ledger, "scheduler_runs", [run("a", None, error="it was " + "very " * 20 + "bad", **by_hand)]
    )
    narrow = ask(history, "runs", "--limit", "2", COLUMNS="80").splitlines()
    assert [line.split()[:4] for line in narrow[3:5]] == [
        ["11", "a", "manual", "succeeded"],
        ["10", "a", "2026-03-01", "00:30:00"],
    ]
    assert all(len(line) <= 80 for line in narrow)
    assert "11 skipped (outage)" in narrow[4]
    # The rest is there where it has room.
    wide = ask(history, "runs", "--limit", "2", "--wide").splitlines()
    assert wide[1].split()[3:8] == ["last", "tick", "stands", "in", "for"]
    assert "manual     " + " " * 20 in wide[3]
    assert "2026-03-01 00:00:00" in wide[3]
    assert "2026-03-01 00:30:00  2026-03-01 00:40:00" in wide[4]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (["--limit", "2"], [9, 8]),
        (["--job", "a"], [9, 6, 5, 3, 1]),
        (["--job", "a", "--limit", "3"], [9, 6, 5]),
        (["--job", "a", "--job", "b", "--limit", "3"], [9, 8, 7]),
        (["--job", "*"], [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (["--job", "[b-z]", "--failed"], [7, 2]),
        (["--job", "[b-z]", "--since", "2026-03-01T00:03", "--until", "2026-03-01T00:05"], [4]),
        (["--job", "?", "--until", "2026-03-01T00:02"], [2, 1]),
        (["--job", "?", "--state", "queued"], [9]),
        (["--state", "succeeded"], [1]),
        (["--state", "lost", "--state", "running"], [8, 5]),
        (["--state", "running", "--state", "queued"], [9, 8]),
        (["--state", "queued", "--job", "b"], []),
        (["--failed"], [7, 6, 5, 2]),
        (["--failed", "--state", "skipped", "--job", "b"], [7, 4, 2]),
        (["--reason", "overlap"], [3]),
        (["--reason", "overlap", "--reason", "missed"], [4, 3]),
        (["--since", "2026-03-01T00:05"], [9, 8, 7, 6]),
        # What began before it and ended after it has ended since then.
        (["--since", "2026-03-01T00:04:01"], [9, 8, 7, 6, 5]),
        (["--since", "2026-03-01T00:01", "--until", "2026-03-01T00:04"], [4, 3, 2]),
        (["--until", "2026-03-01T00:01"], [1]),
        (["--until", "2026-03-01T00:05", "--job", "a"], [5, 3, 1]),
        (["--until", "2999-01-01", "--job", "a"], [9, 6, 5, 3, 1]),
        (["--since", "2026-03-01T00:01", "--job", "b", "--failed"], [7, 2]),
        (["--since", "2026-03-01T00:01", "--limit", "3"], [9, 8, 7]),
        (["--since", "2026-03-01T00:01", "--state", "running"], [8]),
        # In another zone it is another instant.
        (["--until", "2026-03-01T01:01+01:00"], [1]),
    ],
)
def test_runs_are_chosen_by_job_state_reason_and_time(
    history: AsyncIOScheduler, options: list[str], expected: list[int]
) -> None:
    assert found(history, *options) == expected


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--state", "faild"], "--state faild: use one of .* did you mean 'failed'"),
        (["--reason", "overlaps"], "--reason overlaps: use one of missed, coalesced, .*'overlap'"),
        (["--since", "noon"], "--since 'noon' is not a date or time such as"),
        (["--since", "2026-03-02", "--until", "2026-03-01"], "--until must be later than --since"),
        (["--follow", "--until", "2026-03-01"], "--follow shows what is to come: leave --until out"),
        (["--job", "c"], "there is no job 'c'"),
        (["--job", "c*"], "no job has an id like 'c\\*'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(
    history: AsyncIOScheduler, options: list[str], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        ask(history, "runs", *options)


# --- cost: each question walks an index, and sorts nothing


@pytest.mark.parametrize(
    ("wanted", "indexes"),
    [
        (RunFilter(), ["SCAN main.scheduler_runs"]),
        (RunFilter(job_id="a"), ["autoindex_scheduler_runs_1 (job_id=? AND tick_us>?)"]),
        (
            RunFilter(job_id="a", states=("failed", "running")),
            ["autoindex_scheduler_runs_1 (job_id=? AND tick_us=?)"],
        ),
        (RunFilter(job_ids=("a", "b")), ["autoindex_scheduler_runs_1 (job_id=? AND tick_us>?)"]),
        (RunFilter(job_ids=("a", "b"), since=BEGIN), ["scheduler_runs_ended (finished_us>?)"]),
        (RunFilter(job_ids=("a",) * 200), ["SCAN main.scheduler_runs"]),
        (RunFilter(states=("running",)), ["scheduler_runs_held", "scheduler_runs_waiting"]),
        (RunFilter(since=BEGIN), ["INDEX scheduler_runs_held", "scheduler_runs_ended (finished_us>?)"]),
        (RunFilter(since=BEGIN, job_id="a", states=("failed",)), ["scheduler_runs_ended (finished_us>?)"]),
        (RunFilter(since=BEGIN, until=BEGIN + 1), ["(finished_us>? AND finished_us<?)"]),
        (RunFilter(until=BEGIN, reasons=("missed",)), ["scheduler_runs_ended"]),
        (RunFilter(until=BEGIN, job_id="a"), ["autoindex_scheduler_runs_1 (job_id=? AND tick_us>?)"]),
    ],
)
def test_each_question_has_an_index(history: AsyncIOScheduler, wanted: RunFilter, indexes: list[str]) -> None:
    plans = []
    with connect(history.ledger) as connection:
        with statements() as asked:
            newest_runs(connection, 20, wanted)
        for statement in asked:
            if "traceback" in statement.sql:
                plans += statement.plan(connection.plain)
    for index in indexes:
        assert any(index in plan for plan in plans), plans
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]


# --- runs --follow


class Follower:
    """Somebody who follows the runs in a thread, until the block ends.

    The ledger goes with its test: who still followed it would fail in the next one.
    """

    def __init__(self, ledger: Ledger, wanted: RunFilter) -> None:
        self.seen: Queue[RunRow] = Queue()
        self._wanted, self._ledger = wanted, ledger
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _follow(self) -> None:
        for row in follow(self._ledger, self._wanted, self._over.is_set):
            self.seen.put(row)

    def next(self) -> RunRow:
        """Return the next run; fail if none comes."""
        return self.seen.get(timeout=20)


def change(ledger: Ledger, statement: str, **values: Any) -> None:
    """Change the ledger as a scheduler does while somebody follows."""
    with closing(ledger.connect()) as connection:
        connection.execute(statement, values)


END = "UPDATE scheduler_runs SET state = :state, finished_us = :at WHERE run_id = :run_id"


@pytest.mark.full
def test_followed_runs_come_when_they_end_each_once(history: AsyncIOScheduler) -> None:
    ledger = history.ledger
    with Follower(ledger, RunFilter(since=BEGIN + 6 * MINUTE)) as follower:
        # What ended since then comes first.
        assert follower.next()["run_id"] == 7

        # One that was under way, ended by a process whose clock is late.
        change(ledger, END, state="succeeded", at=BEGIN + 8 * MINUTE, run_id=8)
        assert (follower.next()["run_id"], follower.seen.empty()) == (8, True)
        # One that begins and ends at once, and one that is still under way at first.
        now = ticks.now()
        write(ledger, "scheduler_runs", [run("a", now), run("b", now, "running", finished_us=None)])
        assert follower.next()["run_id"] == 10
        change(ledger, END, state="failed", at=ticks.now(), run_id=11)
        assert (follower.next()["run_id"], follower.seen.empty()) == (11, True)
        # The same run, tried again and over between two looks.
        change(
            ledger,
            "UPDATE scheduler_runs SET attempt = 2, finished_us = :at WHERE run_id = 11",
            at=ticks.now(),
        )
        again = follower.next()
        assert (again["run_id"], again["attempt"], follower.seen.empty()) == (11, 2, True)


def test_runs_are_found_by_the_text_of_their_error(history: AsyncIOScheduler) -> None:
    assert found(history, "--error", "VALUEERROR: n") == [2]
    assert found(history, "--error", "n_") == []
    assert found(history, "--error", "value", "--job", "a") == []
    assert found(history, "--error", "value", "--since", "2026-03-01") == [2]


def test_followed_runs_are_of_the_jobs_that_are_meant(history: AsyncIOScheduler) -> None:
    printed = ask(history, "runs", "-f", "--since", "2026-03-01", "-n", "2", "--job", "[b-z]", "--json")
    assert [json.loads(line)["run_id"] for line in printed.splitlines()] == [2, 4]


def test_followed_runs_are_chosen_by_the_same_filters(history: AsyncIOScheduler) -> None:
    with Follower(history.ledger, RunFilter(job_id="b", states=("failed",), since=BEGIN)) as follower:
        assert follower.next()["run_id"] == 2
        now = ticks.now()
        write(
            history.ledger,
            "scheduler_runs",
            [run("a", now, "failed"), run("b", now), run("b", now + 1, "failed")],
        )
        assert follower.next()["run_id"] == 12
        assert follower.seen.empty()


@pytest.mark.full
def test_runs_that_ended_before_are_not_followed_and_a_ledger_is_waited_for(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(nothing, "cron", minute="*", id="a")
    with Follower(scheduler.ledger, RunFilter()) as follower:
        write(prepared(scheduler), "scheduler_runs", [run("a", BEGIN, "running", finished_us=None)])

        # When it looks for the first time cannot be seen from outside: only that it told nothing of before.
        def told() -> bool:
            write(scheduler.ledger, "scheduler_runs", [run("a", None, due_us=ticks.now())])
            return not follower.seen.empty()

        wait_for(told, "the first run that is told")
        assert follower.next()["run_id"] > 1


def test_a_ledger_that_is_being_made_is_waited_for(scheduler: AsyncIOScheduler) -> None:
    """Its file is there before its tables are: to who looks then for the first time, too."""
    ledger = scheduler.ledger
    with closing(sqlite3.connect(str(ledger.path))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert ledger.path.stat().st_size > 0
    # Asked before each look: the third time two looks are over.
    looks = iter([False, False, True, True, True])
    assert list(follow(ledger, RunFilter(), lambda: next(looks))) == []
    scheduler.add_job(nothing, "cron", minute="*", id="a")
    write(prepared(scheduler), "scheduler_runs", [run("a", BEGIN)])
    assert next(follow(ledger, RunFilter(since=BEGIN)))["run_id"] == 1


def test_a_ledger_that_is_replaced_ends_the_following(history: AsyncIOScheduler) -> None:
    followed = follow(history.ledger, RunFilter(since=BEGIN))
    assert next(followed)["run_id"] == 1
    history.ledger.path.rename(history.ledger.path.with_suffix(".old"))
    with pytest.raises(LedgerError, match="was removed or replaced"):
        list(followed)


def test_a_ledger_that_is_replaced_just_before_a_look_ends_it_at_once(history: AsyncIOScheduler) -> None:
    path, asked = history.ledger.path, 0

    def replace() -> bool:
        """Called before each look: the third time one look is over, and the next one finds news."""
        nonlocal asked
        asked += 1
        if asked == 4:
            write(history.ledger, "scheduler_runs", [run("a", None, due_us=ticks.now())])
            path.rename(path.with_suffix(".old"))
            with closing(sqlite3.connect(path)) as other:
                other.execute("CREATE TABLE another (x)")
        return asked > 6

    # A process that lives has the one open that was there.
    with closing(history.ledger.connect()):
        followed = follow(history.ledger, RunFilter(since=BEGIN), replace)
        with pytest.raises(LedgerError, match="was removed or replaced"):
            list(followed)


def test_following_ends_after_as_many_as_are_wanted(history: AsyncIOScheduler) -> None:
    printed = ask(history, "runs", "--follow", "--since", "2026-03-01", "--limit", "2")
    lines = printed.splitlines()
    assert lines[0] == "runs as they end, times in UTC"
    assert [line.split()[0] for line in lines[1:]] == ["run", "1", "2"]
    assert lines[3].endswith("ValueError: no")
    printed = ask(history, "runs", "--follow", "--since", "2026-03-01", "--limit", "2", "--json")
    assert [json.loads(line)["run_id"] for line in printed.splitlines()] == [1, 2]


def test_the_audit_trail_of_a_job_that_is_none_is_refused_with_the_one_that_is_near(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(print, "cron", hour=3, id="hello")
    prepared(scheduler)
    assert audit_rows(scheduler.ledger, 5, "hello") == []
    for wanted in (
        partial(audit_rows, scheduler.ledger, 5, "helo"),
        partial(run_rows, scheduler.ledger, 5, RunFilter("helo")),
    ):
        with pytest.raises(ConfigurationError, match=r"^there is no job 'helo'; did you mean 'hello'\?$"):
            wanted()

"""`retry --failed`, and `pause`, `resume` and `cancel` by pattern: a preview, a question, many requests."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler, ConfigurationError, SchedulerClient
from everytick.api import loading
from everytick.cli import bulk, program
from everytick.errors import LedgerError, ScheduleError
from everytick.read import chosen
from typer.testing import CliRunner, Result

from histories import MINUTE, SECOND, ask_json, prepared, run, write
from ledgers import change
from standing import beats
from statements import statements

NOW = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()) * SECOND
HOUR = 60 * MINUTE


def nothing() -> None:
    """The body of all jobs."""


@pytest.fixture
def jobs(scheduler: AsyncIOScheduler, clock: Any) -> AsyncIOScheduler:
    """A scheduler that ran some jobs, whose runs failed or wait."""
    clock.set(NOW)
    for job_id in ("sync_1", "sync_2", "sync_10", "report", "odd[1]"):
        scheduler.add_job(nothing, "cron", hour=3, id=job_id)
    waiting = {"started_us": None, "finished_us": None, "process_id": None}
    rows = [
        run("sync_1", NOW - 5 * HOUR, "failed"),
        run("sync_1", NOW - HOUR, "lost"),
        run("sync_2", NOW - HOUR, "timed_out"),
        run("report", NOW - HOUR, "failed"),
        run("report", NOW - 2 * HOUR, "succeeded"),
        run("sync_2", NOW, "queued", **waiting),
        run("report", NOW, "queued", **waiting),
    ]
    write(prepared(scheduler), "scheduler_runs", rows)
    return scheduler


def call(scheduler: AsyncIOScheduler, *arguments: str, answer: str | None = None) -> Result:
    """Call a command; with an `answer` as a person at a terminal, on which the answer is seen too."""
    with (
        patch.object(loading, "load_schedule_for_command", lambda: scheduler),
        patch.object(bulk, "is_at_terminal", lambda: answer is not None),
    ):
        return CliRunner().invoke(program.app, arguments, input=answer, env={"COLUMNS": "80"})


def paused(scheduler: AsyncIOScheduler) -> list[str]:
    return [row["id"] for row in ask_json(scheduler, "jobs") if row["paused"]]


def states(scheduler: AsyncIOScheduler) -> dict[int, str]:
    return {row["run_id"]: row["state"] for row in ask_json(scheduler, "runs")}


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (["pause", "sync_*"], "Pause 3 jobs?"),
        (["pause", "report", "sync_2"], "Pause 2 jobs?"),
        (["retry", "--failed"], "Try 4 runs again?"),
        (["retry", "--failed", "--since", "2h"], "Try 3 runs again?"),
        (["retry", "--failed", "--job", "sync_*", "--until", "10:00"], "Try 1 run again?"),
        (["cancel", "sync_*"], "Cancel 1 run?"),
        (["cancel", "--state", "queued"], "Cancel 2 runs?"),
    ],
)
def test_a_script_without_yes_is_refused_and_nothing_happens(
    jobs: AsyncIOScheduler, arguments: list[str], question: str
) -> None:
    before = states(jobs), paused(jobs)
    done = call(jobs, *arguments)
    assert isinstance(done.exception, ConfigurationError)
    assert str(done.exception) == f"{question} There is no terminal to answer at: add --yes"
    assert done.stdout == ""
    assert (states(jobs), paused(jobs)) == before


def test_jobs_are_paused_and_resumed_by_pattern(jobs: AsyncIOScheduler) -> None:
    done = call(jobs, "pause", "sync_*", "--note", "the shop is closed", answer="y\n")
    assert (done.exit_code, done.stdout) == (0, " y\npaused: 3 jobs\n")
    # In the order in which people count.
    shown = [line.split()[0] for line in done.stderr.splitlines() if line.startswith("sync")]
    assert shown == ["sync_1", "sync_2", "sync_10"]
    assert "3 jobs to be paused\n" in done.stderr
    assert "Pause 3 jobs? [y/N]" in done.stderr
    assert paused(jobs) == ["sync_1", "sync_2", "sync_10"]

    done = call(jobs, "resume", "*", "--yes")
    assert (done.exit_code, done.stdout) == (0, "resumed: 3 jobs\n")
    assert "the shop is…" in done.stderr
    assert paused(jobs) == []
    trail = ask_json(jobs, "audit", "--job", "sync_1")
    assert [(row["action"], row["note"]) for row in trail] == [
        ("resume", None),
        ("pause", "the shop is closed"),
    ]


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_row_whose_id_nobody_can_ask_for_is_left_out_and_named(jobs: AsyncIOScheduler, verb: str) -> None:
    if verb == "resume":
        call(jobs, "pause", "*", "--yes")
    with closing(sqlite3.connect(jobs.ledger.path)) as connection, connection:
        connection.execute("UPDATE scheduler_jobs SET job_id = ? WHERE job_id = 'report'", ["a\0b"])
    done = call(jobs, verb, "*", "--yes")
    assert (done.exit_code, done.stdout) == (0, f"{verb.removesuffix('e')}ed: 4 jobs\n")
    assert "left out: nothing can be asked of a job with the id 'a\\x00b': it has NUL" in done.stderr
    assert f"4 jobs to be {verb.removesuffix('e')}ed" in done.stderr


def test_who_disabled_a_job_does_not_steer_the_terminal(jobs: AsyncIOScheduler) -> None:
    change(jobs.ledger, "UPDATE scheduler_jobs SET disabled_by = ? WHERE job_id = 'sync_1'", "\x1b]0;me\x07")
    done = call(jobs, "pause", "*", "--yes")
    assert "left out: job sync_1 is disabled by \\x1b]0;me\\x07\n" in done.stderr


def test_a_no_changes_nothing(jobs: AsyncIOScheduler) -> None:
    done = call(jobs, "pause", "sync_*", answer="n\n")
    assert (done.exit_code, done.stdout) == (1, " n\nnothing was changed\n")
    assert paused(jobs) == []


def test_a_pause_of_many_may_end_by_itself(jobs: AsyncIOScheduler) -> None:
    assert call(jobs, "pause", "sync_*", "--until", "2h", "--yes").exit_code == 0
    row = next(row for row in ask_json(jobs, "jobs") if row["id"] == "sync_1")
    assert row["paused_until"] == "2026-03-02T14:00:00+00:00"


def test_jobs_that_are_paused_already_are_left_alone_unless_they_get_a_note(jobs: AsyncIOScheduler) -> None:
    SchedulerClient().pause_job("sync_1", note="first")
    assert call(jobs, "pause", "sync_*", "--yes").stdout == "paused: 2 jobs\n"
    assert (
        call(jobs, "pause", "sync_*", "--yes").stdout
        == "nothing to do: all of these jobs are paused already\n"
    )
    assert "sync_1" in call(jobs, "pause", "sync_*", "--note", "second", "--yes").stderr
    notes = {row["pause_note"] for row in ask_json(jobs, "jobs") if row["paused"]}
    assert notes == {"second"}


@pytest.mark.parametrize("which", [["--job", "sync_*"], ["sync_*"]])
def test_failed_runs_are_tried_again_by_time_and_job(jobs: AsyncIOScheduler, which: list[str]) -> None:
    done = call(jobs, "retry", "--failed", "--since", "2h", *which, "--yes")
    assert (done.exit_code, done.stdout) == (0, "to be tried again: 2 runs\n")
    found = states(jobs)
    assert [found[number] for number in range(1, 6)] == [
        *("failed", "queued", "queued"),
        *("failed", "succeeded"),
    ]


def test_of_what_is_tried_again_it_is_told_what_somebody_has_to_let_begin(jobs: AsyncIOScheduler) -> None:
    beats(jobs.ledger)
    SchedulerClient().pause_job("sync_1")
    SchedulerClient().pause_job("sync_2")
    done = call(jobs, "retry", "--failed", "--yes")
    assert done.stdout == "to be tried again: 4 runs\n"
    told = done.stderr.splitlines()
    assert "the runs of sync_1 (2): each waits until the job sync_1 is resumed" in told
    assert "run 3 of sync_2 waits until the job sync_2 is resumed" in told
    assert not [line for line in told if "report" in line and "waits" in line]


def test_a_lost_run_that_may_have_done_its_work_is_left_out_unless_it_is_named(
    jobs: AsyncIOScheduler,
) -> None:
    change(jobs.ledger, "UPDATE scheduler_jobs SET on_crash = 'skip' WHERE job_id = 'sync_1'")
    done = call(jobs, "retry", "--failed", "--since", "2h", "--job", "sync_*", "--yes")
    assert done.stdout == "to be tried again: 1 run\n"
    assert "retried only by number:\n  run 2 of sync_1, which was lost\n" in done.stderr
    assert states(jobs)[2] == "lost"
    assert call(jobs, "retry", "2").exit_code == 0
    assert states(jobs)[2] == "queued"


def test_who_cancels_is_told_that_a_plain_function_goes_on(jobs: AsyncIOScheduler) -> None:
    change(jobs.ledger, "UPDATE scheduler_runs SET state = 'running', started_us = 5 WHERE run_id = 6")
    beats(jobs.ledger)
    change(jobs.ledger, "UPDATE scheduler_runs SET process_id = 'p' WHERE run_id = 6")
    told = "a plain function cannot be stopped: it goes on, and its outcome counts when it ends"
    assert call(jobs, "cancel", "6").stdout == f"run 6 was asked to end; {told}\n"
    assert told in call(jobs, "cancel", "sync_2", "--state", "running", "--yes").stderr
    assert told[1:] in " ".join(call(jobs, "why", "sync_2", "--run", "6").stdout.split())


def test_runs_under_way_are_cancelled_by_job_and_state(jobs: AsyncIOScheduler) -> None:
    done = call(jobs, "cancel", "sync_2", "--state", "queued", answer="y\n")
    assert (done.exit_code, done.stdout) == (0, " y\ncancelled: 1 run\n")
    assert states(jobs)[6] == "cancelled"
    assert states(jobs)[7] == "queued"
    assert call(jobs, "cancel", "sync_2", "--yes").stdout == "nothing to do: sync_2 has no run under way\n"


def let_retries_fail(monkeypatch: pytest.MonkeyPatch, which: int, problem: Exception) -> list[int]:
    """Let the request about one run fail; return the list of runs about which requests are made."""
    retry, asked = SchedulerClient.retry_run, list[int]()

    def refuse_one(client: SchedulerClient, run_id: int, **more: Any) -> None:
        asked.append(run_id)
        if run_id == which:
            raise problem
        retry(client, run_id, **more)

    monkeypatch.setattr(SchedulerClient, "retry_run", refuse_one)
    return asked


def test_of_many_some_may_be_refused(jobs: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    let_retries_fail(monkeypatch, 2, ScheduleError("run 2 is under way again"))
    done = call(jobs, "retry", "--failed", "--since", "2h", "--yes")
    assert (done.exit_code, done.stdout) == (1, "to be tried again: 2 runs; refused: 1 run\n")
    assert done.stderr.endswith("error: run 2 of sync_1: run 2 is under way again\n")
    assert [states(jobs)[number] for number in (2, 3, 4)] == ["lost", "queued", "queued"]


def test_nothing_more_is_tried_when_the_ledger_does_not_answer(
    jobs: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = LedgerError("the ledger is held by another program")
    asked = let_retries_fail(monkeypatch, 3, away)
    done = call(jobs, "retry", "--failed", "--yes")
    assert asked == [4, 3]
    assert (done.exit_code, done.stdout) == (
        1,
        "to be tried again: 1 run; refused: 1 run; not tried: 2 runs\n",
    )
    assert done.stderr.endswith(
        "error: run 3 of sync_2: the ledger is held by another program\n"
        "error: not tried: 2 runs, for the ledger cannot be used now\n"
    )
    asked.clear()
    done = call(jobs, "retry", "--failed", "--yes", "--json")
    assert asked == [3]
    assert done.exit_code == 1
    assert [(row["run_id"], row["became"], row["refused"]) for row in json.loads(done.stdout)] == [
        (3, None, "the ledger is held by another program"),
        (2, None, "not tried"),
        (1, None, "not tried"),
    ]


def test_scripts_get_what_became_of_each(jobs: AsyncIOScheduler) -> None:
    done = call(jobs, "cancel", "--state", "queued", "--yes", "--json")
    assert json.loads(done.stdout) == [
        {"run_id": 6, "job_id": "sync_2", "became": "cancelled", "refused": None},
        {"run_id": 7, "job_id": "report", "became": "cancelled", "refused": None},
    ]
    done = call(jobs, "pause", "sync_1", "sync_2", "--yes", "--json")
    assert json.loads(done.stdout) == [
        {"job_id": job_id, "became": "paused", "refused": None} for job_id in ("sync_1", "sync_2")
    ]


def test_a_preview_is_no_longer_than_a_screen(jobs: AsyncIOScheduler) -> None:
    write(
        jobs.ledger,
        "scheduler_runs",
        [run("report", NOW - HOUR - number * SECOND, "failed") for number in range(1, 90)],
    )
    done = call(jobs, "retry", "--failed", "--since", "2h", "--job", "report", "--yes")
    assert done.stdout == "to be tried again: 90 runs\n"
    assert len(done.stderr.splitlines()) < 24
    assert "and 75 more" in done.stderr


def test_more_than_anybody_means_are_not_touched(
    jobs: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST", 2)
    done = call(jobs, "retry", "--failed", "--yes")
    assert done.stderr.startswith("only the first 2 are meant: ")
    assert done.stdout == "to be tried again: 2 runs\n"


def test_of_more_than_are_meant_the_newest_are_taken_whatever_their_job(
    jobs: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST", 2)
    # As with more jobs than one question may name.
    monkeypatch.setattr(chosen, "MOST_IDS", 1)
    done = call(jobs, "retry", "--failed", "--job", "sync_*", "--json", "--yes")
    assert [row["run_id"] for row in json.loads(done.stdout)] == [3, 2]


def test_the_ledger_is_asked_for_no_more_runs_than_are_meant(jobs: AsyncIOScheduler) -> None:
    """A server sends all rows of an answer at once, and a ledger may hold millions of failed runs."""
    with statements() as noted:
        call(jobs, "retry", "--failed")
        call(jobs, "retry", "--failed", "--job", "sync_*")
        call(jobs, "cancel", "sync_*")
    asked = [one.sql for one in noted if "error" in one.sql]
    assert len(asked) == 4
    assert all("LIMIT" in statement for statement in asked)
    assert all("job_id || " in statement for statement in asked[1:])


def test_one_exact_job_or_run_is_not_asked_about(jobs: AsyncIOScheduler) -> None:
    assert call(jobs, "pause", "report").stdout == "report is paused\n"
    # Also where its id looks like a pattern.
    assert call(jobs, "pause", "odd[1]").stdout == "odd[1] is paused\n"
    assert call(jobs, "resume", "report").stdout == "report is resumed\n"
    assert call(jobs, "cancel", "6").stdout == "run 6 is cancelled\n"
    assert ask_json(jobs, "runs", "--job", "sync_2")[0]["state"] == "cancelled"


def test_who_names_a_job_to_be_tried_again_is_told_how(jobs: AsyncIOScheduler) -> None:
    said = str(call(jobs, "retry", "sync_*", "--yes").exception)
    assert said.startswith("'sync_*' is not the number of a run such as 4711; if it is a job, ")
    assert said.endswith("retry --failed 'sync_*'")


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
def test_a_pattern_that_means_no_job_is_refused(jobs: AsyncIOScheduler, command: str) -> None:
    assert str(call(jobs, command, "x*", "--yes").exception) == "no job has an id like 'x*'"


@pytest.mark.parametrize("what", [["report"], ["sync_*"]])
def test_a_resume_of_a_pause_without_ticks_asks_nothing(
    jobs: AsyncIOScheduler, clock: Any, what: list[str]
) -> None:
    call(jobs, "pause", *what, "--yes")
    # Nobody answers: there is no terminal.
    done = call(jobs, "resume", *what)
    assert (done.exit_code, "?" in done.output) == (0, False)
    assert "resumed" in done.stdout
    call(jobs, "pause", *what, "--yes")
    clock.set(NOW + 24 * HOUR)
    if what == ["sync_*"]:
        refused = call(jobs, "resume", *what)
        assert "There is no terminal to answer at: add --yes" in str(refused.exception)
    assert paused(jobs)
    done = call(jobs, "resume", *what, answer="n\n")
    assert (done.exit_code, "Resume" in done.stderr) == (1, True)
    assert paused(jobs)
    assert "resumed" in call(jobs, "resume", *what, "--yes").stdout


def test_a_script_that_names_one_job_resumes_it(jobs: AsyncIOScheduler, clock: Any) -> None:
    call(jobs, "pause", "report", "--yes")
    clock.set(NOW + 24 * HOUR)
    done = call(jobs, "resume", "report")
    assert (done.exit_code, done.stdout) == (0, "report is resumed\n")
    assert not paused(jobs)


def test_a_pause_with_an_end_is_answered_with_that(jobs: AsyncIOScheduler, clock: Any) -> None:
    told = call(jobs, "pause", "report", "--until", "5m").stdout
    assert re.fullmatch(r"report is paused until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n", told)
    several = call(jobs, "pause", "sync_*", "--until", "5m", "--yes").stdout
    assert several.startswith("paused until ")


def test_a_cancel_of_a_job_of_which_nothing_runs_says_so(jobs: AsyncIOScheduler) -> None:
    call(jobs, "cancel", "report", "--yes")
    assert call(jobs, "cancel", "report").stdout == "nothing to do: report has no run under way\n"


@pytest.mark.parametrize(
    "arguments", [["cancel"], ["pause"], ["resume"], ["cancel", "--job"], ["retry", "--failed"]]
)
def test_an_empty_text_is_no_job_and_never_all_of_them(jobs: AsyncIOScheduler, arguments: list[str]) -> None:
    before = states(jobs)
    answer = call(jobs, *arguments, "", "--yes")
    assert isinstance(answer.exception, ConfigurationError)
    assert str(answer.exception).startswith("there is no job ''")
    assert answer.stdout == ""
    assert states(jobs) == before
    assert paused(jobs) == []


@pytest.mark.parametrize("arguments", [["retry", "--failed"], ["cancel", "report"]])
def test_an_empty_option_narrows_to_nothing(jobs: AsyncIOScheduler, arguments: list[str]) -> None:
    before = states(jobs)
    option = "--state" if arguments[0] == "cancel" else "--since"
    for name in ("--job", option):
        answer = call(jobs, *arguments, name, "", "--yes")
        assert isinstance(answer.exception, ConfigurationError)
        assert answer.stdout == ""
        assert states(jobs) == before

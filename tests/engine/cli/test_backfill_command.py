"""The command `backfill`: a preview, a question, how far each is, a stop."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler, ConfigurationError, ScheduleError, SchedulerClient
from everytick.api import loading
from everytick.cli import completion, program
from everytick.doctor.backfills import examine_backfills
from everytick.model import ticks
from everytick.read.backfills import backfill_rows
from everytick.store.backfills import make_runs
from everytick.store.connections import transaction
from everytick.store.querying import connect
from typer.testing import CliRunner

import added_tasks
from histories import ask, ask_json, prepared
from inside import Clock
from ledgers import changing
from sample_ledger import up

SPAN = ("--from", "2026-03-01", "--to", "2026-03-04T03:00")


@pytest.fixture
def nightly(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    scheduler.add_job(added_tasks.note, "cron", hour=3, id="report")
    prepared(scheduler)
    return scheduler


def make(scheduler: AsyncIOScheduler, number: int, state: str | None = None) -> None:
    """Make a run of a backfill, as a scheduler does, and let it end."""
    with closing(scheduler.ledger.connect()) as connection, transaction(connection):
        make_runs(connection, number)
    if state:
        with changing(scheduler.ledger) as hand:
            hand.execute("UPDATE scheduler_runs SET state = ? WHERE state = 'queued'", (state,))


def test_a_preview_comes_before_the_question(nightly: AsyncIOScheduler) -> None:
    with patch.object(loading, "load_schedule_for_command", lambda: nightly):
        done = CliRunner().invoke(program.app, ["backfill", "report", *SPAN, "--rate", "2"])
    assert done.stderr.splitlines() == [
        "report: 4 ticks, from 2026-03-01 03:00:00 UTC to 2026-03-04 03:00:00 UTC",
        "each gets a run, beside the schedule; one run after another",
        "at most 2 of them begin in a minute, so it takes 1 min 30 s at least",
    ]
    assert str(done.exception) == "Backfill report with 4 runs? There is no terminal to answer at: add --yes"
    assert ask_json(nightly, "backfill") == []


def test_who_answers_no_changes_nothing(nightly: AsyncIOScheduler) -> None:
    with (
        patch.object(loading, "load_schedule_for_command", lambda: nightly),
        patch("everytick.cli.bulk.is_at_terminal", return_value=True),
    ):
        done = CliRunner().invoke(program.app, ["backfill", "report", *SPAN], input="n\n")
        assert (done.exit_code, done.stdout.splitlines()[-1]) == (1, "nothing was changed")
        done = CliRunner().invoke(program.app, ["backfill", "report", *SPAN], input="y\n")
    sentence = "backfill 1 of report begins: 4 runs when a scheduler is started; no scheduler is up"
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, sentence)


def test_one_of_a_disabled_job_waits_for_no_pause(nightly: AsyncIOScheduler) -> None:
    ask(nightly, "backfill", "report", *SPAN, "--yes")
    setting = "SCHEDULER_DISABLED_JOBS=rep*"
    with changing(nightly.ledger) as hand:
        hand.execute("UPDATE scheduler_jobs SET paused_us = 1, disabled_by = ?", (setting,))
    assert "waits: job disabled" in ask(nightly, "backfill")
    [row] = ask_json(nightly, "backfill")
    assert (row["waits_for_resume"], row["disabled_by"]) == (True, setting)
    assert "4 of 4 runs to come, none while the job is disabled" in ask(
        nightly, "plan", "--job", "report", "--summary"
    )
    with changing(nightly.ledger) as hand:
        hand.execute("UPDATE scheduler_jobs SET disabled_by = NULL")
    assert "waits: job paused" in ask(nightly, "backfill")


def test_one_of_a_job_that_cannot_run_waits_for_that(nightly: AsyncIOScheduler) -> None:
    with up(nightly.ledger):
        with changing(nightly.ledger) as hand:
            told = '{"report": "it takes no argument day"}'
            hand.execute("UPDATE scheduler_processes SET cannot_run = ?", (told,))
        said = ask(nightly, "backfill", "report", *SPAN, "--yes")
        assert said.startswith("backfill 1 waits: the job report cannot run: it takes no argument day (as ")
        assert "waits: job cannot run" in ask(nightly, "backfill")
        [row] = ask_json(nightly, "backfill")
        assert (row["state"], row["waits_for_resume"]) == ("running", False)
        assert row["cannot_run"].startswith("it takes no argument day")
        assert "none while the job cannot run" in ask(nightly, "plan", "--job", "report", "--summary")
        with connect(nightly.ledger) as connection:
            [found] = examine_backfills(connection, ticks.now(), UTC)
        assert found.level == "warning"
        assert "waits, with 4 of 4 runs to come: its job cannot run: it takes no argument" in found.what


@pytest.mark.parametrize("yes", [True, False])
def test_it_runs_the_ticks_that_were_previewed_though_others_have_come(
    scheduler: AsyncIOScheduler, clock: Clock, yes: bool
) -> None:
    scheduler.add_job(added_tasks.note, "interval", seconds=10, id="often")
    prepared(scheduler)
    clock.set(ticks.instant(datetime(2027, 3, 1, 9, 0, 5, tzinfo=UTC)))

    def think(question: str, yes: bool) -> bool:
        clock.step(25)
        return True

    with (
        patch.object(loading, "load_schedule_for_command", lambda: scheduler),
        patch("everytick.cli.bulk.is_wanted", think),
    ):
        arguments = ["backfill", "often", "--from", "5m", *(["--yes"] if yes else [])]
        done = CliRunner().invoke(program.app, arguments)
    assert "often: 30 ticks, from 2027-03-01 08:55:10 UTC to 2027-03-01 09:00:00 UTC" in done.stderr
    assert "backfill 1 of often begins: 30 runs" in done.stdout
    [row] = backfill_rows(scheduler.ledger, 10)
    assert (row["from"], row["to"][:19]) == ("2027-03-01T08:55:05+00:00", "2027-03-01T09:00:05")


def test_without_any_it_is_said_that_there_are_none(nightly: AsyncIOScheduler) -> None:
    assert ask(nightly, "backfill") == "none\n"


def test_how_far_each_is(nightly: AsyncIOScheduler) -> None:
    ask(nightly, "backfill", "report", *SPAN, "--yes", "--note", "a wrong feed")
    for state in ("succeeded", "failed", None):
        make(nightly, 1, state)
    shown = ask(nightly, "backfill")
    head, row = (line.split() for line in shown.splitlines()[1::2][:2])
    assert head[:5] == ["number", "job", "state", "made", "runs"]
    assert row[:6] == ["1", "report", "running", "3", "of", "4"]
    assert "1 failed, 1 queued, 1 succeeded" in shown
    assert shown == ask(nightly, "backfill", "report", "--list")
    [found] = ask_json(nightly, "backfill")
    assert found | {"asked_at": "", "asked_by": ""} == {
        "backfill_id": 1,
        "job_id": "report",
        "state": "running",
        "why": None,
        "waits_for_resume": False,
        "disabled_by": None,
        "cannot_run": None,
        "from": "2026-03-01T00:00:00+00:00",
        "to": "2026-03-04T03:00:00+00:00",
        "only_missed": False,
        "rate": None,
        "max_instances": 1,
        "ticks": 4,
        "made": 3,
        "runs": {"succeeded": 1, "failed": 1, "queued": 1},
        "asked_at": "",
        "asked_by": "",
        "note": "a wrong feed",
        "ended_at": None,
    }


def test_its_runs_are_told_as_such(nightly: AsyncIOScheduler) -> None:
    ask(nightly, "backfill", "report", *SPAN, "--yes")
    make(nightly, 1, "failed")
    assert "backfill 1" in ask(nightly, "show", "1")
    assert "stands in for  2026-03-01 03:00:00 UTC" in ask(nightly, "show", "1").replace(" " * 6, " " * 2)
    [row] = ask_json(nightly, "runs")
    assert (row["kind"], row["backfill_id"], row["tick"]) == ("backfill", 1, None)
    shown = ask(nightly, "runs", FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80")
    assert "for 2026-03-01 03:00:00" in shown
    sentence = "Run 1 was made by backfill 1, to stand in for the tick 2026-03-01 03:00:00 UTC"
    assert sentence in ask(nightly, "why", "report", "--run", "1")
    assert "Run 1, made by backfill 1, stands in for this tick (failed)" in ask(
        nightly, "why", "report", "2026-03-01T03:00"
    )


def test_it_is_stopped_and_continued_by_its_number(nightly: AsyncIOScheduler) -> None:
    ask(nightly, "backfill", "report", *SPAN, "--yes")
    assert completion.backfills_that_go_on("") == [("1", "report")]
    said = "backfill 1 of report is stopped, with 0 of 4 runs made; what is under way goes on\n"
    assert ask(nightly, "backfill", "--stop", "1", "--note", "later") == said
    assert ask(nightly, "backfill", "--stop", "1") == "backfill 1 was stopped already\n"
    assert (completion.backfills_that_go_on(""), completion.stopped_backfills("1")) == ([], [("1", "report")])
    assert ask_json(nightly, "backfill", "--continue", "1")["state"] == "running"
    assert ask(nightly, "backfill", "--continue", "1") == "backfill 1 goes on already\n"
    assert [row["note"] for row in ask_json(nightly, "audit")][:2] == ["backfill 1", "backfill 1: later"]


def test_one_of_a_paused_job_waits(nightly: AsyncIOScheduler) -> None:
    SchedulerClient().pause_job("report")
    said = ask(nightly, "backfill", "report", *SPAN, "--yes")
    assert said == "backfill 1 waits until the job report is resumed\n"
    make(nightly, 1)
    assert ask_json(nightly, "runs") == []
    assert "waits: job paused" in ask(nightly, "backfill")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("report", "say from when: --from TIME, or --list"),
        ("--from 2h", "say which job is to run for its past ticks: backfill JOB --from TIME"),
        (
            "--only-missed",
            "--only-missed has no effect beside the list of backfills: it goes with backfill JOB",
        ),
        ("--rate 5", "--rate has no effect beside the list of backfills"),
        ("--max-instances 1", "--max-instances has no effect beside the list of backfills"),
        ("--to 2d", "--to has no effect beside the list of backfills"),
        ("report --list --note x", "--note has no effect beside the list of backfills"),
        ("--stop 1 --rate 5", "--rate has no effect beside --stop and --continue: it goes with backfill JOB"),
        ("--continue 1 --only-missed", "--only-missed has no effect beside --stop and --continue"),
        ("--stop 1 --limit 3", "--limit has no effect beside --stop and --continue: leave it out"),
        ("report --from 2h --limit 3 --yes", "--limit has no effect beside a backfill that begins: leave it"),
        ("report --from 2h --list", "give one of --from, --list, --stop and --continue"),
        ("report --stop 1", "leave the job out"),
        ("--stop one", "--stop takes a whole number"),
        ("--stop 0", "--stop takes a whole number of 1 or more, and not '0'"),
        ("--stop 9", "there is no backfill 9, or it is not kept any more"),
        ("report --from soon", "--from 'soon' is not a date or time such as"),
        ("report --from 2h --to 3h", "is later than its end"),
        ("report --from 2h --rate 0", "--rate takes a whole number from 1 to 6,000"),
        ("report --from 2h --max-instances 1000", "--max-instances takes a whole number from 1 to 100"),
        ("raport --from 2h", "there is no job 'raport'"),
        ("report --from 2026-03-01T04:00 --to 2026-03-01T05:00 --yes", "there is nothing to do: no tick"),
    ],
)
def test_wrong_usage_is_a_sentence(nightly: AsyncIOScheduler, arguments: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence.replace("(", r"\(")):
        ask(nightly, "backfill", *arguments.split())


def test_who_answers_when_the_schedule_is_another_one_begins_nothing(nightly: AsyncIOScheduler) -> None:
    def think(question: str, yes: bool) -> bool:
        deployed = AsyncIOScheduler()
        deployed.add_job(added_tasks.note, "cron", hour="*", id="report")
        prepared(deployed)
        return True

    with patch("everytick.cli.bulk.is_wanted", think), pytest.raises(ScheduleError) as raised:
        ask(nightly, "backfill", "report", *SPAN)
    assert "the job 'report' has another schedule by now than the one whose ticks were" in str(raised.value)
    assert ask_json(nightly, "backfill") == []

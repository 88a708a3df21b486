"""The command `backfill`: a preview, a question, how far each is, a stop."""

from __future__ import annotations

from contextlib import closing
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler, ConfigurationError, SchedulerClient
from everytick.api import loading
from everytick.cli import completion, program
from everytick.store.backfills import make_runs
from everytick.store.connections import transaction
from typer.testing import CliRunner

import added_tasks
from histories import ask, ask_json, prepared
from ledgers import changing

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

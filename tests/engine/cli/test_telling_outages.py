"""An outage of the night is told in one sentence by the commands that one looks at first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler
from everytick import app as which
from everytick.api import loading
from everytick.cli import program
from everytick.read.run_counts import count_states
from everytick.read.run_filter import RunFilter
from everytick.read.run_pages import list_runs
from everytick.store import querying
from everytick.store.querying import connect
from everytick.system import use
from typer.testing import CliRunner

from histories import HOUR, MINUTE, SECOND, ask, ask_json, prepared, run, write

MORNING = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * SECOND
DOWN, BACK = MORNING - 410 * MINUTE, MORNING - 210 * MINUTE
TOLD = (
    "no scheduler was running from 02:10:00 to 05:30:00: 14 ticks missed"
    " (python -m app runs --missed --since 2026-03-02T02:10 --until 2026-03-02T05:30)"
)


@pytest.fixture
def night(scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncIOScheduler]:
    """It is nine; from ten past two to half past five nothing was up, and fourteen ticks are lost."""
    monkeypatch.setattr(which.current(), "command", "python -m app")
    with use(time_ns=lambda: MORNING * 1_000):
        scheduler.add_job(print, "cron", minute="*/15", timezone="UTC", id="pump")
        scheduler.add_job(print, "cron", day=1, timezone="UTC", id="quiet")
        lost: dict[str, Any] = {"reason": "outage", "finished_us": BACK}
        write(
            prepared(scheduler),
            "scheduler_runs",
            [
                run("pump", DOWN - 5 * MINUTE),
                run("report", DOWN, "skipped", **lost),
                run(
                    "pump",
                    *(DOWN + 5 * MINUTE, "skipped"),
                    **lost | {"last_tick_us": BACK - 15 * MINUTE, "tick_count": 13},
                ),
                run("pump", BACK),
            ],
        )
        yield scheduler


@pytest.mark.parametrize(
    "command",
    [
        *("runs", "runs --since yesterday --until 08:00", "runs --failed --since 03:00 --until 04:00"),
        *("runs --job pump", "runs --job report --since yesterday"),
    ],
)
def test_it_is_told_below_the_list(night: AsyncIOScheduler, command: str) -> None:
    assert ask(night, *command.split(" ")).splitlines()[-1] == TOLD


@pytest.mark.parametrize(
    "command",
    [
        *("runs --since 06:00", "runs --until 02:00", "runs --missed", "runs --reason outage"),
        # These runs are of a time after it, and that job missed nothing.
        *("runs -n 1", "runs --job quiet", "runs --job quiet --since yesterday"),
        # All jobs that there are ran again since.
        "jobs",
    ],
)
def test_it_is_not_told_of_another_time_or_to_who_asks_for_the_ticks(
    night: AsyncIOScheduler, command: str
) -> None:
    assert "no scheduler was running" not in ask(night, *command.split(" "))


def test_the_command_that_is_named_lists_the_ticks_that_were_counted(night: AsyncIOScheduler) -> None:
    # Another tick was missed later.
    later = run("quiet", BACK + HOUR, "skipped", reason="missed", finished_us=BACK + 2 * HOUR)
    write(night.ledger, "scheduler_runs", [later])
    command = TOLD.removesuffix(")").partition("python -m app ")[2]
    listed = ask_json(night, *command.split())
    assert [row.get("count", 1) for row in listed] == [13, 1]
    assert ask(night, *command.split()).splitlines()[0] == "14 ticks in 2 rows, newest first, times in UTC"


def test_ticks_that_nobody_claimed_before_it_are_told_and_listed(night: AsyncIOScheduler) -> None:
    """As where the process still sent heartbeats, and its event loop was blocked."""
    process = {"process_id": "gone", "role": None, "started_us": DOWN - 9 * HOUR, "has_died": 1}
    later = {"process_id": "now", "role": None, "started_us": BACK, "has_died": 0, "ended_us": MORNING}
    write(night.ledger, "scheduler_past_processes", [{**process, "ended_us": BACK - HOUR}, later])
    told = ask(night, "runs").splitlines()[-1]
    assert told == (
        "no scheduler was running from 04:30:00 to 05:30:00: 14 ticks missed, the first of 02:10:00"
        " (python -m app runs --missed --since 2026-03-02T02:10 --until 2026-03-02T05:30)"
    )
    sentence = ask(night, "why", "pump", "2026-03-02T03:00")
    assert "(of ticks that nobody claimed the first was due at 2026-03-02 02:10:00 UTC)" in sentence


def test_below_jobs_it_is_told_if_one_of_them_has_not_run_since(night: AsyncIOScheduler) -> None:
    lost: dict[str, Any] = {"reason": "outage", "finished_us": BACK}
    write(night.ledger, "scheduler_runs", [run("quiet", DOWN + HOUR, "skipped", **lost)])
    missed, _nobody_is_up, outage = ask(night, "jobs").splitlines()[-3:]
    assert missed == "quiet: its last tick (03:10:00) did not run: no scheduler was up"
    assert outage == TOLD.replace("14 ticks", "15 ticks")
    assert "no scheduler was" not in ask(night, "jobs", "pump")


@pytest.mark.parametrize(
    ("span", "jobs"),
    [
        (["--since", "02:00", "--until", "04:00"], ["pump", "report"]),
        (["--since", "03:00", "--until", "03:20"], ["pump"]),
        (["--until", "02:12"], ["report"]),
        (["--since", "01:00", "--until", "02:10"], []),
        (["--since", "02:00", "--until", "06:00"], ["pump", "report"]),
    ],
)
def test_ticks_of_an_outage_are_listed_in_the_time_in_which_they_were_due(
    night: AsyncIOScheduler, span: list[str], jobs: list[str]
) -> None:
    assert sorted(row["job_id"] for row in ask_json(night, "runs", "--missed", *span)) == jobs
    instants = [int(local_instant(time)) for time in span[1::2]]
    since, until = instants if len(instants) == 2 else (None, instants[0])
    wanted = RunFilter(since=since, until=until, reasons=("outage", "coalesced", "missed"))
    with connect(night.ledger) as connection:
        listed, _more = list_runs(connection, wanted, 10)
        of_pump, _more = list_runs(connection, replace(wanted, job_id="pump", since=None), 10)
        number = count_states(connection, wanted).total
    assert sorted(row.job_id for row in listed) == jobs
    assert len(of_pump) == ("pump" in jobs)
    assert number == len(jobs)


def local_instant(time: str) -> int:
    """Return the instant of a time of this morning, in microseconds."""
    hour, minute = map(int, time.split(":"))
    return MORNING - (540 - hour * 60 - minute) * MINUTE


def test_the_doctor_warns_of_it(night: AsyncIOScheduler) -> None:
    with patch.object(loading, "load_schedule_for_command", lambda: night):
        shown = CliRunner().invoke(program.app, ["doctor"]).stdout
    sentence, _, command = TOLD.removesuffix(")").partition(" (")
    assert f"warning  outage: {sentence}\n         right: {command}\n" in shown


def test_of_many_the_newest_three_are_told_and_how_many_there_are(night: AsyncIOScheduler) -> None:
    days = range(1, 6)
    day = 24 * HOUR
    more = [run("pump", DOWN - n * day, "skipped", reason="outage", finished_us=BACK - n * day) for n in days]
    write(night.ledger, "scheduler_runs", more)
    *_, third, _second, first, rest = ask(night, "runs", "--since", "7d").splitlines()
    assert third.startswith(
        "no scheduler was running from 2026-02-28 02:10:00 to 2026-02-28 05:30:00: 1 tick"
    )
    assert first == TOLD
    assert rest == "and 3 outages before"


@pytest.mark.parametrize("command", ["jobs", "runs", "runs --missed", "runs --until 08:00"])
def test_what_stands_below_a_list_is_read_at_once(
    night: AsyncIOScheduler, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, *options = command.split(" ")
    usual, opened = querying.connect_checked, []

    def counted(ledger: Any) -> Any:
        opened.append(sys._getframe(1).f_code.co_filename)
        return usual(ledger)

    monkeypatch.setattr(querying, "connect_checked", counted)
    ask(night, name, *options)
    assert sum(file.endswith("cli/outages.py") for file in opened) <= 1

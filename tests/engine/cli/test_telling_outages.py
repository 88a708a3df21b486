"""An outage of the night is told in one sentence by the commands that one looks at first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler
from everytick import app as which
from everytick.api import loading
from everytick.cli import program
from everytick.system import use
from typer.testing import CliRunner

from histories import HOUR, MINUTE, SECOND, ask, ask_json, prepared, run, write

MORNING = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * SECOND
DOWN, BACK = MORNING - 410 * MINUTE, MORNING - 210 * MINUTE
TOLD = (
    "no scheduler was running from 02:10:00 to 05:30:00: 14 ticks missed"
    " (python -m app runs --missed --since 2026-03-02T02:10)"
)


@pytest.fixture
def night(scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncIOScheduler]:
    """It is nine; from ten past two to half past five nothing was up, and fourteen ticks are lost."""
    monkeypatch.setattr(which.current(), "command", "python -m app")
    with use(time_ns=lambda: MORNING * 1_000):
        scheduler.add_job(print, "cron", minute="*/15", timezone="UTC", id="pump")
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
    ["runs", "runs --since yesterday --until 08:00", "runs --failed --since 03:00 --until 04:00", "jobs"],
)
def test_it_is_told_below_the_list(night: AsyncIOScheduler, command: str) -> None:
    assert ask(night, *command.split(" ")).splitlines()[-1] == TOLD


@pytest.mark.parametrize(
    "command", ["runs --since 06:00", "runs --until 02:00", "runs --missed", "runs --reason outage"]
)
def test_it_is_not_told_of_another_time_or_to_who_asks_for_the_ticks(
    night: AsyncIOScheduler, command: str
) -> None:
    assert "no scheduler was running" not in ask(night, *command.split(" "))


def test_the_command_that_is_named_lists_the_ticks(night: AsyncIOScheduler) -> None:
    listed = ask_json(night, "runs", "--missed", "--since", "2026-03-02T02:10")
    assert [row.get("count", 1) for row in listed] == [13, 1]


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

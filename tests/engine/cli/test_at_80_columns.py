"""The commands as they look at 80 columns, on a ledger with one example of each trouble.

The pictures stand beside this file, so that a change of what people see is seen. Where a picture differs, the
new one is written into `build/at_80_columns`, to be looked at and put into its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.system import use

from app_session import ROOT
from histories import SECOND, ask, prepared, run, write
from sample_ledger import fill, schedule_body, task

PICTURES = Path(__file__).with_name("at_80_columns")
NOW = int(datetime(2026, 11, 20, 12, 30, tzinfo=UTC).timestamp()) * SECOND
ERROR = (
    "HTTPStatusError: Server error '503 Service Unavailable' for url"
    " 'https://api.example.org/v1/plants/17/valves?open=true'\n"
    "For more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/503"
)
LONG_ID = "reconciliation_of_the_accounts_of_all_customers_of_the_northern_branch"
COMMANDS = ["plan", "plan --summary", "jobs", "jobs --sort state", "runs", "runs --failed"]


@pytest.fixture
def troubled(scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncIOScheduler]:
    """A schedule and its ledger, both full of troubles, at an instant at which the clock stands still."""
    monkeypatch.setenv("TERM", "xterm")
    with use(time_ns=lambda: NOW * 1_000):
        found = fill(scheduler.ledger)
        body = schedule_body(ticks.moment(found.tick).hour, "removed")
        exec(body, {"scheduler": scheduler, "task": task})
        scheduler.add_job(task, "interval", seconds=10, id="water_the_plants", name="Every plant")
        scheduler.add_job(task, "cron", hour=9, timezone="Asia/Tokyo", id=LONG_ID)
        prepared(scheduler)
        write(
            scheduler.ledger, "scheduler_runs", [run("water_the_plants", found.tick, "failed", error=ERROR)]
        )
        yield scheduler


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_looks_as_its_picture(troubled: AsyncIOScheduler, command: str) -> None:
    shown = ask(troubled, *command.split(), COLUMNS="80")
    name = f"{command.replace(' --', '_').replace(' ', '_')}.txt"
    picture = PICTURES / name
    if not picture.exists() or picture.read_text(encoding="utf-8") != shown:
        new = ROOT / "build" / PICTURES.name / name
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(shown, encoding="utf-8")
    assert shown == picture.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_longer_than_the_terminal_is_wide(
    troubled: AsyncIOScheduler, command: str, width: int
) -> None:
    for line in ask(troubled, *command.split(), COLUMNS=str(width)).splitlines():
        assert len(line) <= width, line

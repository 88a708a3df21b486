"""What went wrong last night? The README's two commands, word by word, with what they show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler
from everytick import app as which
from everytick.api import loading
from everytick.cli import program
from everytick.system import use
from typer.testing import CliRunner

from app_session import ROOT
from histories import HOUR, MINUTE, SECOND, prepared, run, write
from ledgers import change
from standing import beats

MORNING = int(datetime(2026, 12, 4, 9, 0, tzinfo=UTC).timestamp()) * SECOND
NIGHT = MORNING - 9 * HOUR
ERROR = "ConnectionError: the bank's server refused the connection"
TRACE = f"""Traceback (most recent call last):
  File "/srv/shop/app/services/invoices.py", line 41, in send_invoices
    bank.connect(timeout=10)
{ERROR}
"""
LOG = """2026-12-04 01:30:00.105+0000 INFO     12 invoices are to be sent
2026-12-04 01:30:10.240+0000 WARNING  the bank does not answer
"""


def send_invoices() -> None:
    """The body of all jobs."""


@pytest.fixture
def shop(scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncIOScheduler]:
    """A night with two failures, and an outage that cost ticks."""
    monkeypatch.setattr(which.current(), "command", "python -m app")
    monkeypatch.setenv("TERM", "xterm")
    with use(time_ns=lambda: MORNING * 1_000):
        scheduler.add_job(
            send_invoices, "cron", hour=1, minute=30, timezone="UTC", id="invoices", name="invoices"
        )
        scheduler.add_job(send_invoices, "cron", hour=2, minute=5, timezone="UTC", id="backup", name="backup")
        scheduler.add_job(
            send_invoices, "cron", minute="*/15", timezone="UTC", id="sync_stock", name="sync_stock"
        )
        ledger = prepared(scheduler)
        bounds = NIGHT + 130 * MINUTE, NIGHT + 330 * MINUTE
        quarters = range(NIGHT, MORNING, 15 * MINUTE)
        failed = {"error": ERROR, "finished_us": NIGHT + 90 * MINUTE + 10 * SECOND, "traceback": TRACE}
        slow = {"error": "it took longer than its timeout of 4 minutes", "finished_us": NIGHT + 129 * MINUTE}
        missed = {"last_tick_us": bounds[1] - 15 * MINUTE, "tick_count": 13, "finished_us": bounds[1]}
        write(ledger, "scheduler_runs", [run("invoices", NIGHT + 90 * MINUTE, "failed", **failed)])
        write(
            ledger,
            "scheduler_runs",
            [
                *(run("sync_stock", tick) for tick in quarters if not bounds[0] < tick < bounds[1]),
                run("backup", NIGHT + 125 * MINUTE, "timed_out", **slow),
                run("sync_stock", NIGHT + 135 * MINUTE, "skipped", reason="outage", **missed),
            ],
        )
        write(ledger, "scheduler_logs", [{"run_id": 1, "attempt": 1, "text": LOG}])
        change(ledger, "UPDATE scheduler_jobs SET function = 'app.services.invoices:send_invoices'")
        beats(ledger)
        yield scheduler


def test_the_commands_of_the_readme_show_what_it_says(shop: AsyncIOScheduler) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"What went wrong last night\?.*?```console\n(.*?)```", text, re.DOTALL)
    assert found, "the README answers the question"
    shown = ""
    with patch.object(loading, "load_schedule_for_command", lambda: shop):
        for command in re.findall(r"^\$ (.*)$", found[1], re.MULTILINE):
            called = shlex.split(command.partition("  #")[0])
            assert called[:3] == ["python", "-m", "app"]
            environment = {"COLUMNS": "100", "NO_COLOR": "1", "FORCE_COLOR": "1"}
            done = CliRunner().invoke(program.app, called[3:], env=environment)
            assert done.exception is None, done.exception
            shown += f"$ {command}\n{done.stdout}"
    new = ROOT / "build" / "last_night.txt"
    new.parent.mkdir(exist_ok=True)
    new.write_text(shown, encoding="utf-8")
    assert shown.rstrip() + "\n" == found[1], f"see {new}"

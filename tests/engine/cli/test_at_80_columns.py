"""The commands as they look at 80 columns, on a ledger with one example of each trouble.

The pictures stand in one file beside this one, each below its command, so that a change of what people see is
seen. Each is written into `build/at_80_columns` as it is now: look at what differs, then put them together by
`cat build/at_80_columns/* > tests/engine/cli/at_80_columns.txt`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler, ConfigurationError
from everytick import app as which
from everytick.api import client, loading
from everytick.cli import program
from everytick.doctor import examination
from everytick.model import ticks
from everytick.store.database import Ledger
from everytick.system import use
from typer.testing import CliRunner

from app_session import ROOT
from histories import SECOND, prepared, run, write
from inside import scheduler_settings
from ledgers import changing
from sample_ledger import DAY, fill, latest_tick, schedule_body, task

PICTURES = Path(__file__).with_name("at_80_columns.txt")
TITLE = "$ python -m app "
NOW = int(datetime(2026, 11, 20, 12, 30, tzinfo=UTC).timestamp()) * SECOND
ERROR = (
    "HTTPStatusError: Server error '503 Service Unavailable' for url"
    " 'https://api.example.org/v1/plants/17/valves?open=true'\n"
    "For more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/503"
)
LONG_ID = "reconciliation_of_the_accounts_of_all_customers_of_the_northern_branch"
REFUSED = "ConnectionError: the bank's server refused the connection"
TRACE = """Traceback (most recent call last):
  File "/srv/shop/app/services/invoices.py", line 41, in send_invoices
    bank.connect(timeout=10)
  File "/srv/shop/app/services/bank.py", line 17, in connect
    raise ConnectionError("the bank's server refused the connection")
ConnectionError: the bank's server refused the connection
"""
LOG = """{0:%Y-%m-%d %H:%M:%S}.105+00:00 INFO     12 invoices are to be sent
{0:%Y-%m-%d %H:%M:%S}.240+00:00 WARNING  the bank's server refused the connection
"""
COMMANDS = [
    *("--help", "plan", "plan --summary", "jobs", "jobs --sort id", "runs", "runs --failed"),
    *("runs --since 2026-11-17 -n 3", "runs --missed"),
    *("runs --follow --since 2026-11-17 -n 14", "runs --follow --failed --since today -n 5"),
    *("show invoices", "show overlap", "logs invoices", "audit", "audit -n 2"),
    *("troubles --since 2026-11-17", "troubles sync_* invoices --since 3h"),
    *("why lost", "why outage 2026-11-18T08:30", "why night yesterday 02:30", "doctor", "diff", "health"),
    *("simulate --days 30", "simulate --days 2 --outage 20h/25h"),
    *("backfill", "backfill sync_1 --from 2026-11-10 --rate 30 --yes", "backfill --stop 2"),
    *("pause sync_*", "pause sync_* --yes --until 2h", "resume * --yes", "retry --failed --since 3h"),
    *("cancel sync_*", "cancel sync_* --yes", "cancel --state queued"),
]


def synchronise(shop: int) -> None:
    """The body of ten jobs that are alike."""


def of_no_machine(patch: pytest.MonkeyPatch) -> None:
    """Let nothing be told that is another thing on each machine."""
    patch.setenv("TERM", "xterm")
    patch.setattr(which.current(), "command", "python -m app")
    for name in ("examine_zone_data", "examine_template", "examine_packages", "examine_clock"):
        patch.setattr(examination, name, lambda *_of_this_machine: [])
    patch.setattr(examination, "examine_file", lambda _ledger: (True, []))
    patch.setattr(client, "person", lambda: "you@here")


def declared(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """Declare the jobs of the schedule."""
    exec(schedule_body(ticks.moment(latest_tick()).hour, "removed"), {"scheduler": scheduler, "task": task})
    scheduler.add_job(task, "interval", seconds=10, id="water_the_plants", name="Every plant")
    scheduler.add_job(task, "cron", hour=9, timezone="Asia/Tokyo", id=LONG_ID)
    scheduler.add_job(task, "cron", hour=11, timezone="UTC", id="invoices", retries=2)
    at_night: Any = {"trigger": "cron", "hour": 4, "timezone": "UTC", "misfire_grace_time": 30}
    for number in range(1, 11):
        scheduler.add_job(synchronise, args=[number], id=f"sync_{number}", **at_night)
    return scheduler


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ledger full of troubles."""
    with scheduler_settings(tmp_path_factory.mktemp("written")), use(time_ns=lambda: NOW * 1_000):
        scheduler = AsyncIOScheduler()
        found = fill(scheduler.ledger)
        prepared(declared(scheduler))
        write(
            scheduler.ledger, "scheduler_runs", [run("water_the_plants", found.tick, "failed", error=ERROR)]
        )
        _fails_three_times(scheduler.ledger, found.tick)
        _backfills(scheduler.ledger, found.tick)
        _troubles_of_many(scheduler.ledger, found.tick)
        return scheduler.ledger.path


@pytest.fixture
def troubled(
    scheduler: AsyncIOScheduler, written: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AsyncIOScheduler]:
    """A schedule and its ledger, both full of troubles, at an instant at which the clock stands still."""
    of_no_machine(monkeypatch)
    shutil.copy(written, scheduler.ledger.path)
    with use(time_ns=lambda: NOW * 1_000):
        yield declared(scheduler)


def _troubles_of_many(ledger: Ledger, tick: int) -> None:
    """Write three failures of some jobs that are of one kind, and runs of others that wait."""
    failures = [
        run(f"sync_{number}", tick - day * DAY, "failed", error=REFUSED)
        for number in (3, 4, 5)
        for day in (4, 3, 1)
    ]
    waiting: dict[str, Any] = {"started_us": None, "finished_us": None, "process_id": None}
    failures += [
        run("sync_1", tick, "queued", attempt=1, **waiting),
        run("sync_2", tick, "retrying", attempt=2, **waiting | {"error": REFUSED}),
    ]
    write(ledger, "scheduler_runs", failures)
    with changing(ledger) as hand:
        run_id = hand.execute("SELECT max(run_id) FROM scheduler_runs").fetchone()[0]
    ended = {"started_us": tick - 2 * SECOND, "finished_us": tick - SECOND, "error": REFUSED}
    attempt = {"run_id": run_id, "attempt": 1, "state": "failed", "process_id": "somebody", **ended}
    write(ledger, "scheduler_attempts", [attempt])


def _backfills(ledger: Ledger, tick: int) -> None:
    """Write a backfill that is over, and one that goes on, without their runs."""
    span = {"from_us": tick - 40 * DAY, "until_us": tick - 30 * DAY, "tick_count": 11, "made": 11}
    asked = {"job_id": "invoices", "asked_us": tick - 3 * DAY, "who": "you@here", "note": "a wrong feed"}
    how = {"schedule_data": "{}", "only_missed": 0, "rate": None, "max_instances": 1, "next_us": tick}
    over = {**asked, **how, **span, "state": "finished", "ended_us": tick - 2 * DAY, "upto_us": tick}
    goes_on = {**over, "job_id": LONG_ID, "state": "running", "ended_us": None, "made": 4, "note": None}
    write(ledger, "scheduler_backfills", [over, goes_on])


def _fails_three_times(ledger: Ledger, tick: int) -> None:
    """Write a run of three attempts that ended with the same error, each with its log."""
    ends = [tick + number * 10 * SECOND for number in (1, 2, 3)]
    its_end = {"error": REFUSED, "traceback": TRACE, "started_us": ends[2] - SECOND, "finished_us": ends[2]}
    write(ledger, "scheduler_runs", [run("invoices", tick, "failed", attempt=3, **its_end)])
    with changing(ledger) as hand:
        run_id = hand.execute("SELECT max(run_id) FROM scheduler_runs").fetchone()[0]
    attempts = [
        {
            "run_id": run_id,
            "attempt": number,
            "state": "failed",
            "process_id": "somebody",
            "started_us": end - SECOND,
            "finished_us": end,
            "error": REFUSED,
            "traceback": TRACE,
        }
        for number, end in enumerate(ends[:2], start=1)
    ]
    write(ledger, "scheduler_attempts", attempts)
    logs = [
        {"run_id": run_id, "attempt": number, "text": LOG.format(ticks.moment(end))}
        for number, end in enumerate(ends, start=1)
    ]
    write(ledger, "scheduler_logs", logs)


def seen(scheduler: AsyncIOScheduler, command: str, width: int) -> str:
    """Return what a command writes on a terminal of this width, without colours, with its exit code."""
    environment = {"COLUMNS": str(width), "NO_COLOR": "1"}
    if command != "--help":
        # What tells Rich that this is a terminal. Typer would draw its help in bold then.
        environment["FORCE_COLOR"] = "1"
    with patch.object(loading, "load_schedule_for_command", lambda: scheduler):
        done = CliRunner().invoke(program.app, command.split(), env=environment, prog_name="python -m app")
    # Where the jobs are declared in this file is no part of a picture.
    output = re.sub(r"(columns\.py):\d+", r"\1:99", done.output)
    problem = done.exception
    if isinstance(problem, ConfigurationError):
        return f"{output}error: {problem}\nexit code 2\n"
    assert problem is None or isinstance(problem, SystemExit), problem
    return output + (f"exit code {done.exit_code}\n" if done.exit_code else "")


def pictures() -> dict[str, str]:
    """Return what each command is to look like."""
    parts = PICTURES.read_text(encoding="utf-8").split(TITLE)[1:]
    return {command: shown for command, _, shown in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_looks_as_its_picture(troubled: AsyncIOScheduler, command: str) -> None:
    shown = seen(troubled, command, 80)
    now = ROOT / "build" / PICTURES.stem / f"{COMMANDS.index(command):02}.txt"
    now.parent.mkdir(parents=True, exist_ok=True)
    now.write_text(f"{TITLE}{command}\n{shown}", encoding="utf-8")
    assert shown == pictures()[command]


def test_each_picture_is_of_a_command() -> None:
    assert list(pictures()) == COMMANDS


@pytest.mark.full
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_longer_than_the_terminal_is_wide(
    troubled: AsyncIOScheduler, command: str, width: int
) -> None:
    for line in seen(troubled, command, width).splitlines():
        # A sentence of an error is not bent: programs read it too.
        assert len(line) <= width or line.startswith("error: "), line


# The commands that show something, and one of the states, times and ids that are in it.
READING = {
    "troubles": ("failed", None, "sync_3"),
    "jobs": ("✗", "in 22 h 30 min", "sync_3"),
    "plan": (None, "2026-11-21 04:00:00", "sync_3"),
    "runs": ("failed", "2026-11-19 11:00:00", "sync_3"),
    "show invoices": ("failed", "2026-11-20 11:00:29", "invoices"),
    "logs invoices": ("failed", "2026-11-20 11:00:00", "invoices"),
    "audit": (None, "2026-11-20 11:10:00", "manual"),
    "why invoices": ("failed", "2026-11-20 11:00:29 UTC", None),
    "doctor": (None, "2027-03-28", "sync_3"),
    "diff": (None, "2026-11-20 12:30:00 UTC", "sync_2"),
    "simulate --days 30": (None, None, "sync_3"),
}


def coloured(scheduler: AsyncIOScheduler, command: str, **environment: str) -> str:
    with patch.object(loading, "load_schedule_for_command", lambda: scheduler):
        invoke = CliRunner().invoke
        return invoke(program.app, command.split(), env={"COLUMNS": "200", **environment}, color=True).output


@pytest.mark.full
@pytest.mark.parametrize("command", READING)
def test_states_times_and_ids_are_in_colour_at_a_terminal(troubled: AsyncIOScheduler, command: str) -> None:
    found = coloured(troubled, command, FORCE_COLOR="1")
    state, time, job_id = READING[command]
    for text, colour in ((state, "3[13]"), (time, "35"), (job_id, "36")):
        if text is not None:
            assert re.search(rf"\x1b\[{colour}m{re.escape(text)}", found), (text, found)


@pytest.mark.full
@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}])
@pytest.mark.parametrize("command", READING)
def test_there_is_no_colour_in_a_pipe_or_where_nobody_wants_it(
    troubled: AsyncIOScheduler, command: str, environment: dict[str, str]
) -> None:
    assert "\x1b" not in coloured(troubled, command, **environment)

"""`simulate` as a user meets it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, ConfigurationError
from everytick.dryrun.simulation import MOST_WALKED, simulate
from everytick.dryrun.simulation.timeline import MOST_COMBINED
from everytick.model import ticks

from application import Application

REPORT = 'scheduler.add_job(print, "cron", hour=9, id="daily_report")'
NIGHTLY = 'scheduler.add_job(print, "cron", hour=2, minute=30, id="nightly", timezone="Europe/Berlin")'
SECONDS = 'scheduler.add_job(print, "cron", second="*", id="every_second")'


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


def sentence(app: Application, *arguments: str) -> str:
    """Simulate, expect to be refused in one line, and return the line."""
    done = app.command("simulate", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("error: ").strip()


def results(app: Application, *arguments: str) -> dict[str, dict[str, Any]]:
    found = app.json("simulate", *arguments)
    assert found["problems"] == []
    return {job["id"]: job for job in found["jobs"]}


@pytest.mark.full
def test_a_year_with_an_outage_is_told_in_tables_and_nothing_is_written(app: Application) -> None:
    app.schedule(f"{REPORT}\n{NIGHTLY}\n{SECONDS}")
    before = sorted(app.folder.rglob("*"))
    done = app.command(
        "simulate", "--from", "2027-01-01", "--outage", "2027-02-01T08:55/2027-02-01T09:05",
        "--outage", "2027-06-01T08:00/2027-06-03",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "365 days from 2027-01-01 00:00:00, times in UTC" in lines
    report, nightly, second = (next(line for line in lines if line.startswith(name)) for name in
                               ("daily_report", "nightly", "every_second"))  # fmt: skip
    assert report == (
        "daily_report 365 363 2 outage 3 days 2027-05-31 09:00:00 2027-01-01 09:00:00 2027-12-31 09:00:00"
    )
    assert nightly.startswith("nightly 365 364 1 outage 2 days 2027-06-01 00:30:00 2027-01-01 01:30:00")
    assert second.startswith("every_second 31,536,000 31,391,400 ")
    first = lines.index("outage from 2027-02-01 08:55:00 to 2027-02-01 09:05:00")
    assert "daily_report 1 1 2027-02-01 09:05:00 -" in lines[first:]
    assert any("nightly: the clock jumps over the planned time" in line for line in lines)
    assert lines[-1] == "The account balances: 31,536,730 ticks, each with one outcome."
    after = [path for path in sorted(app.folder.rglob("*")) if "__pycache__" not in path.parts]
    assert after == before


@pytest.mark.full
def test_json_tells_what_each_outage_cost(app: Application) -> None:
    app.schedule(
        'scheduler.add_job(print, "interval", hours=1, id="hourly", coalesce=False, max_catch_up=2,\n'
        "    misfire_grace_time=86400)"
    )
    found = app.json("simulate", "--days", "2", "--from", "2027-01-01", "--duration", "hourly=60",
                     "--outage", "2027-01-01T06:00:30/2027-01-01T10:30")  # fmt: skip
    assert found["from"] == "2027-01-01T00:00:00+00:00"
    assert found["to"] == "2027-01-03T00:00:00+00:00"
    assert found["outages"] == [{"from": "2027-01-01T06:00:30+00:00", "to": "2027-01-01T10:30:00+00:00"}]
    [hourly] = found["jobs"]
    assert hourly["outages"] == [
        {
            **found["outages"][0],
            "due": 4,
            "caught_up": 2,
            # First the run that was cut off goes on for a minute, then each that was missed (R14).
            "caught_up_at": "2027-01-01T10:32:00+00:00",
            "skipped": {"coalesced": 2},
            "lost": 0,
            "cut": 1,
            "begun_again": 1,
            "replaced": 0,
        }
    ]
    del hourly["outages"]
    assert hourly == {
        "id": "hourly",
        "trigger": "interval[1:00:00]",
        "timezone": "UTC",
        "ticks": 48,
        "ran": 46,
        "skipped": {"coalesced": 2},
        "lost": 0,
        "replaced": 0,
        "runs_at_starts": 0,
        "first_run": "2027-01-01T00:00:00+00:00",
        "last_run": "2027-01-02T23:00:00+00:00",
        "longest_without": 16_200.0,
        "longest_without_from": "2027-01-01T06:00:00+00:00",
        "duration": 60.0,
        "duration_from": "given",
        "waited_for_group": 0,
        "longest_wait_for_group": 0.0,
        "notes": [],
    }


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--outage", "noon"], "--outage 'noon' is not FROM/TO such as 2026-12-24T18:00/2026-12-25"),
        (["--outage", "noon/night"], "--outage 'noon' is not a date or time such as 2026-12-24"),
        (["--outage", "2027-01-02/2027-01-01"], "must end later than it begins"),
        (
            ["--outage", "2027-03-01/2027-04-01"],
            "must lie within what is simulated, 2027-01-01 00:00:00 UTC",
        ),
        (["--duration", "daily_report"], "is not JOB=SECONDS such as daily_report=90"),
        (["--duration", "dayly_report=9"], "there is no job 'dayly_report'; did you mean 'daily_report'?"),
        (["--duration", "daily_report=long"], "'long' is not a number of seconds, 0 or more"),
        (["--duration", "daily_report=nan"], "'nan' is not a number of seconds, 0 or more"),
        (["--duration", "daily_report=-1"], "'-1' is not a number of seconds, 0 or more"),
    ],
)
def test_what_cannot_be_meant_is_refused(app: Application, arguments: list[str], expected: str) -> None:
    app.schedule(REPORT)
    assert expected in sentence(app, "--from", "2027-01-01", "--days", "31", *arguments)


@pytest.mark.full
def test_runs_take_as_long_as_the_ledger_knows(app: Application) -> None:
    app.schedule(
        'scheduler.add_job(time.sleep, "interval", seconds=1, id="slow", args=[0.3])\n'
        'scheduler.add_job(time.sleep, "interval", hours=7000, id="rare", args=[0.3])',
        imports="import time\n",
    )
    with app.running():
        app.records(3, "succeeded")
    found = results(app, "--days", "1")
    assert 0.3 <= found["slow"]["duration"] < 1
    assert found["slow"]["duration_from"] == "ledger"
    assert found["rare"]["duration_from"] == "unknown"


@pytest.mark.full
def test_jobs_that_were_added_while_running_are_simulated_too(app: Application) -> None:
    app.schedule(
        "async def add() -> None:\n"
        "    scheduler.add_job('app.services.my_tasks:tock', 'cron', hour=9, id='added')\n"
        "    scheduler.add_job('app.services.my_tasks:tock', 'date', run_date='2090-01-01', id='far')\n"
        'scheduler.add_job(add, "date", id="adding")'
    )
    app.tasks("def tock() -> None:\n    pass\n")
    with app.running():
        app.records(1, "succeeded")
    found = results(app, "--days", "10")
    assert found["added"]["ran"] == 10
    assert "far" not in found
    assert found["adding"]["ticks"] == 0
    assert found["adding"]["runs_at_starts"] == 1


@pytest.mark.full
def test_a_person_at_a_terminal_sees_the_progress(app: Application) -> None:
    app.schedule('scheduler.add_job(print, "interval", seconds=40, id="slow", jitter=9)')
    ours, theirs = pty.openpty()
    code = (
        "import everytick.cli.progress as p; p.AFTER_SECONDS = 0.1;"
        "from app import application; from everytick.cli import main; main(application)"
    )
    command = [sys.executable, "-c", code, "simulate", "--days", "100"]
    variables = {**app.variables(), "TERM": "xterm"}
    with subprocess.Popen(
        command, cwd=app.folder, env=variables, stdout=subprocess.PIPE, stderr=theirs
    ) as running:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
        assert running.stdout is not None
        assert b"The account balances" in running.stdout.read()
    os.close(ours)
    assert running.returncode == 0
    assert b"simulating" in shown
    assert b"%" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 10_000)
    except OSError:
        # Nobody holds its other end any more.
        return b""


def test_a_simulation_that_would_take_too_long_is_refused(scheduler: AsyncIOScheduler) -> None:
    begin = 1_767_225_600 * ticks.SECOND
    year = (begin, begin + 365 * ticks.DAY, scheduler.timezone)
    job = scheduler.add_job(print, "cron", second="*", id="dense")
    with pytest.raises(ConfigurationError, match="how long its runs take: simulate fewer days"):
        simulate([job], *year, durations={"dense": (2 * ticks.SECOND, "given")})
    assert simulate([job], *year, durations={"dense": (ticks.SECOND, "given")}).runs("dense") > MOST_WALKED
    job = scheduler.add_job(print, "cron", second="*", jitter=5, id="shaken")
    with pytest.raises(ConfigurationError, match="its jitter: simulate fewer days"):
        simulate([job], *year)


def test_too_many_ticks_with_days_left_out_are_refused_by_that_name(scheduler: AsyncIOScheduler) -> None:
    job = scheduler.add_job(print, "interval", seconds=4, id="often", exclude="sun")
    begin = 1_767_225_600 * ticks.SECOND
    with pytest.raises(ConfigurationError, match="of the days that it leaves out: simulate fewer days"):
        simulate([job], begin, begin + 365 * ticks.DAY, scheduler.timezone)


@pytest.mark.full
def test_a_combined_trigger_with_too_many_ticks_is_refused(scheduler: AsyncIOScheduler) -> None:
    from apscheduler.triggers.combining import OrTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    either = OrTrigger([IntervalTrigger(seconds=2), IntervalTrigger(seconds=3)])
    job = scheduler.add_job(print, either, id="either")
    begin = 1_767_225_600 * ticks.SECOND
    with pytest.raises(
        ConfigurationError, match=f"more than {MOST_COMBINED:,} ticks .* its combined trigger"
    ):
        simulate([job], begin, begin + 365 * ticks.DAY, scheduler.timezone)
    found = simulate(
        [job], begin, begin + ticks.DAY, scheduler.timezone, outages=[(begin, begin + ticks.DAY)]
    )
    assert found.problems() == []
    assert found.job("either").expected == 57_600


def test_an_outage_is_one_though_it_is_given_in_parts(scheduler: AsyncIOScheduler) -> None:
    job = scheduler.add_job(print, "interval", hours=1, id="hourly")
    begin = 1_767_225_600 * ticks.SECOND
    hour = ticks.DAY // 24
    parts = [(begin + down * hour, begin + up * hour) for down, up in ((3, 5), (1, 3), (2, 4))]
    found = simulate([job], begin, begin + ticks.DAY, scheduler.timezone, outages=parts)
    assert found.outages == [(begin + hour, begin + 5 * hour)]
    with pytest.raises(ConfigurationError, match="must end later"):
        simulate([job], begin, begin + ticks.DAY, scheduler.timezone, outages=[(begin, begin)])


def test_a_run_that_outlasts_its_timeout_is_noted(scheduler: AsyncIOScheduler) -> None:
    async def slow() -> None: ...

    def plain() -> None: ...

    begin = 1_767_225_600 * ticks.SECOND
    for function, name, ran in ((slow, "slow", 24), (plain, "plain", 12)):
        job = scheduler.add_job(function, "interval", hours=1, timeout=60, id=name, next_run_time=None)
        known = {name: (5_400 * ticks.SECOND, "given")}
        result = simulate([job], begin, begin + ticks.DAY, scheduler.timezone, durations=known).job(name)
        assert result.notes == [
            "a run takes 1 h 30 min: its timeout of 1 minute would end it",
            "it is declared paused: simulated as if it were not",
        ]
        # A function on a thread cannot be stopped: it keeps its slot.
        assert result.ran == ran

"""`diff` as a command: what it says after a kill is what the next start does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from application import Application
from bodies import IMPORTS, deploy, doomed, entered, in_some_seconds, let, marks
from waiting import wait_for


@pytest.mark.full
def test_a_killed_process_leaves_what_the_command_tells_and_the_next_start_does(tmp_path: Path) -> None:
    app = Application(tmp_path / "app")
    soon = in_some_seconds()
    deploy(app, f'long, "date", run_date="{soon}", id="cut"', 'quick, "cron", month=1, id="rare"')
    with doomed(app):
        entered(app, "cut")
    assert app.command("diff", "--exit-code").returncode == 0
    deploy(app, f'long, "date", run_date="{soon}", id="cut"', "quick, id='fresh'")
    done = app.command("diff", "--exit-code")
    assert done.returncode == 3, done.stderr
    assert re.search(r"added +fresh\n.*\nremoved +rare\n", done.stdout), done.stdout
    data = app.json("diff")
    assert data["differs"] is True
    assert {(run["job_id"], run["why"]) for run in data["runs"]} == {("cut", "lost"), ("fresh", "startup")}
    let(app, "release")
    with app.running() as process:
        process.says("new in the schedule: fresh")
        process.says("removed in the schedule: rare")
        wait_for(lambda: len(app.recorded("succeeded")) == 2, "both runs")
    assert {row["job_id"] for row in app.recorded("succeeded")} == {"cut", "fresh"}
    assert [mark.attempt for mark in marks(app, "cut")] == [1, 2]
    # From here on the schedule is the one in force.
    assert app.command("diff", "--exit-code").returncode == 0
    assert "the schedule is the one in force" in app.command("diff").stdout


@pytest.mark.full
def test_a_schedule_that_does_not_load_is_refused(tmp_path: Path) -> None:
    app = Application(tmp_path / "app")
    app.schedule("scheduler.add_job(nothing)", IMPORTS)
    done = app.command("diff", "--exit-code")
    assert done.returncode == 2
    assert re.match(r"error: app/components/scheduler/main\.py:\d+: ", done.stderr)

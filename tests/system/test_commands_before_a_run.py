"""The commands of an application that never ran."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from application import Application


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


@pytest.mark.full
def test_commands_work_before_the_first_run(app: Application) -> None:
    assert app.runs() == []
    jobs = app.json("jobs")
    assert [job["id"] for job in jobs] == ["daily_report", "temp_cleanup", "weekly_backup"]
    for job in jobs:
        assert {"id", "name", "trigger", "next_run", "paused"} <= set(job)
        assert datetime.fromisoformat(job["next_run"]).utcoffset() == timedelta(0)
        assert job["paused"] is False
    # Reading never registers and never creates a ledger.
    assert not app.ledger_file.exists()


@pytest.mark.full
def test_plan_lists_what_is_due_in_the_schedulers_zone(app: Application) -> None:
    app.environment["SCHEDULER_TIMEZONE"] = "Europe/Berlin"
    app.schedule(
        'scheduler.add_job(print, "cron", hour=9, id="daily_report")\n'
        'scheduler.add_job(print, "cron", day_of_week="sun", hour=2, id="weekly_backup")',
    )
    rows = app.json("plan", "--from", "2026-03-29", "--to", "2026-03-30")
    assert {"job_id": "daily_report", "tick": "2026-03-29T07:00:00+00:00", "note": ""} in rows
    [backup] = [row for row in rows if row["job_id"] == "weekly_backup"]
    # 02:00 does not exist on this Sunday; it is due when the clock jumps to 03:00.
    assert backup["tick"] == "2026-03-29T01:00:00+00:00"
    assert "jumps" in backup["note"]
    assert [row["tick"] for row in rows] == sorted(row["tick"] for row in rows)


@pytest.mark.full
def test_plan_says_when_it_shows_only_a_part(app: Application) -> None:
    done = app.command("plan", "--from", "2026-01-01", "--to", "2027-01-01", "--limit", "5", "--json")
    assert len(json.loads(done.stdout)) == 5
    assert "only the first 5" in done.stderr


def test_help_imports_next_to_nothing(app: Application) -> None:
    probe = (
        "import sys; sys.argv = ['app', '--help']\n"
        "from everytick.cli import main\n"
        "from app import application\n"
        "try: main(application)\n"
        "except SystemExit: pass\n"
        "print([m for m in ('apscheduler','sqlalchemy','alembic','pydantic','loguru') if m in sys.modules])"
    )
    (app.folder / "probe.py").write_text(probe)
    done = subprocess.run(
        [sys.executable, "probe.py"], cwd=app.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]"), done.stdout[-500:]

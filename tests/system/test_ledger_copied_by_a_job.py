"""A job copies the folder of the ledger, as a backup does: the ledger stays whole, the schedule goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from application import Application
from waiting import wait_for

pytestmark = pytest.mark.full

TASKS = """
import shutil


def tick() -> None:
    pass


def backup() -> None:
    shutil.copytree("data", "copy", dirs_exist_ok=True)
"""


def test_a_job_that_copies_the_ledger_takes_it_from_nobody(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.schedule(
        'scheduler.add_job(tick, "interval", seconds=1, id="tick")\n'
        'scheduler.add_job(backup, "date", id="backup")',
        "from app.services.my_tasks import backup, tick\n",
    )
    app.tasks(TASKS)
    with app.running() as process:
        (copied,) = wait_for(lambda: app.runs("--job", "backup", "--failed"), "the job that copies")
        assert "opening the file beside SQLite would undo SQLite's locks" in copied["error"]
        # Each command opens the ledger and closes it, and would take it for its own, and its log away.
        log = app.ledger_file.with_name("ledger.db-wal")
        there = log.stat().st_ino
        before = len(app.runs("--job", "tick", "--state", "succeeded"))
        wait_for(lambda: len(app.runs("--job", "tick", "--state", "succeeded")) > before + 2, "more ticks")
        assert log.stat().st_ino == there
        assert "does not answer" not in process.log()

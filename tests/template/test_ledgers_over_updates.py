"""An application runs, is updated to the newest version, and goes on with the ledger that it has.

Once from each earlier version: its process writes the ledger, the update brings the newest scheduler,
and that one reads, upgrades and continues what it finds.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

import pytest
from everytick.store import database, schema

from application import HEADER, Application
from released_versions import KEPT, releases
from rendering import Project
from test_ownership import conflicts
from waiting import wait_for

OLD_PLACE = "app.components.scheduler.runtime"
TASKS = '''\
"""Each run leaves a line."""

import time
from pathlib import Path

from app.components.scheduler.runtime import current_run

MARKS = Path(__file__).parents[2] / "data" / "marks.txt"


def mark() -> None:
    run = current_run()
    with MARKS.open("a") as file:
        file.write(f"{run.job_id} {run.tick.isoformat()} {run.attempt}\\n")


def stay_at_first() -> None:
    first = not MARKS.exists() or f"{current_run().job_id} " not in MARKS.read_text()
    mark()
    time.sleep(600 if first else 0)
'''


class Made(Application):
    """An application that was rendered from a version of the template."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.folder = project.folder
        self.project_file = self.folder / "app/core/project.toml"
        self.main_file = self.folder / "app/components/scheduler/main.py"
        self.tasks_file = self.folder / "app/services/my_tasks.py"
        self.ledger_file = self.folder / "data/ledger.db"
        self.environment: dict[str, str] = {}
        # An older version must not find a ledger of the newest.
        self.makes_its_ledger = True
        # What the processes print goes into files here.
        (self.folder / ".git/info/exclude").write_text("run-*.log\n")

    def begin(self, *jobs: str) -> None:
        """Write the schedule and the tasks, with the imports of the earlier version, and commit them."""
        self.tasks(TASKS)
        added = "\n".join(f"scheduler.add_job({job})" for job in jobs)
        self.schedule(added, "from app.services.my_tasks import mark, stay_at_first\n")
        written = self.main_file.read_text(encoding="utf-8")
        self.main_file.write_text(written.replace(HEADER, HEADER.replace("everytick", OLD_PLACE)), "utf-8")
        self.project.commit("mine")

    def update(self) -> None:
        """Take the newest version."""
        self.project.update()
        assert conflicts(self.project) == []

    def marks(self, job_id: str) -> list[str]:
        """Return the ticks and attempts that ran."""
        path = self.folder / "data/marks.txt"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{job_id} ")]

    def more(self, job_id: str, number: int) -> None:
        """Wait until the job ran that many times more."""
        target = len(self.marks(job_id)) + number
        wait_for(lambda: len(self.marks(job_id)) >= target, f"{number} more runs of {job_id}")

    def revision(self) -> Any:
        """Return what the ledger says of its own form."""
        with closing(sqlite3.connect(self.ledger_file)) as connection:
            return connection.execute(f"SELECT version_num FROM {schema.VERSION_TABLE}").fetchone()[0]

    def all_runs(self) -> dict[int, dict[str, Any]]:
        """Return what `runs --json` lists."""
        return {run["run_id"]: run for run in self.runs("--limit", "100000")}

    def is_paused(self, job_id: str) -> bool:
        """Return what `jobs --json` says."""
        return bool(next(job["paused"] for job in self.json("jobs") if job["id"] == job_id))


@pytest.fixture
def made(version: str) -> Made:
    return Made(releases(whole=True).project(version))


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_the_newest_version_goes_on_with_an_earlier_ledger(made: Made) -> None:
    made.begin(
        'mark, "interval", seconds=1, id="ticking"',
        'mark, "interval", seconds=1, id="resting"',
    )
    with made.running():
        made.more("resting", 1)
        assert made.command("pause", "resting", "--note", "on holiday").returncode == 0
        made.more("ticking", 3)
    before = made.all_runs()
    rested = made.marks("resting")
    ran = {number: run for number, run in before.items() if run["state"] == "succeeded"}
    assert {run["job_id"] for run in ran.values()} == {"ticking", "resting"}

    made.update()
    with made.running():
        made.more("ticking", 3)

    assert made.revision() == database.REVISION
    after = made.all_runs()
    assert set(before) <= set(after)
    for number, run in ran.items():
        assert {key: after[number][key] for key in run} == run
    assert made.is_paused("resting")
    assert made.marks("resting") == rested
    ticking = made.marks("ticking")
    assert max(Counter(ticking).values()) == 1
    recorded = [run for run in after.values() if run["job_id"] == "ticking" and run["state"] == "succeeded"]
    assert len(recorded) == len(ticking)


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_the_newest_version_ends_what_an_earlier_one_was_cut_off_in(made: Made) -> None:
    # Two seconds leave room for a second attempt between the ticks.
    made.begin(
        'stay_at_first, "interval", seconds=2, id="again"',
        'stay_at_first, "interval", seconds=2, id="once", on_crash="skip"',
    )
    process = made.start()
    try:
        wait_for(lambda: made.marks("again") and made.marks("once"), "both jobs")
    finally:
        process.popen.kill()
        process.popen.wait()
    cut = {job: made.marks(job)[0].split()[0] for job in ("again", "once")}

    made.update()
    with made.running():
        wait_for(lambda: f"{cut['again']} 2" in made.marks("again"), "the second attempt")
        made.more("once", 1)

    for job, attempts in (("again", ["1", "2"]), ("once", ["1"])):
        ran = [mark.split() for mark in made.marks(job)]
        assert [attempt for tick, attempt in ran if tick == cut[job]] == attempts
    states = {(run["job_id"], run["attempt"], run["state"]) for run in made.all_runs().values()}
    assert {("again", 2, "succeeded"), ("once", 1, "lost")} <= states
    assert ("once", 2, "succeeded") not in states

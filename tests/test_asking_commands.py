"""`run-now`, `retry` and `cancel` at the terminal, with a scheduler that runs in another process, or none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from application import Application, Running, wait_for

TASKS = """
import asyncio
from pathlib import Path

async def fine() -> None: ...

async def endless() -> None:
    await asyncio.Event().wait()

def wrong() -> None:
    if not Path("mended").exists():
        raise ValueError("not mended")
"""
SCHEDULE = """
for task in (fine, endless, wrong):
    scheduler.add_job(task, "cron", hour=3, id=task.__name__)
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application whose jobs are not due for long."""
    made = Application(tmp_path_factory.mktemp("app"))
    made.tasks(TASKS)
    made.schedule(SCHEDULE, "from app.services.my_tasks import endless, fine, wrong\n")
    return made


@pytest.fixture(scope="module")
def up(app: Application) -> Iterator[Running]:
    """Its scheduler, running."""
    with app.running(expect=0) as process:
        yield process


def the_run(app: Application, run_id: int) -> dict[str, Any]:
    """Return a run as the command shows it."""
    [row] = [row for row in app.json("runs") if row["run_id"] == run_id]
    return dict(row)


@pytest.mark.full
def test_a_job_is_run_and_waited_for(app: Application, up: Running) -> None:
    done = app.command("run-now", "fine", "--wait", "--note", "to see it")
    assert (done.returncode, done.stderr) == (0, "")
    begun, ended = done.stdout.splitlines()
    number = int(begun.split()[1])
    assert begun == f"run {number} of fine begins"
    assert ended == f"run {number} succeeded"
    assert the_run(app, number)["kind"] == "manual"


@pytest.mark.full
def test_a_run_that_fails_is_told_by_the_exit_code_and_tried_again(app: Application, up: Running) -> None:
    done = app.command("run-now", "wrong", "--wait")
    assert done.returncode == 1
    number = int(done.stdout.split()[1])
    assert done.stdout.endswith(f"run {number} failed: ValueError: not mended\n")
    (app.folder / "mended").touch()
    done = app.command("retry", str(number), "--wait")
    assert done.returncode == 0
    assert done.stdout == f"run {number} begins one more attempt\nrun {number} succeeded\n"
    assert the_run(app, number)["attempt"] == 2
    done = app.command("retry", str(number))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: run {number} is succeeded: only a run that is failed")


@pytest.mark.full
def test_a_run_is_cancelled(app: Application, up: Running) -> None:
    number = app.json("run-now", "endless")["run_id"]
    wait_for(lambda: the_run(app, number)["state"] == "running", "the run")
    done = app.command("cancel", str(number))
    assert (done.returncode, done.stdout) == (0, f"run {number} was asked to end\n")
    wait_for(lambda: the_run(app, number)["state"] == "cancelled", "its end")


@pytest.mark.full
def test_a_resume_says_first_what_it_will_do(app: Application, up: Running) -> None:
    assert app.command("pause", "fine").stdout == "fine is paused\n"
    done = app.command("resume", "fine")
    assert done.stdout == "fine is resumed\n"
    assert re.fullmatch(
        r"fine is paused since \S+ \S+ UTC: 0 tick\(s\) fell into the pause, which are recorded as skipped"
        r" and not made up; next \S+ 03:00:00\+00:00\n",
        done.stderr,
    )


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["run-now", "fin"], "there is no job 'fin' in the schedule"),
        (["run-now", "fine", "--tick", "noon"], "--tick 'noon' is not a date or time such as"),
        (["retry", "999"], "there is no run 999"),
        (["cancel", "999"], "there is no run 999"),
    ],
)
@pytest.mark.full
def test_bad_input_is_one_sentence(app: Application, up: Running, command: list[str], sentence: str) -> None:
    done = app.command(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {sentence}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.full
def test_without_a_scheduler_it_says_so_and_the_next_start_runs_it(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.tasks(TASKS)
    app.schedule(SCHEDULE, "from app.services.my_tasks import endless, fine, wrong\n")
    done = app.command("run-now", "fine")
    assert done.returncode == 1
    assert "there is no ledger at " in done.stderr
    with app.running():
        pass
    done = app.command("run-now", "fine")
    number = int(done.stdout.split()[1])
    assert done.stdout == f"run {number} of fine begins when a scheduler is started: none is up\n"
    with app.running():
        wait_for(lambda: the_run(app, number)["state"] == "succeeded", "the run")

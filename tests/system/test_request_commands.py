"""`run-now`, `retry` and `cancel` at the terminal, with a scheduler that runs in another process, or none."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.cli import program, requests
from everytick.read import processes
from everytick.store.opening import ledger_at
from everytick.text.wording import PLAIN_GOES_ON
from typer.testing import CliRunner

from application import Application, Running
from histories import prepared
from waiting import wait_for

TASKS = """
import asyncio
from pathlib import Path

async def fine() -> None: ...

async def endless() -> None:
    await asyncio.Event().wait()

def loud() -> None:
    raise ValueError("\\x1b[31mred\\x07")

def wrong() -> None:
    if not Path("mended").exists():
        raise ValueError("not mended")
"""
SCHEDULE = """
for task in (fine, endless, loud, wrong):
    scheduler.add_job(task, "cron", hour=3, id=task.__name__)
"""


def application(folder: Path) -> Application:
    """Make the application of these stories."""
    app = Application(folder)
    app.tasks(TASKS)
    app.schedule(SCHEDULE, "from app.services.my_tasks import endless, fine, loud, wrong\n")
    return app


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application whose jobs are not due for long."""
    return application(tmp_path_factory.mktemp("app"))


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
    assert done.stderr.startswith(f"error: run {number} has succeeded: only a run that failed")


@pytest.mark.full
def test_an_error_does_not_steer_the_terminal(app: Application, up: Running) -> None:
    done = app.command("run-now", "loud", "--wait")
    number = int(done.stdout.split()[1])
    assert done.stdout.endswith(f"run {number} failed: ValueError: \\x1b[31mred\\x07\n")


@pytest.mark.full
def test_a_further_attempt_of_a_paused_job_waits_until_it_is_resumed(app: Application, up: Running) -> None:
    number = app.json("run-now", "endless")["run_id"]
    wait_for(lambda: the_run(app, number)["state"] == "running", "the run")
    app.command("cancel", str(number), "--wait")
    with closing(ledger_at(app.ledger_url).connect()) as connection:
        # As if its tick had come.
        as_by_a_tick = "UPDATE scheduler_runs SET kind = 'scheduled', tick_us = due_us WHERE run_id = :it"
        connection.execute(as_by_a_tick, {"it": number})
    app.command("pause", "endless")
    waits = f"run {number} waits until the job endless is resumed\n"
    done = app.command("retry", str(number), "--wait")
    assert (done.returncode, done.stdout) == (1, waits)
    assert done.stderr == (
        f"error: the job endless is paused: run {number} is not waited for, and the request stays on record"
        f" until it is resumed ({app.typed} resume endless)\n"
    )
    assert the_run(app, number)["state"] == "queued"
    app.command("resume", "endless")
    wait_for(lambda: the_run(app, number)["state"] == "running", "the run")
    app.command("cancel", str(number), "--wait")


@pytest.mark.full
def test_a_run_is_cancelled(app: Application, up: Running) -> None:
    number = app.json("run-now", "endless")["run_id"]
    wait_for(lambda: the_run(app, number)["state"] == "running", "the run")
    done = app.command("cancel", str(number))
    assert (done.returncode, done.stdout) == (0, f"run {number} was asked to end; {PLAIN_GOES_ON}\n")
    wait_for(lambda: the_run(app, number)["state"] == "cancelled", "its end")


@pytest.mark.full
def test_a_cancelled_run_is_waited_for(app: Application, up: Running) -> None:
    number = app.json("run-now", "endless")["run_id"]
    wait_for(lambda: the_run(app, number)["state"] == "running", "the run")
    done = app.command("cancel", str(number), "--wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"run {number} was asked to end; {PLAIN_GOES_ON}\n"
        f"run {number} cancelled: its cancellation was requested\n"
    )


@pytest.mark.full
def test_commands_that_act_print_json_too(app: Application, up: Running) -> None:
    assert app.json("pause", "wrong", "--note", "too loud") == {"job_id": "wrong", "changed": True}
    assert app.json("pause", "wrong") == {"job_id": "wrong", "changed": False}
    assert app.json("resume", "wrong", "--note", "all is well") == {"job_id": "wrong", "changed": True}
    assert app.json("resume", "wrong") == {"job_id": "wrong", "changed": False}
    noted = [(row["action"], row["note"]) for row in app.json("audit", "--job", "wrong", "--limit", "2")]
    assert noted == [("resume", "all is well"), ("pause", "too loud")]
    number = app.json("run-now", "endless")["run_id"]
    asked = app.json("cancel", str(number))
    assert (asked["run_id"], asked["job_id"]) == (number, "endless")
    wait_for(lambda: the_run(app, number)["state"] == "cancelled", "its end")


@pytest.mark.full
def test_a_resume_says_first_what_it_will_do(app: Application, up: Running) -> None:
    assert app.command("pause", "fine").stdout == "fine is paused\n"
    done = app.command("resume", "fine")
    assert done.stdout == "fine is resumed\n"
    assert re.fullmatch(
        r"fine has been paused since \S+ \S+ UTC: no tick fell into the pause; next tick \S+ 03:00:00 UTC\n",
        done.stderr,
    )


@pytest.mark.full
def test_a_person_at_a_terminal_is_asked_about_many(app: Application, up: Running) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "app", "pause", "l*", "w*"],
        cwd=app.folder,
        env=app.variables(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as asking:
        os.close(theirs)
        shown = b""
        while b"Pause 2 jobs? [y/N]" not in shown:
            shown += os.read(ours, 4096)
        assert not any(job["paused"] for job in app.json("jobs"))
        os.write(ours, b"y\n")
        asking.wait(30)
    shown += os.read(ours, 4096)
    os.close(ours)
    assert b"2 jobs to be paused" in shown
    assert b"paused: 2 jobs" in shown
    assert app.command("resume", "l*", "w*", "--yes").stdout == "resumed: 2 jobs\n"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["run-now", "fin"], "there is no job 'fin' in the schedule"),
        (["run-now", "fine", "--tick", "noon"], "--tick 'noon' is not a date or time such as"),
        (["run-now", "fine", "--tick", "2026-03-01T04:00"], "2026-03-01 04:00:00 UTC is no tick of the job"),
        (["run-now", "fine", "--tick", "2036-03-01T03:00"], "the tick 2036-03-01 03:00:00 UTC of the job"),
        (["pause", "fine", "--until", "2026-01-01"], "a pause until 2026-01-01 00:00:00 UTC would be over"),
        (["retry", "999"], "there is no run 999"),
        (["cancel", "999"], "there is no run 999"),
        (["show", "x"], "there is no job 'x'"),
        (["cancel", "abc"], "there is no job 'abc'"),
        (["cancel"], "say which run: its number, a job, or --state"),
        (["cancel", "9" * 30], f"'{'9' * 30}' is not the number of a run such as 4711"),
        (["cancel", "fine", "--wait"], "--wait is for one run: leave it out"),
        (["cancel", "--state", "failed"], "--state failed: use one of queued, claimed, running, retrying"),
        (["retry"], "say which run: its number, or --failed for all that failed"),
        (["retry", "1", "--failed"], "give the number of a run, or --failed with what else narrows it"),
        (["pause", "fine", "nothing"], "there is no job 'nothing'"),
        (["pause", "x*"], "no job has an id like 'x*'"),
        (["logs", "1", "--follow"], "--follow and --limit are about the runs of a job"),
        (["retry", "1.5"], "'1.5' is not the number of a run such as 4711"),
        (["retry", "9" * 30], f"'{'9' * 30}' is not the number of a run such as 4711"),
        (["why", "fine", "--run", "abc"], "'abc' is not the number of a run such as 4711"),
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
    app = application(tmp_path)
    done = app.command("run-now", "fine")
    assert done.returncode == 1
    assert "there is no ledger at " in done.stderr
    with app.running():
        pass
    done = app.command("run-now", "fine")
    number = int(done.stdout.split()[1])
    assert done.stdout.startswith(
        f"run {number} of fine begins when a scheduler is started; no scheduler is up"
    )
    with app.running():
        wait_for(lambda: the_run(app, number)["state"] == "succeeded", "the run")


@pytest.mark.full
def test_without_a_scheduler_nothing_is_waited_for(tmp_path: Path) -> None:
    app = application(tmp_path)
    with app.running():
        pass
    done = app.command("run-now", "fine", "--wait")
    number = int(done.stdout.split()[1])
    nobody = re.compile(
        rf"error: no scheduler is up.*: run {number} is not waited for, and the request stays on record"
        rf" until one is started \({re.escape(app.typed)} run\)\n"
    )
    assert done.returncode == 1
    assert nobody.fullmatch(done.stderr)
    done = app.command("cancel", str(number), "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "cancelled")
    done = app.command("retry", str(number), "--wait", "--json")
    assert done.returncode == 1
    assert nobody.fullmatch(done.stderr)
    assert json.loads(done.stdout)["state"] == "queued"
    with app.running():
        wait_for(lambda: the_run(app, number)["state"] == "succeeded", "the run")


@pytest.mark.full
def test_a_run_that_is_cut_off_while_somebody_waits_is_over(tmp_path: Path) -> None:
    app = application(tmp_path)
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "0"
    with ThreadPoolExecutor() as somebody:
        with app.running(expect=1):
            waiting = somebody.submit(app.command, "run-now", "endless", "--wait")
            app.records(1, "running")
        done = waiting.result(60)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == [
        "run 1 interrupted: the process was stopped before the run had ended"
    ]


def test_no_command_waits_for_ever_after_the_last_scheduler_is_gone(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.add_job(print, "cron", hour=3, id="job")
    prepared(scheduler)
    # It is gone by the time of the second look.
    is_up = iter([True])
    monkeypatch.setattr(processes, "someone_is_up", lambda _ledger: next(is_up, False))
    monkeypatch.setattr(requests, "_GIVE_UP_SECONDS", 0.1)
    done = CliRunner().invoke(program.app, ["run-now", "job", "--wait"])
    assert done.exit_code == 1
    assert done.stdout == "run 1 of job begins when a scheduler is started; no scheduler is up\n"
    assert done.stderr.startswith("error: no scheduler is up: run 1 is not waited for, ")


@pytest.mark.full
def test_a_run_that_no_process_takes_is_not_waited_for(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.schedule('scheduler.add_job(print, "interval", hours=1, id="job", queue="reports")')
    app.environment |= {"SCHEDULER_QUEUES": "default"}
    with app.running():
        done = app.command("run-now", "job", "--wait")
    waits = "waits: no process that is up serves its queue, reports"
    assert (done.returncode, done.stdout) == (1, f"run 1 of job {waits}\n")
    assert done.stderr == (f"error: run 1 {waits}; it is not waited for, and the request stays on record\n")


@pytest.mark.full
def test_a_pause_tells_its_note_and_its_end(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.schedule('scheduler.add_job(print, "interval", hours=1, id="job")')
    with app.running():
        assert app.command("pause", "job", "--until", "2099-01-01", "--note", "a visit").returncode == 0
        [job] = app.json("jobs")
        assert (job["paused"], job["pause_note"]) == (True, "a visit")
        assert job["paused_until"] == "2099-01-01T00:00:00+00:00"
        assert "paused until 2099-01-01 00:00:00" in app.command("jobs").stdout
        assert app.command("resume", "job").returncode == 0
        assert not app.json("jobs")[0]["paused"]
        refused = app.command("pause", "job", "--until", "2020-01-01")
        assert (refused.returncode, "give a time to come" in refused.stderr) == (2, True)
        refused = app.command("pause", "jop")
        assert (refused.returncode, "did you mean 'job'?" in refused.stderr) == (2, True)

"""Jobs added by one process to the schedule that another runs, as a web application would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from application import Application
from waiting import wait_for

pytestmark = pytest.mark.full

TASKS = """
def note(word: str) -> None:
    with open("marks.txt", "a") as marks:
        marks.write(word + "\\n")
"""


@pytest.fixture
def app(tmp_path: Path) -> Application:
    app = Application(tmp_path)
    app.tasks(TASKS)
    app.schedule('scheduler.add_job(note, "cron", hour=3, id="nightly", args=["night"])', IMPORT)
    return app


IMPORT = "from app.services.my_tasks import note\n"


def elsewhere(app: Application, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code of another process of the application."""
    prelude = "from everytick import SchedulerClient\nclient = SchedulerClient()\n"
    return subprocess.run(
        [sys.executable, "-c", prelude + IMPORT + code],
        cwd=app.folder,
        env=app.variables(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def marks(app: Application) -> list[str]:
    file = app.folder / "marks.txt"
    return file.read_text().split() if file.exists() else []


def test_a_job_added_elsewhere_runs_here_and_survives_a_kill(app: Application) -> None:
    running = app.start()
    done = elsewhere(app, 'client.add_job(note, "interval", seconds=0.5, id="tick", args=["tick"])')
    assert done.returncode == 0, done.stderr
    wait_for(lambda: marks(app).count("tick") >= 2, "two runs")
    running.popen.kill()
    running.popen.wait()
    before = len(marks(app))
    with app.running() as again:
        assert "tick " in again.log()
        wait_for(lambda: len(marks(app)) >= before + 2, "runs after the kill")
        jobs = {job["id"]: job for job in app.json("jobs")}
        assert (jobs["tick"]["declared_at"], jobs["tick"]["problem"]) == (None, None)
        assert any(planned["job_id"] == "tick" for planned in app.json("plan", "--limit", "5"))
        assert app.command("remove", "tick").returncode == 0
        wait_for(lambda: "tick" not in {job["id"] for job in app.json("jobs")}, "its removal")
    assert {row["job_id"] for row in app.recorded()} == {"tick"}


def test_two_processes_run_what_is_added_once(app: Application) -> None:
    with app.running(), app.running():
        code = "\n".join(f'client.add_job(note, args=["w{n}"], id="once-{n}")' for n in range(20))
        done = elsewhere(app, code)
        assert done.returncode == 0, done.stderr
        wait_for(lambda: len(app.recorded("succeeded")) == 20, "20 runs")
    assert sorted(marks(app)) == sorted(f"w{n}" for n in range(20))


def test_what_cannot_be_kept_is_a_sentence_elsewhere_too(app: Application) -> None:
    done = elsewhere(app, 'client.add_job(lambda: None, "interval", hours=1, id="x")')
    assert "ScheduleError: <string>:4: job 'x': a lambda cannot be found again" in done.stderr
    assert not app.ledger_file.exists()


def test_a_function_lost_in_a_deploy_is_reported_and_comes_back(app: Application) -> None:
    extra = app.folder / "app/services/extra.py"
    extra.write_text("from app.services.my_tasks import note\n\ndef more(): note('more')\n")
    with app.running():
        code = 'client.add_job("app.services.extra:more", "interval", seconds=0.5, id="more")'
        assert elsewhere(app, code).returncode == 0
        wait_for(lambda: "more" in marks(app), "a run")
    extra.rename(app.folder / "extra.txt")
    with app.running() as without:
        without.says("job more is kept, but cannot run: 'app.services.extra:more' cannot be imported")
        [job] = [job for job in app.json("jobs") if job["id"] == "more"]
        assert "cannot be imported" in job["problem"]
        assert "cannot run" in app.command("jobs").stdout
    (app.folder / "extra.txt").rename(extra)
    before = len(marks(app))
    with app.running():
        wait_for(lambda: len(marks(app)) > before, "its return")


def test_a_command_for_a_job_of_the_code_says_where_to_go(app: Application) -> None:
    with app.running():
        pass
    refused = app.command("remove", "nightly")
    assert refused.returncode == 2
    assert "stands in the schedule's code: delete it there" in refused.stderr
    assert app.command("remove", "nothing").returncode == 2


def test_who_added_and_changed_a_job_is_on_record(app: Application) -> None:
    client = "from everytick import SchedulerClient\nclient = SchedulerClient(who='shop')\n"
    add = (
        client + 'client.add_job(note, "interval", hours=1, args=["x"], id="hourly", replace_existing=True)\n'
    )
    with app.running():
        done = elsewhere(app, add * 2 + 'client.add_job(note, "interval", hours=2, args=["same"])\n' * 2)
        assert done.returncode == 0, done.stderr
        assert elsewhere(app, client + 'client.remove_job("hourly", note="done with")').returncode == 0
    noted = [(row["who"], row["action"], row["note"]) for row in app.json("audit", "--job", "hourly")]
    assert noted == [("shop", "remove", "done with"), ("shop", "change", None), ("shop", "add", None)]
    # What is there already is not added once more.
    assert len(app.json("audit")) == 4

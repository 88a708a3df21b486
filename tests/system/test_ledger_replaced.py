"""Another file in the ledger's place: nobody opens it together with the newest commits of the first one."""

from __future__ import annotations

import shutil
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from application import Application
from bodies import deploy, doomed, entered, kill, marks, more
from inside import covered, without_a_hole
from ports import free_port
from waiting import wait_for

pytestmark = pytest.mark.full

SENTENCE = "has the newest commits of another file"
# What people ask while they wonder what is wrong, and what would write.
COMMANDS = ("jobs", "runs", "health", "doctor", "metrics", "pause tick", "migrate")


@pytest.fixture
def app(tmp_path: Path) -> Application:
    made = Application(tmp_path)
    deploy(made, 'quick, "interval", seconds=1, id="tick", coalesce=False, max_catch_up=200')
    made.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "1"
    return made


@contextmanager
def _replaced(app: Application) -> Iterator[bytes]:
    """A sound copy that some ticks are not in is put in the ledger's place, and taken away at the end."""
    copy, aside = app.folder / "copy.db", app.folder / "aside.db"
    entered(app, "tick", 2)
    with closing(sqlite3.connect(app.ledger_file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    more(app, "tick", 3)
    app.ledger_file.rename(aside)
    copy.rename(app.ledger_file)
    yield app.ledger_file.read_bytes()
    aside.replace(app.ledger_file)


def _beside(app: Application, end: str) -> Path:
    return app.ledger_file.with_name(f"{app.ledger_file.name}{end}")


def _commands_are_refused(app: Application) -> None:
    for command in COMMANDS:
        done = app.command(*command.split())
        said = done.stdout + done.stderr
        assert SENTENCE in said or command == "metrics", said
        assert "Traceback" not in said, said
        assert done.returncode == (0 if command == "metrics" else 1), said


def _nothing_was_lost(app: Application) -> None:
    found = app.recorded()
    assert without_a_hole(covered(found, "tick", 1), 1)
    started = [row for row in found if row["job_id"] == "tick" and row["state"] == "succeeded"]
    assert len(started) == len(marks(app, "tick")), "a tick ran twice, or is not in the ledger"


def _ask(port: int, path: str, token: str) -> tuple[int, str]:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read().decode()


def test_the_very_file_is_put_back_after_all_kinds_of_readers_came_by(app: Application) -> None:
    port = free_port()
    app.environment |= {"SCHEDULER_DASHBOARD": "true", "SCHEDULER_DASHBOARD_PORT": str(port)}
    with app.running() as process:
        kept = app.ledger_file.parent / "dashboard.token"
        token = wait_for(lambda: kept.exists() and kept.read_text().strip(), "a token")
        wait_for(lambda: _ask(port, "/health/ready", token)[0] == 200, "a probe that is content")
        with _replaced(app) as sound:
            assert _ask(port, "/health/ready", token)[0] == 503
            for path in ("/", "/runs", "/api/v1/jobs"):
                status, said = _ask(port, path, token)
                assert status == 503, said
                assert SENTENCE in said
            process.says("was removed or replaced: put the very file back")
            before = len(marks(app, "tick"))
            _commands_are_refused(app)
            assert app.ledger_file.read_bytes() == sound
            assert len(marks(app, "tick")) == before
        process.says("the ledger answers again")
        more(app, "tick", 2)
        assert "Traceback" not in process.log()
    _nothing_was_lost(app)


def test_neither_a_sound_copy_nor_the_newest_commits_are_harmed_by_a_stop_and_a_start(
    app: Application,
) -> None:
    with doomed(app) as process, _replaced(app) as sound:
        process.says("for another one stop the application, move the files ending in -wal and -shm away")
        process.popen.terminate()
        process.popen.wait(60)
        newest = _beside(app, "-wal").read_bytes()
        assert SENTENCE in app.refused(code=1)
        _commands_are_refused(app)
        assert app.ledger_file.read_bytes() == sound
        assert _beside(app, "-wal").read_bytes() == newest
    with app.running():
        more(app, "tick", 2)
    _nothing_was_lost(app)


@pytest.mark.parametrize("killed", [True, False])
def test_a_copy_starts_when_the_files_beside_it_were_moved_away(app: Application, killed: bool) -> None:
    with doomed(app) as process, _replaced(app) as sound:
        if killed:
            kill(process)
        else:
            process.popen.terminate()
            process.popen.wait(60)
        assert SENTENCE in app.refused(code=1)
        for end in ("-wal", "-shm"):
            _beside(app, end).rename(app.folder / f"aside.db{end}")
        assert app.command("jobs").returncode == 0
        assert app.ledger_file.read_bytes() == sound
        before = len(marks(app, "tick"))
        with app.running():
            more(app, "tick", 2)
        assert without_a_hole(covered(app.recorded(), "tick", 1), 1)
        # What was moved away is whole, and goes on to be the ledger that it was.
        with closing(sqlite3.connect(app.folder / "aside.db")) as kept:
            done = "SELECT count(*) FROM scheduler_runs WHERE state = 'succeeded'"
            assert kept.execute(done).fetchone()[0] == before


def test_a_ledger_that_was_killed_goes_on_in_its_place_and_wherever_its_folder_is_copied(
    app: Application,
) -> None:
    with doomed(app):
        entered(app, "tick", 3)
    shutil.copytree(app.ledger_file.parent, app.folder / "kept")
    assert app.command("jobs").returncode == 0
    with app.running():
        more(app, "tick", 2)
    _nothing_was_lost(app)
    (app.folder / "marks.txt").unlink()
    shutil.rmtree(app.ledger_file.parent)
    (app.folder / "kept").rename(app.ledger_file.parent)
    assert app.command("jobs").returncode == 0
    with app.running():
        more(app, "tick", 2)
    assert without_a_hole(covered(app.recorded(), "tick", 1), 1)


def test_by_another_name_no_second_process_runs_each_tick_once_more(app: Application, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere.db"
    with app.running() as process:
        entered(app, "tick", 2)
        other.hardlink_to(app.ledger_file)
        app.environment["SCHEDULER_DATABASE_URL"] = f"sqlite:///{other}"
        for command in ("run", "jobs", "pause tick"):
            done = app.command(*command.split())
            said = done.stdout + done.stderr
            assert done.returncode == 1, said
            assert f"is in use by process {process.popen.pid} under another name" in said, said
        del app.environment["SCHEDULER_DATABASE_URL"]
        more(app, "tick", 2)
    assert len(marks(app, "tick")) == len(app.recorded("succeeded"))

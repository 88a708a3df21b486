"""`migrate-ledger` as people use it: an application that is moved, killed in between, and taken back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from everytick.cli import migrate
from everytick.errors import LedgerError
from everytick.model import ticks
from everytick.store import copying, schema
from everytick.store import transfer as moving_room
from everytick.store.connections import transaction
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

from application import Application
from moved_ledgers import HOSTILE, cleaned, content, fill, sqlite
from servers import Server
from waiting import wait_for


def app_of(folder: Path, **environment: str) -> Application:
    """Return an application with one job, whose ledger is where the variables say."""
    made = Application(folder)
    made.tasks("def task() -> None: ...\n")
    imports = "from app.services.my_tasks import task\n"
    made.schedule('scheduler.add_job(task, "interval", hours=4, id="fine")', imports)
    made.environment |= environment
    return made


@pytest.fixture(autouse=True)
def own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server's clock be no matter of the tests that follow in this process."""
    monkeypatch.setattr(ticks, "hear", lambda _server: None)


@pytest.mark.full
def test_a_move_that_was_killed_goes_on_where_it_was(tmp_path: Path, postgres_url: str) -> None:
    app = app_of(tmp_path)
    source = fill(sqlite(app.ledger_file.parent), 30_000)
    before = content(source)
    command = [sys.executable, "-m", "app", "migrate-ledger", "--to", postgres_url]
    server = ledger_at(postgres_url)

    def copied() -> int:
        if not server.exists():
            return 0
        with copying.reading(server) as connection:
            return copying.count(connection, schema.runs)

    popen = subprocess.Popen(command, cwd=app.folder, env=app.variables())
    wait_for(lambda: copied() > 2_000, "the first rows")
    popen.kill()
    popen.wait()
    assert copied() < 30_000
    assert "this ledger is not complete" in _app_on(app, postgres_url).refused(code=1)
    app.environment.clear()
    assert "the ledger is being moved from sqlite data/ledger.db to postgresql" in app.refused(code=1)
    done = app.command("migrate-ledger", "--to", postgres_url)
    assert done.returncode == 0, done.stderr
    assert content(server) == cleaned(before)


def _app_on(app: Application, url: str) -> Application:
    app.environment["SCHEDULER_DATABASE_URL"] = url
    return app


@pytest.mark.full
def test_ctrl_c_says_how_to_go_on(tmp_path: Path, postgres_url: str, server: Server) -> None:
    app = app_of(tmp_path)
    fill(sqlite(app.ledger_file.parent))
    # Whoever holds the new ledger keeps the move waiting at its first row.
    ledger_at(postgres_url).prepare()
    with closing(ledger_at(postgres_url).connect()) as connection, transaction(connection):
        # The server ends a connection that holds it for long without doing anything.
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0", {})
        popen = subprocess.Popen(
            [sys.executable, "-m", "app", "migrate-ledger", "--to", postgres_url],
            cwd=app.folder,
            env=app.variables(),
            stderr=subprocess.PIPE,
            text=True,
        )
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_for(lambda: server.execute(waiting)[0][0], "the move")
        popen.send_signal(signal.SIGINT)
        _, said = popen.communicate(timeout=30)
    assert popen.returncode == 1
    assert said.startswith("error: interrupted: the same command goes on")
    assert len(said.splitlines()) == 1


# --- the application


@pytest.fixture
def lived(tmp_path: Path) -> Application:
    """An application that was killed in the middle of a run, and had a pause and an added job."""
    app = Application(tmp_path)
    app.tasks(
        "import time\nfrom pathlib import Path\n\n\n"
        "def slow() -> None:\n"
        "    first = not Path('seen').exists()\n"
        "    Path('seen').touch()\n"
        "    time.sleep(60 if first else 0)\n\n\n"
        "def quick() -> None: ...\n"
    )
    app.schedule(
        'scheduler.add_job(slow, "interval", seconds=2, id="slow", misfire_grace_time=600)\n'
        'scheduler.add_job(quick, "interval", seconds=1, id="often", misfire_grace_time=1)\n'
        'scheduler.add_job(quick, "interval", hours=1, id="held")',
        "from app.services.my_tasks import quick, slow\n",
    )
    add = (
        "from everytick import SchedulerClient\n"
        "from app.services.my_tasks import quick\n"
        "SchedulerClient().add_job(quick, 'interval', seconds=1, id='added')\n"
    )
    process = app.start()
    wait_for(lambda: (tmp_path / "seen").exists(), "the run that is cut")
    subprocess.run([sys.executable, "-c", add], cwd=app.folder, env=app.variables(), check=True)
    assert app.command("pause", "held", "--note", HOSTILE.replace("\0", "")).returncode == 0
    wait_for(lambda: {"often", "added"} <= ended(app), "ticks that ran")
    os.kill(process.popen.pid, signal.SIGKILL)
    process.popen.wait()
    return app


def ended(app: Application, after: int = 0) -> set[str]:
    """Return the jobs of which a run succeeded whose number is higher."""
    return {row["job_id"] for row in app.recorded("succeeded") if row["run_id"] > after}


def began_again(app: Application) -> bool:
    """Return whether the run that was cut has succeeded, as the second attempt of the very same run."""
    cut = next(row for row in app.recorded() if row["job_id"] == "slow")
    return (cut["attempt"], cut["crashes"], cut["state"]) == (2, 1, "succeeded")


@pytest.mark.full
def test_an_application_goes_on_where_it_was_moved_to(lived: Application, postgres_url: str) -> None:
    app = lived
    old = next(row for row in app.runs("--job", "often", "--state", "succeeded"))
    asked = ("why", "often", old["tick"])
    done = app.command("migrate-ledger", "--to", postgres_url, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [row["table"] for row in said["tables"]] == [table.name for table in copying.TABLES]
    assert "postgres:" not in done.stdout
    top = max(row["run_id"] for row in app.recorded())
    # The old ledger is closed to whoever would act on it, and can still be read.
    sentence = app.refused(code=1)
    assert sentence.startswith("the ledger was moved from sqlite data/ledger.db to postgresql")
    for command in (("run-now", "often"), ("diff",)):
        assert sentence in app.command(*command).stderr
    before = app.json(*asked)
    findings = json.loads(app.command("doctor", "--json").stdout)["findings"]
    assert [it["level"] for it in findings if it["what"] == sentence] == ["error"]

    _app_on(app, postgres_url)
    after = app.json(*asked)
    assert (after["verdict"], after["sentences"]) == (before["verdict"], before["sentences"])
    newest = max(row["tick_us"] for row in app.recorded() if row["job_id"] == "often")
    wait_for(lambda: ticks.now() > newest + 3 * ticks.SECOND, "ticks that fall into the move")
    with app.running():
        wait_for(lambda: began_again(app), "the run that was cut")
        wait_for(lambda: {"often", "added"} <= ended(app, top), "runs with new numbers")
    rows = app.recorded()
    # What fell into the move is an outage, and each tick has one outcome.
    assert any(row["reason"] == "outage" for row in rows if row["job_id"] == "often")
    accounted = sorted(
        tick
        for row in rows
        if row["job_id"] == "often"
        for tick in range(row["tick_us"], (row["last_tick_us"] or row["tick_us"]) + 1, ticks.SECOND)
    )
    assert accounted == list(range(accounted[0], accounted[-1] + 1, ticks.SECOND))
    held = next(row for row in app.json("jobs") if row["id"] == "held")
    assert held["paused"]
    assert held["pause_note"] == HOSTILE.replace("\0", "")


@pytest.mark.full
def test_the_ledger_is_taken_back_by_a_second_move_or_as_it_was(tmp_path: Path, postgres_url: str) -> None:
    app = app_of(tmp_path)
    with app.running():
        pass
    assert app.command("migrate-ledger", "--to", postgres_url).returncode == 0
    done = app.command("migrate-ledger", "--undo")
    assert "is in use again, as it was when it was moved" in done.stdout
    with app.running():
        pass
    _app_on(app, postgres_url)
    done = app.command("migrate-ledger", "--to", "sqlite:///data/back.db")
    assert done.returncode == 0, done.stderr
    _app_on(app, "sqlite:///data/back.db")
    with app.running():
        pass


@pytest.mark.full
def test_wrong_use_is_refused_in_one_sentence(tmp_path: Path, postgres_url: str) -> None:
    app = app_of(tmp_path)
    with app.running():
        done = app.command("migrate-ledger", "--to", postgres_url)
        assert done.returncode == 1
        assert "uses the ledger (sqlite data/ledger.db): stop it, then move the ledger" in done.stderr
    for arguments, code, said in (
        ((), 2, "give --to URL"),
        (("--to", postgres_url, "--undo"), 2, "give --to URL"),
        (("--to", "mysql://u:secret@h/d"), 2, "--to must be sqlite:///"),
        (("--to", "sqlite:///data/../data/ledger.db"), 2, "--to names the ledger that is to be moved"),
        (("--to", "postgresql://u:secret@127.0.0.1:1/d"), 1, "cannot be used"),
    ):
        done = app.command("migrate-ledger", *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
        assert said in done.stderr
        assert "secret" not in done.stderr
    _app_on(app, postgres_url)
    with app.running():
        pass
    again = postgres_url.replace("postgresql://", "postgres://").replace("127.0.0.1", "localhost")
    done = app.command("migrate-ledger", "--to", again)
    assert (done.returncode, "--to names the ledger" in done.stderr) == (2, True), done.stderr


def test_a_full_disk_at_the_new_place_is_told_with_that_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new.db"

    def full(_source: Ledger, target: Ledger, *_more: object) -> None:
        raise LedgerError(target.unusable("database or disk is full"))

    monkeypatch.setattr(moving_room, "move", full)
    with pytest.raises(LedgerError) as problem:
        migrate._move(sqlite(tmp_path), f"sqlite:///{new}", "somebody", as_json=False)
    assert f"the ledger {new} cannot be used: database or disk is full" in str(problem.value)
    assert "then the same command goes on" in str(problem.value)
    assert "SCHEDULER_DATABASE_URL" not in str(problem.value)


@pytest.mark.full
def test_where_there_is_no_ledger_the_setting_is_named(tmp_path: Path) -> None:
    done = app_of(tmp_path).command("migrate-ledger", "--to", f"sqlite:///{tmp_path / 'new.db'}")
    assert done.returncode == 1
    assert (
        "there is no ledger at data/ledger.db, so there is nothing to move: SCHEDULER_DATABASE_URL"
        in done.stderr
    )
